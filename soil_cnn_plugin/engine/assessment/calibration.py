"""From a predicted centre and spread to a distribution whose intervals hold: calibration on held-out residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from soil_cnn_plugin.engine.assessment.target_scale import TargetScale

Array = NDArray[np.float64]

_LEVELS = np.linspace(0.005, 0.995, 199)
_BIN_EDGES = norm.cdf(np.linspace(-3, 3, 33))  # of the nodes; narrow in the tails, which decide a lognormal's mean


@dataclass(frozen=True)
class Calibration:
    """The distribution of held-out residuals divided by the predicted spread, z = (target - location) / scale.

    A prediction's distribution is location + scale x z, on the standardized scale, carried to the target's unit. Its
    mean is thus a smearing estimate (Duan 1983, 10.1080/01621459.1983.10478017) and its quantiles are cross-conformal
    (Vovk 2015, 10.1007/s10472-013-9368-4), scaled by the predicted spread.

    `quantiles` (199,) are z at the levels 0.005, 0.010, ... 0.995; `nodes` and `weights` (J,) stand for all of z in
    means. A spread outside the range of those it was calibrated on, `scales`, counts as the end of that range: nothing
    is known about larger ones, and a logarithm's mean grows exponentially with them.
    """

    quantiles: tuple[float, ...]
    nodes: tuple[float, ...]
    weights: tuple[float, ...]
    scales: tuple[float, float]

    def __post_init__(self) -> None:
        numbers = [*self.quantiles, *self.nodes, *self.weights, *self.scales]
        is_whole = len(self.quantiles) == len(_LEVELS) and len(self.nodes) == len(self.weights) > 0
        if not is_whole or not np.isfinite(numbers).all() or min(self.weights) < 0:
            raise ValueError("a calibration is incomplete")
        if not 0 < self.scales[0] <= self.scales[1] or list(self.quantiles) != sorted(self.quantiles):
            raise ValueError("a calibration is out of order")

    def quantile(self, location: Array, scale: Array, level: float, target_scale: TargetScale) -> Array:
        """The quantile at `level` (0.005 to 0.995) in the target's unit; arrays of any one shape."""
        z = float(np.interp(level, _LEVELS, self.quantiles))
        return target_scale.back(location + self._known(scale) * z)

    def interval(
        self, location: Array, scale: Array, coverage: float, target_scale: TargetScale
    ) -> tuple[Array, Array]:
        """Lower and upper limit between which the target lies with probability `coverage`."""
        tail = (1 - coverage) / 2
        return (
            self.quantile(location, scale, tail, target_scale),
            self.quantile(location, scale, 1 - tail, target_scale),
        )

    def mean_and_deviation(self, location: Array, scale: Array, target_scale: TargetScale) -> tuple[Array, Array]:
        """Mean and standard deviation of the distribution in the target's unit."""
        nodes, weights = np.asarray(self.nodes), np.asarray(self.weights)
        scale = self._known(scale)
        if target_scale.transform == "none":
            mean_z = float(weights @ nodes)
            deviation_z = float(np.sqrt(weights @ (nodes - mean_z) ** 2))
            return target_scale.back(location + scale * mean_z), scale * deviation_z * target_scale.spread
        mean, square = np.zeros_like(location), np.zeros_like(location)
        for node, weight in zip(nodes, weights):
            value = target_scale.back(location + scale * node)
            mean += weight * value
            square += weight * value**2
        return mean, np.sqrt(np.maximum(square - mean**2, 0))

    def _known(self, scale: Array) -> Array:
        return np.clip(scale, *self.scales)


def calibrate(target: Array, location: Array, scale: Array) -> Calibration:
    """The calibration from held-out observations (n,), standardized; NaN where target or prediction is missing.

    The quantile at level p is the order statistic at p (n + 1), which holds in finite samples (Lei et al. 2018,
    10.1080/01621459.2017.1307116); beyond the outermost observations it stays at these.
    """
    z = (target - location) / scale
    known = np.isfinite(z)
    scales = float(scale[known].min()), float(scale[known].max())
    z = np.sort(z[known])
    count = len(z)
    quantiles = np.interp(_LEVELS, np.arange(1, count + 1) / (count + 1), z)
    bin_of = np.digitize((np.arange(count) + 0.5) / count, _BIN_EDGES)
    sizes = np.bincount(bin_of)
    filled = sizes > 0
    nodes = np.bincount(bin_of, weights=z)[filled] / sizes[filled]
    weights = sizes[filled] / count
    return Calibration(tuple(quantiles.tolist()), tuple(nodes.tolist()), tuple(weights.tolist()), scales)
