"""How good predictions and their uncertainty are, also beside what a laboratory reports: each formula once.

Arrays are (n,), finite, in the target's unit; `quantiles` (n, Q) ascend, as do their `probabilities` (Q,).

Scores compare like with like: the laboratory would have reported the limit for all of a distribution below it, too.
Comparing the prediction itself with the values above the limits would favour predictions that are too high. Coverage
needs no limits: a value below its limit lies at each of the lower quantiles with the same probability.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Flags

QUANTILE_LEVELS = np.arange(1, 100) / 100
"""The levels at which a predicted distribution is kept."""
_ROUNDING = 1e-6  # parts of compositions are computed in single precision


def score(
    observed: Array, mean: Array, lower: Array, upper: Array, coverage: float, quantiles: Array | None = None
) -> Scores:
    """All scores of one method; NaN where no observation is given, or no interval, or no quantiles.

    `quantiles` (n, 99) are the predicted distribution at QUANTILE_LEVELS.
    """
    if len(observed) == 0:
        return Scores(0, np.nan, np.nan, None, None, None, np.nan, np.nan, np.nan, np.nan)
    has_interval = bool(np.isfinite(lower).all() and np.isfinite(upper).all())
    return Scores(
        n=len(observed),
        me=me(observed, mean),
        rmse=rmse(observed, mean),
        mec=mec(observed, mean),
        ccc=ccc(observed, mean),
        rpiq=rpiq(observed, mean),
        picp=picp(observed, lower, upper) if has_interval else np.nan,
        width=float(np.mean(upper - lower)) if has_interval else np.nan,
        interval_score=interval_score(observed, lower, upper, coverage) if has_interval else np.nan,
        crps=np.nan if quantiles is None else crps_of_quantiles(observed, quantiles, QUANTILE_LEVELS),
    )


def me(observed: Array, predicted: Array) -> float:
    """Mean error; above 0 where the predictions are too high."""
    return float(np.mean(predicted - observed))


def rmse(observed: Array, predicted: Array) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((predicted - observed) ** 2)))


def mec(observed: Array, predicted: Array) -> float | None:
    """Modelling efficiency, 1 - MSE / variance (Nash & Sutcliffe 1970); None where all observations are equal."""
    if np.ptp(observed) == 0:
        return None
    return float(1 - np.sum((observed - predicted) ** 2) / np.sum((observed - observed.mean()) ** 2))


def ccc(observed: Array, predicted: Array) -> float | None:
    """Concordance correlation coefficient (Lin 1989, Biometrics 45:255); None where all observations are equal."""
    if np.ptp(observed) == 0:
        return None
    covariance = np.mean((observed - observed.mean()) * (predicted - predicted.mean()))
    return float(2 * covariance / (observed.var() + predicted.var() + (observed.mean() - predicted.mean()) ** 2))


def rpiq(observed: Array, predicted: Array) -> float | None:
    """Interquartile range of the observations / RMSE (Bellon-Maurel et al. 2010); None where the RMSE is 0."""
    error = rmse(observed, predicted)
    return float(np.subtract(*np.quantile(observed, (0.75, 0.25)))) / error if error > 0 else None


def picp(observed: Array, lower: Array, upper: Array) -> float:
    """Prediction interval coverage: share of the observations inside (Shrestha & Solomatine 2006)."""
    return float(np.mean(is_inside(observed, lower, upper)))


def is_inside(observed: Array, lower: Array, upper: Array) -> Flags:
    """True (n,) where the observed value lies in its interval, limits included."""
    inside: Flags = (observed >= lower) & (observed <= upper)
    return inside


def interval_score(observed: Array, lower: Array, upper: Array, coverage: float) -> float:
    """Mean of `interval_scores`."""
    return float(np.mean(interval_scores(observed, lower, upper, coverage)))


def interval_scores(observed: Array, lower: Array, upper: Array, coverage: float) -> Array:
    """Interval scores (n,): width plus 2 / (1 - coverage) times the distance of a value outside (Gneiting & Raftery
    2007, eq. 43)."""
    outside = np.maximum(lower - observed, 0) + np.maximum(observed - upper, 0)
    scores: Array = upper - lower + 2 / (1 - coverage) * outside
    return scores


def pinball(observed: Array, quantiles: Array, probabilities: Array) -> Array:
    """Mean pinball loss of each quantile, (Q,) (Koenker & Bassett 1978)."""
    above = observed[:, None] - quantiles
    losses: Array = np.maximum(probabilities * above, (probabilities - 1) * above).mean(axis=0)
    return losses


def crps_of_quantiles(observed: Array, quantiles: Array, probabilities: Array) -> float:
    """Continuous ranked probability score: twice the integral of the pinball loss (Laio & Tamea 2007).

    The integral is by the trapezoidal rule over probabilities from 0 to 1, where the loss is 0: 0.4 % too low for 19
    quantiles of a normal distribution, for which twice the plain average is 5 % too high.
    """
    losses = np.concatenate([[0.0], pinball(observed, quantiles, probabilities), [0.0]])
    return float(2 * np.trapezoid(losses, np.concatenate([[0.0], probabilities, [1.0]])))


def qcp(observed: Array, quantiles: Array) -> Array:
    """Quantile coverage (Q,): share of the observations at or below each quantile, which should be its probability.

    Unlike PICP it reveals intervals that miss on one side (Schmidinger & Heuvelink 2023, Geoderma 437:116585).
    """
    shares: Array = (observed[:, None] <= quantiles).mean(axis=0)
    return shares


def coverage_curve(observed: Array, quantiles: Array, probabilities: Array) -> tuple[Array, Array]:
    """Nominal and actual coverage of the central intervals between quantiles p and 1 - p, ascending."""
    below = np.flatnonzero(probabilities < 0.5)[::-1]
    above = np.array([np.argmin(np.abs(probabilities - (1 - probabilities[index]))) for index in below], dtype=np.int64)
    paired = np.isclose(probabilities[above], 1 - probabilities[below])
    below, above = below[paired], above[paired]
    inside = (observed[:, None] >= quantiles[:, below]) & (observed[:, None] <= quantiles[:, above])
    return 1 - 2 * probabilities[below], inside.mean(axis=0)


def pit(observed: Array, quantiles: Array, probabilities: Array) -> Array:
    """Probability integral transform (n,): predicted probability of a value below the observed one (Gneiting et al.
    2007).

    It is linear between quantiles, halfway to 0 or 1 beyond the outermost, and the middle where several quantiles equal
    the observed value. It is uniform where the predicted distributions hold.
    """
    lower = (quantiles < observed[:, None]).sum(axis=1)  # index of the first quantile not below the observed value
    upper = (quantiles <= observed[:, None]).sum(axis=1)  # index of the first quantile above it
    padded = np.concatenate([[0.0], probabilities, [1.0]])
    rows = np.arange(len(observed))
    last = len(probabilities) - 1
    left, right = quantiles[rows, np.clip(lower - 1, 0, last)], quantiles[rows, np.clip(lower, 0, last)]
    width = np.where(right > left, right - left, 1.0)
    share = np.where((lower == 0) | (lower > last), 0.5, (observed - left) / width)
    between = padded[lower] + share * (padded[lower + 1] - padded[lower])
    tied = (padded[np.minimum(lower + 1, last + 1)] + padded[upper]) / 2
    result: Array = np.where(upper > lower, tied, between)
    return result


@dataclass(frozen=True)
class Scores:
    """Held-out scores in the target's unit. MEC and CCC are None where the observations do not vary, RPIQ where the
    RMSE is 0."""

    n: int
    me: float
    rmse: float
    mec: float | None
    ccc: float | None
    rpiq: float | None
    picp: float  # share of observations inside the prediction interval
    width: float  # mean width of the prediction interval
    interval_score: float
    crps: float

    @property
    def error(self) -> float:
        """The RMSE, by which methods are compared."""
        return self.rmse

    @property
    def beside(self) -> None:
        """Nothing: the error of numbers stands alone."""
        return None


@dataclass(frozen=True)
class HeldOut:
    """One method's predictions for observations it was not trained on: arrays (n,) in the target's unit; `quantiles`
    (m, 99) are those of the distribution at QUANTILE_LEVELS, of the m observations `told` (n,); of all where None."""

    mean: Array
    lower: Array
    upper: Array
    quantiles: Array
    scores: Scores
    fold_scores: tuple[Scores, ...]
    told: Flags | None = None


def reported_mean(mean: Array, quantiles: Array, limits: Array) -> Array:
    """Expected value (n,) of what is reported of distributions with that `mean` and `quantiles` (n, 99): the mean, plus
    the gain from raising all below the `limits` (n,) to them. Limits are minus infinity where there are none."""
    if not np.isfinite(limits).any():
        return mean
    raised = np.maximum(limits[:, None] - quantiles, 0)
    levels = np.concatenate([[0.0], QUANTILE_LEVELS, [1.0]])
    expected: Array = mean + np.trapezoid(np.hstack([raised[:, :1], raised, raised[:, -1:]]), levels)
    return np.asarray(np.maximum(expected, limits))


def score_reported(
    observed: Array,
    predicted: tuple[Array, Array, Array, Array],
    coverage: float,
    is_censored: Flags,
    limits: Array,
) -> Scores:
    """Scores of `observed` (n,) beside mean, lower and upper limit of the interval, and quantiles (n, 99)."""
    mean, lower, upper, quantiles = predicted
    if not np.isfinite(limits).any():
        return score(observed, mean, lower, upper, coverage, quantiles)
    scores = score(
        observed,
        reported_mean(mean, quantiles, limits),
        np.maximum(lower, limits),
        np.maximum(upper, limits),
        coverage,
        np.maximum(quantiles, limits[:, None]),
    )
    inside = inside_shares(observed, lower, upper, quantiles, is_censored)
    return replace(scores, picp=float(inside.mean()), width=float(np.mean(upper - lower)))


def inside_shares(observed: Array, lower: Array, upper: Array, quantiles: Array, is_censored: Flags) -> Array:
    """Share of the observed value inside the interval (n,): 1 inside, 0 outside; for a censored value the probability
    that it lies inside, given that it lies below its limit."""
    inside = is_inside(observed, lower, upper).astype(np.float64)
    if is_censored.any():
        own = quantiles[is_censored]
        below = below_shares(observed[is_censored], own, upper[is_censored])
        inside[is_censored] = below - below_shares(observed[is_censored], own, lower[is_censored])
    return inside


def below_shares(limits: Array, quantiles: Array, values: Array) -> Array:
    """Predicted probability (n,) that a value below `limits` (n,) lies below `values` (n,), too."""
    reached, level = pit(limits, quantiles, QUANTILE_LEVELS), pit(values, quantiles, QUANTILE_LEVELS)
    shares: Array = np.minimum(level / reached, 1.0)
    return shares


@dataclass(frozen=True)
class MeasuredCoverage:
    """Coverage of the `n` measured values alone, beside `censored` ones, whose coverage is only what the prediction
    itself says. `picp` is the share inside; `expected` would be inside if all distributions held, since a measured
    value is one that lies above its detection limit."""

    n: int
    censored: int
    picp: float
    expected: float


def measured_coverage(
    observed: Array, held_out: HeldOut, coverage: float, is_censored: Flags, limits: Array
) -> MeasuredCoverage | None:
    """Coverage of measured values; None where nothing is censored, nothing measured, or nothing predicted."""
    own = ~is_censored
    quantiles = held_out.quantiles
    if own.all() or not own.any() or quantiles.shape != (len(observed), len(QUANTILE_LEVELS)):
        return None
    if not (np.isfinite(quantiles[own]).all() and np.isfinite(held_out.lower[own]).all()):
        return None
    tail = (1 - coverage) / 2
    below = np.where(np.isfinite(limits[own]), pit(limits[own], quantiles[own], QUANTILE_LEVELS), 0.0)
    expected = np.maximum(1 - tail - np.maximum(below, tail), 0) / (1 - below)
    inside = picp(observed[own], held_out.lower[own], held_out.upper[own])
    return MeasuredCoverage(int(own.sum()), int((~own).sum()), inside, float(expected.mean()))


def means_outside(held_out: HeldOut) -> int:
    """How many predicted means lie outside their own prediction intervals."""
    return int(is_outside(held_out.mean, held_out.lower, held_out.upper).sum())


def is_outside(mean: Array, lower: Array, upper: Array) -> Flags:
    """True where a mean lies outside its interval by more than rounding; arrays of any one shape, NaN where nothing is
    predicted."""
    slack = _ROUNDING * np.maximum(np.abs(lower), np.abs(upper))
    outside: Flags = (mean < lower - slack) | (mean > upper + slack)
    return outside
