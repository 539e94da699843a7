"""The held-out report: one HTML page that says what a map is worth, for readers who know soils."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.assessment.assessment import (
    FOREST,
    FOREST_CONTEXT,
    MEAN,
    METHODS,
    NETWORK,
    Assessment,
    TargetAssessment,
)
from soil_cnn_plugin.engine.pages.drawing import FOREST_COLOUR, NETWORK_COLOUR, sentence_case
from soil_cnn_plugin.engine.pages.loss_figure import draw_loss_curves
from soil_cnn_plugin.engine.pages.numerals import percent, rounded
from soil_cnn_plugin.engine.pages.observed_predicted import (
    BARS_AT_MOST,
    DENSITY_ABOVE,
    Panel,
    draw_observed_predicted,
)
from soil_cnn_plugin.engine.pages.page import write_page
from soil_cnn_plugin.engine.pages.point_maps import MapFrame, draw_folds, draw_residuals, map_frame
from soil_cnn_plugin.engine.pages.references import references
from soil_cnn_plugin.engine.pages.score_table import COLUMNS, score_group

HIGH_OVERLAP = 25.0
"""Percent of held-out observations whose patch overlaps a training patch; above it the report cautions."""
SIGNIFICANT = 0.05
CLEARLY_LOWER = 0.9
"""Share of the mean's RMSE; above it the network has found little, whatever the forests found."""


@dataclass(frozen=True)
class CaptionedFigure:
    svg: str  # with its texts escaped
    caption: str


@dataclass(frozen=True)
class Section:
    heading: str
    figures: tuple[CaptionedFigure, ...]


@dataclass(frozen=True)
class VerdictBox:
    """`tone` is good, poor or even: the colour of the box."""

    heading: str
    text: str
    numbers: str
    tone: str


def write_report(path: str, assessment: Assessment) -> None:
    """Writes one HTML file that needs nothing else. Figures are SVG; with many points, images inside the SVG."""
    frame = map_frame(assessment.coordinates, assessment.crs_name)
    write_page(
        path,
        "held_out_report",
        title=sentence_case(_listed([target.soil_property.title for target in assessment.targets])),
        facts=_facts(assessment, frame.unit),
        verdicts=[_verdict_box(target, assessment.coverage) for target in assessment.targets],
        folds_sentence=assessment.folds.sentence,
        overlap_sentence=_overlap_sentence(assessment.folds.overlap_percent),
        overlap_is_high=assessment.folds.overlap_percent > HIGH_OVERLAP,
        folds_figure=_folds_figure(assessment, frame),
        columns=COLUMNS,
        groups=[
            score_group(
                target.soil_property,
                {name: method.scores for name, method in target.methods.items()},
                assessment.coverage,
                {name: method.fold_scores for name, method in target.methods.items()},
            )
            for target in assessment.targets
        ],
        coverage=assessment.coverage,
        sections=[_section(i, target, assessment, frame) for i, target in enumerate(assessment.targets)],
        loss_figure=_loss_figure(assessment),
        notes=assessment.notes,
        settings=assessment.settings,
        versions=assessment.versions,
        references=references(assessment.folds.kind, any(target.transform != "none" for target in assessment.targets)),
    )


def _facts(assessment: Assessment, unit: str) -> list[str]:
    size, cell = assessment.patch_size, assessment.cell_size
    across = f" ({size * cell:g} {unit} across)" if unit == "m" else ""
    return [
        f"{len(assessment.coordinates)} observations",
        f"{assessment.folds.count} folds",
        f"patches of {size} × {size} cells of {f'{cell:g} {unit}'.strip()}{across}",
        assessment.crs_name,
    ]


def _verdict_box(target: TargetAssessment, coverage: float) -> VerdictBox:
    scores, unit = target.methods[NETWORK].scores, target.soil_property.unit
    worth = []
    if scores.mec is not None and scores.mec > 0:
        worth.append(f"The network explains {percent(scores.mec)} of the variance of the held-out observations")
    elif scores.mec is not None:
        worth.append("The network explains none of the variance of the held-out observations")
    worth.append(f"its typical error (RMSE) is {rounded(scores.rmse)} {unit}".strip())
    worth.append(f"{percent(scores.picp)} of them lie inside the {percent(coverage)} prediction interval")
    numbers = sentence_case("; ".join(worth)) + "."
    return VerdictBox(sentence_case(target.soil_property.label), target.verdict.text, numbers, _tone(target))


