"""The sentences in a report of classes: what the map is worth, which classes are rare, whether probabilities hold."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.assessment.methods import MEAN
from soil_cnn_plugin.engine.assessment.reliability import chance_band
from soil_cnn_plugin.engine.reports.held_out_words import PREDICTORS
from soil_cnn_plugin.engine.reports.numerals import percent
from soil_cnn_plugin.engine.reports.words import enumerated
from soil_cnn_plugin.engine.targets.assessed import ClassTarget
from soil_cnn_plugin.engine.targets.class_scores import reliability_of_map

FEW_OF_CLASS = 20
"""The number of observations of a class below which its numbers are marked as uncertain."""
_MOST_NAMED = 8
_SIMILAR = 0.02  # accuracies that differ by less between two kinds of folds are called alike


def class_worth_in_words(target: ClassTarget, predictor: str) -> str:
    """Say in a sentence of numbers what the map is worth."""
    scores, counts = target.methods[predictor].scores, target.counts
    most = target.classes[int(counts.argmax())]
    text = (
        f"The map names the right one of {len(target.classes)} classes at {percent(scores.accuracy)} of the"
        f" held-out observations. To always say {most}, the most frequent class, would be right at"
        f" {percent(float(counts.max() / counts.sum()))}."
    )
    if target.methods[MEAN].scores.accuracy >= scores.accuracy:
        text += " As a map of classes it is worth nothing; its probabilities may still be."
    return text


def doubts_in_words(target: ClassTarget, predictor: str) -> str:
    """Name the classes whose numbers say little, and those that the map does not find; empty if there are none."""
    counts, observed = target.counts, target.observed
    right = np.bincount(observed[target.methods[predictor].predicted == observed], minlength=len(counts))
    folds = [len(np.unique(target.fold[observed == number])) for number in range(len(counts))]
    alone, never, few = [], [], []
    for name, count, found, in_folds in zip(target.classes, counts, right, folds):
        text = f"{name} ({count})"
        if in_folds == 1:
            alone.append(text)
        elif count and not found:
            never.append(text)
        elif 0 < count < FEW_OF_CLASS:
            few.append(text)
    texts = []
    if alone:
        texts.append(
            f"With all observations in one fold (in brackets: how many): {_listed(alone)}. No method knew the class"
            " when they were held out, so its numbers say no more than that; the map itself was trained with them."
        )
    if never:
        texts.append(
            f"Not once right at a held-out observation (in brackets: observations): {_listed(never)}. The map does not"
            " find such a class; its own probability tells where it may be."
        )
    if few:
        texts.append(
            f"Fewer than {FEW_OF_CLASS} observations, so that numbers of the class say little: {_listed(few)}."
        )
    return " ".join(texts)


def reliability_in_words(target: ClassTarget, predictor: str) -> str:
    """Say whether the probability of the map's class holds on the whole."""
    found = reliability_of_map(target.observed, target.methods[predictor].probabilities)
    low, high = (float(limit[0]) for limit in chance_band(len(target.observed), np.array([found.mean_predicted])))
    right = found.share_right
    if right < low:
        judged = "fewer than chance allows ({}): the map is surer than it should be"
    elif right > high:
        judged = "more than chance allows ({}): the map is less sure than it could be"
    else:
        judged = "as chance alone allows ({}): on the whole the probabilities hold"
    span = f"{percent(low, 1)} to {percent(high, 1)}"
    return (
        f"On average the map gives its class a probability of {percent(found.mean_predicted, 1)}, and"
        f" {percent(right, 1)} of the held-out observations belong to it, {judged.format(span)}."
    )


def class_folds_in_words(target: ClassTarget, predictor: str, other_kind: str) -> str:
    """Say what the difference between random and spatial folds means for the map; empty where there is none."""
    if predictor not in target.other_methods:
        return ""
    pair = target.methods[predictor].scores.accuracy, target.other_methods[predictor].scores.accuracy
    spatial, near = pair if other_kind == "random" else pair[::-1]
    if near - spatial >= _SIMILAR:
        return (
            "More classes are right under random folds, because a held-out observation then has neighbours that were"
            " trained on. Expect the random folds’ accuracy between observations that lie as densely as these, and the"
            " spatial folds’ accuracy where the map reaches away from them."
        )
    if spatial - near >= _SIMILAR:
        return (
            "Fewer classes are right under random folds, which chance can do when there are few observations; take the"
            " lower accuracy as the safer guide."
        )
    return (
        "Both kinds of folds tell nearly the same, so the accuracy depends little on how near the next observation is."
    )


def predictor_of_classes(predictor: str) -> str:
    return (
        f"The probability of each class is predicted by {PREDICTORS[predictor]}; the map shows the most probable class."
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return enumerated(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMED])} and {more} more"
