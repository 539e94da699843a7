"""Tables of an assessment of classes: scores of the methods, each class by itself, differences, other folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from soil_cnn_plugin.engine.assessment.class_assessment import CLASS_METHODS, CLASS_NAMES, ClassAssessment
from soil_cnn_plugin.engine.assessment.comparison import differences
from soil_cnn_plugin.engine.assessment.methods import MEAN
from soil_cnn_plugin.engine.reports.class_words import FEW
from soil_cnn_plugin.engine.reports.comparison_tables import Group, difference_row
from soil_cnn_plugin.engine.reports.numerals import NOTHING, fixed, percent
from soil_cnn_plugin.engine.reports.score_table import ScoreGroup, ScoreRow
from soil_cnn_plugin.engine.reports.words import sentence_case
from soil_cnn_plugin.engine.targets.classes import ClassScores, confusion, purity, representation, share_limits

CLASS_COLUMNS = ("n", "Accuracy", "Kappa", "Brier score", "Brier skill", "Log score")
CLASS_FOLD_SPANS = (("Accuracy", 2), ("Brier score", 2), ("Log score", 2))
OF_CLASS_COLUMNS = ("Observed", "Predicted", "Purity", "Representation", "Most often taken for")
_DECIMALS = 3


def class_score_group(
    heading: str,
    scores: Mapping[str, ClassScores],
    predictor: str,
    by_fold: Mapping[str, Sequence[ClassScores]] = MappingProxyType({}),
) -> ScoreGroup:
    """All methods; the best of each column is marked, the frequencies of the classes only as a measure."""
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


def of_class_rows(assessment: ClassAssessment) -> list[tuple[str, ...]]:
    """Each class by itself, under the map's predictor; 95 % confidence intervals in brackets, small n marked."""
    observed, names = assessment.observed, assessment.classes
    matrix = confusion(observed, assessment.map_method.predicted, len(names))
    totals, shown = matrix.sum(axis=1), matrix.sum(axis=0)
    rows: list[tuple[str, ...]] = []
    for index, name in enumerate(names):
        wrong = np.where(np.arange(len(names)) == index, 0, matrix[index])
        other = f"{names[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else NOTHING
        rows.append(
            (
                name,
                _counted(int(totals[index])),
                _counted(int(shown[index])),
                _share(purity(matrix)[index], matrix[index, index], shown[index]),
                _share(representation(matrix)[index], matrix[index, index], totals[index]),
                other,
            )
        )
    return rows


def class_difference_group(assessment: ClassAssessment) -> Group:
    found = differences(assessment.methods, assessment.predictor)
    return Group(sentence_case(assessment.target.label), tuple(difference_row(item, 4, CLASS_NAMES) for item in found))


def class_fold_columns(assessment: ClassAssessment) -> tuple[str, ...]:
    other = {"random": "Random", "spatial_blocks": "Blocks"}.get(assessment.folds.other_kind, "Other")
    return ("Chosen", other) * 3


def class_fold_groups(assessment: ClassAssessment) -> list[Group]:
    """Scores under the chosen folds beside those under the other kind; none where no other kind was tried."""
    rows = []
    for name in CLASS_METHODS:
        if name in assessment.methods and name in assessment.other_methods:
            pair = assessment.methods[name].scores, assessment.other_methods[name].scores
            rows.append(
                (
                    sentence_case(CLASS_NAMES[name]),
                    *(percent(each.accuracy, 1) for each in pair),
                    *(_number(each.brier) for each in pair),
                    *(_number(each.log_score) for each in pair),
                )
            )
    return [Group(sentence_case(assessment.target.label), tuple(rows))] if rows else []


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
    """Those that read the same in the table are all marked; nothing is where there is one method only."""
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


def _counted(count: int) -> str:
    return f"{count} *" if count < FEW else str(count)


def _share(share: float, right: int, count: int) -> str:
    if count == 0:
        return NOTHING
    low, high = share_limits(np.array([float(right)]), np.array([count]))
    return f"{percent(share)} ({percent(float(low[0])).removesuffix(' %')}–{percent(float(high[0]))})"


def _number(value: float) -> str:
    return fixed(value, _DECIMALS)


def _span(values: Sequence[float], text: Callable[[float], str]) -> str:
    if len(values) < 2:
        return ""
    return f"{text(min(values)).removesuffix(' %')}–{text(max(values))}"
