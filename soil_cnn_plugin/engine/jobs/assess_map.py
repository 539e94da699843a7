"""Assess map: independent observations against any raster, with its interval when there is one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import numpy as np

from soil_cnn_plugin.contract.jobs import AssessMap, Covariate
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.map_assessment import MapAssessment, Sample, estimate, measure, predict
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.locating import place_on_grid
from soil_cnn_plugin.engine.observations.map_values import BandFacts, read_band_facts, read_values
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes, listed
from soil_cnn_plugin.engine.observations.observations import Observations
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, read_layer
from soil_cnn_plugin.engine.observations.target_values import plain_values
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.map_files import write_map_metrics, write_residuals
from soil_cnn_plugin.engine.reports.map_report import write_map_report
from soil_cnn_plugin.engine.versions import read_versions

DEFAULT_COVERAGE = 0.9
FEWEST_OBSERVATIONS = 2


def run(job: AssessMap, report: Report) -> dict[str, str | float | int]:
    grid = reference_grid(job.map.path)
    facts = read_band_facts(job.map)
    _check_numbers(job, facts)
    coverage, source = _coverage(job, facts, report)
    layer, dropped, notes = read_layer(job.observations), Dropped(), list[str]()
    targets = plain_values(layer, (job.target,), notes)
    if targets.is_censored.any():
        raise EngineError(
            f"{job.target.field} of '{layer.name}' has {targets.is_censored.sum()} values below a detection limit,"
            " which cannot be compared with a map yet. Replace them by numbers, or select the others."
        )
    found = place_on_grid(layer, targets, grid, dropped, "the map")
    found, values = _read_all(job, found, grid, layer, dropped)
    observed, (mean, lower, upper) = found.values[:, 0], values
    _check_interval(job, mean, lower, upper, notes)
    predicted = predict(observed, mean, lower, upper, coverage)
    sample = _sample(job, layer, found, notes)
    notes += _cautions(job, found, facts, dropped, sample)
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
        settings=_settings(job, facts, grid, coverage, source),
        versions=read_versions(),
        notes=tuple(notes),
    )
    return _write(job, assessment, grid, report)


def _check_numbers(job: AssessMap, facts: BandFacts) -> None:
    if facts.class_names:
        names = listed(facts.class_names)
        raise EngineError(
            f"{job.map.path} is a map of classes ({names}), but only maps of numbers can be assessed yet. The report of"
            " Train network tells how many of its classes are right on held-out observations."
        )


def _coverage(job: AssessMap, facts: BandFacts, report: Report) -> tuple[float, str]:
    """The interval's nominal coverage and who says so."""
    if job.lower is None or job.upper is None:
        return job.coverage or DEFAULT_COVERAGE, ""
    told = [read_band_facts(limit).coverage for limit in (job.lower, job.upper)]
    tagged = next((share for share in [*told, facts.coverage] if share is not None), None)
    if job.coverage is not None:
        if tagged is not None and abs(tagged - job.coverage) > 1e-6:
            report.warning(
                f"The coverage is given as {job.coverage:g}, but {job.lower.path} says {tagged:g}. {job.coverage:g} is"
                " used."
            )
        return job.coverage, "as given"
    if tagged is not None:
        return tagged, "from the raster's metadata"
    report.warning(
        f"Nothing says which coverage the interval has; {DEFAULT_COVERAGE:g} is assumed. Set COVERAGE if it is another."
    )
    return DEFAULT_COVERAGE, "assumed, because the rasters do not say it"


def _read_all(
    job: AssessMap, found: Observations, grid: Grid, layer: Layer, dropped: Dropped
) -> tuple[Observations, Array]:
    """Observations with a value of the map and of both limits, if they are given, and these values (3, n)."""
    values = np.full((3, len(found)), np.nan)
    usable = np.ones(len(found), bool)
    for row, (what, raster) in enumerate((("map", job.map), ("lower limit", job.lower), ("upper limit", job.upper))):
        if raster is not None:
            values[row] = read_values(raster, found, grid)
            is_missing = usable & np.isnan(values[row])
            dropped.add(found.ids[is_missing], f"in a pixel without data of the {what}")
            usable &= ~is_missing
    count = int(usable.sum())
    if count < FEWEST_OBSERVATIONS:
        some = f"Only {count}" if count else "None"
        raise EngineError(
            f"{some} of the {len(layer.ids)} observations of '{layer.name}' can be compared with {job.map.path}, but at"
            f" least {FEWEST_OBSERVATIONS} are needed: {dropped.in_words()}. Check the field {job.target.field}, and"
            " that the map has data where the observations lie."
        )
    return found.take(usable), values[:, usable]


def _check_interval(job: AssessMap, mean: Array, lower: Array, upper: Array, notes: list[str]) -> None:
    if job.lower is None or job.upper is None:
        return
    crossed = int((lower > upper).sum())
    if crossed:
        raise EngineError(
            f"The lower limit is above the upper one at {crossed} of {len(mean)} observations ({job.lower.path} and"
            f" {job.upper.path}, band {job.map.band}). Are the two rasters swapped, or of another soil property?"
        )
    beside = int(((mean < lower) | (mean > upper)).sum())
    if beside:
        notes.append(
            f"At {beside} of {len(mean)} observations the map's value lies outside its own interval. Check that the"
            " limits belong to this map and this band."
        )


