"""Sentences about numbers: what was measured, their spread and weights, and what the scores mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.reliability import chance_band, coverage_by_spread, reliability, unchecked
from soil_cnn_plugin.engine.assessment.significance import SIGNIFICANT, Likeness, p_words
from soil_cnn_plugin.engine.reports.score_table import change
from soil_cnn_plugin.engine.reports.words import fixed, in_unit, percent, rounded, sentence_case, titles
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.metrics import HeldOut, MeasuredCoverage, means_outside, measured_coverage

_SIMILAR_PERCENT = 5.0
"""Percent of the RMSE; errors under random and under other folds that differ by less are called alike."""
_HOW_LIMITS_COUNT = tr(
    "Such a value is learned as lying anywhere below its limit (Tobin 1958). Scores compare what"
    " laboratories reported with what they would have reported of the prediction: the limit, for all that"
    " lies below it. So ME, RMSE, MEC, CCC, RPIQ, interval score and CRPS tell how well the map predicts"
    " what can be measured, and not how well it tells low values from lower ones; beside the true values"
    " errors are larger. Coverage counts such a value with the probability that, lying below its limit, it"
    " lies inside the interval."
)
_WHICH_LIMIT = tr(
    " A measured value does not tell its laboratory’s limit; the limits below it are dealt out in their shares."
)
_HOW_ERRORS_COUNT = tr(
    "Less precise values count less in training. The map's intervals are those of the true soil"
    " property. Those of held-out observations, in this report, are wider: they hold what is measured, with"
    " its error. The RMSE is that of measured values, too, so the map's own error is smaller."
)


def number_worth_in_words(target: NumberTarget, predictor: str, coverage: float) -> str:
    """Say in one sentence of numbers what the map of one target is worth."""
    scores, unit = target.methods[predictor].scores, target.soil_property.unit
    worth = []
    if scores.mec is not None and scores.mec > 0:
        worth.append(tr("The map explains {} of the variance of the held-out observations").format(percent(scores.mec)))
    elif scores.mec is not None:
        worth.append(tr("The map explains none of the variance of the held-out observations"))
    worth.append(tr("its typical error (RMSE) is {}").format(in_unit(scores.rmse, unit)))
    measured = _measured_coverage(target, target.methods[predictor], coverage)
    if measured is not None:
        worth.append(
            tr(
                "its {} prediction intervals hold {} of the {} measured values, where {} are expected; {}"
                " values lie below detection limits, where intervals cannot be checked"
            ).format(
                percent(coverage), percent(measured.picp), measured.n, percent(measured.expected), measured.censored
            )
        )
    elif np.isfinite(scores.picp):
        worth.append(tr("its {} prediction intervals hold {} of them").format(percent(coverage), percent(scores.picp)))
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
    text = tr(
        "The {} prediction intervals hold {} of the {} observations, {}. {} lie below the interval and {}"
        " above it, where {} each are expected."
    ).format(
        percent(coverage), percent(inside), found.n, judged, percent(found.below), percent(found.above), percent(tail)
    )
    _, most = (float(limit[0]) for limit in chance_band(found.n, np.array([tail])))
    if found.below > most >= found.above:
        text += tr(" They miss on one side: low values are overestimated more often than the intervals say.")
    elif found.above > most >= found.below:
        text += tr(" They miss on one side: high values are underestimated more often than the intervals say.")
    return f"{text}{_outside_in_words(held_out, coverage)}"


def coverage_beside(target: NumberTarget, held_out: HeldOut, coverage: float) -> str:
    """Say of how many measured values a coverage is known, for a table; empty where none is censored."""
    measured = _measured_coverage(target, held_out, coverage)
    if measured is None:
        return ""
    return tr("{} of {} measured; {} below limits").format(percent(measured.picp), measured.n, measured.censored)


def _measured_coverage(target: NumberTarget, held_out: HeldOut, coverage: float) -> MeasuredCoverage | None:
    return measured_coverage(target.observed, held_out, coverage, target.is_censored, target.limits)


def _measured_in_words(measured: MeasuredCoverage, held_out: HeldOut, coverage: float) -> str:
    """Judge the intervals by measured values alone: others count with the probability that the prediction gives."""
    return tr(
        "The {} prediction intervals hold {} of the {} measured values, {}; {} are expected of values above"
        " their detection limits. The true values of the {} below limits are unknown, so each counts with"
        " the probability that the prediction gives. With them, the coverage is {}. The prediction itself"
        " decides part of this coverage."
    ).format(
        percent(coverage),
        percent(measured.picp),
        measured.n,
        _judged(measured.picp, measured.expected, measured.n),
        percent(measured.expected),
        measured.censored,
        percent(held_out.scores.picp),
    )


def _judged(inside: float, expected: float, count: int) -> str:
    low, high = (float(limit[0]) for limit in chance_band(count, np.array([expected])))
    if inside < low:
        return tr("fewer than chance allows ({} to {}): the intervals are too narrow").format(
            percent(low), percent(high)
        )
    if inside > high:
        return tr("more than chance allows ({} to {}): the intervals are wider than needed").format(
            percent(low), percent(high)
        )
    return tr("as chance alone allows ({} to {}): the intervals hold").format(percent(low), percent(high))


def _outside_in_words(held_out: HeldOut, coverage: float) -> str:
    count = means_outside(held_out)
    if not count:
        return ""
    return tr(
        " At {} of {} observations the prediction, a mean, lies outside its own {} interval: a few very"
        " large values can carry a mean there, but not the median."
    ).format(count, len(held_out.mean), percent(coverage))


def coverage_by_spread_in_words(target: NumberTarget, held_out: HeldOut, coverage: float) -> str:
    """Say whether intervals hold where they are narrow and where they are wide; empty where they do not differ."""
    thirds = coverage_by_spread(target, held_out)
    if not thirds:
        return ""
    shares = [percent(each.picp) for each in thirds]
    low, high = (float(limit[0]) for limit in chance_band(min(each.n for each in thirds), np.array([coverage])))
    text = tr(
        " By width, intervals hold {} of the observations in the narrowest third (mean width {}), {} in the"
        " middle one and {} in the widest ({}), where chance allows {} to {} in each"
    ).format(
        shares[0], rounded(thirds[0].width), shares[1], shares[2], rounded(thirds[2].width), percent(low), percent(high)
    )
    if all(low <= each.picp <= high for each in thirds):
        return f"{text}."
    narrow, wide = thirds[0].picp < low, thirds[2].picp < low
    if narrow and not wide:
        return tr("{}: the map is surer than it should be where it is surest.").format(text)
    if wide and not narrow:
        return tr("{}: intervals are too narrow where the map is least sure.").format(text)
    return tr("{}: the width does not follow the error everywhere.").format(text)


def likeness_in_words(found: Likeness | None, unit: str, what: str = tr("residuals")) -> str:
    """Say whether what is left to explain varies in space; empty where that is not known."""
    if found is None:
        return ""
    numbers = tr("Moran's I of the {} with their {} nearest neighbours, within {} {} (median), is {} ({})").format(
        what, found.neighbours, rounded(found.distance), unit, fixed(found.moran_i, 2), p_words(found.p)
    )
    if found.p >= SIGNIFICANT:
        return tr(" {}: neighbours are not clearly alike.").format(numbers)
    if found.are_alike:
        return tr(" {}: neighbours are alike, so something that varies in space is not explained yet.").format(numbers)
    return tr(" {}: neighbours differ more than chance makes them.").format(numbers)


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
            tr(
                "the error is smaller under random folds, because a held-out observation then has neighbours"
                " that were trained on. Expect the random folds’ error between observations that lie as densely"
                " as these, and the spatial folds’ error where the map reaches away from them."
            ),
        ),
        (
            alike,
            tr(
                "both kinds of folds give nearly the same error (less than {:g} % apart), so the error depends little"
                " on how near the next observation is."
            ).format(_SIMILAR_PERCENT),
        ),
        (
            higher,
            tr(
                "the error is larger under random folds, which chance can do when there are few observations;"
                " take the larger one as the safer guide."
            ),
        ),
    )
    return " ".join(f"{sentence_case(all_of(titles(group)))}: {text}" for group, text in said if group)


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
        thresholds = all_of([each.text for each in target.thresholds])
        paragraphs.append(
            tr(
                "Whether the probabilities of exceeding {} hold cannot be checked: all observations have a"
                " detection limit above."
            ).format(thresholds)
        )
    weights = assessment.weights
    if len(weights) and weights.min() < weights.max():
        number = weights.sum() ** 2 / (weights**2).sum()  # Kish 1965, Survey Sampling
        paragraphs.append(
            tr(
                "Observations count by their weight: the largest is {} times the smallest, and {} observations"
                " tell as much as {:.0f} of equal weight. Scores count each observation once."
            ).format(rounded(float(weights.max() / weights.min())), len(weights), number)
        )
    return paragraphs


def censored_in_words(target: NumberTarget) -> str:
    """Say in a figure's caption how many values are censored; empty where none is."""
    count = int(target.is_censored.sum())
    return (
        tr(
            " Open triangles are the {} values below a detection limit, at that limit: the true value lies to the left."
        ).format(count)
        if count
        else ""
    )


def _limits_in_words(target: NumberTarget) -> str:
    limits, n = target.observed[target.is_censored], len(target.observed)
    unit = f" {target.soil_property.unit}" if target.soil_property.unit else ""
    lowest, highest = rounded(float(limits.min())), rounded(float(limits.max()))
    span = f"{lowest}{unit}" if lowest == highest else tr("{} to {}{}").format(lowest, highest, unit)
    return tr("{}: {} of {} values ({}) lie below their detection limit ({})").format(
        sentence_case(target.soil_property.title), len(limits), n, percent(len(limits) / n), span
    )


def _errors_in_words(target: NumberTarget) -> str:
    errors, unit = target.errors[target.errors > 0], target.soil_property.unit
    middle, spread = float(np.median(errors)), float(target.observed.std())
    share = tr(", {} of the standard deviation of the values").format(percent(middle / spread)) if spread > 0 else ""
    text = tr("{}: the median error of measurement (standard deviation) is {}")
    return text.format(sentence_case(target.soil_property.title), in_unit(middle, unit)) + share
