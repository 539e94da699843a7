"""A map's accuracy from a probability sample, with confidence intervals that rest on the sampling design alone.

They need no assumption on the map, the soil or its spatial variation (de Gruijter et al. 2006, Sampling for Natural
Resource Monitoring, chapter 7; Wadoux et al. 2021, Ecological Modelling 457:109692).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betaincinv, stdtrit

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError


@dataclass(frozen=True)
class Estimate:
    """A number for the whole map, its standard error, and its confidence interval."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class DesignEstimates:
    """Estimates in the target's unit, `mse` in its square; `mec` is None where the observations do not vary.

    `confidence` is that of the intervals; `sentence` says which design the estimates rest on.
    """

    n: int
    confidence: float
    me: Estimate
    mse: Estimate
    rmse: Estimate
    mec: Estimate | None
    sentence: str


def estimate_from_sample(
    observed: Array,
    predicted: Array,
    *,
    strata: Sequence[Hashable] | None = None,
    areas: Mapping[Hashable, float] | None = None,
    inclusion: Array | None = None,
    confidence: float = 0.95,
) -> DesignEstimates:
    """Estimate the accuracy of the whole map from observations whose places were drawn at random.

    Without `strata` and `inclusion` the sample is a simple random one. MEC relates the MSE to the variance of the whole
    area, estimated without bias (de Gruijter et al. 2006), so it lies a little off `metrics.mec`. A few large errors
    make the intervals of MSE, RMSE and MEC hold less often than they say.

    Args:
        observed, predicted: (n,), finite.
        strata: (n,) the stratum of each observation.
        areas: stratum -> its area or its share of the map, in any unit.
        inclusion: (n,) inclusion probability of each observation, up to a common factor; not together with `areas`.
        confidence: of the intervals.

    Raises:
        EngineError: the design does not fit the observations.
    """
    design, words = _design(len(observed), strata, areas, inclusion, confidence)
    error = predicted - observed
    mean_error, mse = design.mean(error), design.mean(error**2)
    mse_estimate = design.estimate(mse, error**2 - mse)
    return DesignEstimates(
        n=len(observed),
        confidence=confidence,
        me=design.estimate(mean_error, error - mean_error),
        mse=mse_estimate,
        rmse=_root(mse_estimate),
        mec=_efficiency(design, observed, error),
        sentence=_sentence(words, confidence),
    )


def design_in_words(
    count: int,
    *,
    strata: Sequence[Hashable] | None = None,
    areas: Mapping[Hashable, float] | None = None,
    inclusion: Array | None = None,
    confidence: float = 0.95,
) -> str:
    """Return the sentence of `estimate_from_sample` about the design of so many observations."""
    return _sentence(_design(count, strata, areas, inclusion, confidence)[1], confidence)


def _sentence(words: str, confidence: float) -> str:
    return tr("Design-based estimates from {}, with {:g} % confidence intervals.").format(words, 100 * confidence)


