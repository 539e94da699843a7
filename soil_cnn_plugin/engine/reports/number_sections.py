"""What targets that are numbers add to the held-out report: verdicts, values, scores, and a section each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.language import tr, whole
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.comparison import differences
from soil_cnn_plugin.engine.assessment.methods import METHODS, NAMES
from soil_cnn_plugin.engine.reports.depth_section import (
    DEPTH_COLUMNS,
    at_several_depths,
    depth_figures,
    depth_rows,
    depths_in_words,
    shared_outcome,
)
from soil_cnn_plugin.engine.reports.drawing import drawn_in_words
from soil_cnn_plugin.engine.reports.figures.point_maps import MapFrame, draw_folds_and_values
from soil_cnn_plugin.engine.reports.held_out_words import predictor_sentence
from soil_cnn_plugin.engine.reports.number_figures import target_figures
from soil_cnn_plugin.engine.reports.number_words import coverage_beside, number_folds_in_words, number_worth_in_words
from soil_cnn_plugin.engine.reports.score_table import (
    SCALES,
    SCORE_COLUMNS,
    change,
    difference_items,
    difference_row,
    number_score_group,
    other_fold_items,
    other_folds_heading,
    signed_percent,
)
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Details,
    Group,
    Item,
    Paragraph,
    ScoreGroup,
    ScoreTable,
    Section,
    Share,
    VerdictBox,
    table,
)
from soil_cnn_plugin.engine.reports.words import by_depth, decimals_for, fixed, number_terms, percent, sentence_case
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.targets.scales import skewness

_VALUES = (
    "n",
    tr("Minimum"),
    tr("1st quartile"),
    tr("Median"),
    tr("Mean"),
    tr("3rd quartile"),
    tr("Maximum"),
    tr("SD"),
    tr("Skewness"),
)
_SPANS = (("RMSE", 3), ("MEC", 2), ("PICP", 2))
_SCORES_CAPTION = tr(
    "Scores of held-out observations. ME, RMSE, width, interval score and CRPS are in the unit of the soil"
    " property; below each RMSE are the lowest and the highest of the folds. A dot marks the best of each"
    " column, bold type the method of the map."
)
_LIMITS_AS_VALUES = tr(" A value below its detection limit counts as that limit.")


def number_share(assessment: Assessment, frame: MapFrame) -> Share:
    """Return what numbers add to the held-out report. The depths of a property run from the top of the soil down."""
    targets = by_depth(assessment.numbers, lambda target: target.soil_property)
    predictor, other_kind = assessment.predictor, assessment.folds.other_kind
    return Share(
        predictor=[Paragraph(predictor_sentence(predictor))],
        verdicts=_verdicts(targets, assessment),
        maps=[_folds_figure(targets, assessment, frame)],
        values=[_value_table(targets)],
        accuracy=[ScoreTable(SCORE_COLUMNS, [_score_group(target, assessment) for target in targets], _SCORES_CAPTION)],
        differences=difference_items(
            tr("errors"),
            "RMSE",
            tr(" in the unit of the soil property"),
            [_differences(each, predictor) for each in targets],
        ),
        other_folds=_other_folds(targets, predictor, other_kind),
        target_sections=_target_sections(targets, assessment, frame),
        terms=number_terms(assessment.coverage, SCORE_COLUMNS),
    )


def _verdicts(targets: Sequence[NumberTarget], assessment: Assessment) -> list[VerdictBox]:
    """Return one verdict per target, or per property with several depths."""
    boxes, groups = [], at_several_depths(targets)
    for target in targets:
        group = groups.get(target.soil_property.name)
        if group is None:
            boxes.append(_of_target(target, assessment))
        elif target is group[0]:
            boxes.append(_of_depths(group, assessment))
    return boxes


def _of_target(target: NumberTarget, assessment: Assessment) -> VerdictBox:
    return VerdictBox(
        heading=sentence_case(target.soil_property.label),
        items=[
            Paragraph(number_worth_in_words(target, assessment.predictor, assessment.coverage)),
            Paragraph(target.verdict.text, "numbers"),
        ],
        outcome=target.verdict.outcome,
    )


def _of_depths(targets: Sequence[NumberTarget], assessment: Assessment) -> VerdictBox:
    soil_property = targets[0].soil_property
    unit = f" ({soil_property.unit})" if soil_property.unit else ""
    return VerdictBox(
        heading=sentence_case(tr("{} at {} depths{}").format(soil_property.name, len(targets), unit)),
        items=[
            Paragraph(depths_in_words(targets, assessment.predictor, assessment.coverage)),
            table(DEPTH_COLUMNS, depth_rows(targets, assessment.predictor)),
        ],
        outcome=shared_outcome(targets),
    )


def _value_table(targets: Sequence[NumberTarget]) -> Item:
    note = _LIMITS_AS_VALUES if any(target.is_censored.any() for target in targets) else ""
    rows = [_value_row(target) for target in targets]
    return table(
        (tr("Soil property"), *_VALUES, tr("Learned as")),
        rows,
        tr("Observed values, in the unit of the soil property.{}").format(note),
    )


def _value_row(target: NumberTarget) -> tuple[str, ...]:
    """Return what was observed of one target, and the scale on which it was learned."""
    observed = target.observed
    low, middle, high = np.quantile(observed, (0.25, 0.5, 0.75))
    numbers = (observed.min(), low, middle, observed.mean(), high, observed.max(), observed.std(ddof=1))
    decimals = decimals_for(float(observed.std()))
    return (
        sentence_case(target.soil_property.label),
        whole(len(observed)),
        *(fixed(float(number), decimals) for number in numbers),
        fixed(skewness(observed), 1),
        SCALES.get(target.transform, target.transform),
    )


def _score_group(target: NumberTarget, assessment: Assessment) -> ScoreGroup:
    return number_score_group(
        target.soil_property,
        {name: method.scores for name, method in target.methods.items()},
        assessment.coverage,
        {name: method.fold_scores for name, method in target.methods.items()},
        assessment.predictor,
        {name: coverage_beside(target, method, assessment.coverage) for name, method in target.methods.items()},
    )


def _differences(target: NumberTarget, predictor: str) -> Group:
    """Compare the map's predictor with each other method, the network with the better forest, and the forest with
    context with the one without."""
    decimals = decimals_for(target.methods[predictor].scores.rmse)
    claims = target.verdict.claims
    rows = [difference_row(item, decimals, claims) for item in differences(target.methods, predictor)]
    return Group(sentence_case(target.soil_property.label), rows)


def _other_folds(targets: Sequence[NumberTarget], predictor: str, other_kind: str) -> list[Item]:
    groups = []
    for target in targets:
        names = [name for name in METHODS if name in target.other_methods and name in target.methods]
        if names:
            decimals = decimals_for(min(target.methods[name].scores.rmse for name in names))
            rows = [
                _fold_row(name, target.methods[name].scores, target.other_methods[name].scores, decimals)
                for name in names
            ]
            groups.append(Group(sentence_case(target.soil_property.label), rows))
    other = other_folds_heading(other_kind)
    columns = (tr("Chosen"), other, tr("Change"), tr("Chosen"), other, tr("Chosen"), other)
    sentence = number_folds_in_words(targets, predictor, other_kind)
    return other_fold_items(sentence, other_kind, columns, _SPANS, groups)


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


def _target_sections(targets: Sequence[NumberTarget], assessment: Assessment, frame: MapFrame) -> list[Section]:
    """Return one section per target, or per property with several depths."""
    sections: list[Section] = []
    groups = at_several_depths(targets)
    for index, target in enumerate(targets):
        name, heading = target.soil_property.name, sentence_case(target.soil_property.label)
        own = target_figures(index, target, assessment, frame)
        if name not in groups:
            sections.append(Section(f"target-{index}", heading, own))
            continue
        if target is groups[name][0]:
            figures = depth_figures(index, groups[name], assessment)
            sections.append(Section(f"by-depth-{index}", tr("{} by depth").format(sentence_case(name)), figures))
        items = [Paragraph(target.verdict.text, "small"), *own]
        detail = Details(tr("{}: verdict and figures").format(heading), items)
        sections[-1] = replace(sections[-1], items=[*sections[-1].items, detail])
    return sections


def _folds_figure(targets: Sequence[NumberTarget], assessment: Assessment, frame: MapFrame) -> CaptionedFigure:
    folds: Rows = np.full(len(assessment.coordinates), -1, dtype=np.int64)
    for target in targets:
        folds[target.rows] = target.fold
    return CaptionedFigure(
        draw_folds_and_values("folds", assessment.coordinates, folds, targets, frame),
        tr(
            "Observations by fold, and what was observed ({}). Each fold was predicted by networks and forests"
            " that were trained on the other folds."
        ).format(assessment.crs_name)
        + drawn_in_words(len(folds)),
    )
