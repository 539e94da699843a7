"""The table of scores: one group of rows per target, one row per method, the best of each column marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import MEAN, METHODS
from soil_cnn_plugin.engine.reports.numerals import decimals_for, fixed, percent
from soil_cnn_plugin.engine.reports.sections import ScoreGroup, ScoreRow
from soil_cnn_plugin.engine.reports.words import sentence_case
from soil_cnn_plugin.engine.targets.metrics import Scores

SCALES = {"none": "as measured", "log": "logarithm", "logit": "logit"}
SCORE_COLUMNS = ("n", "ME", "RMSE", "MEC", "CCC", "RPIQ", "PICP", "Width", "Interval score", "CRPS")


def number_score_group(
    soil_property: SoilProperty,
    scores: Mapping[str, Scores],
    coverage: float,
    by_fold: Mapping[str, Sequence[Scores]] = MappingProxyType({}),
    predictor: str = "",
) -> ScoreGroup:
    """Return the rows of a target. `coverage` is the nominal one, 0 to 1; `by_fold` may lack methods; `predictor` is
    the method of the map.

    The best are the ME nearest to 0, the lowest RMSE, interval score and CRPS, the highest MEC, CCC and RPIQ, and the
    PICP nearest to the nominal coverage. The narrowest interval is not marked, because it is good only where its
    coverage is right. The mean is not marked either: by its nature it has no mean error.
    """
    names = [name for name in METHODS if name in scores] + [name for name in scores if name not in METHODS]
    decimals = decimals_for(min((scores[name].rmse for name in names if scores[name].rmse > 0), default=0.0))
    rivals = {name: score for name, score in scores.items() if name != MEAN}
    best_of = _best_of(rivals, coverage, decimals)
    rows = [
        ScoreRow(
            method=METHODS.get(name, name),
            texts=_texts(scores[name], decimals),
            best=tuple(column for column, methods in best_of.items() if name in methods),
            small={"RMSE": _spread([fold.rmse for fold in by_fold.get(name, ())], decimals)},
            is_predictor=name == predictor,
        )
        for name in names
    ]
    return ScoreGroup(sentence_case(soil_property.label), tuple(rows))


def _texts(score: Scores, decimals: int) -> dict[str, str]:
    return {
        "n": str(score.n),
        "ME": fixed(score.me, decimals),
        "RMSE": fixed(score.rmse, decimals),
        "MEC": fixed(score.mec, 2),
        "CCC": fixed(score.ccc, 2),
        "RPIQ": fixed(score.rpiq, 2),
        "PICP": percent(score.picp),
        "Width": fixed(score.width, decimals),
        "Interval score": fixed(score.interval_score, decimals),
        "CRPS": fixed(score.crps, decimals),
    }


def _best_of(scores: Mapping[str, Scores], coverage: float, decimals: int) -> dict[str, set[str]]:
    return {
        "ME": _best(scores, lambda score: abs(score.me), decimals),
        "RMSE": _best(scores, lambda score: score.rmse, decimals),
        "MEC": _best(scores, lambda score: None if score.mec is None else -score.mec, 2),
        "CCC": _best(scores, lambda score: None if score.ccc is None else -score.ccc, 2),
        "RPIQ": _best(scores, lambda score: None if score.rpiq is None else -score.rpiq, 2),
        "PICP": _best(scores, lambda score: abs(score.picp - coverage), 2),
        "Interval score": _best(scores, lambda score: score.interval_score, decimals),
        "CRPS": _best(scores, lambda score: score.crps, decimals),
    }


def _best(scores: Mapping[str, Scores], cost: Callable[[Scores], float | None], decimals: int) -> set[str]:
    """Return the methods with the lowest cost. Those that read the same in the table are all marked; a single method is
    not."""
    costs = {name: value for name, score in scores.items() if (value := cost(score)) is not None}
    shown = {name: round(value, decimals) for name, value in costs.items() if math.isfinite(value)}
    if len(shown) < 2:
        return set()
    lowest = min(shown.values())
    return {name for name, value in shown.items() if value == lowest}


def _spread(values: Sequence[float], decimals: int) -> str:
    finite = [value for value in values if math.isfinite(value)]
    return f"{fixed(min(finite), decimals)}–{fixed(max(finite), decimals)}" if len(finite) > 1 else ""