def _tone(target: TargetAssessment) -> str:
    scores, verdict = target.methods[NETWORK].scores, target.verdict
    if scores.mec is not None and scores.mec <= 0:
        return "poor"
    if verdict.p is None or verdict.p >= SIGNIFICANT:
        return "even"
    if verdict.difference_percent > 0:
        return "poor"
    beats_mean = MEAN not in target.methods or scores.rmse < CLEARLY_LOWER * target.methods[MEAN].scores.rmse
    return "good" if beats_mean else "even"


def _overlap_sentence(overlap_percent: float) -> str:
    share = percent(overlap_percent / 100)
    if overlap_percent > HIGH_OVERLAP:
        return (
            f"The patches of {share} of the held-out observations overlap a patch that was trained on. The network has"
            " seen part of their surroundings, so the scores hold close to the observations; farther away the map may"
            " be worse than they say."
        )
    return f"The patches of {share} of the held-out observations overlap a patch that was trained on."


def _section(index: int, target: TargetAssessment, assessment: Assessment, frame: MapFrame) -> Section:
    panels = _panels(target)
    label = target.soil_property.label
    maps = [(title, held_out.mean) for title, _, held_out in panels]
    bars = f"Bars are {percent(assessment.coverage)} prediction intervals"
    if len(target.rows) > DENSITY_ABOVE:
        bars = "Colour is the number of observations"
    elif len(target.rows) > 2 * BARS_AT_MOST:
        bars += f" of {BARS_AT_MOST} observations drawn at random"
    return Section(
        sentence_case(label),
        (
            CaptionedFigure(
                draw_observed_predicted(f"observed-{index}", target, panels),
                f"Predicted against observed {label} of held-out observations (n = {len(target.rows)})."
                f" The dashed line is 1:1. {bars}.",
            ),
            CaptionedFigure(
                draw_residuals(f"residuals-{index}", target, assessment.coordinates, frame, maps),
                f"Residuals of held-out observations, predicted minus observed {label}. Brown: predicted too high;"
                " blue: too low. Larger points have larger residuals. Neighbours of one colour mean that something that"
                " varies in space is not explained yet.",
            ),
        ),
    )


def _panels(target: TargetAssessment) -> list[Panel]:
    """The network, and beside it the better forest."""
    forests = [name for name in (FOREST, FOREST_CONTEXT) if name in target.methods]
    if target.verdict.rival in forests:
        rival = target.verdict.rival
    elif forests:
        rival = min(forests, key=lambda name: target.methods[name].scores.rmse)
    else:
        rival = MEAN
    panels: list[Panel] = [(METHODS[NETWORK], NETWORK_COLOUR, target.methods[NETWORK])]
    if rival in target.methods:
        title = METHODS[rival].split(",")[0].split(" (")[0]
        panels.append((title, FOREST_COLOUR, target.methods[rival]))
    return panels


def _folds_figure(assessment: Assessment, frame: MapFrame) -> CaptionedFigure:
    folds: NDArray[np.int64] = np.full(len(assessment.coordinates), -1, dtype=np.int64)
    for target in assessment.targets:
        folds[target.rows] = target.fold
    return CaptionedFigure(
        draw_folds("folds", assessment.coordinates, folds, frame),
        f"Observations by fold ({assessment.crs_name}). Each fold was predicted by networks and forests that were"
        " trained on the other folds.",
    )


def _loss_figure(assessment: Assessment) -> CaptionedFigure | None:
    """The curves of the folds' ensembles come first, those of the final ones last."""
    curves = assessment.loss_curves
    if not curves:
        return None
    has_folds = len(curves) > len({curve.architecture for curve in curves})
    lines = " Thick lines: the networks of the map; thin lines: those of the folds." if has_folds else ""
    return CaptionedFigure(
        draw_loss_curves("loss", curves),
        f"Loss while networks were trained, as medians over the members of an ensemble.{lines} Where the held-out loss"
        " rises, a network learns its training observations by heart; each member was kept at its best step.",
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
