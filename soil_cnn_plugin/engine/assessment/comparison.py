"""Whether the network earned its place: paired differences over the folds, and the verdict in plain words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from soil_cnn_plugin.engine.assessment.assessment import (
    BLEND,
    FOREST,
    FOREST_CONTEXT,
    MEAN,
    METHODS,
    NETWORK,
    HeldOut,
    Verdict,
)

Array = NDArray[np.float64]

SIGNIFICANT = 0.05
CLEAR_GAIN_PERCENT = 10.0
"""An RMSE this far below the mean's is a usable signal whatever the test says: of two folds it can say little."""

NAMES = {
    BLEND: "blend",
    NETWORK: "network",
    FOREST: "random forest",
    FOREST_CONTEXT: "random forest with context",
    MEAN: "mean",
}
"""Method -> its name within a sentence."""
FORESTS = (FOREST, FOREST_CONTEXT)


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
    """RMSE of `method` minus that of `other`: `percent` of the other's over all held-out observations, `test` over the
    folds in the target's unit; lower in `folds_lower` of the `folds` that hold observations."""

    method: str
    other: str
    percent: float
    test: PairedTest | None
    folds_lower: int
    folds: int


def paired_test(differences: Array, test_to_train: float) -> PairedTest | None:
    """Corrected resampled t-test of differences over folds; None for fewer than two.

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


def compare(method: HeldOut, other: HeldOut) -> PairedTest | None:
    """Test of the difference in RMSE over the folds, `method` minus `other`, in the target's unit."""
    pairs = [(a, b) for a, b in zip(method.fold_scores, other.fold_scores) if a.n > 0]
    sizes = np.array([a.n for a, _ in pairs], dtype=float)
    if len(pairs) < 2:
        return None
    test_to_train = float(np.mean(sizes / (sizes.sum() - sizes)))
    return paired_test(np.array([a.rmse - b.rmse for a, b in pairs]), test_to_train)


def differences(methods: dict[str, HeldOut], predictor: str = NETWORK) -> tuple[Difference, ...]:
    """The map's predictor beside every other method, the network beside the better forest, and what context changes."""
    pairs = [(predictor, other) for other in METHODS if other != predictor]
    if all(name in methods for name in FORESTS):
        pairs += [(NETWORK, _better_forest(methods)), (FOREST_CONTEXT, FOREST)]
    known = [pair for pair in dict.fromkeys(pairs) if pair[0] in methods and pair[1] in methods]
    return tuple(_difference(methods, method, other) for method, other in known)


def verdict(methods: dict[str, HeldOut], predictor: str = NETWORK) -> Verdict:
    """Judge the network beside both random forests and the mean, all held out on the same folds.

    RMSE is over all held-out observations, p over the folds. The rival is the forest with the lower RMSE. Where the
    blend is the map's predictor, a sentence tells how it stands beside the rival.
    """
    rival = _better_forest(methods)
    test = compare(methods[NETWORK], methods[rival])
    percent = _percent(methods[NETWORK], methods[rival])
    p = test.p if test else None
    judged = [name for name in NAMES if name in methods and name != MEAN]
    best = min(judged, key=lambda name: methods[name].scores.rmse)
    if not any(_beats_mean(methods[name], methods[MEAN]) for name in judged):
        mean_test = compare(methods[best], methods[MEAN])
        text = (
            "No usable signal: nothing clearly beats the mean of the observations. The lowest RMSE, that of the"
            f" {NAMES[best]}, is {_change(_percent(methods[best], methods[MEAN]))} than the mean's"
            f"{_p(mean_test.p if mean_test else None)}."
        )
        return Verdict(text, "none", rival, percent, p)
    direction = _clear_direction(percent, test)
    if direction < 0:
        text = f"The network is better than the {NAMES[rival]}"
    elif direction > 0:
        text = f"The {NAMES[rival]} is better than the network"
    else:
        text = f"No clear difference between the network and the {NAMES[rival]}"
    text += f": the network's RMSE is {_change(percent)}{_p(p)}. {_context(methods)}"
    if predictor == BLEND:
        text += f" {_blend(methods, rival)}"
    outcome = {-1: "network", 0: "equal", 1: "forest"}[direction]
    return Verdict(text, outcome, rival, percent, p)


def _better_forest(methods: dict[str, HeldOut]) -> str:
    return min(FORESTS, key=lambda name: methods[name].scores.rmse)


def _difference(methods: dict[str, HeldOut], method: str, other: str) -> Difference:
    pairs = [(a, b) for a, b in zip(methods[method].fold_scores, methods[other].fold_scores) if a.n > 0]
    return Difference(
        method=method,
        other=other,
        percent=_percent(methods[method], methods[other]),
        test=compare(methods[method], methods[other]),
        folds_lower=sum(a.rmse < b.rmse for a, b in pairs),
        folds=len(pairs),
    )


def _blend(methods: dict[str, HeldOut], rival: str) -> str:
    """How the map's predictor, the blend, stands beside the better forest."""
    test = compare(methods[BLEND], methods[rival])
    percent = _percent(methods[BLEND], methods[rival])
    unclear = "" if _clear_direction(percent, test) else ", no clear difference"
    return (
        f"The map is predicted by the blend of both: its RMSE is {_change(percent)} than that of the {NAMES[rival]}"
        f"{_p(test.p if test else None)}{unclear}."
    )


def _context(methods: dict[str, HeldOut]) -> str:
    """What focal means and deviations change in the random forest."""
    test = compare(methods[FOREST_CONTEXT], methods[FOREST])
    percent = _percent(methods[FOREST_CONTEXT], methods[FOREST])
    direction = _clear_direction(percent, test)
    claim = {-1: "Context helps", 0: "Context does not clearly help here", 1: "Context harms here"}[direction]
    numbers = f"{_change(percent)}{_p(test.p if test else None)}"
    return f"{claim}: with focal means and deviations the random forest's RMSE is {numbers}."


def _percent(method: HeldOut, other: HeldOut) -> float:
    """RMSE of `method` minus that of `other`, in percent of the other's; 0 where both are 0."""
    if other.scores.rmse == 0:
        return 0.0 if method.scores.rmse == 0 else np.inf
    return 100 * (method.scores.rmse / other.scores.rmse - 1)


def _clear_direction(percent: float, test: PairedTest | None) -> int:
    """-1 or 1 where the difference over the folds is significant and the pooled one has the same sign, else 0."""
    if test is None or test.p >= SIGNIFICANT or test.difference * percent <= 0:
        return 0
    return -1 if percent < 0 else 1


def _beats_mean(method: HeldOut, mean: HeldOut) -> bool:
    """Clearly below the mean's RMSE: significant one-sided, because only below counts, or by a lot."""
    percent, test = _percent(method, mean), compare(method, mean)
    is_significant = test is not None and test.difference < 0 and test.p / 2 < SIGNIFICANT
    return percent <= -CLEAR_GAIN_PERCENT or (percent < 0 and is_significant)


def _change(percent: float) -> str:
    return f"{abs(percent):.1f} % {'higher' if percent > 0 else 'lower'}"


def _p(p: float | None) -> str:
    if p is None:
        return ""
    return " (p < 0.001)" if p < 0.001 else f" (p = {p:.2g})"
