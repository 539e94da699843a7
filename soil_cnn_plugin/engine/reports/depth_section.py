"""What the held-out report says of soil properties that were measured at several depths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, MEAN, NAMES
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR
from soil_cnn_plugin.engine.reports.figures.depth_figures import (
    COLOURS,
    MOST_PROFILES,
    DepthLine,
    choose_profiles,
    draw_profiles,
    draw_scores_by_depth,
    limits_of,
)
from soil_cnn_plugin.engine.reports.numerals import decimals_for, fixed, percent, rounded
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure
from soil_cnn_plugin.engine.reports.words import sentence_case
from soil_cnn_plugin.engine.targets.assessed import NumberTarget


def at_several_depths(targets: Sequence[NumberTarget]) -> dict[str, list[NumberTarget]]:
    """Return the targets of each soil property that has at least two depths, by its name, from the top down."""
    groups: dict[str, list[NumberTarget]] = {}
    for target in targets:
        if target.soil_property.depth_cm:
            groups.setdefault(target.soil_property.name, []).append(target)
    return {name: group for name, group in groups.items() if len(group) > 1}


def depth_figures(index: int, targets: Sequence[NumberTarget], assessment: Assessment) -> list[CaptionedFigure]:
    """Draw the figures of one soil property; `index` keeps them apart from those of others."""
    name, predictor = targets[0].soil_property.name, assessment.predictor
    methods = [predictor, *_rivals(targets, predictor)]
    lines: list[DepthLine] = [
        (sentence_case(NAMES[method]), colour, [target.methods[method].scores for target in targets])
        for method, colour in zip(methods, COLOURS)
    ]
    rows = choose_profiles(targets)
    profiles = f"{len(rows)} profiles" if len(rows) == MOST_PROFILES else f"all {len(rows)} profiles that have values"
    order = f", in even steps from the lowest to the highest mean of {name}" if len(rows) == MOST_PROFILES else ""
    return [
        CaptionedFigure(
            draw_scores_by_depth(f"depths-{index}", targets, lines, assessment.coverage),
            f"Scores of {name} by depth. Bars are the depth intervals. Dashed: a MEC of 0, which is no better than the"
            f" mean, and the {percent(assessment.coverage)} of the observations that prediction intervals should hold.",
        ),
        CaptionedFigure(
            draw_profiles(f"profiles-{index}", targets, predictor, rows, assessment.coordinates, NETWORK_COLOUR),
            f"Observed {name} by depth (black), and what the {NAMES[predictor]} predicted for the same profiles without"
            f" having seen them (blue, with {percent(assessment.coverage)} prediction intervals), at {profiles}{order}."
            " Above each stand its x and y.",
        ),
    ]


DEPTH_COLUMNS = ("Depth", "n", "Variance explained", "RMSE", "In the intervals", "Network beside the forest")
_OUTCOMES = {
    "network": "network better",
    "forest": "forest better",
    "equal": "no clear difference",
    "none": "no usable signal",
}


def depth_rows(targets: Sequence[NumberTarget], predictor: str) -> list[tuple[str, ...]]:
    """Return what the map of each depth is worth, under DEPTH_COLUMNS."""
    rows: list[tuple[str, ...]] = []
    decimals = decimals_for(min(target.methods[predictor].scores.rmse for target in targets))
    for target in targets:
        scores, (upper, lower) = target.methods[predictor].scores, limits_of(target)
        explained = None if scores.mec is None else max(scores.mec, 0.0)
        numbers = str(scores.n), percent(explained), fixed(scores.rmse, decimals), percent(scores.picp)
        rows.append((f"{upper:g}-{lower:g} cm", *numbers, _OUTCOMES[target.verdict.outcome]))
    return rows


def depths_in_words(targets: Sequence[NumberTarget], predictor: str, coverage: float) -> str:
    """Say in one sentence of numbers what the maps of all depths are worth."""
    scores = [target.methods[predictor].scores for target in targets]
    explained = [max(each.mec, 0.0) for each in scores if each.mec is not None]
    texts = []
    if explained:
        shares = _span(percent(min(explained)), percent(max(explained)))
        texts.append(f"the map explains {shares} of the variance of the held-out observations")
    unit = targets[0].soil_property.unit
    errors = [each.rmse for each in scores]
    texts.append(f"its typical error (RMSE) is {_span(rounded(min(errors)), rounded(max(errors)))} {unit}".strip())
    inside = [each.picp for each in scores]
    if np.isfinite(inside).all():
        hold = _span(percent(min(inside)), percent(max(inside)))
        texts.append(f"its {percent(coverage)} prediction intervals hold {hold} of them")
    return f"{sentence_case('; '.join(texts))}, by depth."


def shared_outcome(targets: Sequence[NumberTarget]) -> str:
    """Return the outcome of all depths where they agree, otherwise `equal`."""
    outcomes = {target.verdict.outcome for target in targets}
    return outcomes.pop() if len(outcomes) == 1 else "equal"


def _span(low: str, high: str) -> str:
    """Return a span such as `56 to 70 %`."""
    if low == high:
        return low
    return f"{low.removesuffix(' %')} to {high}"


def _rivals(targets: Sequence[NumberTarget], predictor: str) -> list[str]:
    """Return the forest with the lower error over all depths, and the mean."""
    forests = [name for name in (FOREST, FOREST_CONTEXT) if name in targets[0].methods and name != predictor]
    error = {name: sum(target.methods[name].scores.rmse for target in targets) for name in forests}
    others = [min(forests, key=error.__getitem__)] if forests else []
    return [*others, *([MEAN] if MEAN in targets[0].methods else [])]
