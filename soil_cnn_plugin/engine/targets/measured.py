"""What the targets are, and what was measured of them: values, detection limits, values below them, errors, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags

MOST_CLASSES = 100


@dataclass(frozen=True)
class TargetValues:
    """Values of N observations and T targets.

    `values` (N, T), NaN where a target was not measured, or the number of the class; `is_censored` (N, T) True where a
    value is only known to be below that number; `errors` (N, T) standard deviations of the measurement, 0 where none is
    known; `weights` (N,) say how much an observation counts in training.
    """

    values: Array
    is_censored: Flags
    errors: Array
    weights: Array

    def take(self, rows: NDArray[Any]) -> TargetValues:
        """The observations that an index or boolean array selects."""
        return TargetValues(self.values[rows], self.is_censored[rows], self.errors[rows], self.weights[rows])

    def of(self, targets: Sequence[int]) -> TargetValues:
        """The targets of these numbers alone."""
        own = list(targets)
        return TargetValues(self.values[:, own], self.is_censored[:, own], self.errors[:, own], self.weights)

    @cached_property
    def limits(self) -> Array:
        """Limits (N, T), below which a laboratory reports no more than that; minus infinity where not known."""
        columns = zip(self.values.T, self.is_censored.T)
        return np.column_stack([reporting_limits(values, is_censored) for values, is_censored in columns])


@dataclass(frozen=True)
class TargetsInWords:
    """The targets. `classes` maps the field of a target whose values count classes from 0 to their names;
    `compositions` holds the fields of the targets that are parts of one whole."""

    targets: tuple[SoilProperty, ...]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compositions: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        fields = [target.field for target in self.targets]
        parts = [part for composition in self.compositions for part in composition]
        if len(set(fields)) < len(fields) or len(set(parts)) < len(parts) or not set(parts) <= set(fields):
            raise ValueError("two targets have one name, or a composition other parts")
        if any(len(composition) < 2 for composition in self.compositions):
            raise ValueError("a composition has one part")
        if not set(self.classes) <= set(fields) - set(parts):
            raise ValueError("classes belong to no target, or to a part of a composition")
        for names in self.classes.values():
            is_odd = len(set(names)) < len(names) or len(names) > MOST_CLASSES + 1  # and the others
            if not names or is_odd or not all(names):
                raise ValueError("the classes make no sense")

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the targets that are learned together: parts of a composition, each other target alone."""
        fields = [target.field for target in self.targets]
        whole_of = {part: composition for composition in self.compositions for part in composition}
        groups = dict.fromkeys(whole_of.get(field, (field,)) for field in fields)
        return tuple(tuple(fields.index(field) for field in group) for group in groups)

    @property
    def classes_of(self) -> tuple[tuple[str, ...], ...]:
        """Names of the classes of each target, empty for a number."""
        return tuple(self.classes.get(target.field, ()) for target in self.targets)


_FEWEST_MEASURED = 3  # fewer do not tell the spread of a distribution
_FEWEST_AT_RISK = 20  # values at or below one, for it to tell of the distribution there
_GOLDEN = (5**0.5 - 1) / 2


def normal_moments(values: Array, is_censored: Flags) -> tuple[float, float]:
    """Mean and standard deviation of a normal distribution, by maximum likelihood (Tobin 1958, 10.2307/1907382).

    `values` (n,) are finite; where `is_censored`, the value lies somewhere below. With hardly any measured value, the
    limits count as values.
    """
    mean, deviation = float(values.mean()), float(values.std())
    if not is_censored.any() or deviation == 0 or (~is_censored).sum() < _FEWEST_MEASURED:
        return mean, deviation
    scaled = (values - mean) / deviation
    measured, limits = scaled[~is_censored], scaled[is_censored]
    limits, counts = np.unique(limits, return_counts=True)
    count, total, squares = len(measured), measured.sum(), (measured**2).sum()

    def loss(parameters: Array) -> tuple[float, Array]:
        """Minus the log-likelihood and its gradient, in mean / deviation and 1 / deviation, where it has one minimum
        (Olsen 1978, 10.2307/1913082)."""
        shift, inverse = parameters
        z = inverse * limits - shift
        log_below = log_ndtr(z)
        ratio = counts * np.exp(_log_density(z) - log_below)
        square = inverse**2 * squares - 2 * inverse * shift * total + count * shift**2
        value = 0.5 * square - count * np.log(inverse) - counts @ log_below
        by_shift = count * shift - inverse * total + ratio.sum()
        by_inverse = inverse * squares - shift * total - count / inverse - ratio @ limits
        return float(value), np.array([by_shift, by_inverse])

    from scipy.optimize import minimize  # takes long to load, and maps do not need it

    found = minimize(loss, [0.0, 1.0], jac=True, method="L-BFGS-B", bounds=[(None, None), (1e-3, 1e6)])
    shift, inverse = found.x
    return mean + deviation * float(shift / inverse), deviation / float(inverse)


