"""Compare maps: two maps with each other, and pair by pair with observations."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import CompareMaps
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.detectable_difference import write_difference
from soil_cnn_plugin.engine.assessment.map_pair import MapPair, common_coverage, property_of, read_pairs, settings_of
from soil_cnn_plugin.engine.assessment.paired_maps import common_errors
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import dropped_in_words
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.map_pair_files import pair_numbers, write_pair_files
from soil_cnn_plugin.engine.reports.map_pair_page import write_map_pair_page
from soil_cnn_plugin.engine.reports.map_pair_words import pair_verdict
from soil_cnn_plugin.engine.versions import read_versions


def run(job: CompareMaps, report: Report) -> dict[str, str | float | int]:
    grid, notes = reference_grid(job.map.path), Notes()
    soil_property, coverage = property_of(job, notes), common_coverage(job, notes)
    points = read_pairs(job, grid, notes)
    common = common_errors(points.correlation, len(points.ids)) if points else 0.0
    step = report.part(0.1, 0.95, tr("Comparing the maps pixel by pixel"))
    facts = write_difference(job, grid, soil_property.unit, common, coverage, step.progress)
    pair = MapPair(
        question=job.question,
        soil_property=soil_property,
        names=(job.map.name, job.map_2.name),
        points=points,
        facts=facts,
        common=common,
        coverage=coverage,
        has_intervals=job.lower is not None,
        grid=grid,
        settings=settings_of(job, grid, coverage, common),
        versions=read_versions(),
        notes=(*notes.doubts, *notes.facts),
    )
    for fact in notes.facts:
        report.info(fact)
    for doubt in notes.doubts:
        report.warning(doubt)
    if points and points.dropped:
        report.warning(dropped_in_words(points.dropped))
    verdict = pair_verdict(pair)
    report.info(verdict)
    write_pair_files(job, pair)
    if job.report:
        write_map_pair_page(job.report, pair)
    return {**job.output_paths(), **pair_numbers(pair), "verdict": verdict}
