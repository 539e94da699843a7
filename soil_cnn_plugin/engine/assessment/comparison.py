"""Whether the network earned its place: paired differences over the folds, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from soil_cnn_plugin.contract.language import localized, tr
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
from soil_cnn_plugin.engine.assessment.significance import (
    SIGNIFICANT,
    PairedTest,
    above,
    holm,
    p_words,
    paired_test,
    percent_text,
)
from soil_cnn_plugin.engine.targets.assessed import Claim, Verdict
from soil_cnn_plugin.engine.targets.distributions import RMSE
from soil_cnn_plugin.engine.targets.kinds import Measure

Methods = Mapping[str, "Judged"]
SIGNAL, NO_SIGNAL, UNKNOWN = "signal", "none", "unknown"


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
class Difference:
    """Error of `method` minus that of `other`: `percent` of the other's over all held-out observations, `test` over the
    folds in the error's unit. The error is lower in `folds_lower` of the `folds` that hold observations."""

    method: str
    other: str
    percent: float
    test: PairedTest | None
    folds_lower: int
    folds: int


def compare(method: Judged, other: Judged) -> PairedTest | None:
    """Test the difference in error over the folds of all repeats, `method` minus `other`."""
    pairs = [(a, b) for a, b in zip(method.fold_scores, other.fold_scores) if a.n > 0]
    sizes = np.array([a.n for a, _ in pairs], dtype=float)
    if len(pairs) < 2:
        return None
    test_to_train = float(np.mean(sizes / (method.scores.n - sizes)))
    return paired_test(np.array([a.error - b.error for a, b in pairs]), test_to_train)


def differences(methods: Methods, predictor: str = NETWORK) -> tuple[Difference, ...]:
    """Compare the map's predictor with every other method, the network with the better forest, and both forests."""
    pairs = [(predictor, other) for other in METHODS if other != predictor]
    if all(name in methods for name in FORESTS):
        pairs += [(NETWORK, better_forest(methods)), (FOREST_CONTEXT, FOREST)]
    known = [pair for pair in dict.fromkeys(pairs) if pair[0] in methods and pair[1] in methods]
    return tuple(_difference(methods, method, other) for method, other in known)


def verdicts(targets: Sequence[tuple[Methods, Measure]], predictor: str = NETWORK) -> list[Verdict]:
    """Judge the network on each target beside both random forests and the mean, all held out on the same folds.

    Errors are over all held-out observations, p over the folds. The rival is the forest with the lower error. Where the
    blend is the map's predictor, a sentence tells how it stands beside the rival. The p of all that the verdicts of a
    run claim about two methods are adjusted together, so that among many targets chance makes no verdict.
    """
    pairs = [(t, *pair) for t, (methods, _) in enumerate(targets) for pair in _claimed(methods, predictor)]
    tests = [compare(targets[t][0][method], targets[t][0][other]) for t, method, other in pairs]
    adjusted = holm([test.p if test else None for test in tests])
    count = sum(test is not None for test in tests)
    claims: list[list[Claim]] = [[] for _ in targets]
    for (t, method, other), test, p in zip(pairs, tests, adjusted):
        percent = _percent(targets[t][0][method], targets[t][0][other])
        level = _fold_error(targets[t][0][other])
        detectable = 100 * test.detectable(count) / level if test and level else None
        claims[t].append(Claim(method, other, percent, _clear_direction(percent, test, p), p, count, detectable))
    return [_verdict(methods, predictor, measure, tuple(own)) for (methods, measure), own in zip(targets, claims)]


def verdict(methods: Methods, predictor: str = NETWORK, measure: Measure = RMSE) -> Verdict:
    """The verdict of a run with one target."""
    return verdicts([(methods, measure)], predictor)[0]


def _claimed(methods: Methods, predictor: str) -> list[tuple[str, str]]:
    """The pairs of methods that a verdict is about."""
    rival = better_forest(methods)
    pairs = [(NETWORK, rival), (FOREST_CONTEXT, FOREST)]
    return [*pairs, (BLEND, rival)] if predictor == BLEND else pairs


