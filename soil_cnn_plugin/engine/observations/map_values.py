"""A band of any map: what its raster tells of it, and its values in the pixels that hold the observations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyproj

from soil_cnn_plugin.contract.jobs import AssessMap, Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.patches import Observations, cut_patches
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.rasters.class_names import read_class_names
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.opening import open_raster
from soil_cnn_plugin.engine.report import Report

DEFAULT_COVERAGE = 0.9
FEWEST_COMPARED = 2


@dataclass(frozen=True)
class BandFacts:
    """What a raster tells of a band.

    `coverage` is that of the interval that the raster is a limit of, or comes with; it is None where the raster does
    not tell it. `is_whole` says that the band can hold whole numbers only. `class_names` are code -> name of a map of
    classes, from the user's legend or else from the file.
    """

    description: str
    unit: str
    coverage: float | None
    is_whole: bool = False
    class_names: dict[int, str] = field(default_factory=dict)


def read_band_facts(raster: Covariate) -> BandFacts:
    """Read what a raster tells of a band; raise EngineError when it cannot be opened or lacks the band."""
    with open_raster(raster.path) as dataset:
        if not 1 <= raster.band <= dataset.count:
            bands = tr("one band") if dataset.count == 1 else tr("{} bands").format(dataset.count)
            raise EngineError(
                tr("{} has {}, but band {} is asked for. Choose a band that exists.").format(
                    raster.path, bands, raster.band
                )
            )
        description = (dataset.descriptions[raster.band - 1] or "").strip()
        unit = (dataset.units[raster.band - 1] or "").strip()
        is_whole = np.issubdtype(dataset.dtypes[raster.band - 1], np.integer)
        is_whole &= (dataset.scales[raster.band - 1], dataset.offsets[raster.band - 1]) == (1, 0)
        names = (read_class_names(dataset, raster.band) if is_whole else {}) | dict(raster.labels)
        return BandFacts(description, unit, _share(dataset.tags().get("COVERAGE", "")), bool(is_whole), names)


def check_is_of_numbers(is_censored: Flags, job: AssessMap, layer: Layer) -> None:
    """Raise EngineError where too few values are measured, or strata are classes, which a map of numbers has not."""
    if job.sample == "map_classes":
        raise EngineError(
            tr(
                "The strata are the classes of the map, but {} is assessed as a map of numbers. Choose the"
                " target type 'class' if its values are codes of classes, or 'stratified' with the field of the"
                " strata."
            ).format(job.map.path)
        )
    measured = int((~is_censored).sum())
    if measured < FEWEST_COMPARED:
        raise EngineError(
            tr(
                "{} of '{}' is below its detection limit at {} of {} observations on the map, but at least {}"
                " measured values are needed. Check that the limits have the unit of the values."
            ).format(job.target.field, layer.name, is_censored.sum(), len(is_censored), FEWEST_COMPARED)
        )


def interval_coverage(job: AssessMap, facts: BandFacts, report: Report) -> tuple[float, str]:
    """Return the interval's nominal coverage and where it comes from."""
    if job.lower is None or job.upper is None:
        return job.coverage or DEFAULT_COVERAGE, ""
    told = [read_band_facts(limit).coverage for limit in (job.lower, job.upper)]
    tagged = next((share for share in [*told, facts.coverage] if share is not None), None)
    if job.coverage is not None:
        if tagged is not None and abs(tagged - job.coverage) > 1e-6:
            report.warning(
                tr("The coverage is given as {:g}, but {} says {:g}. {:g} is used.").format(
                    job.coverage, job.lower.path, tagged, job.coverage
                )
            )
        return job.coverage, tr("as given")
    if tagged is not None:
        return tagged, tr("from the raster's metadata")
    report.warning(
        tr("Nothing says which coverage the interval has; {:g} is assumed. Set COVERAGE if it is another.").format(
            DEFAULT_COVERAGE
        )
    )
    return DEFAULT_COVERAGE, tr("assumed, because the rasters do not say it")


def read_map(
    job: AssessMap, found: Observations, grid: Grid, layer: Layer, dropped: Dropped
) -> tuple[Observations, Array]:
    """Return the observations with a value of the map and of both limits, if given, and these values (3, n)."""
    values = np.full((3, len(found)), np.nan)
    usable = np.ones(len(found), bool)
    reasons = (
        tr("in a pixel without data of the map"),
        tr("in a pixel without data of the lower limit"),
        tr("in a pixel without data of the upper limit"),
    )
    for row, (reason, raster) in enumerate(zip(reasons, (job.map, job.lower, job.upper))):
        if raster is not None:
            values[row] = read_values(raster, found, grid)
            is_missing = usable & np.isnan(values[row])
            dropped.add(found.ids[is_missing], reason)
            usable &= ~is_missing
    count = int(usable.sum())
    if count < FEWEST_COMPARED:
        some = tr("Only {} of the {} observations of '{}' can be compared with {}, but at least {} are needed: {}.")
        none = tr("None of the {1} observations of '{2}' can be compared with {3}, but at least {4} are needed: {5}.")
        text = (some if count else none).format(
            count, len(layer.ids), layer.name, job.map.path, FEWEST_COMPARED, dropped.in_words()
        )
        remedy = tr(" Check the field {}, and that the map has data where the observations lie.")
        raise EngineError(f"{text}{remedy.format(job.target.field)}")
    return found.take(usable), values[:, usable]


def read_values(raster: Covariate, observations: Observations, grid: Grid) -> Array:
    """Return the values (N,) of the raster's own pixels that hold the points; NaN where it has no data and outside it.

    The points' coordinates are in the CRS of `grid`.

    Raises:
        EngineError: the raster cannot be read, or has no CRS, or one that the points cannot be brought to.
    """
    own = reference_grid(raster.path)
    x, y = _transformed(observations.coordinates, grid, own, raster)
    values = np.full(len(observations), np.nan)
    inside = np.flatnonzero(own.contains(x, y))
    if not inside.size:
        return values
    rows, cols = own.pixels(x[inside], y[inside])
    placed = replace(observations.take(inside), rows=rows, cols=cols, sites=inside)
    nearest = replace(raster, kind="categorical")  # the pixels of a categorical raster are never mixed
    with open_stack([nearest], own) as stack:
        for some, patches in cut_patches(stack, placed, patch_size=1):
            values[some.sites] = patches[:, 0, 0, 0]
    return values


def _transformed(coordinates: Array, grid: Grid, own: Grid, raster: Covariate) -> tuple[Array, Array]:
    try:
        return own.place(coordinates[:, 0], coordinates[:, 1], grid.crs_wkt)
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr(
                "The observations cannot be transformed from {} to {}, the CRS of {}. Set its CRS and run again."
            ).format(grid.crs_name, own.crs_name, raster.path)
        ) from error


def _share(text: str) -> float | None:
    """Return a tag's text as a number between 0 and 1; None where it is not one."""
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 < share < 1 else None
