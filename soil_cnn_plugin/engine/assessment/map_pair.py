"""Two maps and the observations that they are compared at, read from files, with all that a page tells of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from soil_cnn_plugin.contract.jobs import CompareMaps, Covariate
from soil_cnn_plugin.contract.language import all_of, localized, tr, tr_n
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.design_based import design_in_words
from soil_cnn_plugin.engine.assessment.detectable_difference import DifferenceFacts
from soil_cnn_plugin.engine.assessment.paired_maps import BetterMap, Change, compare_errors, measure_change
from soil_cnn_plugin.engine.assessment.probability_sample import ProbabilitySample, read_probability_sample
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.locating import place_on_grid
from soil_cnn_plugin.engine.observations.map_values import DEFAULT_COVERAGE, read_band_facts, read_values
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, read_layer
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.targets.measured import TargetValues

FEWEST_PAIRS = 3


@dataclass(frozen=True)
class PairsAtPoints:
    """What was observed (n, 1 or 2 dates) and what both maps (n, 2) show at the same places, with `better` or
    `change`, whichever was asked for. `sentence` names the design of a probability sample; empty where there is
    none."""

    ids: Rows
    coordinates: Array
    observed: Array
    mapped: Array
    better: BetterMap | None
    change: Change | None
    sentence: str
    dropped: dict[str, int]

    @property
    def correlation(self) -> float:
        """The correlation of the errors of both maps; that of one time only is known."""
        return self.better.correlation if self.better else float("nan")


@dataclass(frozen=True)
class MapPair:
    """The comparison as its page needs it. `common` is the correlation of errors that intervals of differences
    reckon with; `names` are those of the maps."""

    question: str
    soil_property: SoilProperty
    names: tuple[str, str]
    points: PairsAtPoints | None
    facts: DifferenceFacts
    common: float
    coverage: float
    has_intervals: bool
    grid: Grid
    settings: dict[str, str]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()


def read_pairs(job: CompareMaps, grid: Grid, notes: Notes) -> PairsAtPoints | None:
    """Read the observations and what the maps show there; None where no observations are given.

    Raises:
        EngineError: too few observations lie on both maps, or the sample is not what the job says.
    """
    if not job.observations or job.target is None:
        return None
    layer, dropped = read_layer(job.observations), Dropped()
    fields = [each.field for each in (job.target, job.target_2) if each is not None]
    columns = np.column_stack([read_numbers(layer, field, tr("target"), notes.facts) for field in fields])
    known = np.isfinite(columns).all(axis=1)
    dropped.add(layer.ids[~known], tr("without a value at both dates") if len(fields) > 1 else tr("without a value"))
    columns[~known] = np.nan
    nothing = np.zeros(columns.shape, np.bool_)
    values = TargetValues(columns, nothing, np.zeros(columns.shape), np.ones(len(columns)))
    found = place_on_grid(layer, values, grid, dropped, tr("the first map"))
    mapped = np.full((len(found), 2), np.nan)
    nothing_there = (
        tr("in a pixel without data of the first map"),
        tr("outside the second map, or where it has no data"),
    )
    for number, (raster, words) in enumerate(zip((job.map, job.map_2), nothing_there)):
        mapped[:, number] = read_values(raster, found, grid)
        dropped.add(found.ids[np.isnan(mapped[:, number])], words)
    usable = np.isfinite(mapped).all(axis=1)
    if usable.sum() < FEWEST_PAIRS:
        why = dropped.in_words() or tr("the layer has no more")
        raise EngineError(
            tr_n(
                "{} of the {} observations of '{}' can be compared with both maps, but at least {} are needed: {}."
                " Check the field {}, and that both maps have data there.",
                "{} of the {} observations of '{}' can be compared with both maps, but at least {} are needed: {}."
                " Check the fields {}, and that both maps have data there.",
                len(fields),
            ).format(int(usable.sum()), len(layer.ids), layer.name, FEWEST_PAIRS, why, all_of(fields))
        )
    found, mapped = found.take(usable), mapped[usable]
    sample = read_probability_sample(job, layer, found, notes)
    is_change = job.question == "change"
    observed = found.values
    return PairsAtPoints(
        ids=found.ids,
        coordinates=found.coordinates,
        observed=observed,
        mapped=mapped,
        better=None if is_change else compare_errors(observed[:, 0], mapped[:, 0], mapped[:, 1], sample),
        change=measure_change((observed[:, 0], observed[:, 1]), (mapped[:, 0], mapped[:, 1]), sample)
        if is_change
        else None,
        sentence=_sentence(sample, len(found)),
        dropped=dropped.counts(),
    )


def common_coverage(job: CompareMaps, notes: Notes) -> float:
    """Return the coverage of both intervals.

    Raises:
        EngineError: the rasters say that the coverages differ.
    """
    limits = [raster for raster in (job.lower, job.upper, job.lower_2, job.upper_2) if raster is not None]
    told = {raster.path: read_band_facts(raster).coverage for raster in limits}
    shares = sorted({share for share in told.values() if share is not None})
    if len(shares) > 1:
        raise EngineError(
            tr(
                "The limits have intervals of different coverage: {}. Predict both maps with limits of the same"
                " coverage."
            ).format(", ".join(localized(f"{share:g}") for share in shares))
        )
    if job.coverage is not None:
        return job.coverage
    if limits and not shares:
        notes.doubts.append(
            tr(
                "Nothing says which coverage the intervals have; {:g} is assumed. Set COVERAGE if it is another."
            ).format(DEFAULT_COVERAGE)
        )
    return shares[0] if shares else DEFAULT_COVERAGE


def property_of(job: CompareMaps, notes: Notes) -> SoilProperty:
    """Return the soil property that both maps show, with the first unit that is known.

    Raises:
        EngineError: a map shows classes.
    """
    facts = [read_band_facts(raster) for raster in (job.map, job.map_2)]
    for raster, each in zip((job.map, job.map_2), facts):
        if each.class_names:
            raise EngineError(
                tr(
                    "{} is a map of classes, but maps of numbers are compared here. Assess each map of classes"
                    " by Assess map."
                ).format(raster.path)
            )
    units = list(dict.fromkeys(each.unit for each in facts if each.unit))
    if len(units) > 1:
        notes.doubts.append(
            tr(
                "The unit of the first map is {}, that of the second {}. If they are not the same quantity, the"
                " differences mean nothing."
            ).format(units[0], units[1])
        )
    named = job.target or SoilProperty(facts[0].description.partition(",")[0].partition(" (")[0] or job.map.name)
    return replace(named, unit=named.unit or (units[0] if units else ""))


def settings_of(job: CompareMaps, grid: Grid, coverage: float, common: float) -> dict[str, str]:
    width, height = grid.cell_size
    fields = all_of(each.field for each in (job.target, job.target_2) if each is not None)
    given = {
        "Question": job.question,
        "First map": _band(job.map),
        "Second map": _band(job.map_2),
        "Limits of the first map": _pair(job.lower, job.upper),
        "Limits of the second map": _pair(job.lower_2, job.upper_2),
        "Grid": tr("{} rows × {} columns of {:g} × {:g} {}, {}; the second map is resampled onto it").format(
            grid.height, grid.width, width, height, grid.unit, grid.crs_name
        ),
        "Observations": tr("{}, field {}").format(Path(job.observations).stem, fields) if job.observations else "",
        "Sample": job.sample if job.observations else "",
        "Coverage of the intervals": localized(f"{coverage:g}") if job.lower else "",
        "Correlation of errors": localized(f"{common:.2f}") if job.lower else "",
    }
    return {name: text for name, text in given.items() if text}


def _sentence(sample: ProbabilitySample | None, count: int) -> str:
    return design_in_words(count, **sample.design) if sample else ""


def _band(raster: Covariate) -> str:
    return tr("{}, band {}").format(Path(raster.path).name, raster.band)


def _pair(lower: Covariate | None, upper: Covariate | None) -> str:
    return f"{_band(lower)}; {_band(upper)}" if lower and upper else ""
