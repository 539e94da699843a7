"""Whether the network earned its place: paired differences over the folds, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.methods import (
    BLEND,
    FOREST,
    FOREST_CONTEXT,
    FORESTS,
    MEAN,
    METHODS,
    NAMES,
    NETWORK,
)
from soil_cnn_plugin.engine.targets.assessed import Verdict
from soil_cnn_plugin.engine.targets.distributions import RMSE
from soil_cnn_plugin.engine.targets.kinds import Measure

SIGNIFICANT = 0.05


class Scored(Protocol):
    """Scores of `n` held-out observations. `error` is the one by which methods are compared; `beside` is a share to
    show beside it, if the measure has one."""

    @property
    def n(self) -> int: ...
    @property
    def error(self) -> float: ...
    @property
    def beside(self) -> float | None: ...


class Judged(Protocol):
    """One method on held-out folds."""

    @property
    def scores(self) -> Scored: ...
    @property
    def fold_scores(self) -> Sequence[Scored]: ...


@dataclass(frozen=True)
class PairedTest:
    """Mean of the differences, its standard error, 95 % confidence interval, and two-sided p."""

    difference: float
    standard_error: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Difference:
    """Error of `method` minus that of `other`: `percent` of the other's over all held-out observations, `test` over the
    folds in the error's unit. The error is lower in `folds_lower` of the `folds` that hold observations."""

    method: str
    other: str
    percent: float
    test: PairedTest | None
    folds_lower: int
    folds: int


def paired_test(differences: Array, test_to_train: float) -> PairedTest | None:
    """Test differences over folds by the corrected resampled t-test; None for fewer than two.

    Folds share training observations, so their differences depend on each other; the variance of the mean is therefore
    (1 / k + n_test / n_train) s^2 (Nadeau & Bengio 2003, Machine Learning 52:239, eq. 9). Differences of repeated folds
    may be given all at once (Bouckaert & Frank 2004).
    """
    count = len(differences)
    if count < 2:
        return None
    difference = float(np.mean(differences))
    error = float(np.sqrt((1 / count + test_to_train) * np.var(differences, ddof=1)))
    margin = error * float(stats.t.ppf(0.975, count - 1))
    t = abs(difference) / error if error > 0 else (np.inf if difference else 0.0)
    p = 2 * float(stats.t.sf(t, count - 1))
    return PairedTest(difference, error, difference - margin, difference + margin, p)


def compare(method: Judged, other: Judged) -> PairedTest | None:
    """Test the difference in error over the folds, `method` minus `other`."""
    pairs = [(a, b) for a, b in zip(method.fold_scores, other.fold_scores) if a.n > 0]
    sizes = np.array([a.n for a, _ in pairs], dtype=float)
    if len(pairs) < 2:
        return None
    test_to_train = float(np.mean(sizes / (sizes.sum() - sizes)))
    return paired_test(np.array([a.error - b.error for a, b in pairs]), test_to_train)


def differences(methods: Mapping[str, Judged], predictor: str = NETWORK) -> tuple[Difference, ...]:
    """Compare the map's predictor with every other method, the network with the better forest, and both forests."""
    pairs = [(predictor, other) for other in METHODS if other != predictor]
    if all(name in methods for name in FORESTS):
        pairs += [(NETWORK, better_forest(methods)), (FOREST_CONTEXT, FOREST)]
    known = [pair for pair in dict.fromkeys(pairs) if pair[0] in methods and pair[1] in methods]
    return tuple(_difference(methods, method, other) for method, other in known)


def verdict(methods: Mapping[str, Judged], predictor: str = NETWORK, measure: Measure = RMSE) -> Verdict:
    """Judge the network beside both random forests and the mean, all held out on the same folds.

    Errors are over all held-out observations, p over the folds. The rival is the forest with the lower error. Where the
    blend is the map's predictor, a sentence tells how it stands beside the rival.
    """
    rival = better_forest(methods)
    test = compare(methods[NETWORK], methods[rival])
    percent = _percent(methods[NETWORK], methods[rival])
    p = test.p if test else None
    judged = [name for name in NAMES if name in methods and name != MEAN]
    best = min(judged, key=lambda name: methods[name].scores.error)
    if not any(_beats_mean(methods[name], methods[MEAN], measure) for name in judged):
        mean_test = compare(methods[best], methods[MEAN])
        text = (
            f"No usable signal: nothing clearly beats {measure.without_map}. The lowest {measure.name}, that of the"
            f" {NAMES[best]}, is {_change(_percent(methods[best], methods[MEAN]))} than {measure.of_this}"
            f"{_p(mean_test.p if mean_test else None)}."
        )
        return Verdict(f"{text}{_beside(methods, predictor, rival, measure)}", "none", rival, percent, p)
    direction = _clear_direction(percent, test)
    if direction < 0:
        text = f"The network is better than the {NAMES[rival]}"
    elif direction > 0:
        text = f"The {NAMES[rival]} is better than the network"
    else:
        text = f"No clear difference between the network and the {NAMES[rival]}"
    text += f": the network's {measure.name} is {_change(percent)}{_p(p)}. {_context(methods, measure)}"
    if predictor == BLEND:
        text += f" {_blend(methods, rival, measure)}"
    outcome = {-1: "network", 0: "equal", 1: "forest"}[direction]
    return Verdict(f"{text}{_beside(methods, predictor, rival, measure)}", outcome, rival, percent, p)