def _verdict(methods: Methods, predictor: str, measure: Measure, claims: tuple[Claim, ...]) -> Verdict:
    main, context, *blend = claims
    test = compare(methods[NETWORK], methods[main.other])
    rivals = [name for name in NAMES if name in methods and name != MEAN]
    outcome = signal([against_mean(methods[name], methods[MEAN]) for name in rivals], measure)
    if outcome == SIGNAL:
        outcome = {-1: "network", 0: "equal", 1: "forest"}[main.direction]
        parts = [_main(main, measure), _context(context, measure), *(_blend(each, measure) for each in blend)]
        text = " ".join([*parts, *([how_sure(main.comparisons)] if test else [])])
    else:
        text = _without_signal(methods, rivals, outcome, measure)
    text += _beside(methods, predictor, main.other, measure)
    return Verdict(text, outcome, main.other, main.percent, test.p if test else None, claims)


@dataclass(frozen=True)
class AgainstMean:
    """A method beside the mean: its error minus the mean's over all held-out observations, in percent of that; the test
    of the difference over the folds, and the mean's error in a fold."""

    percent: float
    test: PairedTest | None
    level: float


def against_mean(method: Judged, mean: Judged) -> AgainstMean:
    return AgainstMean(_percent(method, mean), compare(method, mean), _fold_error(mean))


def signal(methods: Sequence[AgainstMean], measure: Measure) -> str:
    """Whether any method is better than the mean: SIGNAL, NO_SIGNAL, or UNKNOWN where a test could have missed it.

    An error is a signal if it is significantly below the mean's (one-sided: only below counts; adjusted for the number
    of methods), or below it by `clear_gain_percent`. There is none only where so large a gain can be ruled out, too,
    with a confidence of 95 %.
    """
    p_below = holm([1 - p if (p := above(each.test)) is not None else None for each in methods])
    for each, p in zip(methods, p_below):
        is_significant = p is not None and p < SIGNIFICANT
        if each.percent <= -measure.clear_gain_percent or (each.percent < 0 and is_significant):
            return SIGNAL
    ruled_out = [
        each.test is not None and 100 * each.test.lowest() >= -measure.clear_gain_percent * each.level
        for each in methods
    ]
    return NO_SIGNAL if all(ruled_out) else UNKNOWN


def _without_signal(methods: Methods, rivals: Sequence[str], outcome: str, measure: Measure) -> str:
    """Absence of signal, or absence of evidence: two findings in words of their own."""
    best = min(rivals, key=lambda name: methods[name].scores.error)
    found = against_mean(methods[best], methods[MEAN])
    lowest = tr("The lowest {}, that of the {}, is {} than {}").format(
        measure.name, NAMES[best], change_words(found.percent), measure.of_this
    )
    p = f"({p_words(found.test.p)})" if found.test else ""
    if outcome == NO_SIGNAL:
        return tr(
            "No usable signal: nothing clearly beats {}. {} {}, and a gain of {:g} % can be ruled out (95 %"
            " confidence)."
        ).format(measure.without_map, lowest, p, measure.clear_gain_percent)
    missed = tr("too few folds hold observations for a test")
    if found.test:
        detectable = 100 * found.test.detectable(sides=1) / found.level if found.level else 0.0
        missed = tr("the test finds a gain only from {} on (80 % power)").format(percent_text(detectable))
    return tr(
        "Not enough evidence to say whether there is a usable signal: nothing clearly beats {}, but {}. {}. More"
        " observations, or more folds and repeats, can tell."
    ).format(measure.without_map, missed, f"{lowest} {p}".rstrip())


def better_forest(methods: Methods) -> str:
    """The forest with the lower error; of two equal ones, the simpler one."""
    return min((FOREST, FOREST_CONTEXT), key=lambda name: methods[name].scores.error)


