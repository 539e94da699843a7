"""Maps of the observations: what was observed, the folds in which they were held out, and their residuals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from rasterio.crs import CRS
from rasterio.errors import CRSError

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.reports.drawing import (
    RASTER_ABOVE,
    diverging_ramp,
    draw,
    drawn_points,
    fold_look,
    lighten_grid,
    sequential_ramp,
)
from soil_cnn_plugin.engine.reports.words import sentence_case
from soil_cnn_plugin.engine.targets.assessed import MeasuredTarget

SKEWED = 2.5
"""The ratio of the upper tail of the observed values to the lower above which their colours are logarithmic."""


@dataclass(frozen=True)
class MapFrame:
    """The properties that all maps of a page share. `scale` turns CRS units into those of the labels; limits are in
    label units."""

    unit: str  # of CRS units: m, °, or empty where it is not known
    scale: float
    x_label: str
    y_label: str
    aspect: float  # length of one unit north over that of one unit east
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]

    @property
    def height_over_width(self) -> float:
        """The height over the width of the map's drawing area, kept from becoming a ribbon."""
        (west, east), (south, north) = self.x_limits, self.y_limits
        return min(max((north - south) * self.aspect / (east - west), 0.4), 1.6)


def map_frame(coordinates: Array, crs_name: str) -> MapFrame:
    """Return the frame around `coordinates` (N, 2). Axes are in km, m or degrees where the CRS is known to have
    them."""
    lowest, highest = coordinates.min(axis=0), coordinates.max(axis=0)
    margin = 0.04 * max(float((highest - lowest).max()), 1e-9)
    unit, scale, aspect, x_label, y_label = "", 1.0, 1.0, tr("x (CRS units)"), tr("y (CRS units)")
    try:
        crs = CRS.from_user_input(crs_name)
    except CRSError:
        crs = None
    if crs is not None and crs.is_geographic:
        aspect = 1 / max(0.05, math.cos(math.radians(float(lowest[1] + highest[1]) / 2)))
        unit, x_label, y_label = "°", tr("Longitude (°)"), tr("Latitude (°)")
    elif crs is not None and crs.linear_units_factor[1] == 1.0:
        in_km = float((highest - lowest).max()) >= 2000
        unit, scale, label_unit = "m", 0.001 if in_km else 1.0, "km" if in_km else "m"
        x_label, y_label = tr("Easting ({})").format(label_unit), tr("Northing ({})").format(label_unit)
    low, high = (lowest - margin) * scale, (highest + margin) * scale
    x_limits, y_limits = (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
    return MapFrame(unit, scale, x_label, y_label, aspect, x_limits, y_limits)


def draw_residuals(
    name: str, target: MeasuredTarget, coordinates: Array, frame: MapFrame, panels: list[tuple[str, Array]]
) -> str:
    """Draw one map per panel (title, predicted (n,)), all in the same colours. The largest residuals lie on top."""
    residuals = [predicted - target.observed for _, predicted in panels]
    limit = float(np.nanquantile(np.abs(np.concatenate(residuals)), 0.98)) or 1.0
    norm, ramp = Normalize(-limit, limit), diverging_ramp()
    drawn = drawn_points(len(target.rows))
    x, y = (coordinates[target.rows[drawn]] * frame.scale).T

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
        for axes, (title, _), residual in zip(all_axes, panels, (every[drawn] for every in residuals)):
            order = np.argsort(np.abs(residual))
            size = (15 + 38 * np.clip(np.abs(residual) / limit, 0, 1)) * (1.0 if len(x) <= 400 else 0.4)
            axes.scatter(
                x[order],
                y[order],
                s=size[order],
                c=ramp(norm(residual[order])),
                edgecolors="#5b6168",
                linewidths=0.35 if len(x) <= 400 else 0.1,
                rasterized=len(x) > RASTER_ABOVE,
            )
            frame_axes(axes, frame)
            axes.set_title(title)
        all_axes[0].set_ylabel(frame.y_label)
        label = tr("Predicted − observed {}").format(target.soil_property.label)
        bar = figure.colorbar(
            ScalarMappable(norm, ramp), ax=list(all_axes), label=label, extend="both", shrink=0.75, aspect=28, pad=0.02
        )
        bar.outline.set_linewidth(0.5)

    width = 9.2 if len(panels) > 1 else 5.4
    return draw(name, width, map_height(frame, (width - 1.6) / len(panels)), paint)


def draw_folds_and_values(
    name: str, coordinates: Array, folds: Rows, targets: Sequence[MeasuredTarget], frame: MapFrame
) -> str:
    """Draw the folds, then what was observed of each target. `folds` (N,) counts from 0; it is -1 for observations in
    no fold."""
    columns = min(3, 1 + len(targets)) if frame.height_over_width > 0.6 else 2
    rows = math.ceil((1 + len(targets)) / columns)
    width = 9.2 / columns - 0.85
    height = frame.height_over_width * width + (0.6 if rows > 1 else 1.1)

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        panels = list(all_axes.ravel())
        paint_folds(panels[0], coordinates, folds, frame)
        for axes, target in zip(panels[1:], targets):
            _paint_values(axes, target, coordinates, frame)
        for axes in panels[1 + len(targets) :]:
            axes.remove()
        for axes in all_axes[:, 0]:
            axes.set_ylabel(frame.y_label)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(handles)), handletextpad=0.2)

    return draw(name, 9.2, rows * height, paint)


