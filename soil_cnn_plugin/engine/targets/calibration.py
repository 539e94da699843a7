"""From a predicted centre and spread to a distribution whose intervals hold: calibration on held-out residuals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.measured import as_if_measured
from soil_cnn_plugin.engine.targets.residual_shape import ResidualShape, shape_residuals
from soil_cnn_plugin.engine.targets.scales import TargetScale
from soil_cnn_plugin.engine.targets.widening import widened

_MOST_STRETCH = float(np.log(20))
_PULL = float(np.log(2))
_TAIL_LEVELS = (0.75, 0.9)  # from the quantiles there, the other tail's mirrored, a tail is drawn out
_TURNS = 30  # in which location and shape are found from limits
_RARE = 0.05  # probability that the largest of all residuals in such a tail lies beyond it


@dataclass(frozen=True)
class Calibration:
    """The distribution of held-out residuals divided by the predicted spread, z = (target - location) / scale.

    A prediction's distribution is location + scale x z, on the standardized scale, carried to the target's unit. Its
    mean is thus a smearing estimate (Duan 1983, 10.1080/01621459.1983.10478017) and its quantiles are cross-conformal
    (Vovk 2015, 10.1007/s10472-013-9368-4), scaled by the predicted spread.

    `shape` is the distribution of z, which may depend on the location. `scales` is the range of spreads that the
    calibration saw: a spread outside counts as the end of it.
    `residuals` is the range of deviations that it saw: none goes beyond, because nothing is known about larger ones and
    a logarithm's mean grows exponentially with them. Deviations of the truth are `stretch` times the predicted spread
    on average; errors of measurement are divided by it before they are added to that spread.

    `wild` are the numbers of the observations whose z lie so far out that the others cannot explain them, see
    `ordinary_range`. A mean would follow each of them, on a logarithm exponentially, and the quantiles hardly: in means
    alone they count as the outermost z that is not wild, and `reach` takes the place of `residuals`.
    """

    shape: ResidualShape
    scales: tuple[float, float]
    residuals: tuple[float, float]
    stretch: float = 1.0
    wild: tuple[int, ...] = ()
    reach: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not np.isfinite([*self.scales, *self.residuals, self.stretch]).all():
            raise ValueError("a calibration is incomplete")
        lowest, highest = self.residuals if self.reach is None else self.reach
        if not self.residuals[0] <= lowest <= 0 <= highest <= self.residuals[1] or min(self.wild, default=0) < 0:
            raise ValueError("the residuals of a calibration are out of order")
        if self.stretch <= 0:
            raise ValueError("a calibration stretches by nothing")
        if not 0 < self.scales[0] <= self.scales[1]:
            raise ValueError("a calibration is out of order")

    def quantile(
        self, location: Array, scale: Array, level: float, target_scale: TargetScale, error: Array | float = 0.0
    ) -> Array:
        """The quantile at `level` (0.005 to 0.995) in the target's unit; arrays of any one shape."""
        z = self.shape.at_level(level, location)
        return target_scale.back(location + self._deviation(self._spread(scale, error), z, error))

    def probability_above(self, location: Array, scale: Array, threshold: float, target_scale: TargetScale) -> Array:
        """Probability that the target lies above a threshold in its unit: 0.005 to 0.995, more is not known."""
        deviation = target_scale.forward_threshold(threshold) - location
        lowest, highest = self.residuals
        z = np.where(deviation > highest, np.inf, np.where(deviation < lowest, -np.inf, deviation))
        probability: Array = 1 - self.shape.level_of(z / self._spread(scale, 0.0), location)
        return np.where(np.isfinite(location), probability, np.nan)

    def mean_and_deviation(
        self, location: Array, scale: Array, target_scale: TargetScale, error: Array | float = 0.0
    ) -> tuple[Array, Array]:
        """Mean and standard deviation of the distribution in the target's unit."""
        scale = self._spread(scale, error)
        if target_scale.transform == "none":
            mean_z, deviation_z = self.shape.mean_and_deviation(location)
            return target_scale.back(location + scale * mean_z), scale * deviation_z * target_scale.spread
        mean, square = np.zeros_like(location), np.zeros_like(location)
        for own, nodes in self.shape.pieces(location):
            place, spread, own_error = location[own], scale[own], error[own] if isinstance(error, np.ndarray) else error
            total, squares = np.zeros_like(place), np.zeros_like(place)
            for weight, node in nodes:
                value = target_scale.back(place + self._deviation(spread, node, own_error, self.reach))
                total += weight * value
                squares += weight * value**2
            mean[own], square[own] = total, squares
        return mean, np.sqrt(np.maximum(square - mean**2, 0))

    def scores(
        self, target: Array, location: Array, scale: Array, is_censored: Flags, errors: Array
    ) -> tuple[Array, Array]:
        """Normal scores (n,) of known targets, standardized, in their distributions, and the share of each variance
        that errors of measurement explain. A censored target has the expected score below its limit."""
        spread = self._spread(scale, errors)
        level = self.shape.level_of((target - location) / spread, location)
        scores = ndtri(level)
        scores[is_censored] = -np.exp(-(scores[is_censored] ** 2) / 2) / np.sqrt(2 * np.pi) / level[is_censored]
        shares: Array = 1 - (np.clip(scale, *self.scales) / spread) ** 2
        return np.where(np.isfinite(target - location), scores, np.nan), shares

    def at_scores(self, location: Array, scale: Array, scores: Array, target_scale: TargetScale) -> Array:
        """The inverse: values in the target's unit at normal scores; arrays of shapes that go together."""
        z = self.shape.at_levels(ndtr(scores), location)
        lowest, highest = self.residuals
        return target_scale.back(location + np.clip(self._spread(scale, 0.0) * z, lowest, highest))

    def from_limits(
        self, lower: Array, upper: Array, coverage: float, target_scale: TargetScale
    ) -> tuple[Array, Array]:
        """Location and scale whose interval has these limits, in the target's unit; NaN where they are no interval."""
        tail = (1 - coverage) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            below, above = target_scale.forward(lower), target_scale.forward(upper)
        location = (below + above) / 2
        for _ in range(_TURNS):  # the shape depends on the location, which follows from the shape
            low, high = (self.shape.at_level(level, location) for level in (tail, 1 - tail))
            scale = (above - below) / (high - low)
            location = below - low * scale
        is_known = np.isfinite(scale) & (scale > 0)
        return np.where(is_known, location, np.nan), np.where(is_known, scale, np.nan)

    def _spread(self, scale: Array, error: Array | float) -> Array:
        known = np.clip(scale, *self.scales)
        return known if _is_nothing(error) else np.sqrt(known**2 + (error / self.stretch) ** 2)

    def _deviation(
        self, spread: Array, z: Array, error: Array | float, reach: tuple[float, float] | None = None
    ) -> Array:
        """Deviation at `z`: errors of measurement may carry it beyond the residuals that were met."""
        lowest, highest = reach or self.residuals
        if _is_nothing(error):
            return np.clip(spread * z, lowest, highest)
        beyond = np.abs(error / self.stretch * z)
        return np.clip(spread * z, lowest - beyond, highest + beyond)


