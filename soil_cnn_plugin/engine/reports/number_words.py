"""Sentences about numbers: what was measured, their spread and weights, and what the scores mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.reliability import chance_band, coverage_by_spread, reliability, unchecked
from soil_cnn_plugin.engine.assessment.significance import SIGNIFICANT, Likeness, p_words
from soil_cnn_plugin.engine.reports.score_table import change
from soil_cnn_plugin.engine.reports.words import enumerated, fixed, percent, rounded, sentence_case, titles
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.metrics import HeldOut, MeasuredCoverage, means_outside, measured_coverage

_SIMILAR_PERCENT = 5.0
"""Percent of the RMSE; errors under random and under other folds that differ by less are called alike."""
_HOW_LIMITS_COUNT = (
    "Such a value is learned as lying anywhere below its limit (Tobin 1958). Scores compare what laboratories reported"
    " with what they would have reported of the prediction: the limit, for all that lies below it. So ME, RMSE, MEC,"
    " CCC, RPIQ, interval score and CRPS tell how well the map predicts what can be measured, and not how well it tells"
    " low values from lower ones; beside the true values errors are larger. Coverage counts such a value with the"
    " probability that, lying below its limit, it lies inside the interval."
)
_WHICH_LIMIT = (
    " A measured value does not tell its laboratory’s limit; the limits below it are dealt out in their shares."
)
_HOW_ERRORS_COUNT = (
    "What was measured worse counts less in training. The map's intervals are those of the true soil property. Those of"
    " held-out observations, in this report, are wider: they hold what is measured, with its error. The RMSE is that of"
    " measured values, too, so the map's own error is smaller."
)


def number_worth_in_words(target: NumberTarget, predictor: str, coverage: float) -> str:
    """Say in one sentence of numbers what the map of one target is worth."""
    scores, unit = target.methods[predictor].scores, target.soil_property.unit
    worth = []
    if scores.mec is not None and scores.mec > 0:
        worth.append(f"The map explains {percent(scores.mec)} of the variance of the held-out observations")
    elif scores.mec is not None:
        worth.append("The map explains none of the variance of the held-out observations")
    worth.append(f"its typical error (RMSE) is {rounded(scores.rmse)} {unit}".strip())
    measured = _measured_coverage(target, target.methods[predictor], coverage)
    if measured is not None:
        worth.append(
            f"its {percent(coverage)} prediction intervals hold {percent(measured.picp)} of the {measured.n} measured"
            f" values, where {percent(measured.expected)} are expected; {measured.censored} values lie below detection"
            " limits, where intervals cannot be checked"
        )
    elif np.isfinite(scores.picp):
        worth.append(f"its {percent(coverage)} prediction intervals hold {percent(scores.picp)} of them")
    return f"{sentence_case('; '.join(worth))}."


def intervals_in_words(target: NumberTarget, held_out: HeldOut, coverage: float) -> str:
    """Say whether the prediction intervals of one target hold, and on which side they miss; empty without intervals."""
    found = reliability(target.observed, held_out, target.is_censored)
    if found is None:
        return ""
    measured, tail = _measured_coverage(target, held_out, coverage), (1 - coverage) / 2
    if measured is not None:
        return f"{_measured_in_words(measured, held_out, coverage)}{_outside_in_words(held_out, coverage)}"
    inside = round(1 - found.below - found.above, 9)  # the scores may be means over repeats
    judged = _judged(inside, coverage, found.n)
    text = (
        f"The {percent(coverage)} prediction intervals hold {percent(inside)} of the {found.n} observations, {judged}."
        f" {percent(found.below)} lie below the interval and {percent(found.above)} above it, where {percent(tail)}"
        " each are expected."
    )
    _, most = (float(limit[0]) for limit in chance_band(found.n, np.array([tail])))
    if found.below > most >= found.above:
        text += " They miss on one side: low values are overestimated more often than the intervals say."
    elif found.above > most >= found.below:
        text += " They miss on one side: high values are underestimated more often than the intervals say."
    return f"{text}{_outside_in_words(held_out, coverage)}"


def coverage_beside(target: NumberTarget, held_out: HeldOut, coverage: float) -> str:
    """Say of how many measured values a coverage is known, for a table; empty where none is censored."""
    measured = _measured_coverage(target, held_out, coverage)
    if measured is None:
        return ""
    return f"{percent(measured.picp)} of {measured.n} measured; {measured.censored} below limits"


def _measured_coverage(target: NumberTarget, held_out: HeldOut, coverage: float) -> MeasuredCoverage | None:
    return measured_coverage(target.observed, held_out, coverage, target.is_censored, target.limits)


def _measured_in_words(measured: MeasuredCoverage, held_out: HeldOut, coverage: float) -> str:
    """Judge the intervals by measured values alone: others count with the probability that the prediction gives."""
    return (
        f"The {percent(coverage)} prediction intervals hold {percent(measured.picp)} of the {measured.n} measured"
        f" values, {_judged(measured.picp, measured.expected, measured.n)}; {percent(measured.expected)} are expected"
        f" of values above their detection limits. The {measured.censored} values below limits, of which nobody knows"
        f" the truth, count with the probability that the prediction itself gives: with them the coverage is"
        f" {percent(held_out.scores.picp)}, which they partly confirm themselves."
    )


def _judged(inside: float, expected: float, count: int) -> str:
    low, high = (float(limit[0]) for limit in chance_band(count, np.array([expected])))
    if inside < low:
        return f"fewer than chance allows ({percent(low)} to {percent(high)}): the intervals are too narrow"
    if inside > high:
        return f"more than chance allows ({percent(low)} to {percent(high)}): the intervals are wider than needed"
    return f"as chance alone allows ({percent(low)} to {percent(high)}): the intervals hold"


def _outside_in_words(held_out: HeldOut, coverage: float) -> str:
    count = means_outside(held_out)
    if not count:
        return ""
    return (
        f" At {count} of {len(held_out.mean)} observations the prediction, a mean, lies outside its own"
        f" {percent(coverage)} interval: a few very large values can carry a mean there, but not the median."
    )


def coverage_by_spread_in_words(target: NumberTarget, held_out: HeldOut, coverage: float) -> str:
    """Say whether intervals hold where they are narrow and where they are wide; empty where they do not differ."""
    thirds = coverage_by_spread(target, held_out)
    if not thirds:
        return ""
    shares = [percent(each.picp) for each in thirds]
    low, high = (float(limit[0]) for limit in chance_band(min(each.n for each in thirds), np.array([coverage])))
    text = (
        f" By width, intervals hold {shares[0]} of the observations in the narrowest third (mean width"
        f" {rounded(thirds[0].width)}), {shares[1]} in the middle one and {shares[2]} in the widest"
        f" ({rounded(thirds[2].width)}), where chance allows {percent(low)} to {percent(high)} in each"
    )
    if all(low <= each.picp <= high for each in thirds):
        return f"{text}."
    narrow, wide = thirds[0].picp < low, thirds[2].picp < low
    if narrow and not wide:
        return f"{text}: the map is surer than it should be where it is surest."
    if wide and not narrow:
        return f"{text}: intervals are too narrow where the map is least sure."
    return f"{text}: the width does not follow the error everywhere."


def likeness_in_words(found: Likeness | None, unit: str, what: str = "residuals") -> str:
    """Say whether what is left to explain varies in space; empty where that is not known."""
    if found is None:
        return ""
    numbers = (
        f"Moran's I of the {what} with their {found.neighbours} nearest neighbours, within"
        f" {rounded(found.distance)} {unit} (median), is {fixed(found.moran_i, 2)} ({p_words(found.p)})"
    )
    if found.p >= SIGNIFICANT:
        return f" {numbers}: neighbours are not clearly alike."
    if found.are_alike:
        return f" {numbers}: neighbours are alike, so something that varies in space is not explained yet."
    return f" {numbers}: neighbours differ more than chance makes them."


def number_folds_in_words(targets: Sequence[NumberTarget], predictor: str, other_kind: str) -> str:
    """Say what the difference between random and spatial folds means for the map; empty where there is none."""
    changes: dict[SoilProperty, float] = {}
    for target in targets:
        if predictor in target.other_methods:
            pair = target.methods[predictor].scores.rmse, target.other_methods[predictor].scores.rmse
            spatial, near = pair if other_kind == "random" else pair[::-1]
            changes[target.soil_property] = change(spatial, near)
    lower = [each for each, share in changes.items() if share <= -_SIMILAR_PERCENT]
    higher = [each for each, share in changes.items() if share >= _SIMILAR_PERCENT]
    alike = [each for each in changes if each not in lower and each not in higher]
    said = (
        (
            lower,
            "the error is smaller under random folds, because a held-out observation then has neighbours that were"
            " trained on. Expect the random folds’ error between observations that lie as densely as these, and the"
            " spatial folds’ error where the map reaches away from them.",
        ),
        (
            alike,
            f"both kinds of folds tell nearly the same (less than {_SIMILAR_PERCENT:g} % apart), so the error depends"
            " little on how near the next observation is.",
        ),
        (
            higher,
            "the error is larger under random folds, which chance can do when there are few observations; take the"
            " larger one as the safer guide.",
        ),
    )
    return " ".join(f"{sentence_case(enumerated(titles(group)))}: {text}" for group, text in said if group)


def measured_sentences(assessment: Assessment) -> list[str]:
    """Return paragraphs on how observations were measured; none where all were measured and trusted equally."""
    paragraphs = []
    limited = [target for target in assessment.numbers if target.is_censored.any()]
    if limited:
        counts = " ".join(f"{_limits_in_words(target)}." for target in limited)
        several = any(len(np.unique(target.observed[target.is_censored])) > 1 for target in limited)
        paragraphs.append(f"{counts} {_HOW_LIMITS_COUNT}{_WHICH_LIMIT if several else ''}")
    erroneous = [target for target in assessment.numbers if target.errors.any()]
    if erroneous:
        errors = " ".join(f"{_errors_in_words(target)}." for target in erroneous)
        paragraphs.append(f"{errors} {_HOW_ERRORS_COUNT}")
    blind = [target for target in assessment.numbers if target.thresholds and unchecked(target) == [*target.thresholds]]
    for target in blind:
        thresholds = enumerated([each.text for each in target.thresholds])
        paragraphs.append(
            f"Whether the probabilities of exceeding {thresholds} hold cannot be checked: all observations have a"
            " detection limit above."
        )
    weights = assessment.weights
    if len(weights) and weights.min() < weights.max():
        number = weights.sum() ** 2 / (weights**2).sum()  # Kish 1965, Survey Sampling
        paragraphs.append(
            f"Observations count by their weight: the largest is {rounded(float(weights.max() / weights.min()))} times"
            f" the smallest, and {len(weights)} observations tell as much as {number:.0f} of equal weight. Scores count"
            " each observation once."
        )
    return paragraphs


def censored_in_words(target: NumberTarget) -> str:
    """Say in a figure's caption how many values are censored; empty where none is."""
    count = int(target.is_censored.sum())
    return (
        f" Open triangles are the {count} values below a detection limit, at that limit: the true value lies to the"
        " left."
        if count
        else ""
    )


def _limits_in_words(target: NumberTarget) -> str:
    limits, n = target.observed[target.is_censored], len(target.observed)
    unit = f" {target.soil_property.unit}" if target.soil_property.unit else ""
    lowest, highest = rounded(float(limits.min())), rounded(float(limits.max()))
    span = f"{lowest}{unit}" if lowest == highest else f"{lowest} to {highest}{unit}"
    return (
        f"{sentence_case(target.soil_property.title)}: {len(limits)} of {n} values ({percent(len(limits) / n)}) lie"
        f" below their detection limit ({span})"
    )


def _errors_in_words(target: NumberTarget) -> str:
    errors, unit = target.errors[target.errors > 0], target.soil_property.unit
    middle, spread = float(np.median(errors)), float(target.observed.std())
    share = f", {percent(middle / spread)} of the standard deviation of the values" if spread > 0 else ""
    return (
        f"{sentence_case(target.soil_property.title)}: the median error of measurement (standard deviation) is"
        f" {rounded(middle)} {unit}".rstrip()
        + share
    )
