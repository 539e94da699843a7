"""Assess map: compare independent observations with any raster, and with its interval when there is one."""

from __future__ import annotations

from dataclasses import replace

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.map_comparison import compare_map_of_classes, compare_map_of_numbers
from soil_cnn_plugin.engine.observations.map_classes import is_map_of_classes
from soil_cnn_plugin.engine.observations.map_values import read_band_facts
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import dropped_in_words, read_layer
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.map_results import write_map_results


def run(job: AssessMap, report: Report) -> dict[str, str | float | int]:
    grid, facts = reference_grid(job.map.path), read_band_facts(job.map)
    layer, notes = read_layer(job.observations), Notes()
    assess = compare_map_of_classes if is_map_of_classes(job, layer, facts, notes) else compare_map_of_numbers
    assessment = assess(job, layer, grid, facts, notes, report)
    report.info(tr("{} observations are compared with {}.").format(len(assessment.ids), assessment.settings["Map"]))
    for fact in notes.facts:
        report.info(fact)
    if assessment.dropped:
        report.warning(dropped_in_words(assessment.dropped))
    for doubt in notes.doubts:
        report.warning(doubt)
    assessment = replace(assessment, notes=(*notes.doubts, *notes.facts))
    write_map_results(job, assessment, grid.crs_wkt)
    return {**job.output_paths(), **assessment.main_scores, "count": len(assessment.ids)}
