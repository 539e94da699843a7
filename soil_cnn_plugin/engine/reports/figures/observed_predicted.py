"""The plot of predicted against observed, with network and forest side by side on the same axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, QUIET, RASTER_ABOVE, draw, lighten_grid
from soil_cnn_plugin.engine.reports.words import fixed, rounded
from soil_cnn_plugin.engine.targets.assessed import MeasuredTarget
from soil_cnn_plugin.engine.targets.metrics import HeldOut

BARS_AT_MOST = 300
"""The most observations that get an interval bar, drawn at random; more bars hide each other."""
DENSITY_ABOVE = 3000
"""The number of points per panel above which their density is shown instead."""

Panel = tuple[str, str, HeldOut]
"""A title, a colour and predictions."""


def draw_observed_predicted(
    name: str, target: MeasuredTarget, panels: list[Panel], is_censored: Flags | None = None
) -> str:
    """Draw predicted against observed. Where `is_censored` (n,), an open triangle at the limit points to where the true
    value lies; a density leaves these out."""
    measured = np.ones(len(target.observed), np.bool_) if is_censored is None else ~is_censored
    low, high = _limits(target.observed, [held_out for _, _, held_out in panels])

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
        for axes, (title, _, _) in zip(all_axes, panels):
            lighten_grid(axes)
            axes.axline((0, 0), slope=1, color=QUIET, linewidth=0.9, dashes=(5, 3), zorder=3)
            axes.set(title=title, xlim=(low, high), ylim=(low, high), aspect="equal")
            axes.set_xlabel(tr("Observed {}").format(target.soil_property.label))
        all_axes[0].set_ylabel(tr("Predicted {}").format(target.soil_property.label))
        if len(target.observed) > DENSITY_ABOVE:
            _paint_density(figure, list(all_axes), target.observed, panels, measured, (low, high))
        for axes, (_, colour, held_out) in zip(all_axes, panels):
            if len(target.observed) <= DENSITY_ABOVE:
                _paint_points(axes, target.observed, held_out, measured, colour)
            _paint_scores(axes, held_out)

    return draw(name, 9.2 if len(panels) > 1 else 4.9, 4.5, paint)


def _paint_points(axes: Axes, observed: Array, held_out: HeldOut, measured: Flags, colour: str) -> None:
    rasterized = len(observed) > RASTER_ABOVE
    rows = _rows_with_bars(len(observed))
    gap = np.full(len(rows), np.nan)
    x = np.stack([observed[rows], observed[rows], gap], axis=1).ravel()  # one line for all bars: a small file
    y = np.stack([held_out.lower[rows], held_out.upper[rows], gap], axis=1).ravel()
    axes.plot(x, y, color=colour, linewidth=0.7, alpha=0.35, zorder=1, rasterized=rasterized)
    size = 2.6 if rasterized else 4.2
    axes.plot(
        observed[measured],
        held_out.mean[measured],
        linestyle="none",
        marker="o",
        markersize=size,
        markerfacecolor=colour,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=2,
        rasterized=rasterized,
    )
    axes.plot(
        observed[~measured],
        held_out.mean[~measured],
        linestyle="none",
        marker="<",
        markersize=1.25 * size,
        markerfacecolor="none",
        markeredgecolor=colour,
        markeredgewidth=0.9,
        zorder=2.5,
        rasterized=rasterized,
    )


def _paint_density(
    figure: Figure,
    all_axes: list[Axes],
    observed: Array,
    panels: list[Panel],
    measured: Flags,
    limits: tuple[float, float],
) -> None:
    """Paint hexagons coloured by the number of observations, on one logarithmic scale for all panels."""
    ramp = LinearSegmentedColormap.from_list("density", ["#dbe6ec", NETWORK_COLOUR, "#0b2a3f"])
    bins = [
        axes.hexbin(
            observed[measured],
            held_out.mean[measured],
            gridsize=60,
            extent=(*limits, *limits),
            mincnt=1,
            cmap=ramp,
            zorder=2,
        )
        for axes, (_, _, held_out) in zip(all_axes, panels)
    ]
    norm = LogNorm(1, max(2.0, max(float(np.max(np.asarray(item.get_array()))) for item in bins)))
    for item in bins:
        item.set(norm=norm, rasterized=True)
    bar = figure.colorbar(
        bins[0], ax=all_axes, label=tr("Observations"), shrink=0.7, aspect=28, pad=0.02, format="{x:g}"
    )
    bar.outline.set_linewidth(0.5)
    bar.minorticks_off()


def _paint_scores(axes: Axes, held_out: HeldOut) -> None:
    scores = held_out.scores
    text = tr("RMSE {}\nMEC {}\nCCC {}").format(rounded(scores.rmse), fixed(scores.mec, 2), fixed(scores.ccc, 2))
    paper = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2}
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=8.5, linespacing=1.35, bbox=paper)


def _rows_with_bars(count: int) -> Rows:
    if count <= 2 * BARS_AT_MOST:
        return np.arange(count)
    return np.random.default_rng(0).choice(count, BARS_AT_MOST, replace=False)


def _limits(observed: Array, all_held_out: list[HeldOut]) -> tuple[float, float]:
    """Return limits that hold all observed and predicted values, and all but the longest few interval bars."""
    values = np.concatenate([observed] + [held_out.mean for held_out in all_held_out])
    lower = np.concatenate([held_out.lower for held_out in all_held_out])
    upper = np.concatenate([held_out.upper for held_out in all_held_out])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if np.isfinite(lower).any():
        low, high = min(low, float(np.nanquantile(lower, 0.03))), max(high, float(np.nanquantile(upper, 0.97)))
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin
