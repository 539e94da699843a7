"""The figures of one target that is a number: predicted against observed, residuals, distributions, thresholds."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, NAMES, NETWORK
from soil_cnn_plugin.engine.assessment.reliability import check_exceedance, reliability
from soil_cnn_plugin.engine.reports.drawing import FOREST_COLOUR, NETWORK_COLOUR, drawn_in_words
from soil_cnn_plugin.engine.reports.figures.calibration_figures import (
    CalibrationLine,
    draw_calibration,
    draw_exceedance,
    exceedance_in_words,
)
from soil_cnn_plugin.engine.reports.figures.observed_predicted import (
    BARS_AT_MOST,
    DENSITY_ABOVE,
    Panel,
    draw_observed_predicted,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import MapFrame, draw_residuals
from soil_cnn_plugin.engine.reports.number_words import (
    censored_in_words,
    coverage_by_spread_in_words,
    intervals_in_words,
    likeness_in_words,
)
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure
from soil_cnn_plugin.engine.reports.words import percent, sentence_case
from soil_cnn_plugin.engine.targets.assessed import NumberTarget, residuals

_RESIDUALS = tr(
    " Brown: predicted too high; blue: too low. Larger points have larger residuals. Neighbours of one"
    " colour mean that something that varies in space is not explained yet."
)
_CALIBRATION = tr(
    " Left: intervals between two quantiles; a line below the diagonal means intervals that are too narrow."
    " Middle: single quantiles, which show a miss on one side; a line above the diagonal means that the"
    " quantiles are too high. Right: flat where the predicted distributions hold, a bowl where they are too"
    " narrow, a hill where they are too wide. The grey band holds 95 % of what chance would give if"
    " observations were independent."
)
_EXCEEDANCE = tr(
    " A point below the dashed line means a probability that was too high. Bars are what chance leaves open"
    " (95 %); grey columns and their numbers say how often a probability was given."
)


def target_figures(index: int, target: NumberTarget, assessment: Assessment, frame: MapFrame) -> list[CaptionedFigure]:
    """Draw the figures of one target. Only those of the first target explain how to read them."""
    panels = _panels(target, assessment.predictor)
    label = target.soil_property.label
    figures = [
        CaptionedFigure(
            draw_observed_predicted(f"observed-{index}", target, panels, target.is_censored),
            tr("Predicted against observed {} of held-out observations (n = {}). The dashed line is 1:1. {}.{}").format(
                label,
                len(target.rows),
                _bars_in_words(len(target.rows), assessment.coverage),
                censored_in_words(target),
            ),
        ),
        CaptionedFigure(
            draw_residuals(
                f"residuals-{index}",
                target,
                assessment.coordinates,
                frame,
                [(title, target.observed + residuals(target, held_out)) for title, _, held_out in panels],
            ),
            tr("Residuals of held-out observations, predicted minus observed {}{}.{}{}").format(
                label,
                tr(", as reported") if target.is_censored.any() else "",
                "" if index else _RESIDUALS,
                drawn_in_words(len(target.rows)) + likeness_in_words(assessment.likeness(target), "m"),
            ),
        ),
    ]
    others = (_calibration_figure(index, target, panels, assessment), _exceedance_figure(index, target, panels))
    return [*figures, *(figure for figure in others if figure)]


def _panels(target: NumberTarget, predictor: str) -> list[Panel]:
    """Return the map's predictor, and beside it the better forest, or the network where a forest is the predictor."""
    forests = [name for name in (FOREST, FOREST_CONTEXT) if name in target.methods]
    rival = min(forests, key=lambda name: target.methods[name].scores.rmse, default=predictor)
    if predictor in forests:
        rival = NETWORK
    panels: list[Panel] = [(sentence_case(NAMES[predictor]), NETWORK_COLOUR, target.methods[predictor])]
    if rival != predictor and rival in target.methods:
        panels.append((sentence_case(NAMES[rival]), FOREST_COLOUR, target.methods[rival]))
    return panels


def _bars_in_words(count: int, coverage: float) -> str:
    if count > DENSITY_ABOVE:
        return tr("Colour is the number of observations")
    bars = tr("Bars are {} prediction intervals").format(percent(coverage))
    return tr("{} of {} observations drawn at random").format(bars, BARS_AT_MOST) if count > 2 * BARS_AT_MOST else bars


def _calibration_figure(
    index: int, target: NumberTarget, panels: list[Panel], assessment: Assessment
) -> CaptionedFigure | None:
    """Draw the calibration, or return None where the map's predictor has no distribution. Only the first target's
    figure explains how to read it."""
    lines: list[CalibrationLine] = []
    for title, colour, held_out in panels:
        found = reliability(target.observed, held_out, target.is_censored)
        if found is not None:
            lines.append((title, colour, found))
    predictor, label = target.methods[assessment.predictor], target.soil_property.label
    if not lines or reliability(target.observed, predictor, target.is_censored) is None:
        return None
    return CaptionedFigure(
        draw_calibration(f"calibration-{index}", lines, assessment.coverage),
        tr("Whether the predicted distributions of {} hold. {}{}{}").format(
            label,
            intervals_in_words(target, predictor, assessment.coverage),
            coverage_by_spread_in_words(target, predictor, assessment.coverage),
            "" if index else _CALIBRATION,
        ),
    )


def _exceedance_figure(index: int, target: NumberTarget, panels: list[Panel]) -> CaptionedFigure | None:
    """Draw the exceedance, or return None where there is no threshold, or no distribution to check it with."""
    lines = [
        (title, colour, found) for title, colour, held_out in panels if (found := check_exceedance(target, held_out))
    ]
    if not lines or lines[0][0] != panels[0][0]:
        return None
    return CaptionedFigure(
        draw_exceedance(f"exceedance-{index}", target.soil_property, lines),
        tr("Probabilities of exceeding a threshold. {}{}").format(
            exceedance_in_words(target, lines[0][2]), "" if index else _EXCEEDANCE
        ),
    )
