"""Figures of held-out distributions, probabilities of exceeding thresholds, and losses while networks were trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.assessment.reliability import PIT_BINS, Exceedance, Reliability, chance_band, unchecked
from soil_cnn_plugin.engine.assessment.significance import SIGNIFICANT, p_words
from soil_cnn_plugin.engine.reports.drawing import FOREST_COLOUR, NETWORK_COLOUR, QUIET, draw, lighten_grid
from soil_cnn_plugin.engine.reports.figures.class_figures import paint_reliability
from soil_cnn_plugin.engine.reports.words import fixed, percent, sentence_case
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS

CalibrationLine = tuple[str, str, Reliability]
"""A method's name and colour, and what is drawn of it."""
_BAND = "#e9ebee"
_DASHES = ("solid", (0, (4, 1.5)))


def draw_calibration(name: str, lines: Sequence[CalibrationLine], coverage: float) -> str:
    """Draw the calibration of methods. The first line is the map's predictor: its histogram is filled, the others are
    outlined."""

    def paint(figure: Figure) -> None:
        intervals, quantiles, histogram = figure.subplots(1, 3)
        _paint_intervals(intervals, lines, coverage)
        _paint_quantiles(quantiles, lines)
        _paint_histogram(histogram, lines)
        handles, labels = intervals.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)

    return draw(name, 9.2, 3.7, paint)


def _paint_intervals(axes: Axes, lines: Sequence[CalibrationLine], coverage: float) -> None:
    nominal = lines[0][2].nominal
    _paint_band(axes, lines[0][2].n, nominal)
    axes.axvline(coverage, color=QUIET, linewidth=0.7, dashes=(1, 2))
    for (name, colour, result), dashes in zip(lines, _DASHES):
        axes.plot(result.nominal, result.picp, color=colour, linestyle=dashes, linewidth=1.7, label=name)
    lowest = min(0.5, *(float(result.picp.min()) for _, _, result in lines)) - 0.02
    _paint_diagonal(axes)
    _frame(axes, tr("Coverage of intervals (PICP)"), tr("Nominal coverage"), tr("Share of observations inside"))
    axes.set(xlim=(0.48, 1.0), ylim=(lowest, 1.01))


def _paint_quantiles(axes: Axes, lines: Sequence[CalibrationLine]) -> None:
    _paint_band(axes, lines[0][2].n, QUANTILE_LEVELS)
    for (_, colour, result), dashes in zip(lines, _DASHES):
        axes.plot(QUANTILE_LEVELS, result.qcp, color=colour, linestyle=dashes, linewidth=1.7)
    _paint_diagonal(axes)
    _frame(axes, tr("Coverage of quantiles (QCP)"), tr("Quantile"), tr("Share of observations below"))
    axes.set(xlim=(0, 1), ylim=(-0.01, 1.01), xticks=np.linspace(0, 1, 5), yticks=np.linspace(0, 1, 5))


def _paint_histogram(axes: Axes, lines: Sequence[CalibrationLine]) -> None:
    n = lines[0][2].n
    edges = np.linspace(0, 1, PIT_BINS + 1)
    low, high = chance_band(n, np.array([1 / PIT_BINS]))
    axes.axhspan(float(low[0]), float(high[0]), color=_BAND, linewidth=0, zorder=0)
    _, colour, result = lines[0]
    axes.stairs(result.pit, edges, fill=True, color=colour, alpha=0.3, zorder=1)
    for (_, colour, result), dashes in zip(lines, _DASHES):
        axes.stairs(result.pit, edges, color=colour, linestyle=dashes, linewidth=1.4, zorder=2)
    axes.axhline(1 / PIT_BINS, color=QUIET, linewidth=0.9, dashes=(5, 3), zorder=3)
    _frame(axes, tr("PIT histogram"), tr("Predicted probability of a lower value"), tr("Share of observations"))
    highest = max(float(result.pit.max()) for _, _, result in lines)
    axes.set(xlim=(0, 1), ylim=(0, 1.1 * max(highest, float(high[0]))))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))


def _paint_band(axes: Axes, n: int, shares: Array) -> None:
    low, high = chance_band(n, shares)
    axes.fill_between(
        shares, low, high, label=tr("95 % by chance (n = {})").format(n), color=_BAND, linewidth=0, zorder=0
    )


def _paint_diagonal(axes: Axes) -> None:
    axes.axline((0, 0), slope=1, color=QUIET, linewidth=0.9, dashes=(5, 3))


def _frame(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    lighten_grid(axes)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


MOST_PANELS = 4
ExceedanceLine = tuple[str, str, list[Exceedance]]
"""The title and the colour of a method, and what was found for each threshold."""


def draw_exceedance(name: str, soil_property: SoilProperty, lines: Sequence[ExceedanceLine]) -> str:
    """Draw one panel per threshold, at most four."""
    shown = range(min(MOST_PANELS, len(lines[0][2])))

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        for index, axes in zip(shown, all_axes):
            paint_reliability(axes, [(title, colour, found[index].reliability) for title, colour, found in lines])
            axes.set_title(lines[0][2][index].threshold.words(soil_property))
        all_axes[0].set_ylabel(tr("Share that came true"))
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    return draw(name, min(9.2, 0.6 + 4.3 * len(shown)), 4.1, paint)


def exceedance_in_words(target: NumberTarget, found: Sequence[Exceedance]) -> str:
    """Return sentences on the map's predictor."""
    soil_property = target.soil_property
    sentences = [_check_in_words(each, soil_property) for each in found]
    for threshold in unchecked(target):
        sentences.append(
            tr("{} cannot be checked: all observations have a detection limit above it.").format(
                threshold.words(soil_property)
            )
        )
    return " ".join(sentences)


def _check_in_words(found: Exceedance, soil_property: SoilProperty) -> str:
    name = found.threshold.words(soil_property)
    of = tr("{} observations").format(found.n)
    if found.unknown:
        of += tr(" ({} more have a detection limit above the threshold and cannot tell)").format(found.unknown)
    if found.tied:
        of += tr(" ({} of them equal the threshold as measured, and count as if they did not)").format(found.tied)
    if found.skill is None or found.p is None:
        text = (
            tr(
                "{} came true at none of {}: beyond what was observed nothing shows whether its probabilities, {} on"
                " average, hold."
            )
            if found.share == 0
            else tr(
                "{} came true at all of {}: beyond what was observed nothing shows whether its probabilities, {} on"
                " average, hold."
            )
        )
        return text.format(name, of, percent(found.expected, 1))
    came_true = tr("{} came true at {} of {}; its probability was {} on average.").format(
        name, percent(found.share, 1), of, percent(found.expected, 1)
    )
    compared = (
        tr("Brier score {}, {} % better than always giving that share;")
        if found.skill >= 0
        else tr("Brier score {}, {} % worse than always giving that share;")
    ).format(fixed(found.brier, 3), fixed(abs(100 * found.skill), 0))
    judged = (
        tr("probabilities and what came true are as far apart as chance leaves them ({}).")
        if found.p >= SIGNIFICANT
        else tr("probabilities and what came true are farther apart than chance leaves them ({}).")
    ).format(p_words(found.p))
    return f"{came_true} {compared} {judged}"


def draw_loss_curves(name: str, curves: Sequence[LossCurve]) -> str:
    """Draw the loss curves. The last curve of each architecture is drawn strong, with the step that its members were
    kept at; the others are thin."""
    architectures = list(dict.fromkeys(curve.architecture for curve in curves))

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(architectures), squeeze=False)[0]
        for axes, architecture in zip(all_axes, architectures):
            _paint_losses(axes, [curve for curve in curves if curve.architecture == architecture])
            axes.set(title=sentence_case(architecture), xlabel=tr("Training step"))
        all_axes[0].set_ylabel(tr("Loss (mean of members)"))
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    return draw(name, 9.2 if len(architectures) > 1 else 7.6, 3.4, paint)


def _paint_losses(axes: Axes, curves: Sequence[LossCurve]) -> None:
    lighten_grid(axes)
    for curve in curves[:-1]:
        axes.plot(curve.steps, curve.training, color=QUIET, linewidth=0.7, alpha=0.4)
        axes.plot(curve.steps, curve.held_out, color=NETWORK_COLOUR, linewidth=0.7, alpha=0.4)
    last = curves[-1]
    axes.plot(last.steps, last.training, color=QUIET, linewidth=1.5, label=tr("Training observations"))
    axes.plot(last.steps, last.held_out, color=NETWORK_COLOUR, linewidth=1.9, label=tr("Held-out observations"))
    axes.plot(
        [last.kept_step],
        [0.0],
        linestyle="none",
        marker="|",
        markersize=9,
        markeredgewidth=1.2,
        color=FOREST_COLOUR,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        label=tr("Step at which the members were kept"),
    )
