"""Assess map: compare independent observations with any raster, and with its interval when there is one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.engine.assessment.class_map_assessment import (
    ClassMapAssessment,
    estimate_map_classes,
    tell_unlike_classes,
)
from soil_cnn_plugin.engine.assessment.map_assessment import (
    MapAssessment,
    check_interval,
    estimate,
    find_cautions,
    map_settings,
    measure,
    predict,
    read_probability_sample,
    tell_censored,
)
from soil_cnn_plugin.engine.observations.locating import place_on_grid
from soil_cnn_plugin.engine.observations.map_classes import (
    check_no_interval,
    is_map_of_classes,
    match_classes,
    read_observed_classes,
)
from soil_cnn_plugin.engine.observations.map_values import (
    BandFacts,
    check_is_of_numbers,
    interval_coverage,
    read_band_facts,
    read_map,
)
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, read_layer
from soil_cnn_plugin.engine.observations.target_values import comparable_values
from soil_cnn_plugin.engine.rasters.class_areas import measure_class_areas
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.class_map_report import (
    write_class_map_metrics,
    write_class_map_report,
    write_class_residuals,
)
from soil_cnn_plugin.engine.reports.map_report import write_map_metrics, write_map_report, write_residuals
from soil_cnn_plugin.engine.targets.censored import reporting_limits
from soil_cnn_plugin.engine.versions import read_versions


def run(job: AssessMap, report: Report) -> dict[str, str | float | int]:
    grid, facts = reference_grid(job.map.path), read_band_facts(job.map)
    layer, notes = read_layer(job.observations), Notes()
    assessment: MapAssessment | ClassMapAssessment
    if is_map_of_classes(job, layer, facts, notes):
        assessment = _assess_classes(job, layer, grid, facts, notes, report)
    else:
        assessment = _assess_numbers(job, layer, grid, facts, notes, report)
    assessment = replace(assessment, notes=(*notes.doubts, *notes.facts))
    _tell(assessment, notes, report)
    _write(job, assessment, grid)
    return {**job.output_paths(), **assessment.main_scores, "count": len(assessment.ids)}


def _assess_numbers(
    job: AssessMap, layer: Layer, grid: Grid, facts: BandFacts, notes: Notes, report: Report
) -> MapAssessment:
    coverage, source = interval_coverage(job, facts, report)
    dropped = Dropped()
    targets = comparable_values(layer, job.target, job.detection_limit, notes)
    found = place_on_grid(layer, targets, grid, dropped, "the map")
    found, (mean, lower, upper) = read_map(job, found, grid, layer, dropped)
    check_interval(job, mean, lower, upper, notes.doubts)
    observed, is_censored = found.values[:, 0], found.is_censored[:, 0]
    check_is_of_numbers(is_censored, job, layer)
    limits = reporting_limits(observed, is_censored)
    predicted = predict(observed, mean, lower, upper, coverage, is_censored, limits)
    sample = read_probability_sample(job, layer, found, notes)
    notes.doubts += find_cautions(job, found, facts, dropped)
    assessment = MapAssessment(
        target=measure(replace(job.target, unit=job.target.unit or facts.unit), observed),
        is_censored=is_censored,
        limits=limits,
        predicted=predicted,
        estimates=estimate(observed, predicted, coverage, sample, is_censored, limits) if sample else None,
        coverage=coverage,
        ids=found.ids,
        coordinates=found.coordinates,
        crs_name=grid.crs_name,
        dropped=dropped.counts(),
        map_name=job.map.name,
        settings=map_settings(job, facts, grid, coverage, source),
        versions=read_versions(),
    )
    tell_censored(assessment, notes.doubts)
    return assessment


def _assess_classes(
    job: AssessMap, layer: Layer, grid: Grid, facts: BandFacts, notes: Notes, report: Report
) -> ClassMapAssessment:
    check_no_interval(job)
    texts, targets = read_observed_classes(layer, job.target.field, notes)
    dropped = Dropped()
    found = place_on_grid(layer, targets, grid, dropped, "the map")
    found, (codes, _, _) = read_map(job, found, grid, layer, dropped)
    covered = measure_class_areas(job.map, report.part(0.0, 0.9, "Counting the pixels of the map's classes"))
    of_points = [texts[int(number)] for number in found.values[:, 0]]
    matched = match_classes(of_points, covered.pixels, facts.class_names, job, notes)
    assessment = ClassMapAssessment(
        soil_property=job.target,
        observed=np.array([matched.of_text[text] for text in of_points], np.int64),
        predicted=matched.numbers(codes),
        classes=matched.names,
        map_areas=matched.per_class(covered.areas) / 10_000,
        map_pixels=matched.per_class(covered.pixels).astype(np.int64),
        estimates=None,
        ids=found.ids,
        coordinates=found.coordinates,
        crs_name=grid.crs_name,
        dropped=dropped.counts(),
        map_name=job.map.name,
        unmapped=matched.unmapped,
        settings=map_settings(job, facts, grid, 0.0, "") | {"Classes are matched by": matched.by},
        versions=read_versions(),
    )
    sample = read_probability_sample(job, layer, found, notes)
    notes.doubts += find_cautions(job, found, facts, dropped)
    tell_unlike_classes(assessment, covered.is_stretched, notes)
    return estimate_map_classes(assessment, job, sample, notes)


def _tell(assessment: MapAssessment | ClassMapAssessment, notes: Notes, report: Report) -> None:
    report.info(f"{len(assessment.ids)} observations are compared with {assessment.settings['Map']}.")
    for fact in notes.facts:
        report.info(fact)
    if assessment.dropped:
        reasons = "; ".join(f"{number} {reason}" for reason, number in assessment.dropped.items())
        report.warning(f"{sum(assessment.dropped.values())} observations are dropped: {reasons}.")
    for doubt in notes.doubts:
        report.warning(doubt)


def _write(job: AssessMap, assessment: MapAssessment | ClassMapAssessment, grid: Grid) -> None:
    if isinstance(assessment, ClassMapAssessment):
        if job.metrics:
            write_class_map_metrics(job.metrics, assessment)
        if job.residuals:
            write_class_residuals(job.residuals, assessment, grid.crs_wkt)
        if job.report:
            write_class_map_report(job.report, assessment)
        return
    if job.metrics:
        write_map_metrics(job.metrics, assessment)
    if job.residuals:
        write_residuals(job.residuals, assessment, grid.crs_wkt)
    if job.report:
        write_map_report(job.report, assessment)
