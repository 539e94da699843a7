"""Tables that set methods beside each other: paired differences over the folds, and other folds beside the chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment, TargetAssessment
from soil_cnn_plugin.engine.assessment.comparison import Difference, differences
from soil_cnn_plugin.engine.assessment.methods import METHODS, NAMES
from soil_cnn_plugin.engine.reports.numerals import NOTHING, decimals_for, fixed, percent
from soil_cnn_plugin.engine.reports.words import enumerated, sentence_case, titles
from soil_cnn_plugin.engine.targets.metrics import Scores

SIMILAR_PERCENT = 5.0
"""RMSE under random and under other folds that differ by less are called alike."""


@dataclass(frozen=True)
class Group:
    """Rows of one target; the first text of a row names it, the others are numbers."""

    heading: str
    rows: tuple[tuple[str, ...], ...]


DIFFERENCE_COLUMNS = ("All observations", "Mean over folds", "95 % interval", "p", "Lower in")


def difference_group(target: TargetAssessment, predictor: str) -> Group:
    """The map's predictor beside each other method, the network beside the better forest, context beside none."""
    found = differences(target.methods, predictor)
    decimals = decimals_for(target.methods[predictor].scores.rmse)
    return Group(sentence_case(target.soil_property.label), tuple(difference_row(item, decimals) for item in found))


def difference_row(item: Difference, decimals: int, names: Mapping[str, str] = NAMES) -> tuple[str, ...]:
    test = item.test
    return (
        f"{sentence_case(names[item.method])} against {names[item.other]}",
        signed_percent(item.percent),
        _signed(test.difference, decimals) if test else NOTHING,
        f"{_signed(test.low, decimals)} to {_signed(test.high, decimals)}" if test else NOTHING,
        _p(test.p) if test else NOTHING,
        f"{item.folds_lower} of {item.folds} folds",
    )


FOLD_SPANS = (("RMSE", 3), ("MEC", 2), ("PICP", 2))
OTHER_KINDS = {"random": "random folds", "spatial_blocks": "folds of spatial blocks"}


def fold_columns(assessment: Assessment) -> tuple[str, ...]:
    """Headings under FOLD_SPANS."""
    other = {"random": "Random", "spatial_blocks": "Blocks"}.get(assessment.folds.other_kind, "Other")
    return ("Chosen", other, "Change", "Chosen", other, "Chosen", other)


def other_fold_groups(assessment: Assessment, targets: list[TargetAssessment]) -> list[Group]:
    """Scores under the chosen folds beside those under the other kind; none where no other kind was tried."""
    groups = []
    for target in targets:
        other = assessment.folds.other_scores.get(target.soil_property.field, {})
        chosen = {name: held_out.scores for name, held_out in target.methods.items()}
        names = [name for name in METHODS if name in other and name in chosen]
        if names:
            decimals = decimals_for(min(chosen[name].rmse for name in names))
            rows = tuple(_fold_row(name, chosen[name], other[name], decimals) for name in names)
            groups.append(Group(sentence_case(target.soil_property.label), rows))
    return groups


def _fold_row(name: str, chosen: Scores, other: Scores, decimals: int) -> tuple[str, ...]:
    return (
        sentence_case(NAMES[name]),
        fixed(chosen.rmse, decimals),
        fixed(other.rmse, decimals),
        signed_percent(change(chosen.rmse, other.rmse)),
        fixed(chosen.mec, 2),
        fixed(other.mec, 2),
        percent(chosen.picp),
        percent(other.picp),
    )


def other_folds_in_words(assessment: Assessment, targets: list[TargetAssessment]) -> str:
    """What the difference between random and spatial folds means for the map; empty where there is none."""
    changes: dict[SoilProperty, float] = {}
    for target in targets:
        other: Mapping[str, Scores] = assessment.folds.other_scores.get(target.soil_property.field, {})
        if assessment.predictor in other:
            chosen = target.methods[assessment.predictor].scores
            pair = chosen.rmse, other[assessment.predictor].rmse
            spatial, near = pair if assessment.folds.other_kind == "random" else pair[::-1]
            changes[target.soil_property] = change(spatial, near)
    lower = [each for each, percent_ in changes.items() if percent_ <= -SIMILAR_PERCENT]
    higher = [each for each, percent_ in changes.items() if percent_ >= SIMILAR_PERCENT]
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
            f"both kinds of folds tell nearly the same (less than {SIMILAR_PERCENT:g} % apart), so the error depends"
            " little on how near the next observation is.",
        ),
        (
            higher,
            "the error is larger under random folds, which chance can do when there are few observations; take the"
            " larger one as the safer guide.",
        ),
    )
    return " ".join(f"{sentence_case(enumerated(titles(group)))}: {text}" for group, text in said if group)


def change(from_: float, to: float) -> float:
    """In percent of `from_`."""
    return 100 * (to / from_ - 1) if from_ else float("nan")


def signed_percent(value: float) -> str:
    text = _signed(value, 1)
    return text if text == NOTHING else f"{text} %"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else fixed(p, 3)


def _signed(value: float, decimals: int) -> str:
    """`+1.2`, `−1.2` or `0.0`."""
    text = fixed(value, decimals)
    return f"+{text}" if text[0] not in f"−{NOTHING}" and any(digit in text for digit in "123456789") else text
