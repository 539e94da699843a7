"""The sentences in the held-out report about targets that are numbers: what the map is worth, intervals, other
folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.reliability import chance_band, reliability
from soil_cnn_plugin.engine.reports.comparison_tables import change
from soil_cnn_plugin.engine.reports.numerals import percent, rounded
from soil_cnn_plugin.engine.reports.words import enumerated, sentence_case, titles
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.metrics import HeldOut

_SIMILAR_PERCENT = 5.0
"""Percent of the RMSE; errors under random and under other folds that differ by less are called alike."""


def number_worth_in_words(target: NumberTarget, predictor: str, coverage: float) -> str:
    """Say in one sentence of numbers what the map of one target is worth."""
    scores, unit = target.methods[predictor].scores, target.soil_property.unit
    worth = []
    if scores.mec is not None and scores.mec > 0:
        worth.append(f"The map explains {percent(scores.mec)} of the variance of the held-out observations")
    elif scores.mec is not None:
        worth.append("The map explains none of the variance of the held-out observations")
    worth.append(f"its typical error (RMSE) is {rounded(scores.rmse)} {unit}".strip())
    if np.isfinite(scores.picp):
        worth.append(f"its {percent(coverage)} prediction intervals hold {percent(scores.picp)} of them")
    return f"{sentence_case('; '.join(worth))}."


def intervals_in_words(target: NumberTarget, held_out: HeldOut, coverage: float) -> str:
    """Say whether the prediction intervals of one target hold, and on which side they miss; empty without intervals."""
    found = reliability(target.observed, held_out, target.is_censored)
    if found is None:
        return ""
    inside, tail = held_out.scores.picp, (1 - coverage) / 2
    low, high = (float(limit[0]) for limit in chance_band(found.n, np.array([coverage])))
    expected = f"as chance alone allows ({percent(low)} to {percent(high)})"
    if inside < low:
        judged = f"fewer than chance allows ({percent(low)} to {percent(high)}): the intervals are too narrow"
    elif inside > high:
        judged = f"more than chance allows ({percent(low)} to {percent(high)}): the intervals are wider than needed"
    else:
        judged = f"{expected}: the intervals hold"
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
    return text


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
