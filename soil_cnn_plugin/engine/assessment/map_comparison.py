"""A map beside observations that it was not made from: numbers with their interval, and classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.contract.language import tr
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
    tell_censored,
)
from soil_cnn_plugin.engine.assessment.probability_sample import read_probability_sample
from soil_cnn_plugin.engine.observations.locating import place_on_grid
from soil_cnn_plugin.engine.observations.map_classes import check_no_interval, match_classes, read_observed_classes
from soil_cnn_plugin.engine.observations.map_values import BandFacts, check_is_of_numbers, interval_coverage, read_map
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.observations.target_values import comparable_values
from soil_cnn_plugin.engine.rasters.class_areas import measure_class_areas
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.measured import reporting_limits
from soil_cnn_plugin.engine.versions import read_versions


def compare_map_of_numbers(
    job: AssessMap, layer: Layer, grid: Grid, facts: BandFacts, notes: Notes, report: Report
) -> MapAssessment:
    """Compare a map of numbers, and its interval if it has one, with observations.

    Raises:
        EngineError: observations or map hold no numbers, or too few can be compared.
    """
    coverage, source = interval_coverage(job, facts, report)
    dropped = Dropped()
    targets = comparable_values(layer, job.target, job.detection_limit, notes)
    found = place_on_grid(layer, targets, grid, dropped, tr("the map"))
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


def compare_map_of_classes(
    job: AssessMap, layer: Layer, grid: Grid, facts: BandFacts, notes: Notes, report: Report
) -> ClassMapAssessment:
    """Compare a map of classes with observed classes, by name or code.

    Raises:
        EngineError: an interval is given, or no observation can be compared.
    """
    check_no_interval(job)
    texts, targets = read_observed_classes(layer, job.target.field, notes)
    dropped = Dropped()
    found = place_on_grid(layer, targets, grid, dropped, tr("the map"))
    found, (codes, _, _) = read_map(job, found, grid, layer, dropped)
    covered = measure_class_areas(job.map, report.part(0.0, 0.9, tr("Counting the pixels of the map's classes")))
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