def estimate_mean(
    values: Array,
    *,
    strata: Sequence[Hashable] | None = None,
    areas: Mapping[Hashable, float] | None = None,
    inclusion: Array | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the mean over the map of `values` (n,) at the sample's places; otherwise as `estimate_from_sample`."""
    design, _ = _design(len(values), strata, areas, inclusion, confidence)
    mean = design.mean(values)
    return design.estimate(mean, values - mean)


def estimate_share(
    is_true: Flags,
    *,
    among: Flags | None = None,
    strata: Sequence[Hashable] | None = None,
    areas: Mapping[Hashable, float] | None = None,
    inclusion: Array | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the share of the map where something holds, for example an interval; else as `estimate_from_sample`.

    With `among` (n,), some of which must be True, it is the share of that part of the map alone, a ratio of two
    estimates (Saerndal et al. 1992, section 5.6). The interval is Clopper and Pearson's with the effective sample
    size: it stays between 0 and 1 and is honest where the condition held everywhere (Korn & Graubard 1998, Survey
    Methodology 24:193).
    """
    design, _ = _design(len(is_true), strata, areas, inclusion, confidence)
    part = np.ones(len(is_true)) if among is None else among.astype(np.float64)
    own, values = part > 0, is_true.astype(np.float64)
    weight, count, tail = design.weight[own], float(own.sum()), (1 - confidence) / 2
    share = float(weight @ values[own] / weight.sum())
    variance, degrees = design.variance(part * (values - share) / float(weight.sum()))
    size = float(min(count, weight.sum() ** 2 / (weight**2).sum()))  # Kish's, where the variance tells nothing
    if np.ptp(values[own]) == 0:
        share, variance = float(values[own][0]), 0.0  # free of the rounding of weights
    elif variance > 0:
        ratio = float(stdtrit(count - 1, 1 - tail) / stdtrit(degrees, 1 - tail))
        size = min(count, share * (1 - share) / variance * ratio**2)
    hits, misses = share * size, (1 - share) * size
    low = float(betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, misses, 1 - tail)) if misses > 0 else 1.0
    return Estimate(share, variance**0.5, low, high)


@dataclass(frozen=True)
class _Design:
    """`weight` (n,) is the share of the map that each observation stands for; `stratum` (n,) counts from 0."""

    weight: Array
    stratum: Rows
    confidence: float

    def mean(self, values: Array) -> float:
        return float(self.weight @ values)

    def estimate(self, value: float, influence: Array) -> Estimate:
        """Estimate `value`, with the variance of the mean of `influence`."""
        variance, degrees = self.variance(influence)
        margin = float(stdtrit(degrees, 0.5 + self.confidence / 2)) * variance**0.5
        return Estimate(value, variance**0.5, value - margin, value + margin)

    def variance(self, influence: Array) -> tuple[float, float]:
        """Variance of the mean of `influence`, by strata, and degrees of freedom of Student's t after Satterthwaite.

        With the weights W_h / n_h this is the sum of W_h^2 s_h^2 / n_h (Cochran 1977, eq. 5.13, without the finite
        population correction: a map has infinitely many points).
        """
        part = self.weight * influence
        count = np.bincount(self.stratum)
        deviation = part - (np.bincount(self.stratum, part) / count)[self.stratum]
        variances = count / (count - 1) * np.bincount(self.stratum, deviation**2)
        variance = float(variances.sum())
        degrees = float(variance**2 / np.sum(variances**2 / (count - 1))) if variance > 0 else 1.0
        return variance, degrees


def _design(
    count: int,
    strata: Sequence[Hashable] | None,
    areas: Mapping[Hashable, float] | None,
    inclusion: Array | None,
    confidence: float,
) -> tuple[_Design, str]:
    """The design and its name in words."""
    labels, stratum = _number_strata(count, strata)
    sizes = np.bincount(stratum)
    weight = np.ones(count)
    words = tr("a simple random sample of {} observations").format(count)
    if inclusion is not None:
        wrong = int((~(inclusion > 0)).sum())
        if wrong:
            raise EngineError(
                tr("{} of {} observations have no inclusion probability above 0. Fill the field.").format(wrong, count)
            )
        weight = 1 / inclusion
        sample = (
            tr("a probability sample of {} observations, weighted by their inclusion probabilities")
            if strata is None
            else tr("a probability sample of {} observations in {} strata, weighted by their inclusion probabilities")
        )
        words = sample.format(count, len(labels))
    elif strata is not None:
        weight = (_areas(labels, areas) / sizes)[stratum]
        words = tr("a stratified random sample of {} observations in {} strata, weighted by their areas").format(
            count, len(labels)
        )
    return _Design(weight / weight.sum(), stratum, confidence), words


def _number_strata(count: int, strata: Sequence[Hashable] | None) -> tuple[list[Hashable], Rows]:
    """The strata's names, in order of appearance, and the number of each observation's stratum."""
    if strata is None:
        if count < 2:
            raise EngineError(
                tr("The sample has {} observations; at least 2 are needed for a confidence interval.").format(count)
            )
        return [None], np.zeros(count, dtype=np.int64)
    numbers = {label: number for number, label in enumerate(dict.fromkeys(strata))}
    labels, stratum = list(numbers), np.array([numbers[label] for label in strata], dtype=np.int64)
    single = [str(label) for label, size in zip(labels, np.bincount(stratum)) if size < 2]
    if single:
        raise EngineError(
            tr(
                "The sample has a single observation in stratum {}; at least 2 are needed in each. Merge it"
                " with a stratum like it."
            ).format(", ".join(single))
        )
    return labels, stratum


def _areas(labels: list[Hashable], areas: Mapping[Hashable, float] | None) -> Array:
    """Area of each stratum; every stratum of the map must have been sampled."""
    if areas is None:
        raise EngineError(
            tr("A stratified sample needs the strata's areas or inclusion probabilities. Name their field.")
        )
    without_area = [str(label) for label in labels if not areas.get(label, 0) > 0]
    unsampled = [str(label) for label, area in areas.items() if area > 0 and label not in labels]
    if without_area:
        raise EngineError(tr("The area of stratum {} is missing or not above 0.").format(", ".join(without_area)))
    if unsampled:
        raise EngineError(
            tr(
                "Stratum {} has an area but no observation, so nothing can be said of the whole map. Leave it"
                " out of the areas to speak of the rest."
            ).format(", ".join(unsampled))
        )
    return np.array([areas[label] for label in labels], dtype=np.float64)


def _root(mse: Estimate) -> Estimate:
    """RMSE: roots of the ends of the MSE's interval; the standard error is accurate to first order."""
    root = mse.value**0.5
    error = mse.standard_error / (2 * root) if root > 0 else 0.0
    return Estimate(root, error, max(mse.low, 0.0) ** 0.5, mse.high**0.5)


def _efficiency(design: _Design, observed: Array, error: Array) -> Estimate | None:
    """MEC = 1 - MSE / variance; linearizing the ratio gives the standard error (Saerndal et al. 1992, section 5.5)."""
    if np.ptp(observed) == 0:
        return None
    deviation = observed - design.mean(observed)
    spread = design.mean(deviation**2)
    variance = spread + design.estimate(0.0, deviation).standard_error ** 2  # a sample is less spread than its area
    mse = design.mean(error**2)
    estimate = design.estimate(1 - mse / variance, (mse / spread * deviation**2 - error**2) / variance)
    return replace(estimate, high=min(estimate.high, 1.0))
