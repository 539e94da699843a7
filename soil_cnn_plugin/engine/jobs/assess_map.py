"""Assess map: compare independent observations with any raster, and with its interval when there is one."""

from __future__ import annotations

from dataclasses import replace

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.engine.assessment.map_assessment import (
    MapAssessment,
    check_interval,
    estimate,
    find_cautions,
    map_settings,
    measure,
    predict,
    read_probability_sample,
)
from soil_cnn_plugin.engine.observations.locating import place_on_grid
from soil_cnn_plugin.engine.observations.map_values import check_numbers, interval_coverage, read_band_facts, read_map
from soil_cnn_plugin.engine.observations.point_layer import Dropped, read_layer
from soil_cnn_plugin.engine.observations.target_values import comparable_values
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.map_report import write_map_metrics, write_map_report, write_residuals
from soil_cnn_plugin.engine.versions import read_versions


def run(job: AssessMap, report: Report) -> dict[str, str | float | int]:
    grid, facts = reference_grid(job.map.path), read_band_facts(job.map)
    check_numbers(job.map, facts)
    coverage, source = interval_coverage(job, facts, report)
    layer, dropped, notes = read_layer(job.observations), Dropped(), list[str]()
    targets = comparable_values(layer, job.target, notes)
    found = place_on_grid(layer, targets, grid, dropped, "the map")
    found, (mean, lower, upper) = read_map(job, found, grid, layer, dropped)
    check_interval(job, mean, lower, upper, notes)
    observed = found.values[:, 0]
    predicted = predict(observed, mean, lower, upper, coverage)
    sample = read_probability_sample(job, layer, found, notes)
    notes += find_cautions(job, found, facts, dropped, sample)
    assessment = MapAssessment(
        target=measure(replace(job.target, unit=job.target.unit or facts.unit), observed),
        predicted=predicted,
        estimates=estimate(observed, predicted, coverage, sample) if sample else None,
        coverage=coverage,
        ids=found.ids,
        coordinates=found.coordinates,
        crs_name=grid.crs_name,
        dropped=dropped.counts(),
        map_name=job.map.name,
        settings=map_settings(job, facts, grid, coverage, source),
        versions=read_versions(),
        notes=tuple(notes),
    )
    return _write(job, assessment, grid, report)


def _write(job: AssessMap, assessment: MapAssessment, grid: Grid, report: Report) -> dict[str, str | float | int]:
    count = len(assessment.ids)
    report.info(f"{count} observations are compared with {assessment.settings['Map']}.")
    if assessment.dropped:
        reasons = "; ".join(f"{number} {reason}" for reason, number in assessment.dropped.items())
        report.warning(f"{sum(assessment.dropped.values())} observations are dropped: {reasons}.")
    for note in assessment.notes:
        report.warning(note)
    if job.metrics:
        write_map_metrics(job.metrics, assessment)
    if job.residuals:
        write_residuals(job.residuals, assessment, grid.crs_wkt)
    if job.report:
        write_map_report(job.report, assessment)
    return {**job.output_paths(), **assessment.main_scores, "count": count}