def calibrate(
    target: Array,
    location: Array,
    scale: Array,
    is_censored: Flags | None = None,
    errors: Array | float = 0.0,
    independent: float = 1.0,
) -> Calibration:
    """Calibrate on held-out observations (n,), standardized; NaN where target or prediction is missing.

    Targets with `errors` of measurement lie farther from the truth, which is what is predicted. These errors are taken
    out of z: residuals are divided by predicted spread and error together. Where `is_censored`, the target lies below,
    and so does z.

    Spreads are learned from measured values. Where nearly all are censored, the likelihood lets a network predict any
    small spread: there the small ones count as the quantile of those at measured values, at the share of censored ones,
    or as their median. The shape of residuals depends on the location only where nothing is censored: a limit says too
    little of a few residuals.

    Residuals of which only a share of `independent` ones tells something new may all be small, or all large, by chance:
    quantiles are `widened`, means and deviations are not.
    """
    is_censored = np.zeros(len(target), np.bool_) if is_censored is None else is_censored
    known = np.isfinite(target - location) & np.isfinite(scale)
    residuals, is_censored, location = (target - location)[known], is_censored[known], location[known]
    scale, errors = scale[known], np.broadcast_to(errors, target.shape)[known]
    if is_censored.any() and not is_censored.all():
        scale = np.maximum(scale, np.quantile(scale[~is_censored], min(float(is_censored.mean()), 0.5)))
    scales = float(scale.min()), float(scale.max())
    stretch = _stretch(residuals, scale, is_censored, errors) if errors.any() else 1.0
    spread = np.sqrt(scale**2 + (errors / stretch) ** 2)
    z = as_if_measured(residuals / spread, is_censored)
    of_z = location[np.argsort(residuals / spread, kind="stable")]
    lowest, highest = ordinary_range(z)
    is_high = residuals / spread > highest
    is_wild = (is_high | (residuals / spread < lowest)) & ~is_censored
    inside = z[(z >= lowest) & (z <= highest)]
    bounded = np.clip(z, inside[0], inside[-1])
    wide, most = widened(z, independent)
    shape = shape_residuals(wide, bounded, None if is_censored.any() else of_z)
    range_met = _range_of_residuals(residuals, is_censored, z * scales[1])
    calibration = Calibration(shape, scales, range_met, stretch)
    if most > 1:
        calibration = replace(calibration, residuals=(most * range_met[0], most * range_met[1]), reach=range_met)
    if not (is_wild.any() or is_high.any() or len(inside) < len(z)):
        return calibration
    is_ordinary = ~is_wild & ~is_high
    reach = _range_of_residuals(residuals[is_ordinary], is_censored[is_ordinary], bounded * scales[1])
    return replace(calibration, wild=tuple(np.flatnonzero(known)[is_wild].tolist()), reach=reach)