def _sample(job: AssessMap, layer: Layer, found: Observations, notes: list[str]) -> Sample | None:
    """The probability sample that the observations are; None when they are none.

    Areas come from all observations of the layer: a stratum whose observations were all dropped must not be forgotten.
    """
    if job.sample == "none":
        return None
    if job.sample == "simple":
        return Sample()
    of_names = Notes()
    strata = read_names(layer, job.stratum, "stratum", of_names)
    notes += of_names.doubts
    sizes = read_numbers(layer, job.weight, "weight", notes)
    nameless = sum(name is None for name in strata[np.isin(layer.ids, found.ids)])
    if nameless:
        raise EngineError(
            f"{nameless} of {len(found)} observations of '{layer.name}' have no stratum (field {job.stratum}). Fill the"
            " field, or leave them out."
        )
    areas: dict[Hashable, float] = {}
    for name, size in zip(strata.tolist(), sizes.tolist()):
        if name is None:
            continue
        if areas.setdefault(name, size) != size and not (np.isnan(size) and np.isnan(areas[name])):
            raise EngineError(
                f"Stratum {name} has more than one area in the field {job.weight} of '{layer.name}': {areas[name]:g}"
                f" and {size:g}. The field must hold the area of the stratum, the same at all of its observations."
            )
    name_of = dict(zip(layer.ids.tolist(), strata.tolist()))
    used = [name_of[identity] for identity in found.ids.tolist()]
    lost = [str(name) for name in areas if name not in set(used)]
    if lost:
        raise EngineError(
            f"All observations of stratum {', '.join(lost)} were dropped, so nothing can be said of that part of the"
            f" map. Filter '{layer.name}' to the other strata to assess the rest."
        )
    return Sample(used, areas)


def _cautions(
    job: AssessMap, found: Observations, facts: BandFacts, dropped: Dropped, sample: Sample | None
) -> list[str]:
    cautions = []
    if job.target.unit and facts.unit and job.target.unit != facts.unit:
        cautions.append(
            f"The unit of {job.target.field} is {job.target.unit}, but the map says {facts.unit}. If they are not the"
            " same quantity, the scores mean nothing."
        )
    _, counts = np.unique(found.coordinates, axis=0, return_counts=True)
    shared = int(counts[counts > 1].sum())
    if shared:
        cautions.append(
            f"{shared} observations share their coordinates with another one; they all count"
            + (", although a random sample hardly draws a place twice." if sample else ".")
        )
    lost = len(dropped.reasons)
    if sample and lost:
        cautions.append(
            f"The sample lost {lost} of its {lost + len(found)} observations. The estimates hold for the part of the"
            " area where the map has data, and as far as places without a usable value do not differ from the others."
        )
    return cautions


def _settings(job: AssessMap, facts: BandFacts, grid: Grid, coverage: float, coverage_source: str) -> dict[str, str]:
    width, height = grid.cell_size
    settings = {
        "Observations": f"{Path(job.observations).stem}, field {job.target.field}",
        "Map": _band_in_words(job.map, facts.description),
        "Grid of the map": f"{grid.height} rows × {grid.width} columns of {width:g} × {height:g} {grid.unit},"
        f" {grid.crs_name}",
        "Values": "of the pixels that hold the observations, not interpolated",
    }
    if job.lower is not None and job.upper is not None:
        settings["Lower limit"] = _band_in_words(job.lower, read_band_facts(job.lower).description)
        settings["Upper limit"] = _band_in_words(job.upper, read_band_facts(job.upper).description)
        settings["Coverage of the interval"] = f"{coverage:g}, {coverage_source}"
    settings["Sample"] = job.sample
    if job.stratum:
        settings["Stratum, area of the stratum"] = f"fields {job.stratum}, {job.weight}"
    return settings


def _band_in_words(raster: Covariate, description: str) -> str:
    return f"{Path(raster.path).name}, band {raster.band}" + (f": {description}" if description else "")


def _write(job: AssessMap, assessment: MapAssessment, grid: Grid, report: Report) -> dict[str, str | float | int]:
    count = len(assessment.ids)
    report.info(f"{count} observations are compared with {assessment.settings['Map']}.")
    if assessment.dropped:
        reasons = "; ".join(f"{number} {reason}" for reason, number in assessment.dropped.items())
        report.warning(f"{sum(assessment.dropped.values())} observations are dropped: {reasons}.")
    for note in assessment.notes:
        report.warning(note)
    outputs: dict[str, str | float | int] = {**job.output_paths(), **_numbers(assessment), "count": count}
    if job.metrics:
        write_map_metrics(job.metrics, assessment)
    if job.residuals:
        write_residuals(job.residuals, assessment, grid.crs_wkt)
    if job.report:
        write_map_report(job.report, assessment)
    return outputs


def _numbers(assessment: MapAssessment) -> dict[str, float]:
    """Scores at the observations or, where the design gives them, of the whole map; without those not known."""
    scores = assessment.predicted.scores
    values = {"rmse": scores.rmse, "me": scores.me, "mec": scores.mec, "ccc": scores.ccc, "picp": scores.picp}
    for name, found in (assessment.estimates.by_measure if assessment.estimates else {}).items():
        if name.lower() in values:
            values[name.lower()] = found.value
    return {name: value for name, value in values.items() if value is not None and np.isfinite(value)}