def expected_below(limits: Array, mean: Array | float, deviation: Array | float) -> Array:
    """Expected value of a normal distribution below its limits."""
    z = (limits - mean) / deviation
    expected: Array = mean - deviation * np.exp(_log_density(z) - log_ndtr(z))
    return np.minimum(expected, limits)


def estimate_below(values: Array, is_censored: Flags, centre: Array) -> Array:
    """Replace each censored one of `values` (n,) by its expected value, if they scatter around `centre` (n,) like a
    normal distribution."""
    if not is_censored.any():
        return values
    shift, deviation = normal_moments(values - centre, is_censored)
    if deviation == 0:
        return values
    return np.where(is_censored, expected_below(values, centre + shift, deviation), values)


def draw_below(values: Array, is_censored: Flags, centre: Array, scale: Array, seed: int) -> Array:
    """Replace each censored one of `values` (n,) by a draw, if they scatter around `centre` (n,) like a normal
    distribution whose spread is in proportion to `scale` (n,).

    Draws scatter as measured values do; expected values do not.
    """
    z = (values - centre) / scale
    shift, deviation = normal_moments(z, is_censored)
    if deviation == 0 or not is_censored.any():
        return values
    uniform = np.random.default_rng(seed).uniform(size=len(values))
    drawn = ndtri_exp(np.log(uniform) + log_ndtr((z - shift) / deviation))
    return np.where(is_censored, np.minimum(centre + scale * (shift + deviation * drawn), values), values)


def as_if_measured(values: Array, is_censored: Flags) -> Array:
    """As many values, ascending, with the distribution of `values` (n,), some of which are censored.

    The distribution is the product-limit estimate (Kaplan & Meier 1958, 10.2307/2281868) of the values turned over, as
    Helsel (2012, 10.1002/9781118162729) advises for detection limits. Low down, where so few values are left that each
    would decide much, it is the tail of a normal distribution.
    """
    if is_censored.all() or not is_censored.any():
        return np.sort(values)
    distinct, counts = np.unique(values[~is_censored], return_counts=True)
    at_risk = np.searchsorted(np.sort(values), distinct, side="right")
    first = min(int(np.searchsorted(at_risk, _FEWEST_AT_RISK)), len(distinct) - 1)
    distinct, counts, at_risk = distinct[first:], counts[first:], at_risk[first:]
    below = np.cumprod((1 - counts / at_risk)[::-1])[::-1]  # share of all that lies below each distinct value
    levels = (np.arange(len(values)) + 0.5) / len(values)
    result = distinct[np.maximum(np.searchsorted(below, levels, side="right") - 1, 0)]
    rest = levels < below[0]
    if rest.any():
        mean, deviation = normal_moments(values, is_censored)
        share = levels[rest] / below[0] * ndtr((distinct[0] - mean) / deviation)
        result[rest] = np.minimum(mean + deviation * ndtri(np.maximum(share, 1e-12)), distinct[0])
    return result


def reporting_limits(values: Array, is_censored: Flags) -> Array:
    """Limit of each value, (n,): below it, the laboratory would have reported no more than that; minus infinity where
    no limit is known. `values` are NaN where missing.

    The limit of a censored value is the value itself. For a measured value nothing says which of the limits below it
    was its laboratory's: limits are dealt out in the shares of the product-limit estimate, in which a measured value
    bounds its own limit. Any rule that looks at the value itself would favour some predictions.
    """
    limits = np.where(is_censored, values, -np.inf)
    known = np.isfinite(values)
    measured = np.flatnonzero(known & ~is_censored)
    if not is_censored[known].any() or not len(measured):
        return limits
    distinct, counts = np.unique(values[known & is_censored], return_counts=True)
    # A value measured at a limit says nothing of a lower limit.
    at_risk = np.cumsum(counts) + np.searchsorted(np.sort(values[measured]), distinct, side="left")
    # From the largest limit down: the share of laboratories whose limit lies below.
    left = np.cumprod((1 - counts / at_risk)[::-1])[::-1]
    below = np.append(left, 1.0)  # below[k]: share of limits under distinct[k]; the last: all
    reached = below[np.searchsorted(distinct, values[measured], side="right")]
    rank = np.argsort(np.argsort(values[measured], kind="stable"), kind="stable")
    place = (0.5 + rank * _GOLDEN) % 1 * reached  # even steps instead of random draws: the same in each run
    chosen = np.searchsorted(below[:-1], place, side="right") - 1
    limits[measured] = np.where(chosen < 0, -np.inf, distinct[np.maximum(chosen, 0)])
    return limits


def _log_density(z: Array) -> Array:
    """The logarithm of the density of the standard normal distribution."""
    density: Array = -(z**2) / 2 - np.log(2 * np.pi) / 2
    return density
