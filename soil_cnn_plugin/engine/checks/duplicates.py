"""Observations that occur twice, share a place or a pixel, or contradict each other at one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.measured import Measured, is_identifier
from soil_cnn_plugin.engine.checks.outliers import spread

_CENTIMETRE = 0.01
HORIZONS = 0.3
"""Share of observations that share their place, from which on they may be horizons of profiles."""


def number_places(metres: Array) -> Rows:
    """Return numbers (N,), equal for places that are the same to a centimetre, and -1 where there is no place."""
    is_placed = np.isfinite(metres).all(axis=1)
    numbers = np.full(len(metres), -1, np.int64)
    rounded = np.rint(metres[is_placed] / _CENTIMETRE).astype(np.int64)
    if len(rounded):
        numbers[is_placed] = np.unique(rounded, axis=0, return_inverse=True)[1].reshape(-1)
    return numbers


@dataclass(frozen=True)
class DuplicateSummary:
    """Counts of observations that share a place or a pixel.

    `repeated` ones are not the first of their place and depth, and some of these are identical to an earlier one.
    Others share their pixel with another place; that is None where no covariates are given.
    """

    places: int
    repeated: int
    identical: int
    in_shared_pixels: int | None


def check_duplicates(
    ids: Rows,
    places: Rows,
    depths: Array | None,
    columns: Mapping[str, NDArray[np.generic]],
    fields: Sequence[tuple[Measured, Flags]],
    pixels: Rows | None,
) -> tuple[DuplicateSummary, list[Finding]]:
    """Check for observations that share a place or a pixel.

    `ids` (N,) are those of the observations; `places` are as `number_places` returns them; `depths` (N, 2) are those of
    horizons, which may share a place; `fields` come with flags of their plausible values; `pixels` (N,) are numbers of
    pixels, -1 outside.
    """
    keys = places if depths is None else _combine([places, *(_codes(each) for each in depths.T)])
    keys = np.where(places >= 0, keys, -1)
    shared = _in_groups(keys)
    is_repeat = _is_repeat(keys, shared)
    rows, partner = _find_identical(keys, shared, columns)
    identical = np.zeros(len(places), np.bool_)
    identical[rows] = True
    found = _identical(rows, ids[partner], len(places)) if rows.size else []
    found += [each for measured, sound in fields for each in _different(measured, sound & ~identical, keys, shared)]
    alone = shared & ~identical & _in_groups(np.where(identical, -1, keys))
    found += _same_place(alone, keys, depths is not None) if alone.any() else []
    in_pixels = None
    if pixels is not None:
        crowded = _pixels_of_several(pixels, places)
        in_pixels = int(crowded.sum())
        found += _same_pixel(crowded, pixels) if crowded.any() else []
    summary = DuplicateSummary(len(np.unique(places[places >= 0])), int(is_repeat.sum()), len(rows), in_pixels)
    return summary, found


def _codes(values: NDArray[np.generic]) -> Rows:
    """Return numbers (N,), equal for equal values; missing ones are equal."""
    if isinstance(values, np.ma.MaskedArray):
        empty = np.ma.getmaskarray(values).astype(np.int64)
        return _combine([_codes(values.filled(0)), empty])
    if values.dtype.kind in "OUST":
        values = np.array(["" if value is None else str(value) for value in values.tolist()])
    codes: Rows = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return codes


def _combine(codes: Sequence[Rows]) -> Rows:
    """Return numbers (N,), equal where all codes are equal."""
    combined = codes[0]
    for code in codes[1:]:
        combined = _codes(combined * (int(code.max(initial=0)) + 1) + code)
    return combined


def _in_groups(keys: Rows) -> Flags:
    """Return True where another observation has the same key, never where the key is -1."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray((counts[inverse.reshape(-1)] > 1) & (keys >= 0))


def _is_repeat(keys: Rows, shared: Flags) -> Flags:
    """Return True for all of a group but its first."""
    _, first = np.unique(keys, return_index=True)
    is_first = np.zeros(len(keys), np.bool_)
    is_first[first] = True
    return np.asarray(shared & ~is_first)


def _find_identical(keys: Rows, shared: Flags, columns: Mapping[str, NDArray[np.generic]]) -> tuple[Rows, Rows]:
    """Return rows that equal an earlier row at their place in all fields but identifiers, and that earlier row."""
    candidates = np.flatnonzero(shared)
    if not candidates.size:
        return candidates, candidates
    code = _codes(keys[candidates])
    for name, column in columns.items():
        if not is_identifier(name, column):
            code = _combine([code, _codes(column[candidates])])
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    earlier = first[inverse.reshape(-1)]
    is_copy = earlier < np.arange(len(candidates))
    return candidates[is_copy], candidates[earlier[is_copy]]


