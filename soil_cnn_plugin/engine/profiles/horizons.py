"""Described horizons: which can be used, why others cannot, and the layers that a spline is fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_limited_numbers, read_numbers
from soil_cnn_plugin.engine.observations.limits_and_errors import check_limits
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.profiles.depths import Layers

_MOST = 0.9  # share of horizons from which on a mistake concerns the whole table
_DIGITS = 4  # decimals of limits in cm; limits that differ by less are one depth


@dataclass(frozen=True)
class Horizons:
    """Horizons of a table.

    `rows` (N,) are their rows in the table; `profile` (N,) numbers their profiles from 0; `upper` and `lower` (N,) are
    in cm, NaN where missing; `values` (N, V) are NaN where missing; `limits` (N, V) are the detection limits where a
    value is only known to lie below, and 0 elsewhere; `names` are those of the profiles, in the order in which they
    first appear.

    Half the limit stands in `values` for what lies below it: it is never wrong by more than half the limit, and 0 and
    the limit itself, which are the ends of what it may be, are wrong on one side always.
    """

    rows: Rows
    profile: Rows
    upper: Array
    lower: Array
    values: Array
    limits: Array
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Flags) -> Horizons:
        """Return the chosen horizons, with their profiles numbered anew."""
        kept, profile = np.unique(self.profile[chosen], return_inverse=True)
        names = tuple(self.names[number] for number in kept)
        parts = (self.upper[chosen], self.lower[chosen], self.values[chosen], self.limits[chosen])
        return Horizons(self.rows[chosen], profile, *parts, names)

    @property
    def deepest(self) -> Array:
        """Lower limit (P,) of each profile's last horizon."""
        deepest = np.zeros(len(self.names))
        np.maximum.at(deepest, self.profile, self.lower)
        return deepest

    def profile_of_rows(self, described: Horizons, count: int) -> Rows:
        """Return the number (R,) of the profile of each of the table's `count` rows, -1 for none.

        Rows of `described` horizons that are not among these have a number, too.
        """
        numbers = {name: number for number, name in enumerate(self.names)}
        found = np.full(count, -1)
        found[described.rows] = np.array([numbers.get(name, -1) for name in described.names])[described.profile]
        return found


def read_horizons(table: Layer, job: StandardizeDepths, left_out: Dropped, notes: Notes) -> Horizons:
    """Read all horizons that belong to a profile.

    Raises:
        EngineError: a field is missing or not numeric, or no row names its profile.
    """
    names = read_names(table, job.profile, "profile", notes).tolist()
    numbers: dict[str, int] = {}
    profile = [-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names]
    if not numbers:
        raise EngineError(
            tr(
                "The profile field {} of '{}' is empty in all {} rows. Choose the field that tells which"
                " horizons belong together."
            ).format(job.profile, table.name, len(profile))
        )
    upper, lower = (
        np.round(read_numbers(table, field, role, notes.facts), _DIGITS)
        for field, role in ((job.upper, "upper limit"), (job.lower, "lower limit"))
    )
    read = [_read_values(table, value.field, notes) for value in job.values]
    values, limits = (np.column_stack(columns) for columns in zip(*read))
    rows = np.arange(len(profile))
    found = Horizons(rows, np.array(profile, np.int64), upper, lower, values, limits, tuple(numbers))
    left_out.add(table.ids[found.profile < 0], tr("without a profile"))
    return found.take(found.profile >= 0)


def _read_values(table: Layer, field: str, notes: Notes) -> tuple[Array, Array]:
    """Return values and detection limits (R,) of a field, as `Horizons` has them.

    Raises:
        EngineError: a limit is not above 0 or not known.
    """
    values, is_below = read_limited_numbers(table, field, "value", notes.facts)
    check_limits(values, is_below, table, field)
    values[np.isinf(values)] = np.nan
    return np.where(is_below, values / 2, values), np.where(is_below, values, 0.0)


def choose_usable(found: Horizons, table: Layer, job: StandardizeDepths, left_out: Dropped) -> Horizons:
    """Return the mineral horizons with limits and a value; `left_out` receives the others.

    Raises:
        EngineError: the limits of nearly all horizons are upside down or negative, or nothing is left.
    """
    upper, lower = found.upper, found.lower
    is_known = np.isfinite(upper) & np.isfinite(lower)
    _check_convention(upper[is_known], lower[is_known], table, job)
    is_organic = ((upper <= 0) & (lower <= 0) & (upper != lower)) | counted_upward(found.profile, upper, lower)
    is_repeated, _ = find_twins(found)
    problems = {
        tr("without an upper or a lower limit"): ~is_known,
        tr("above the mineral surface"): is_organic,
        tr("on both sides of the mineral surface"): (np.minimum(upper, lower) < 0) & (np.maximum(upper, lower) > 0),
        tr("with the upper limit below the lower one"): upper > lower,
        tr("of no thickness"): upper == lower,
        tr("without a value"): np.isnan(found.values).all(axis=1),
        tr("repeating another horizon"): is_repeated,
    }
    is_usable = np.ones(len(found), bool)
    for reason, is_bad in problems.items():
        left_out.add(table.ids[found.rows[is_bad & is_usable]], reason)
        is_usable &= ~is_bad
    if not is_usable.any():
        raise EngineError(
            tr(
                "None of the {} horizons of '{}' can be used: {}. Check the fields {} (upper limit, cm), {}"
                " (lower limit, cm) and those of the values."
            ).format(len(table.ids), table.name, left_out.in_words(), job.upper, job.lower)
        )
    return found.take(is_usable)


