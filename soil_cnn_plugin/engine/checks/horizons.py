"""Upper and lower limits of horizons: reversed, overlapping, torn, missing, negative, or in another unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import CheckObservations
from soil_cnn_plugin.contract.language import localized, some_of, tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.checks.doubtful_names import check_names
from soil_cnn_plugin.engine.checks.fields import CheckedFields
from soil_cnn_plugin.engine.checks.findings import Finding
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
        profiles = np.array(
            [tr("at place {}").format(number + 1) if number >= 0 else None for number in numbers.tolist()], object
        )
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
    sentence = tr_n(
        "{} of {} observations lacks an upper or a lower limit.",
        "{} of {} observations lack an upper or a lower limit.",
        missing.size,
    ).format(missing.size, len(upper))
    no_upper, no_lower = tr("The upper limit is missing."), tr("The lower limit is missing.")
    texts = [no_upper if np.isnan(upper[row]) else no_lower for row in missing]
    remedy = tr("Write the limits from the profile description. Without them the horizon cannot be used.")
    return [Finding("depth_missing", both, sentence, remedy, missing, texts, [""] * len(texts))]


def _check_reversed(upper: Array, lower: Array, is_reversed: Flags, both: str) -> list[Finding]:
    bad = np.flatnonzero(is_reversed)
    if not bad.size:
        return []
    sentence = tr_n(
        "{} of {} observations ends where it begins, or above, such as {}.",
        "{} of {} observations end where they begin, or above, such as {}.",
        bad.size,
    ).format(bad.size, len(upper), _span(upper, lower, bad[0]))
    texts = [tr("The horizon ends where it begins, or above: {}.").format(_span(upper, lower, row)) for row in bad]
    remedy = tr("Exchange or correct the limits: both count downward from the mineral surface, in cm.")
    if bad.size > 0.9 * len(upper):
        remedy = tr("Are the fields of the upper and the lower limit exchanged, or depths noted with a minus?")
    return [_of_depths("depth_reversed", both, sentence, remedy, bad, texts, upper, lower)]


def _check_organic(upper: Array, lower: Array, is_negative: Flags, is_upward: Flags, both: str) -> list[Finding]:
    """Find horizons above the mineral surface, in both conventions."""
    found = []
    remedy = tr(
        "Right for organic layers above the mineral soil, which Standardize depths leaves out; else correct it."
    )
    negative, upward = np.flatnonzero(is_negative), np.flatnonzero(is_upward)
    for kind, rows, sentence, text in (
        (
            "depth_negative",
            negative,
            tr_n(
                "{} of {} observations has a negative limit, such as {}.",
                "{} of {} observations have a negative limit, such as {}.",
                negative.size,
            ),
            tr("The horizon has a negative limit: {}."),
        ),
        (
            "depth_upward",
            upward,
            tr_n(
                "{} of {} observations counts upward from the surface, such as {}.",
                "{} of {} observations count upward from the surface, such as {}.",
                upward.size,
            ),
            tr("The horizon counts upward from the surface: {}."),
        ),
    ):
        if rows.size:
            words = sentence.format(rows.size, len(upper), _span(upper, lower, rows[0]))
            texts = [text.format(_span(upper, lower, row)) for row in rows]
            found.append(_of_depths(kind, both, words, remedy, rows, texts, upper, lower))
    return found


def _check_start(begins: Array, both: str) -> list[Finding]:
    """Find profiles that begin below the surface; `begins` (P,) are the depths where they begin."""
    late = int((begins > 0).sum())
    if not late:
        return []
    sentence = tr_n(
        "{} of {} profiles begins below the surface, their first upper limit being above 0.",
        "{} of {} profiles begin below the surface, their first upper limit being above 0.",
        late,
    ).format(late, len(begins))
    return [
        Finding("depth_start", both, sentence, tr("Nothing is known above; Standardize depths does not extrapolate."))
    ]


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
            above = _span(top, bottom, at - 1) if bottom[at - 1] == reached[at - 1] else tr("a horizon above")
            is_twin = top[at] == top[at - 1] and bottom[at] == bottom[at - 1]
            text = tr("Profile {}: {} is there twice.") if is_twin else tr("Profile {}: {} overlaps with {}.")
            words.append(text.format(names[labels[at]], _span(top, bottom, at), above))
        profiles = len(np.unique(labels[overlap]))
        sentence = tr("{} horizons in {} of {} profiles overlap with one above. {}").format(
            overlap.size, profiles, len(names), words[0]
        )
        remedy = tr(
            "Correct the limits, or keep one of two descriptions of the same depth. What stays is averaged"
            " by Standardize depths."
        )
        found.append(_of_depths("depth_overlap", both, sentence, remedy, rows[overlap], words, upper, lower))
    if gap.size:
        words = [
            tr("Profile {}: nothing between {:g} and {:g} cm.").format(names[labels[at]], reached[at - 1], top[at])
            for at in gap
        ]
        profiles = len(np.unique(labels[gap]))
        sentence = tr("{} gaps in {} of {} profiles. {}").format(gap.size, profiles, len(names), words[0])
        remedy = tr(
            "Look whether a horizon was lost. If it was not sampled, leave the gap: Standardize depths"
            " bridges and flags it."
        )
        found.append(_of_depths("depth_gap", both, sentence, remedy, rows[gap], words, upper, lower))
    return found


def _check_unit(summary: HorizonSummary, both: str) -> list[Finding]:
    if summary.maximum <= 5 and summary.thickness < 2:
        unit, factor = tr("metres"), "100"
    elif summary.deepest > 500 and summary.thickness >= 50:
        unit, factor = tr("millimetres"), localized("0.1")
    else:
        return []
    sentence = tr("The deepest limit is {:g} and the median thickness of horizons is {:g}: these may be {}.").format(
        summary.maximum, summary.thickness, unit
    )
    return [
        Finding("depth_unit", both, sentence, tr("If so, multiply both fields by {}: depths are in cm.").format(factor))
    ]


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
    sentence = tr("{} of {} profiles have horizons at more than one place: {}.").format(
        torn.sum(), len(names), some_of(names[torn].tolist())
    )
    remedy = tr("Give a profile's horizons one place, or different profiles different names.")
    texts = [tr("Profile {} lies at several places.").format(name) for name in names[labels[torn[labels]]].tolist()]
    return [Finding("torn_profile", field, sentence, remedy, rows, texts, names[labels[torn[labels]]].tolist())]


def _span(upper: Array, lower: Array, row: int | np.integer[Any]) -> str:
    return tr("{:g} to {:g} cm").format(upper[row], lower[row])


def _of_depths(
    kind: str, both: str, sentence: str, remedy: str, rows: Rows, texts: list[str], upper: Array, lower: Array
) -> Finding:
    return Finding(kind, both, sentence, remedy, rows, texts, [f"{upper[row]:g}-{lower[row]:g}" for row in rows])