def better_forest(methods: Mapping[str, Judged]) -> str:
    """The forest with the lower error; of two equal ones, the simpler one."""
    return min((FOREST, FOREST_CONTEXT), key=lambda name: methods[name].scores.error)


def _difference(methods: Mapping[str, Judged], method: str, other: str) -> Difference:
    pairs = [(a, b) for a, b in zip(methods[method].fold_scores, methods[other].fold_scores) if a.n > 0]
    return Difference(
        method=method,
        other=other,
        percent=_percent(methods[method], methods[other]),
        test=compare(methods[method], methods[other]),
        folds_lower=sum(a.error < b.error for a, b in pairs),
        folds=len(pairs),
    )


def _blend(methods: Mapping[str, Judged], rival: str, measure: Measure) -> str:
    """How the map's predictor, the blend, stands beside the better forest."""
    test = compare(methods[BLEND], methods[rival])
    percent = _percent(methods[BLEND], methods[rival])
    unclear = "" if _clear_direction(percent, test) else ", no clear difference"
    return (
        f"The map is predicted by the blend: its {measure.name} is {_change(percent)} than that of the"
        f" {NAMES[rival]}"
        f"{_p(test.p if test else None)}{unclear}."
    )


def _beside(methods: Mapping[str, Judged], predictor: str, rival: str, measure: Measure) -> str:
    """The shares to show beside the errors; empty for a measure without one."""
    if not measure.beside:
        return ""
    names = dict.fromkeys((predictor, NETWORK, rival))
    told = [f"{NAMES[name]} {_share(methods[name])}" for name in names]
    return f" {measure.beside}: {', '.join(told)}, {measure.beside_alone} {_share(methods[MEAN])}."


def _share(method: Judged) -> str:
    return f"{100 * (method.scores.beside or 0.0):.1f} %"


def _context(methods: Mapping[str, Judged], measure: Measure) -> str:
    """What focal means and deviations change in the random forest."""
    test = compare(methods[FOREST_CONTEXT], methods[FOREST])
    percent = _percent(methods[FOREST_CONTEXT], methods[FOREST])
    direction = _clear_direction(percent, test)
    claim = {-1: "Context helps", 0: "Context does not clearly help here", 1: "Context harms here"}[direction]
    numbers = f"{_change(percent)}{_p(test.p if test else None)}"
    return f"{claim}: with focal means and deviations the random forest's {measure.name} is {numbers}."


def _percent(method: Judged, other: Judged) -> float:
    """Error of `method` minus that of `other`, in percent of the other's; 0 where both are 0."""
    if other.scores.error == 0:
        return 0.0 if method.scores.error == 0 else np.inf
    return 100 * (method.scores.error / other.scores.error - 1)


def _clear_direction(percent: float, test: PairedTest | None) -> int:
    """-1 or 1 where the difference over the folds is significant and the pooled one has the same sign, else 0."""
    if test is None or test.p >= SIGNIFICANT or test.difference * percent <= 0:
        return 0
    return -1 if percent < 0 else 1


def _beats_mean(method: Judged, mean: Judged, measure: Measure) -> bool:
    """Whether the error is clearly below the mean's: significantly (one-sided: only below counts), or by a lot."""
    percent, test = _percent(method, mean), compare(method, mean)
    is_significant = test is not None and test.difference < 0 and test.p / 2 < SIGNIFICANT
    return percent <= -measure.clear_gain_percent or (percent < 0 and is_significant)


def _change(percent: float) -> str:
    return f"{abs(percent):.1f} % {'higher' if percent > 0 else 'lower'}"


def _p(p: float | None) -> str:
    if p is None:
        return ""
    return " (p < 0.001)" if p < 0.001 else f" (p = {p:.2g})"