def find_twins(found: Horizons) -> tuple[Flags, Flags]:
    """Return (N,) True where a horizon repeats an earlier one, and (N,) True where it contradicts another one.

    The former have the limits of the earlier horizon and add no value; the latter have the same limits as another
    horizon, but different values.
    """
    order, is_first = _sort(found.profile, found.upper, found.lower)
    starts, group = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    values = found.values[order]
    is_known = np.isfinite(values)
    lowest = np.minimum.reduceat(np.where(is_known, values, np.inf), starts)
    highest = np.maximum.reduceat(np.where(is_known, values, -np.inf), starts)
    differs = np.asarray(np.any(highest > lowest, axis=1))[group]
    is_new = np.asarray((is_known & ~is_known[starts][group]).any(axis=1))
    is_repeated, is_other = np.zeros(len(order), bool), np.zeros(len(order), bool)
    is_repeated[order] = ~(is_first | differs | is_new)
    is_other[order] = differs
    return is_repeated, is_other


def to_layers(usable: Horizons, values: Array) -> tuple[Layers, Flags]:
    """Return the layers of one value (N,), NaN where missing, and (N,) True where a horizon overlaps another one of its
    profile.

    Horizons with the same limits become one layer with their mean. Where horizons overlap, the part that they share
    becomes a layer of its own with their mean.
    """
    is_overlapping = np.zeros(len(usable), bool)
    rows = np.flatnonzero(np.isfinite(values))
    order, is_first = _sort(usable.profile[rows], usable.upper[rows], usable.lower[rows])
    rows, starts, group = rows[order], np.flatnonzero(is_first), np.cumsum(is_first) - 1
    mean = np.bincount(group, values[rows]) / np.bincount(group)
    first = rows[starts]
    layers = Layers(usable.profile[first], usable.upper[first], usable.lower[first], mean)
    torn = np.unique(layers.profile[1:][layers.joins & (layers.upper[1:] < layers.lower[:-1])])
    if not len(torn):
        return layers, is_overlapping
    parts, is_shared = [_take(layers, ~np.isin(layers.profile, torn))], np.zeros(len(layers), bool)
    ends = np.searchsorted(layers.profile, torn, "right")
    for begin, end in zip(np.searchsorted(layers.profile, torn), ends):
        part, is_shared[begin:end] = _slice(_take(layers, slice(begin, end)))
        parts.append(part)
    is_overlapping[rows] = is_shared[group]
    joined = Layers(*(np.concatenate([getattr(part, name) for part in parts]) for name in Layers.__dataclass_fields__))
    return _take(joined, np.lexsort((joined.upper, joined.profile))), is_overlapping


def _sort(profile: Rows, upper: Array, lower: Array) -> tuple[Rows, Flags]:
    """Return the order by profile and depth, and True for the first, in that order, of those with the same limits."""
    order = np.lexsort((lower, upper, profile))
    is_first = np.ones(len(order), bool)
    for each in (profile[order], upper[order], lower[order]):
        is_first[1:] &= each[1:] == each[:-1]
    is_first[1:] = ~is_first[1:]
    return order, is_first


def _slice(layers: Layers) -> tuple[Layers, Flags]:
    """Return the layers of one profile without overlaps, and True where a layer had one."""
    limits = np.unique(np.concatenate([layers.upper, layers.lower]))
    begin, end = np.searchsorted(limits, layers.upper), np.searchsorted(limits, layers.lower)
    size = len(limits)
    count = np.cumsum(np.bincount(begin, minlength=size) - np.bincount(end, minlength=size))[:-1]
    total = np.cumsum(np.bincount(begin, layers.mean, size) - np.bincount(end, layers.mean, size))[:-1]
    is_shared = np.concatenate([[0], np.cumsum(count > 1)])
    filled = count > 0
    sliced = Layers(
        np.full(filled.sum(), layers.profile[0]), limits[:-1][filled], limits[1:][filled], total[filled] / count[filled]
    )
    return sliced, is_shared[end] > is_shared[begin]


def _take(layers: Layers, chosen: Any) -> Layers:
    return Layers(layers.profile[chosen], layers.upper[chosen], layers.lower[chosen], layers.mean[chosen])


def counted_upward(profile: Rows, upper: Array, lower: Array) -> Flags:
    """Return (N,) True for organic layers that count upward from the mineral surface: Oi 8-5, Oa 5-0, A 0-20."""
    mineral = set(profile[(upper == 0) & (lower > 0)].tolist())
    reversed_rows = np.flatnonzero(upper > lower)
    is_organic = np.zeros(len(profile), bool)
    reached: dict[int, float] = {}
    for row in reversed_rows[np.lexsort((lower[reversed_rows], profile[reversed_rows]))].tolist():
        own = int(profile[row])
        if own in mineral and lower[row] == reached.get(own, 0.0):
            reached[own] = float(upper[row])
            is_organic[row] = True
    return is_organic


def _check_convention(upper: Array, lower: Array, table: Layer, job: StandardizeDepths) -> None:
    """Raise EngineError for what is wrong with the whole table, not with single horizons."""
    count = len(upper)
    is_negative, is_reversed = np.minimum(upper, lower) < 0, upper > lower
    if is_negative.sum() > _MOST * count:
        raise EngineError(
            tr(
                "{} of {} horizons of '{}' have a negative limit ({}, {}). Depths count downward from the"
                " mineral surface in cm: turn their sign with the field calculator and run again."
            ).format(is_negative.sum(), count, table.name, job.upper, job.lower)
        )
    if is_reversed.sum() > _MOST * count:
        raise EngineError(
            tr(
                "In {} of {} horizons of '{}' the upper limit ({}) is deeper than the lower one ({}). Are the"
                " two fields exchanged?"
            ).format(is_reversed.sum(), count, table.name, job.upper, job.lower)
        )
