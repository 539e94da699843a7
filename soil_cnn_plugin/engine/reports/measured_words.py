"""What the held-out report says of how well observations were measured: limits, errors, weights."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.exceedance import unchecked
from soil_cnn_plugin.engine.reports.numerals import percent, rounded
from soil_cnn_plugin.engine.reports.words import enumerated, sentence_case
from soil_cnn_plugin.engine.targets.assessed import NumberTarget

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