def _identical(rows: Rows, others: Rows, total: int) -> list[Finding]:
    sentence = tr_n(
        "{} of {} observations is the same as another one in place and in all fields.",
        "{} of {} observations are the same as another one in place and in all fields.",
        rows.size,
    ).format(rows.size, total)
    remedy = tr(
        "Delete the copies (Delete duplicates by attribute, or Delete duplicate geometries where one row a"
        " place is right). They would count twice."
    )
    numbers = [str(other) for other in others.tolist()]
    texts = [tr("Observation {} has the same place and the same values.").format(number) for number in numbers]
    return [Finding("identical_row", "", sentence, remedy, rows, texts, numbers)]


def _different(measured: Measured, sound: Flags, keys: Rows, shared: Flags) -> list[Finding]:
    """Find groups of one place in which the values differ by more than the middle 80 % of all values do."""
    values = np.where(sound & ~measured.is_below, measured.values, np.nan)
    reach, is_log = spread(values)
    rows = np.flatnonzero(shared & np.isfinite(values) & ((values > 0) | (not is_log)))
    if not rows.size or not np.isfinite(reach) or reach == 0:
        return []
    scaled = np.log(values[rows]) if is_log else values[rows]
    _, group = np.unique(keys[rows], return_inverse=True)
    group = group.reshape(-1)
    low, high = np.full(group.max() + 1, np.inf), np.full(group.max() + 1, -np.inf)
    np.minimum.at(low, group, scaled)
    np.maximum.at(high, group, scaled)
    bad = (high - low > reach)[group]
    if not bad.any():
        return []
    field, rows = measured.field, rows[bad]
    low, high = ((np.exp(each) if is_log else each)[group[bad]] for each in (low, high))
    places = len(np.unique(group[bad]))
    sentence = tr_n(
        "{} differs at {} place with several observations by more than the middle 80 % of all values do"
        " ({:.4g} and {:.4g} at one place).",
        "{} differs at {} places with several observations by more than the middle 80 % of all values do"
        " ({:.4g} and {:.4g} at one place).",
        places,
    ).format(field, places, low[0], high[0])
    remedy = tr("Check place and value: wrong coordinates, a slipped comma, another depth, or another year?")
    texts = [
        tr("{} is {:g}; at this place it goes from {:.4g} to {:.4g}.").format(field, values[row], a, b)
        for row, a, b in zip(rows, low, high)
    ]
    return [Finding("different_at_place", field, sentence, remedy, rows, texts, [f"{values[row]:g}" for row in rows])]


def _same_place(alone: Flags, keys: Rows, has_depths: bool) -> list[Finding]:
    rows = np.flatnonzero(alone)
    places = len(np.unique(keys[rows]))
    depth = tr(" and depth") if has_depths else ""
    sentence = tr_n(
        "{} of {} observations share their place{}, to the centimetre, with another one ({} place).",
        "{} of {} observations share their place{}, to the centimetre, with another one ({} places).",
        places,
    ).format(rows.size, len(alone), depth, places)
    remedy = tr(
        "Nothing needs to be done: Extract patches keeps them together in the folds, and can average those"
        " of a pixel (Duplicates)."
    )
    if not has_depths and rows.size > HORIZONS * len(alone):
        remedy = tr(
            "If the rows are horizons of profiles, choose Upper limit, Lower limit and Profile and check"
            " again; then run Standardize depths before Extract patches."
        )
    texts = [tr("The observation shares its place{} with another one.").format(depth)] * rows.size
    return [Finding("same_place", "", sentence, remedy, rows, texts, [""] * rows.size)]


def _pixels_of_several(pixels: Rows, places: Rows) -> Flags:
    """Return True where a pixel holds more than one place."""
    known = np.flatnonzero((pixels >= 0) & (places >= 0))
    pairs = np.unique(np.column_stack([pixels[known], places[known]]), axis=0)
    crowded = np.zeros(len(pixels), np.bool_)
    several, counts = np.unique(pairs[:, 0], return_counts=True)
    crowded[known] = np.isin(pixels[known], several[counts > 1])
    return crowded


def _same_pixel(crowded: Flags, pixels: Rows) -> list[Finding]:
    rows = np.flatnonzero(crowded)
    count = len(np.unique(pixels[rows]))
    sentence = tr_n(
        "{} of {} observations lie in a pixel of the covariates with observations of other places ({} pixel):"
        " the covariates are the same for them.",
        "{} of {} observations lie in a pixel of the covariates with observations of other places ({} pixels):"
        " the covariates are the same for them.",
        count,
    ).format(rows.size, len(crowded), count)
    remedy = tr("Nothing needs to be done; Extract patches can average them (Duplicates).")
    texts = [tr("Another observation lies in the same pixel of the covariates.")] * rows.size
    return [Finding("same_pixel", "", sentence, remedy, rows, texts, [""] * rows.size)]
