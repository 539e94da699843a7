"""Upper and lower limits of horizons: reversed, overlapping, torn, missing, negative, or in another unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .findings import Finding, listed, of_observations

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_TOLERANCE = 1e-6  # cm


@dataclass(frozen=True)
class HorizonSummary:
    """`thickness` and `deepest` are medians in cm, of horizons and of profiles; `per_profile` fewest, median, most."""

    horizons: int
    profiles: int
    per_profile: tuple[int, float, int]
    thickness: float
    deepest: float
    maximum: float


def check_horizons(
    upper: Floats, lower: Floats, profiles: NDArray[np.object_], fields: tuple[str, str]
) -> tuple[HorizonSummary, list[Finding]]:
    """`upper`, `lower` (N,) in cm, NaN where missing; `profiles` (N,) names, None where there is none; `fields` names
    the two limits."""
    is_known = np.isfinite(upper) & np.isfinite(lower)
    is_reversed = is_known & (lower <= upper)
    is_sound = is_known & ~is_reversed
    both = ", ".join(fields)
    found = _check_each(upper, lower, is_known, is_reversed, both)
    named = np.flatnonzero(is_sound & np.array([name is not None for name in profiles], bool))
    names, labels = np.unique(profiles[named].astype(str), return_inverse=True)
    order = np.lexsort((lower[named], upper[named], labels))
    rows, labels = named[order], labels[order]
    found += _check_neighbours(upper, lower, rows, labels, names, both)
    counts = np.bincount(labels) if len(rows) else np.zeros(1, np.int64)
    firsts = np.flatnonzero(np.diff(labels, prepend=-1))
    deepest = np.maximum.reduceat(lower[rows], firsts) if len(rows) else np.array([np.nan])
    late = int((upper[rows][firsts] > 0).sum())
    if late:
        sentence = f"{late} of {len(names)} profiles begin below the surface (the first upper limit is above 0)."
        remedy = "Nothing is estimated above the first horizon unless a program extends it: check litter and topsoil."
        found.append(Finding("depth_start", both, sentence, remedy))
    thickness = (lower - upper)[is_sound]
    summary = HorizonSummary(
        horizons=len(upper),
        profiles=len(names),
        per_profile=(int(counts.min()), float(np.median(counts)), int(counts.max())),
        thickness=float(np.median(thickness)) if len(thickness) else float("nan"),
        deepest=float(np.median(deepest)),
        maximum=float(lower[is_sound].max()) if is_sound.any() else float("nan"),
    )
    return summary, found + _check_unit(summary, both)


def _check_each(upper: Floats, lower: Floats, is_known: Booleans, is_reversed: Booleans, both: str) -> list[Finding]:
    """Horizons by themselves."""
    found, total = [], len(upper)
    if (missing := np.flatnonzero(~is_known)).size:
        sentence = f"{of_observations(missing.size, total)} lack an upper or a lower limit."
        texts = ["The " + ("upper" if np.isnan(upper[row]) else "lower") + " limit is missing." for row in missing]
        remedy = "Write the limits from the profile description, or leave the horizon out: its depth is not known."
        found.append(Finding("depth_missing", both, sentence, remedy, missing, texts, [""] * len(texts)))
    if (bad := np.flatnonzero(is_reversed)).size:
        sentence = (
            f"{of_observations(bad.size, total)} end where they begin or above, such as {_span(upper, lower, bad[0])}."
        )
        texts = [f"The horizon ends where it begins or above: {_span(upper, lower, row)}." for row in bad]
        remedy = "Exchange the limits or correct them. Organic layers that are counted upwards need negative limits."
        found.append(_of_depths("depth_reversed", both, sentence, remedy, bad, texts, upper, lower))
    if (bad := np.flatnonzero(is_known & ((upper < 0) | (lower < 0)))).size:
        sentence = f"{of_observations(bad.size, total)} have a negative limit, such as {_span(upper, lower, bad[0])}."
        texts = [f"A limit is negative: {_span(upper, lower, row)}." for row in bad]
        remedy = (
            "If these are organic layers above the mineral soil, that is right: Standardize depths leaves them out"
            " unless intervals reach there. Otherwise correct the sign."
        )
        found.append(_of_depths("depth_negative", both, sentence, remedy, bad, texts, upper, lower))
    return found


def _check_neighbours(
    upper: Floats, lower: Floats, rows: Integers, labels: Integers, names: NDArray[np.str_], both: str
) -> list[Finding]:
    """Each horizon against those above it in its profile; `rows` are sorted by profile and upper limit."""
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
            "Correct the limits, or keep one of two descriptions of the same depth. Replicates of one horizon: average"
            " them first (Aggregate)."
        )
        found.append(_of_depths("depth_overlap", both, sentence, remedy, rows[overlap], words, upper, lower))
    if gap.size:
        words = [f"Profile {names[labels[at]]}: nothing between {reached[at - 1]:g} and {top[at]:g} cm." for at in gap]
        profiles = len(np.unique(labels[gap]))
        sentence = f"{gap.size} gaps in {profiles} of {len(names)} profiles. {words[0]}"
        remedy = "Look whether a horizon was lost. If it was not sampled, leave the gap: Standardize depths bridges it."
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
        f"The deepest limit is {summary.maximum:g} and a horizon is {summary.thickness:g} thick in the middle: these"
        f" may be {unit}."
    )
    return [Finding("depth_unit", both, sentence, f"If so, multiply both fields by {factor}: depths are in cm.")]


def check_profile_places(profiles: NDArray[np.object_], places: Integers, field: str) -> list[Finding]:
    """`places` (N,) numbers of places, -1 where there is none: one profile has one."""
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


def _span(upper: Floats, lower: Floats, row: int | np.integer[Any]) -> str:
    return f"{upper[row]:g} to {lower[row]:g} cm"


def _of_depths(
    kind: str, both: str, sentence: str, remedy: str, rows: Integers, texts: list[str], upper: Floats, lower: Floats
) -> Finding:
    return Finding(kind, both, sentence, remedy, rows, texts, [f"{upper[row]:g}-{lower[row]:g}" for row in rows])
