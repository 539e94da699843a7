"""Upper and lower limits of horizons: reversed, overlapping, torn, missing, negative, or in another unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import CheckObservations
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.checks.doubtful_names import check_names
from soil_cnn_plugin.engine.checks.fields import CheckedFields
from soil_cnn_plugin.engine.checks.findings import Finding, listed, of_observations, plural
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Layer
from soil_cnn_plugin.engine.profiles.horizons import counted_upward

_TOLERANCE = 1e-6  # cm


@dataclass(frozen=True)
class HorizonSummary:
    """A summary of horizons.

    `thickness` and `deepest` are medians in cm over horizons and over profiles; `per_profile` holds the fewest, median
    and most horizons of a profile.
    """

    horizons: int
    profiles: int
    per_profile: tuple[int, float, int]
    thickness: float
    deepest: float
    maximum: float


def check_profiles(
    job: CheckObservations, layer: Layer, numbers: Rows, fields: CheckedFields
) -> tuple[HorizonSummary | None, list[Finding]]:
    """Check the horizons and places of profiles; `numbers` (N,) are those of places, below 0 where there is none.

    Where no field names the profiles, all horizons at one place are one profile.
    """
    profiles = read_names(layer, job.profile, "profile", Notes())  # its notes are findings here
    findings = check_names(job.profile, layer.columns[job.profile]) if job.profile else []
    findings += check_profile_places(profiles, numbers, job.profile) if job.profile else []
    if fields.upper is None or fields.lower is None:
        return None, findings
    if not job.profile:
        profiles = np.array([f"at place {number + 1}" if number >= 0 else None for number in numbers.tolist()], object)
    summary, found = check_horizons(fields.upper, fields.lower, profiles, (job.upper, job.lower))
    return summary, findings + found


def check_horizons(
    upper: Array, lower: Array, profiles: NDArray[np.object_], fields: tuple[str, str]
) -> tuple[HorizonSummary, list[Finding]]:
    """Check horizons, whose limits `upper` and `lower` (N,) are in cm, NaN where missing.

    `profiles` (N,) are names, None where there is none; `fields` are the names of the two limits.
    """
    is_known = np.isfinite(upper) & np.isfinite(lower)
    is_named = np.array([name is not None for name in profiles], bool)
    names, labels = np.unique(np.where(is_named, profiles, "").astype(str), return_inverse=True)
    is_organic = is_known & (upper <= 0) & (lower <= 0) & (upper != lower)
    is_upward = is_known & counted_upward(np.where(is_named, labels, -1), upper, lower)
    is_reversed = is_known & (lower <= upper) & ~is_organic & ~is_upward
    both = ", ".join(fields)
    found = _check_missing(upper, is_known, both)
    found += _check_reversed(upper, lower, is_reversed, both)
    found += _check_organic(upper, lower, is_known & (np.minimum(upper, lower) < 0), is_upward, both)
    is_sound = is_known & ~is_organic & ~is_upward & ~is_reversed
    rows = np.flatnonzero(is_sound & is_named)
    rows = rows[np.lexsort((lower[rows], upper[rows], labels[rows]))]
    found += _check_neighbours(upper, lower, rows, labels[rows], names, both)
    firsts = np.flatnonzero(np.diff(labels[rows], prepend=-1))
    found += _check_start(upper[rows][firsts], both)
    counts = np.diff(np.append(firsts, len(rows))) if len(rows) else np.zeros(1, np.int64)
    deepest = np.maximum.reduceat(lower[rows], firsts) if len(rows) else np.array([np.nan])
    thickness = (lower - upper)[is_sound]
    summary = HorizonSummary(
        horizons=len(upper),
        profiles=len(firsts),
        per_profile=(int(counts.min()), float(np.median(counts)), int(counts.max())),
        thickness=float(np.median(thickness)) if len(thickness) else float("nan"),
        deepest=float(np.median(deepest)),
        maximum=float(lower[is_sound].max()) if is_sound.any() else float("nan"),
    )
    return summary, found + _check_unit(summary, both)


def _check_missing(upper: Array, is_known: Flags, both: str) -> list[Finding]:
    missing = np.flatnonzero(~is_known)
    if not missing.size:
        return []
    lack = plural(missing.size, "lacks", "lack")
    sentence = f"{of_observations(missing.size, len(upper))} {lack} an upper or a lower limit."
    texts = [f"The {'upper' if np.isnan(upper[row]) else 'lower'} limit is missing." for row in missing]
    remedy = "Write the limits from the profile description. Without them the horizon cannot be used."
    return [Finding("depth_missing", both, sentence, remedy, missing, texts, [""] * len(texts))]


def _check_reversed(upper: Array, lower: Array, is_reversed: Flags, both: str) -> list[Finding]:
    bad = np.flatnonzero(is_reversed)
    if not bad.size:
        return []
    end = plural(bad.size, "ends where it begins, or above", "end where they begin, or above")
    sentence = f"{of_observations(bad.size, len(upper))} {end}, such as {_span(upper, lower, bad[0])}."
    texts = [f"The horizon ends where it begins, or above: {_span(upper, lower, row)}." for row in bad]
    remedy = "Exchange or correct the limits: both count downward from the mineral surface, in cm."
    if bad.size > 0.9 * len(upper):
        remedy = "Are the fields of the upper and the lower limit exchanged, or depths noted with a minus?"
    return [_of_depths("depth_reversed", both, sentence, remedy, bad, texts, upper, lower)]


def _check_organic(upper: Array, lower: Array, is_negative: Flags, is_upward: Flags, both: str) -> list[Finding]:
    """Find horizons above the mineral surface, in both conventions."""
    found = []
    remedy = "Right for organic layers above the mineral soil, which Standardize depths leaves out; else correct it."
    for kind, which, verb in (
        ("depth_negative", is_negative, ("has a negative limit", "have a negative limit")),
        ("depth_upward", is_upward, ("counts upward from the surface", "count upward from the surface")),
    ):
        rows = np.flatnonzero(which)
        if rows.size:
            at = of_observations(rows.size, len(upper))
            sentence = f"{at} {plural(rows.size, *verb)}, such as {_span(upper, lower, rows[0])}."
            texts = [f"The horizon {verb[0]}: {_span(upper, lower, row)}." for row in rows]
            found.append(_of_depths(kind, both, sentence, remedy, rows, texts, upper, lower))
    return found


def _check_start(begins: Array, both: str) -> list[Finding]:
    """Find profiles that begin below the surface; `begins` (P,) are the depths where they begin."""
    late = int((begins > 0).sum())
    if not late:
        return []
    begin = plural(late, "begins", "begin")
    sentence = f"{late} of {len(begins)} profiles {begin} below the surface, their first upper limit being above 0."
    return [Finding("depth_start", both, sentence, "Nothing is known above; Standardize depths does not extrapolate.")]


def _check_neighbours(
    upper: Array, lower: Array, rows: Rows, labels: Rows, names: NDArray[np.str_], both: str
) -> list[Finding]:
    """Check each horizon against those above it in its profile; `rows` are sorted by profile and upper limit."""
    if len(rows) < 2:
        return []
    top, bottom = upper[rows], lower[rows]
    step = bottom.max() - min(top.min(), bottom.min()) + 1
    reached = np.maximum.accumulate(bottom + labels * step) - labels * step  # deepest of the profile so far
    same = labels[1:] == labels[:-1]
    overlap = np.flatnonzero(same & (top[1:] < reached[:-1] - _TOLERANCE)) + 1
    gap = np.flatnonzero(same & (top[1:] > reached[:-1] + _TOLERANCE)) + 1
    found = []
    if overlap.size:
        words = []
        for at in overlap:
            above = f"{_span(top, bottom, at - 1)}" if bottom[at - 1] == reached[at - 1] else "a horizon above"
            is_twin = top[at] == top[at - 1] and bottom[at] == bottom[at - 1]
            what = (
                f"{_span(top, bottom, at)} is there twice"
                if is_twin
                else f"{_span(top, bottom, at)} overlaps with {above}"
            )
            words.append(f"Profile {names[labels[at]]}: {what}.")
        profiles = len(np.unique(labels[overlap]))
        sentence = f"{overlap.size} horizons in {profiles} of {len(names)} profiles overlap with one above. {words[0]}"
        remedy = (
            "Correct the limits, or keep one of two descriptions of the same depth. What stays is averaged by"
            " Standardize depths."
        )
        found.append(_of_depths("depth_overlap", both, sentence, remedy, rows[overlap], words, upper, lower))
    if gap.size:
        words = [f"Profile {names[labels[at]]}: nothing between {reached[at - 1]:g} and {top[at]:g} cm." for at in gap]
        profiles = len(np.unique(labels[gap]))
        sentence = f"{gap.size} gaps in {profiles} of {len(names)} profiles. {words[0]}"
        remedy = (
            "Look whether a horizon was lost. If it was not sampled, leave the gap: Standardize depths bridges and"
            " flags it."
        )
        found.append(_of_depths("depth_gap", both, sentence, remedy, rows[gap], words, upper, lower))
    return found


def _check_unit(summary: HorizonSummary, both: str) -> list[Finding]:
    if summary.maximum <= 5 and summary.thickness < 2:
        unit, factor = "metres", "100"
    elif summary.deepest > 500 and summary.thickness >= 50:
        unit, factor = "millimetres", "0.1"
    else:
        return []
    sentence = (
        f"The deepest limit is {summary.maximum:g} and the median thickness of horizons is {summary.thickness:g}: these"
        f" may be {unit}."
    )
    return [Finding("depth_unit", both, sentence, f"If so, multiply both fields by {factor}: depths are in cm.")]


def check_profile_places(profiles: NDArray[np.object_], places: Rows, field: str) -> list[Finding]:
    """Check that a profile has one place; `places` (N,) are numbers of places, -1 where there is none."""
    known = np.flatnonzero(np.array([name is not None for name in profiles], bool) & (places >= 0))
    if not known.size:
        return []
    names, labels = np.unique(profiles[known].astype(str), return_inverse=True)
    pairs = np.unique(np.column_stack([labels, places[known]]), axis=0)
    torn = np.bincount(pairs[:, 0], minlength=len(names)) > 1
    if not torn.any():
        return []
    rows = known[torn[labels]]
    sentence = (
        f"{torn.sum()} of {len(names)} profiles have horizons at more than one place: {listed(names[torn].tolist())}."
    )
    remedy = "Give a profile's horizons one place, or different profiles different names."
    texts = [f"Profile {name} lies at several places." for name in names[labels[torn[labels]]].tolist()]
    return [Finding("torn_profile", field, sentence, remedy, rows, texts, names[labels[torn[labels]]].tolist())]


def _span(upper: Array, lower: Array, row: int | np.integer[Any]) -> str:
    return f"{upper[row]:g} to {lower[row]:g} cm"


def _of_depths(
    kind: str, both: str, sentence: str, remedy: str, rows: Rows, texts: list[str], upper: Array, lower: Array
) -> Finding:
    return Finding(kind, both, sentence, remedy, rows, texts, [f"{upper[row]:g}-{lower[row]:g}" for row in rows])
