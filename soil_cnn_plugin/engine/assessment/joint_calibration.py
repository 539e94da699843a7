"""From predicted log-ratios of a composition to distributions of its parts: calibration on joint held-out residuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.assessment.composition import CompositionScale

Array = NDArray[np.float64]

_MOST_RESIDUALS = 128  # each is a composition that is computed at every pixel
_PIXELS_AT_ONCE = 8192


@dataclass(frozen=True)
class JointCalibration:
    """Held-out residuals divided by the predicted spreads, z = (target - location) / scale, one tuple (C,) an
    observation, so that what goes together in them stays together.

    A prediction's distribution is that of the compositions location + scale x z: each of them, and so their mean, sums
    to the whole. `scales` (C,) bound the spreads to those it was calibrated on.
    """

    residuals: tuple[tuple[float, ...], ...]
    scales: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        columns = len(self.scales)
        if not self.residuals or not columns or any(len(each) != columns for each in self.residuals):
            raise ValueError("a joint calibration is incomplete")
        if not np.isfinite(self.residuals).all() or len(self.residuals) > _MOST_RESIDUALS:
            raise ValueError("a joint calibration holds other numbers")
        if any(not 0 < lowest <= highest < np.inf for lowest, highest in self.scales):
            raise ValueError("a joint calibration is out of order")

    def mean_and_deviation(self, location: Array, scale: Array, parts: CompositionScale) -> tuple[Array, Array]:
        """Of locations and scales (C, ...), in the unit of the parts: (D, ...) each."""
        mean, deviation = self._each(
            location, scale, parts, lambda draws: np.stack([draws.mean(axis=-1), draws.std(axis=-1)])
        )
        return mean, deviation

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], parts: CompositionScale) -> Array:
        """(levels, D, ...)."""
        return self._each(location, scale, parts, lambda draws: np.quantile(draws, levels, axis=-1, method="weibull"))

    def probability_above(
        self, location: Array, scale: Array, part: int, threshold: float, parts: CompositionScale
    ) -> Array:
        """(...) that a part lies above the threshold."""

        def share(draws: Array) -> Array:
            return np.asarray((draws[part] > threshold).mean(axis=-1)[None, None])

        found: Array = self._each(location, scale, parts, share)[0, 0]
        return np.where(np.isfinite(location[0]), found, np.nan)

    def _each(self, location: Array, scale: Array, parts: CompositionScale, sum_up: Callable[[Array], Array]) -> Array:
        """`sum_up` gets draws (D, n, J) of n pixels and gives (numbers, D, n); -> (numbers, D, ...)."""
        shape = location.shape[1:]
        flat, spread = location.reshape(len(location), -1), scale.reshape(len(scale), -1)
        z = np.array(self.residuals).T[:, None]  # (C, 1, J)
        lowest, highest = np.array(self.scales).T[..., None]
        pieces = []
        for start in range(0, flat.shape[1], _PIXELS_AT_ONCE):
            piece = slice(start, start + _PIXELS_AT_ONCE)
            bounded = np.clip(spread[:, piece], lowest, highest)
            draws = parts.back(flat[:, piece, None] + bounded[..., None] * z)  # (D, n, J)
            pieces.append(sum_up(draws))
        result: Array = np.concatenate(pieces, axis=-1)
        return result.reshape(*result.shape[:-1], *shape)


def calibrate_jointly(learned: Array, location: Array, scale: Array) -> JointCalibration:
    """From held-out observations (n, C), NaN where missing; of more than 128 an even choice along their main axis."""
    z = (learned - location) / scale
    known = np.isfinite(z).all(axis=1)
    scales = [(float(column.min()), float(column.max())) for column in scale[known].T]
    z = z[known]
    if len(z) > _MOST_RESIDUALS:
        _, _, axes = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
        order = np.argsort(z @ axes[0])
        z = z[order[np.linspace(0, len(z) - 1, _MOST_RESIDUALS).round().astype(int)]]
    return JointCalibration(tuple(map(tuple, z.tolist())), tuple(scales))