def paint_folds(axes: Axes, coordinates: Array, folds: Rows, frame: MapFrame) -> None:
    drawn, counts = drawn_points(len(folds)), np.bincount(folds[folds >= 0])
    for fold, (colour, marker) in enumerate(fold_look(len(counts))):
        x, y = (coordinates[drawn][folds[drawn] == fold] * frame.scale).T
        axes.plot(
            x,
            y,
            linestyle="none",
            marker=marker,
            markersize=4.6 if len(folds) <= 400 else 2.6,
            markerfacecolor=colour,
            markeredgecolor="white",
            markeredgewidth=0.4 if len(folds) <= 400 else 0.15,
            rasterized=len(folds) > RASTER_ABOVE,
            label=tr("Fold {} (n = {})").format(fold + 1, counts[fold]),
        )
    frame_axes(axes, frame)
    axes.set_title(tr("Folds"))


def _paint_values(axes: Axes, target: MeasuredTarget, coordinates: Array, frame: MapFrame) -> None:
    """Paint the values. The highest lie on top. Colours are spread logarithmically where a few high values would hide
    the rest."""
    observed = target.observed
    low, middle, high = (float(value) for value in np.quantile(observed, (0.02, 0.5, 0.98)))
    is_skewed = observed.min() > 0 and high - middle > SKEWED * (middle - low)
    norm = LogNorm(low, high) if is_skewed else Normalize(low, high)
    drawn = drawn_points(len(observed))
    order = drawn[np.argsort(observed[drawn])]
    x, y = (coordinates[target.rows][order] * frame.scale).T
    points = axes.scatter(
        x,
        y,
        s=18 if len(x) <= 400 else 6,
        c=observed[order],
        norm=norm,
        cmap=sequential_ramp(),
        edgecolors="#5b6168",
        linewidths=0.3 if len(x) <= 400 else 0.1,
        rasterized=len(x) > RASTER_ABOVE,
    )
    frame_axes(axes, frame)
    axes.set_title(sentence_case(target.soil_property.label))
    bar = axes.figure.colorbar(points, ax=axes, extend="both", shrink=0.8, aspect=24, pad=0.03)
    bar.outline.set_linewidth(0.5)
    if is_skewed:
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.minorticks_off()


def frame_axes(axes: Axes, frame: MapFrame) -> None:
    lighten_grid(axes)
    axes.set(xlim=frame.x_limits, ylim=frame.y_limits, aspect=frame.aspect, xlabel=frame.x_label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, prune="both"))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.ticklabel_format(useOffset=False, style="plain")


def map_height(frame: MapFrame, width: float) -> float:
    return min(4.9, frame.height_over_width * width + 0.75)  # two figures and their captions fit a printed page
