"""Tables and sentences about classes: scores, confusion, and how often a class is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from soil_cnn_plugin.contract.language import some_of, tr, whole
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.methods import CLASS_METHODS, MEAN
from soil_cnn_plugin.engine.assessment.reliability import chance_band
from soil_cnn_plugin.engine.reports.held_out_words import PREDICTORS_IN_WORDS
from soil_cnn_plugin.engine.reports.sections import ScoreGroup, ScoreRow
from soil_cnn_plugin.engine.reports.words import NOTHING, fixed, percent
from soil_cnn_plugin.engine.targets.assessed import ClassTarget
from soil_cnn_plugin.engine.targets.class_scores import ClassScores, purity, reliability_of_map, representation

CLASS_COLUMNS = ("n", "Accuracy", "Kappa", "Brier score", "Brier skill", "Log score")
OF_CLASS_COLUMNS = (tr("Observed"), tr("Predicted"), tr("Purity"), tr("Representation"), tr("Most often taken for"))
_DECIMALS = 3
NO_INTERVALS = tr(
    "Purity and representation have no confidence intervals: these observations are no random sample"
    " of the map, and neighbours resemble one another, so intervals that treat them as independent would be"
    " too narrow."
)
FEW_OF_CLASS = 20
"""The number of observations of a class below which its numbers are marked as uncertain."""
_MOST_NAMED = 8
_SIMILAR = 0.02  # accuracies that differ by less between two kinds of folds are called alike


def class_score_group(
    heading: str,
    scores: Mapping[str, ClassScores],
    predictor: str,
    by_fold: Mapping[str, Sequence[ClassScores]] = MappingProxyType({}),
) -> ScoreGroup:
    """Return the rows of all methods. The best of each column is marked; the frequencies of the classes serve only as a
    measure."""
    names = [name for name in CLASS_METHODS if name in scores] + [name for name in scores if name not in CLASS_METHODS]
    reference = scores[MEAN].brier if MEAN in scores else np.nan
    texts = {name: _texts(scores[name], reference) for name in names}
    best_of = _best_of({name: scores[name] for name in names if name != MEAN})
    rows = [
        ScoreRow(
            method=CLASS_METHODS.get(name, name),
            texts=texts[name],
            best=tuple(column for column, methods in best_of.items() if name in methods),
            small={
                "Accuracy": _span([fold.accuracy for fold in by_fold.get(name, ()) if fold.n], percent),
                "Brier score": _span([fold.brier for fold in by_fold.get(name, ()) if fold.n], _number),
            },
            is_predictor=name == predictor,
        )
        for name in names
    ]
    return ScoreGroup(heading, tuple(rows))


def of_class_rows(classes: Sequence[str], matrix: Rows) -> list[tuple[str, ...]]:
    """Return a row for each class of a confusion matrix, with marks on a small n.

    There are no confidence intervals: the observations need not be a random sample of the map, and near ones are alike.
    """
    totals, shown = matrix.sum(axis=1), matrix.sum(axis=0)
    rows: list[tuple[str, ...]] = []
    for index, name in enumerate(classes):
        wrong = np.where(np.arange(len(classes)) == index, 0, matrix[index])
        other = f"{classes[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else NOTHING
        rows.append(
            (
                name,
                counted(int(totals[index])),
                counted(int(shown[index])),
                percent(purity(matrix)[index]),
                percent(representation(matrix)[index]),
                other,
            )
        )
    return rows


def _texts(score: ClassScores, reference: float) -> dict[str, str]:
    return {
        "n": str(score.n),
        "Accuracy": percent(score.accuracy, 1),
        "Kappa": fixed(score.kappa, 2),
        "Brier score": _number(score.brier),
        "Brier skill": fixed(1 - score.brier / reference if reference > 0 else None, 2),
        "Log score": _number(score.log_score),
    }


def _best_of(scores: Mapping[str, ClassScores]) -> dict[str, set[str]]:
    """Return the best methods of each column. Methods that read the same in the table are all marked; one that stands
    alone is not."""
    return {
        "Accuracy": _best(scores, lambda score: -round(score.accuracy, 3)),
        "Kappa": _best(scores, lambda score: -round(score.kappa or 0.0, 2)),
        "Brier score": _best(scores, lambda score: round(score.brier, _DECIMALS)),
        "Log score": _best(scores, lambda score: round(score.log_score, _DECIMALS)),
    }


def _best(scores: Mapping[str, ClassScores], cost: Callable[[ClassScores], float]) -> set[str]:
    costs = {name: cost(score) for name, score in scores.items()}
    lowest = min(costs.values(), default=0.0)
    return {name for name, value in costs.items() if value == lowest} if len(costs) > 1 else set()


def counted(count: int) -> str:
    """Return a number of observations, with a mark where it is small."""
    return f"{count} *" if count < FEW_OF_CLASS else whole(count)


def _number(value: float) -> str:
    return fixed(value, _DECIMALS)


def _span(values: Sequence[float], text: Callable[[float], str]) -> str:
    if len(values) < 2:
        return ""
    return f"{text(min(values)).removesuffix(' %')}–{text(max(values))}"


def class_worth_in_words(target: ClassTarget, predictor: str) -> str:
    """Say in a sentence of numbers what the map is worth."""
    scores, counts = target.methods[predictor].scores, target.counts
    most = target.classes[int(counts.argmax())]
    text = tr(
        "The map names the right one of {} classes at {} of the held-out observations. A map that shows"
        " only {}, the most frequent class, would be right at {}."
    ).format(len(target.classes), percent(scores.accuracy), most, percent(float(counts.max() / counts.sum())))
    if target.methods[MEAN].scores.accuracy >= scores.accuracy:
        text += tr(" By these observations the classes of the map are no better than that; its probabilities may be.")
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
            tr(
                "Classes with all observations in one fold (in brackets: how many): {}. No method knew such a"
                " class when its observations were held out, so its numbers say only that. The map itself was"
                " trained with them."
            ).format(some_of(alone, _MOST_NAMED))
        )
    if never:
        texts.append(
            tr(
                "Classes not predicted right at any held-out observation (in brackets: observations): {}. The"
                " map does not find such a class, but its own probability shows where it may be."
            ).format(some_of(never, _MOST_NAMED))
        )
    if few:
        texts.append(
            tr("Fewer than {} observations, so that numbers of the class say little: {}.").format(
                FEW_OF_CLASS, some_of(few, _MOST_NAMED)
            )
        )
    return " ".join(texts)


def reliability_in_words(target: ClassTarget, predictor: str) -> str:
    """Say whether the probability of the map's class holds on the whole."""
    found = reliability_of_map(target.observed, target.methods[predictor].probabilities)
    low, high = (float(limit[0]) for limit in chance_band(len(target.observed), np.array([found.mean_predicted])))
    right = found.share_right
    if right < low:
        judged = tr("fewer than chance allows independent observations ({}): the map is surer than it should be")
    elif right > high:
        judged = tr("more than chance allows independent observations ({}): the map is less sure than it could be")
    else:
        judged = tr("as chance alone allows independent observations ({}): on the whole the probabilities hold")
    span = tr("{} to {}").format(percent(low, 1), percent(high, 1))
    return tr(
        "On average the map gives its class a probability of {}, and {} of the held-out observations belong to it, {}."
    ).format(percent(found.mean_predicted, 1), percent(right, 1), judged.format(span))


def class_folds_in_words(target: ClassTarget, predictor: str, other_kind: str) -> str:
    """Say what the difference between random and spatial folds means for the map; empty where there is none."""
    if predictor not in target.other_methods:
        return ""
    pair = target.methods[predictor].scores.accuracy, target.other_methods[predictor].scores.accuracy
    spatial, near = pair if other_kind == "random" else pair[::-1]
    if near - spatial >= _SIMILAR:
        return tr(
            "More classes are right under random folds, because a held-out observation then has neighbours"
            " that were trained on. Expect the random folds’ accuracy between observations that lie as"
            " densely as these, and the spatial folds’ accuracy where the map reaches away from them."
        )
    if spatial - near >= _SIMILAR:
        return tr(
            "Fewer classes are right under random folds, which chance can do when there are few"
            " observations; take the lower accuracy as the safer guide."
        )
    return tr(
        "Both kinds of folds give nearly the same accuracy, so it depends little on how near the next observation is."
    )


def predictor_of_classes(predictor: str) -> str:
    method = PREDICTORS_IN_WORDS[predictor]
    return tr("The probability of each class is predicted by {}; the map shows the most probable class.").format(method)
