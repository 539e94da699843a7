"""Tables of scores, and of methods compared with each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.comparison import Difference
from soil_cnn_plugin.engine.assessment.methods import MEAN, METHODS, NAMES
from soil_cnn_plugin.engine.assessment.significance import p_text, percent_text
from soil_cnn_plugin.engine.reports.sections import Group, Item, Paragraph, ScoreGroup, ScoreRow, Table, folded
from soil_cnn_plugin.engine.reports.words import NOTHING, decimals_for, fixed, percent, sentence_case
from soil_cnn_plugin.engine.targets.assessed import Claim
from soil_cnn_plugin.engine.targets.metrics import Scores

SCALES = {"none": tr("as measured"), "log": tr("logarithm"), "logit": tr("logit")}
SCORE_COLUMNS = ("n", "ME", "RMSE", "MEC", "CCC", "RPIQ", "PICP", "Width", "Interval score", "CRPS")
DIFFERENCE_COLUMNS = (
    tr("All observations"),
    tr("Mean over folds"),
    tr("95 % interval"),
    "p",
    tr("p, adjusted"),
    tr("Detectable"),
    tr("Lower in"),
)
OTHER_KINDS = {"random": tr("random folds"), "spatial_blocks": tr("folds of spatial blocks")}


def number_score_group(
    soil_property: SoilProperty,
    scores: Mapping[str, Scores],
    coverage: float,
    by_fold: Mapping[str, Sequence[Scores]] = MappingProxyType({}),
    predictor: str = "",
    coverage_beside: Mapping[str, str] = MappingProxyType({}),
) -> ScoreGroup:
    """Return the rows of a target. `coverage` is the nominal one, 0 to 1; `by_fold` may lack methods; `predictor` is
    the method of the map; `coverage_beside` holds what stands below each PICP.

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
            small={"RMSE": _spread([fold.rmse for fold in by_fold.get(name, ())], decimals)}
            | ({"PICP": coverage_beside[name]} if coverage_beside.get(name) else {}),
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


def difference_items(errors: str, measure: str, unit: str, groups: Sequence[Group]) -> list[Item]:
    """Return a table that compares `errors` fold by fold: `measure` names them, and `unit` is their unit in words, or
    empty."""
    return [
        Paragraph(
            tr(
                "All methods were held out on the same folds, so their {} are compared fold by fold. Where the"
                " interval encloses 0, the folds do not tell which of the two is better. That does not mean"
                " that they are alike."
            ).format(errors)
        ),
        *folded(
            [
                Table(
                    (tr("Methods"), *DIFFERENCE_COLUMNS),
                    groups,
                    tr(
                        "{} of the first method minus that of the second: over all held-out observations in"
                        " percent, then the mean of the folds’ differences{}. Below 0 the first method is"
                        " better. Interval and p allow for folds that share training observations (Nadeau and"
                        " Bengio 2003) and take each row by itself. The rows that verdicts are about also have"
                        " p adjusted for the number of all comparisons in the verdicts (Holm 1979), and the"
                        " smallest true difference that the test finds with a probability of 80 %, in percent:"
                        " smaller ones mostly go unnoticed."
                    ).format(measure, unit),
                )
            ],
            len(groups),
        ),
    ]


def difference_row(
    item: Difference, decimals: int, claims: Sequence[Claim], names: Mapping[str, str] = NAMES
) -> tuple[str, ...]:
    """Return a row under DIFFERENCE_COLUMNS; `claims` are those of the target's verdict."""
    test = item.test
    claim = next((each for each in claims if (each.method, each.other) == (item.method, item.other)), None)
    adjusted, detectable = (claim.p, claim.detectable_percent) if claim else (None, None)
    return (
        tr("{} against {}").format(sentence_case(names[item.method]), names[item.other]),
        signed_percent(item.percent),
        _signed(test.difference, decimals) if test else NOTHING,
        tr("{} to {}").format(_signed(test.low, decimals), _signed(test.high, decimals)) if test else NOTHING,
        p_text(test.p) if test else NOTHING,
        NOTHING if adjusted is None else p_text(adjusted),
        NOTHING if detectable is None else percent_text(detectable),
        tr("{} of {} folds").format(item.folds_lower, item.folds),
    )


def other_fold_items(
    sentence: str, other_kind: str, columns: Sequence[str], spans: Sequence[tuple[str, int]], groups: Sequence[Group]
) -> list[Item]:
    """Return the scores under the chosen folds beside those under the other kind; none where no other kind was
    tried."""
    if not groups:
        return []
    caption = tr("The same methods under the chosen folds and under {}.").format(OTHER_KINDS.get(other_kind, ""))
    return [Paragraph(sentence), *folded([Table((tr("Method"), *columns), groups, caption, spans)], len(groups))]


def other_folds_heading(other_kind: str) -> str:
    """Return the other kind of folds as the heading of a column, such as `Random`."""
    return {"random": tr("Random"), "spatial_blocks": tr("Blocks")}.get(other_kind, tr("Other"))


def change(from_: float, to: float) -> float:
    """Return the change in percent of `from_`."""
    return 100 * (to / from_ - 1) if from_ else float("nan")


def signed_percent(value: float) -> str:
    text = _signed(value, 1)
    return text if text == NOTHING else f"{text} %"


def _signed(value: float, decimals: int) -> str:
    """Return the value with its sign: `+1.2`, `−1.2` or `0.0`."""
    text = fixed(value, decimals)
    return f"+{text}" if text[0] not in f"−{NOTHING}" and any(digit in text for digit in "123456789") else text
