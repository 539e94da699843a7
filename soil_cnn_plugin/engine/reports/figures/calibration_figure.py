"""Whether predicted distributions hold, as figures: coverage of intervals, of single quantiles, PIT histogram."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.reliability import PIT_BINS, Reliability, chance_band
from soil_cnn_plugin.engine.reports.drawing import QUIET, draw, lighten_grid
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS

Line = tuple[str, str, Reliability]
"""Name, colour, what is drawn."""
_BAND = "#e9ebee"
_DASHES = ("solid", (0, (4, 1.5)))


def draw_calibration(name: str, lines: Sequence[Line], coverage: float) -> str:
    """The first line is the map's predictor: the histogram is filled for it, and outlined for the others."""

    def paint(figure: Figure) -> None:
        intervals, quantiles, histogram = figure.subplots(1, 3)
        _paint_intervals(intervals, lines, coverage)
        _paint_quantiles(quantiles, lines)
        _paint_histogram(histogram, lines)
        handles, labels = intervals.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)

    return draw(name, 9.2, 3.7, paint)


def _paint_intervals(axes: Axes, lines: Sequence[Line], coverage: float) -> None:
    nominal = lines[0][2].nominal
    _paint_band(axes, lines[0][2].n, nominal)
    axes.axvline(coverage, color=QUIET, linewidth=0.7, dashes=(1, 2))
    for (name, colour, result), dashes in zip(lines, _DASHES):
        axes.plot(result.nominal, result.picp, color=colour, linestyle=dashes, linewidth=1.7, label=name)
    lowest = min(0.5, *(float(result.picp.min()) for _, _, result in lines)) - 0.02
    _paint_diagonal(axes)
    _frame(axes, "Coverage of intervals (PICP)", "Nominal coverage", "Share of observations inside")
    axes.set(xlim=(0.48, 1.0), ylim=(lowest, 1.01))


def _paint_quantiles(axes: Axes, lines: Sequence[Line]) -> None:
    _paint_band(axes, lines[0][2].n, QUANTILE_LEVELS)
    for (_, colour, result), dashes in zip(lines, _DASHES):
        axes.plot(QUANTILE_LEVELS, result.qcp, color=colour, linestyle=dashes, linewidth=1.7)
    _paint_diagonal(axes)
    _frame(axes, "Coverage of quantiles (QCP)", "Quantile", "Share of observations below")
    axes.set(xlim=(0, 1), ylim=(-0.01, 1.01), xticks=np.linspace(0, 1, 5), yticks=np.linspace(0, 1, 5))


def _paint_histogram(axes: Axes, lines: Sequence[Line]) -> None:
    n = lines[0][2].n
    edges = np.linspace(0, 1, PIT_BINS + 1)
    low, high = chance_band(n, np.array([1 / PIT_BINS]))
    axes.axhspan(float(low[0]), float(high[0]), color=_BAND, linewidth=0, zorder=0)
    _, colour, result = lines[0]
    axes.stairs(result.pit, edges, fill=True, color=colour, alpha=0.3, zorder=1)
    for (_, colour, result), dashes in zip(lines, _DASHES):
        axes.stairs(result.pit, edges, color=colour, linestyle=dashes, linewidth=1.4, zorder=2)
    axes.axhline(1 / PIT_BINS, color=QUIET, linewidth=0.9, dashes=(5, 3), zorder=3)
    _frame(axes, "PIT histogram", "Predicted probability of a lower value", "Share of observations")
    highest = max(float(result.pit.max()) for _, _, result in lines)
    axes.set(xlim=(0, 1), ylim=(0, 1.1 * max(highest, float(high[0]))))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))


def _paint_band(axes: Axes, n: int, shares: Array) -> None:
    low, high = chance_band(n, shares)
    axes.fill_between(shares, low, high, label=f"95 % by chance (n = {n})", color=_BAND, linewidth=0, zorder=0)


def _paint_diagonal(axes: Axes) -> None:
    axes.axline((0, 0), slope=1, color=QUIET, linewidth=0.9, dashes=(5, 3))


def _frame(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    lighten_grid(axes)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
