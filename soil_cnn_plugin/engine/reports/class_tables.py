"""Tables of classes: scores of the methods, and each class by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from soil_cnn_plugin.engine.assessment.methods import CLASS_METHODS, MEAN
from soil_cnn_plugin.engine.reports.class_words import FEW_OF_CLASS
from soil_cnn_plugin.engine.reports.numerals import NOTHING, fixed, percent
from soil_cnn_plugin.engine.reports.sections import ScoreGroup, ScoreRow
from soil_cnn_plugin.engine.targets.assessed import ClassTarget
from soil_cnn_plugin.engine.targets.class_scores import ClassScores, confusion, purity, representation, share_limits

CLASS_COLUMNS = ("n", "Accuracy", "Kappa", "Brier score", "Brier skill", "Log score")
OF_CLASS_COLUMNS = ("Observed", "Predicted", "Purity", "Representation", "Most often taken for")
_DECIMALS = 3


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


def of_class_rows(target: ClassTarget, predictor: str) -> list[tuple[str, ...]]:
    """Return a row for each class under the map's predictor, with 95 % confidence intervals in brackets and marks on a
    small n."""
    observed, names = target.observed, target.classes
    matrix = confusion(observed, target.methods[predictor].predicted, len(names))
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


def _counted(count: int) -> str:
    return f"{count} *" if count < FEW_OF_CLASS else str(count)


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
