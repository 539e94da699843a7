"""Two maps beside the same observations: which is nearer to the soil, or what has changed between their dates.

Each observation gives a pair of errors or a pair of values, so that what both have in common cancels out. Intervals are
those of the sampling design for a probability sample, else of Student's t as if the points were independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.design_based import Estimate, estimate_mean, estimate_share
from soil_cnn_plugin.engine.assessment.probability_sample import ProbabilitySample
from soil_cnn_plugin.engine.assessment.significance import POWER, SIGNIFICANT

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedMeasure:
    """A measure of the first map, of the second, and the second's less the first's, each with its interval."""

    name: str
    first: Estimate
    second: Estimate
    difference: Estimate

    @property
    def is_shown(self) -> bool:
        """Whether the interval of the difference leaves no doubt of its sign."""
        return self.difference.low > 0 or self.difference.high < 0


@dataclass(frozen=True)
class BetterMap:
    """Measures by name; `second_nearer` is the share of places at which the second map is nearer to the observed value;
    `detectable` is the difference of RMSEs that so many observations show with a probability of 80 %."""

    rmse: PairedMeasure
    mae: PairedMeasure
    me: PairedMeasure
    second_nearer: Estimate
    detectable: float
    correlation: float  # of the errors of both maps

    @property
    def measures(self) -> tuple[PairedMeasure, ...]:
        return (self.rmse, self.mae, self.me)


@dataclass(frozen=True)
class Change:
    """Change from the first date to the second: `observed`, and `mapped` at the same places; `error` is mapped minus
    observed, `rmse` the root of its mean square. A mean change below `detectable` is not seen by so many observations:
    its test finds it with a probability of less than 80 %."""

    observed: Estimate
    mapped: Estimate
    error: Estimate
    rmse: float
    detectable: float
    correlation: float  # of mapped and observed changes


def compare_errors(observed: Array, first: Array, second: Array, sample: ProbabilitySample | None) -> BetterMap:
    """Compare maps of one time with values (n,) observed at the same places.

    The difference of RMSEs gets its interval by linearizing both roots (Saerndal et al. 1992, section 5.5).

    Raises:
        EngineError: the design does not fit the observations.
    """
    errors = first - observed, second - observed
    squares = errors[0] ** 2, errors[1] ** 2
    means = [_mean(each, sample) for each in squares]
    roots = [max(mean.value, 0.0) ** 0.5 for mean in means]
    influence = [
        (square - mean.value) / (2 * root) if root > 0 else np.zeros(len(square))
        for square, mean, root in zip(squares, means, roots)
    ]
    first_root, second_root = (_shifted(_mean(each, sample), root) for each, root in zip(influence, roots))
    difference = _shifted(_mean(influence[1] - influence[0], sample), roots[1] - roots[0])
    rmse = PairedMeasure("RMSE", first_root, second_root, difference)
    nearer = np.abs(errors[1]) < np.abs(errors[0])
    tie = np.abs(errors[1]) == np.abs(errors[0])
    design = (sample or ProbabilitySample()).design
    return BetterMap(
        rmse=rmse,
        mae=_measure(tr("Mean absolute error"), np.abs(errors[0]), np.abs(errors[1]), sample),
        me=_measure(tr("Mean error"), errors[0], errors[1], sample),
        second_nearer=estimate_share(nearer, among=~tie, **design) if not tie.all() else Estimate(0.5, 0.0, 0.0, 1.0),
        detectable=_detectable(rmse.difference.standard_error, len(observed)),
        correlation=_correlation(*errors),
    )


def measure_change(
    observed: tuple[Array, Array], mapped: tuple[Array, Array], sample: ProbabilitySample | None
) -> Change:
    """Compare the change between two dates at n places that were measured at both with that of the maps there.

    Raises:
        EngineError: the design does not fit the observations.
    """
    seen, shown = observed[1] - observed[0], mapped[1] - mapped[0]
    of_seen = _mean(seen, sample)
    return Change(
        observed=of_seen,
        mapped=_mean(shown, sample),
        error=_mean(shown - seen, sample),
        rmse=max(_mean((shown - seen) ** 2, sample).value, 0.0) ** 0.5,
        detectable=_detectable(of_seen.standard_error, len(seen)),
        correlation=_correlation(seen, shown),
    )


def common_errors(correlation: float, count: int) -> float:
    """Return the correlation of two maps' errors that may be relied on: the lower 95 % limit of what was measured at
    `count` places (Fisher's z), not below 0. A smaller one makes differences look less sure."""
    if count < 10 or not np.isfinite(correlation):
        return 0.0
    limit = np.tanh(np.arctanh(np.clip(correlation, -0.999999, 0.999999)) - 1.645 / (count - 3) ** 0.5)
    return float(max(0.0, limit))


def _mean(values: Array, sample: ProbabilitySample | None) -> Estimate:
    return estimate_mean(values, confidence=CONFIDENCE, **(sample or ProbabilitySample()).design)


def _measure(name: str, first: Array, second: Array, sample: ProbabilitySample | None) -> PairedMeasure:
    return PairedMeasure(name, _mean(first, sample), _mean(second, sample), _mean(second - first, sample))


def _shifted(estimate: Estimate, value: float) -> Estimate:
    """The estimate around `value` with the standard error and width of another one, whose own value is nearly 0."""
    shift = value - estimate.value
    return Estimate(value, estimate.standard_error, estimate.low + shift, estimate.high + shift)


def _detectable(standard_error: float, count: int) -> float:
    """The smallest true difference that a two-sided test finds with a probability of 80 %."""
    freedom = max(1, count - 1)
    return standard_error * float(stats.t.isf(SIGNIFICANT / 2, freedom) + stats.t.ppf(POWER, freedom))


def _correlation(first: Array, second: Array) -> float:
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
