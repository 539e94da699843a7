"""From predicted log-ratios of a composition to distributions of its parts: calibration on joint held-out residuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.targets.scales import CompositionScale
from soil_cnn_plugin.engine.targets.widening import widened_jointly

MOST_RESIDUALS = 256
"""Each is a composition that is computed at every pixel; this many are enough for intervals of 99 %."""
_NUMBERS_AT_ONCE = 2**16  # of one part, so that they stay in the processor's cache
_LARGEST_RATIO = 40.0  # of two parts, as a logarithm: no prediction makes a part 0


@dataclass(frozen=True)
class JointCalibration:
    """Held-out residuals divided by the predicted spreads, z = (target - location) / scale: one tuple (C,) an
    observation, so that residuals that go together stay together.

    A prediction's distribution is that of the compositions location + scale x z: each of them, and so their mean, sums
    to the whole. `scales` (C,) bound the spreads to those that the calibration saw.
    """

    residuals: tuple[tuple[float, ...], ...]
    scales: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        columns = len(self.scales)
        if not self.residuals or not columns or any(len(each) != columns for each in self.residuals):
            raise ValueError("a joint calibration is incomplete")
        if not np.isfinite(self.residuals).all() or len(self.residuals) > MOST_RESIDUALS:
            raise ValueError("a joint calibration holds other numbers")
        if any(not 0 < lowest <= highest < np.inf for lowest, highest in self.scales):
            raise ValueError("a joint calibration is out of order")

    def mean_and_deviation(self, location: Array, scale: Array, parts: CompositionScale) -> tuple[Array, Array]:
        """Mean and standard deviation, (D, ...) each, in the unit of the parts, for locations and scales (C, ...)."""
        mean, deviation = self.describe(location, scale, [], parts)
        return mean, deviation

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], parts: CompositionScale) -> Array:
        """Quantiles, (levels, D, ...)."""
        return self._each(location, scale, parts, lambda draws: _quantiles(draws, levels))

    def describe(self, location: Array, scale: Array, levels: Sequence[float], parts: CompositionScale) -> Array:
        """Mean, standard deviation and quantiles from the same draws: (2 + levels, D, ...)."""

        def sum_up(draws: Singles) -> Array:
            mean = draws.mean(axis=-1)
            from_mean = draws - mean[..., None]
            deviation = np.sqrt(np.einsum("pnj,pnj->pn", from_mean, from_mean) / draws.shape[-1])
            # The mean of single precision sums to the whole within a millionth; now it does to the last digit.
            exact = mean.astype(np.float64)
            exact *= parts.whole / exact.sum(axis=0)
            return np.concatenate([exact[None], deviation[None], _quantiles(draws, levels)])

        return self._each(location, scale, parts, sum_up)

    def probability_above(
        self, location: Array, scale: Array, part: int, threshold: float, parts: CompositionScale
    ) -> Array:
        """Probability (...) that a part lies above the threshold; never 0 or 1, because more is not known."""

        def share(draws: Singles) -> Array:
            above = np.count_nonzero(draws[part] > threshold, axis=-1)
            return np.asarray((above + 0.5) / (draws.shape[-1] + 1), np.float64)[None, None]

        found: Array = self._each(location, scale, parts, share)[0, 0]
        return found

    def scores(self, learned: Array, location: Array, scale: Array) -> Array:
        """Normal scores (n, C) of known columns, each in the distribution of its own residuals; NaN where missing."""
        z = (learned - location) / np.clip(scale, *np.array(self.scales).T)
        columns = [np.interp(own, np.sort(residuals), self._levels) for own, residuals in zip(z.T, self._columns)]
        return np.where(np.isfinite(z), ndtri(np.column_stack(columns)), np.nan)

    def at_scores(self, location: Array, scale: Array, scores: Array) -> Array:
        """The inverse: columns at normal scores (C, ...); arrays of shapes that go together. Columns go together as
        their scores do, which is how residuals do where that is linear."""
        columns = zip(ndtr(scores), self._columns, self.scales, location, scale)
        return np.stack(
            [
                centre + np.clip(spread, *bounds) * np.interp(level, self._levels, np.sort(own))
                for level, own, bounds, centre, spread in columns
            ]
        )

    @property
    def _columns(self) -> Array:
        return np.array(self.residuals).T

    @property
    def _levels(self) -> Array:
        count = len(self.residuals)
        return np.arange(1, count + 1) / (count + 1)

    def _each(
        self, location: Array, scale: Array, parts: CompositionScale, sum_up: Callable[[Singles], Array]
    ) -> Array:
        """Apply `sum_up`, which gets draws (D, n, J) of n pixels and gives (numbers, D, n), to all pixels: (numbers,
        D, ...), NaN where the location is NaN."""
        shape = location.shape[1:]
        flat, spread = location.reshape(len(location), -1), scale.reshape(len(scale), -1)
        known = np.flatnonzero(np.isfinite(flat).all(axis=0))
        flat, spread = flat[:, known], np.clip(spread[:, known], *np.array(self.scales).T[..., None])
        draw = _Draw(np.array(self.residuals), parts)
        step = max(1, _NUMBERS_AT_ONCE // len(self.residuals))
        pieces = [
            sum_up(draw(flat[:, start : start + step], spread[:, start : start + step]))
            for start in range(0, max(len(known), 1), step)
        ]
        result = np.full((*pieces[0].shape[:-1], int(np.prod(shape))), np.nan)
        result[..., known] = np.concatenate(pieces, axis=-1)
        return result.reshape(*result.shape[:-1], *shape)


class _Draw:
    """Parts of the compositions location + scale x z, (D, n, J), in single precision: most of the work is done here."""

    def __init__(self, residuals: Array, parts: CompositionScale) -> None:
        factors, offsets = parts.centred()
        # Logarithms of all parts divided by the last one; that of the last one itself is 0.
        self._factors, self._offsets = factors[:-1] - factors[-1], offsets[:-1] - offsets[-1]
        # A logarithm is a sum of products over the columns: one of location, one of scale and residual.
        self._steps = (self._factors[..., None] * residuals.T).astype(np.float32)  # (D - 1, C, J)
        self._whole = np.float32(parts.whole)

    def __call__(self, location: Array, scale: Array) -> Singles:
        """Parts at locations and scales (C, n), finite."""
        centres = (self._factors @ location + self._offsets[:, None]).astype(np.float32)
        draws = np.empty((len(centres) + 1, location.shape[1], self._steps.shape[-1]), np.float32)
        spread = np.ascontiguousarray(scale.T, np.float32)
        total, last = np.ones(draws.shape[1:], np.float32), draws[-1]
        for part, centre, steps in zip(draws, centres, self._steps):
            np.matmul(spread, steps, out=part)  # (n, C) @ (C, J)
            part += centre[:, None]
            np.clip(part, -_LARGEST_RATIO, _LARGEST_RATIO, out=part)
            np.exp(part, out=part)
            total += part
        np.divide(self._whole, total, out=last)
        draws[:-1] *= last
        return draws


def calibrate_jointly(learned: Array, location: Array, scale: Array, independent: float = 1.0) -> JointCalibration:
    """Calibrate on held-out observations (n, C), NaN where missing; of many, a choice stands for all. Where only a
    share of `independent` ones tells something new, residuals are widened."""
    z = (learned - location) / scale
    known = np.isfinite(z).all(axis=1)
    scales = [(float(column.min()), float(column.max())) for column in scale[known].T]
    z = widened_jointly(z[known], independent)
    if len(z) > MOST_RESIDUALS:
        z = z[_choose(z, np.arange(len(z)), MOST_RESIDUALS)]
    return JointCalibration(tuple(map(tuple, z.tolist())), tuple(scales))


def _choose(z: Array, rows: Rows, count: int) -> list[int]:
    """Halve the rows again and again across their widest column, until `count` groups of equal size are left; take the
    middle one of each. Their intervals and means are nearer to those of all rows than those of as many random ones."""
    own = z[rows]
    if count == 1:
        return [int(rows[((own - own.mean(axis=0)) ** 2).sum(axis=1).argmin()])]
    rows = rows[np.argsort(own[:, own.std(axis=0).argmax()], kind="stable")]
    middle = round(len(rows) * (count // 2) / count)
    return _choose(z, rows[:middle], count // 2) + _choose(z, rows[middle:], count - count // 2)


def _quantiles(draws: Singles, levels: Sequence[float]) -> Array:
    """Quantiles (levels, D, n) of equally likely draws (D, n, J), which this sorts in place: the quantile at level p is
    the order statistic at p (J + 1), as in `Calibration`."""
    if not levels:
        return np.empty((0, *draws.shape[:-1]))
    draws.sort(axis=-1)
    count = draws.shape[-1]
    rank = np.clip(np.array(levels) * (count + 1), 1, count) - 1
    lower = np.minimum(rank.astype(np.int64), max(count - 2, 0))
    upper = np.minimum(lower + 1, count - 1)
    share = (rank - lower)[:, None, None]
    left, right = (np.moveaxis(draws[..., place], -1, 0).astype(np.float64) for place in (lower, upper))
    found: Array = left + share * (right - left)
    return found