def _difference(methods: Methods, method: str, other: str) -> Difference:
    pairs = [(a, b) for a, b in zip(methods[method].fold_scores, methods[other].fold_scores) if a.n > 0]
    return Difference(
        method=method,
        other=other,
        percent=_percent(methods[method], methods[other]),
        test=compare(methods[method], methods[other]),
        folds_lower=sum(a.error < b.error for a, b in pairs),
        folds=len(pairs),
    )


def _main(claim: Claim, measure: Measure) -> str:
    rival = NAMES[claim.other]
    if claim.direction < 0:
        text = tr("The network is better than the {}").format(rival)
    elif claim.direction > 0:
        text = tr("The {} is better than the network").format(rival)
    else:
        text = tr("No clear difference between the network and the {}").format(rival)
    return tr("{}: the network's {} is {}{}.").format(
        text, measure.name, change_words(claim.percent), _test_words(claim)
    )


def _blend(claim: Claim, measure: Measure) -> str:
    """How the map's predictor, the blend, stands beside the better forest."""
    unclear = "" if claim.direction else tr(", no clear difference")
    return tr("The map is predicted by the blend: its {} is {} than that of the {}{}{}.").format(
        measure.name, change_words(claim.percent), NAMES[claim.other], _test_words(claim), unclear
    )


def _context(claim: Claim, measure: Measure) -> str:
    """What focal means and deviations change in the random forest."""
    words = {-1: tr("Context helps"), 0: tr("Context does not clearly help here"), 1: tr("Context harms here")}[
        claim.direction
    ]
    return tr("{}: with focal means and deviations the random forest's {} is {}{}.").format(
        words, measure.name, change_words(claim.percent), _test_words(claim)
    )


def _test_words(claim: Claim) -> str:
    """p and the smallest difference that is found, in brackets."""
    if claim.p is None or claim.detectable_percent is None:
        return ""
    return tr(" ({}, detectable {})").format(p_words(claim.p), percent_text(claim.detectable_percent))


def how_sure(comparisons: int) -> str:
    """Say what p and the detectable difference mean."""
    adjusted = tr("; p is adjusted for {} comparisons (Holm)").format(comparisons) if comparisons > 1 else ""
    return tr("A true difference as large as the detectable one is found with a probability of 80 %{}.").format(
        adjusted
    )


def _beside(methods: Methods, predictor: str, rival: str, measure: Measure) -> str:
    """The shares to show beside the errors; empty for a measure without one."""
    if not measure.beside:
        return ""
    names = dict.fromkeys((predictor, NETWORK, rival))
    told = [f"{NAMES[name]} {_share(methods[name])}" for name in names]
    return f" {measure.beside}: {', '.join(told)}, {measure.beside_alone} {_share(methods[MEAN])}."


def _share(method: Judged) -> str:
    return localized(f"{100 * (method.scores.beside or 0.0):.1f} %")


def _percent(method: Judged, other: Judged) -> float:
    """Error of `method` minus that of `other`, in percent of the other's; 0 where both are 0."""
    if other.scores.error == 0:
        return 0.0 if method.scores.error == 0 else np.inf
    return 100 * (method.scores.error / other.scores.error - 1)


def _fold_error(method: Judged) -> float:
    """Mean of the errors in the folds, to which differences between folds' errors relate."""
    return float(np.mean([scores.error for scores in method.fold_scores if scores.n > 0]))


def _clear_direction(percent: float, test: PairedTest | None, p: float | None) -> int:
    """-1 or 1 where the difference over the folds is significant and the pooled one has the same sign, else 0; `p` is
    that of the test, adjusted."""
    if test is None or p is None or p >= SIGNIFICANT or test.difference * percent <= 0:
        return 0
    return -1 if percent < 0 else 1


def change_words(percent: float) -> str:
    """Return the size of a change and its sign: `3.1 % lower`."""
    return (tr("{:.1f} % higher") if percent > 0 else tr("{:.1f} % lower")).format(abs(percent))