def _is_nothing(error: Array | float) -> bool:
    return np.ndim(error) == 0 and error == 0


def ordinary_range(z: Array) -> tuple[float, float]:
    """The range of values that the bulk of z (n,), ascending, can explain.

    The mean of a target whose logarithm was learned exists only if the tails of z fall off at least as exponentials do.
    So an exponential tail is drawn out from the median through the quantiles at 0.75 and 0.9 (and 0.25 and 0.1), the
    wider one of each side. The range ends where the largest of n values in such a tail would lie beyond with a
    probability of 5 %. Up to a tenth of the values may be wild without widening it.
    """
    count = len(z)
    levels = np.arange(1, count + 1) / (count + 1)
    middle = float(np.interp(0.5, levels, z))
    far = max(float(np.log(count / (2 * _RARE))), 0.0)

    def reach(side: int) -> float:
        distances = [side * (np.interp(0.5 + side * (p - 0.5), levels, z) - middle) for p in _TAIL_LEVELS]
        return far * max(float(d) / float(np.log(0.5 / (1 - p))) for d, p in zip(distances, _TAIL_LEVELS))

    below, above = reach(-1), reach(1)
    return middle - below if below > 0 else -np.inf, middle + above if above > 0 else np.inf


def _stretch(residuals: Array, scale: Array, is_censored: Flags, errors: Array) -> float:
    """Factor on the predicted `scale` with which scale and `errors` together explain the residuals best: by maximum
    likelihood of normal distributions.

    A light pull to 1, where the predicted scale is right, decides when errors explain all residuals.
    """

    def loss(logarithm: float) -> float:
        deviation = np.sqrt(np.exp(2 * logarithm) * scale**2 + errors**2)
        z = residuals / deviation
        measured = ~is_censored
        likelihood = log_ndtr(z[is_censored]).sum() - (0.5 * z**2 + np.log(deviation))[measured].sum()
        return float(0.5 * (logarithm / _PULL) ** 2 - likelihood)

    from scipy.optimize import minimize_scalar  # takes long to load, and maps do not need it

    return float(np.exp(minimize_scalar(loss, bounds=(-_MOST_STRETCH, _MOST_STRETCH), method="bounded").x))


def _range_of_residuals(residuals: Array, is_censored: Flags, told: Array) -> tuple[float, float]:
    """The lowest and the highest residual. Residuals of censored targets lie lower than they seem: where there are
    some, the range reaches down to the lowest z of the distribution times the largest spread."""
    lowest = min(float(residuals.min()), float(told.min())) if is_censored.any() else float(residuals.min())
    return min(lowest, 0.0), max(float(residuals.max()), 0.0)
