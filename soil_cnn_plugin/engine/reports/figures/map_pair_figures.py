"""Figures of two maps: errors or changes pair by pair, and the map of their difference."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.detectable_difference import DIFFERENCE_CLASSES
from soil_cnn_plugin.engine.reports.drawing import (
    NETWORK_COLOUR,
    QUIET,
    RASTER_ABOVE,
    diverging_ramp,
    draw,
    lighten_grid,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import frame_axes, map_frame, map_height

_LOWER, _NEITHER, _HIGHER = "#356ea6", "#e4e6e9", "#b07d66"
CLASS_LABELS = dict(
    zip(DIFFERENCE_CLASSES, (tr("second map lower"), tr("not detectable"), tr("second map higher")), strict=True)
)
"""Class of a difference -> its name in the user's language."""


def draw_pairs(
    name: str, labels: tuple[str, str], first: Array, second: Array, unit: str, is_change: bool = False
) -> str:
    """Draw pairs (n,) against each other: errors, with the part where the second is smaller, or changes with 1:1."""
    limit = 1.06 * float(max(np.abs(first).max(), np.abs(second).max())) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        ends = np.array([-limit, limit])
        if not is_change:
            sides = np.array([-limit, 0.0, limit])
            axes.fill_between(sides, -np.abs(sides), np.abs(sides), color=QUIET, alpha=0.12, linewidth=0)
        axes.plot(ends, ends, color=QUIET, linewidth=0.8, linestyle="--")
        axes.axhline(0, color=QUIET, linewidth=0.5)
        axes.axvline(0, color=QUIET, linewidth=0.5)
        axes.plot(
            first, second, "o", color=NETWORK_COLOUR, markersize=4 if len(first) <= 400 else 2, markeredgecolor="white",
            markeredgewidth=0.4, rasterized=len(first) > RASTER_ABOVE,
        )  # fmt: skip
        lighten_grid(axes)
        axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"{labels[0]}{unit}", ylabel=f"{labels[1]}{unit}")

    return draw(name, 4.4, 4.0, paint)


def draw_difference(name: str, image: Array, corners: Array, crs_name: str, label: str, is_of_classes: bool) -> str:
    """Draw a coarse image (h, w) of the difference, or of its classes, between the corners (2, 2) of the grid."""
    frame = map_frame(corners, crs_name)
    (west, south), (east, north) = corners * frame.scale
    limit = float(np.nanquantile(np.abs(image), 0.98)) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        if is_of_classes:
            ramp, norm = ListedColormap([_LOWER, _NEITHER, _HIGHER]), Normalize(0.5, 3.5)
        else:
            ramp, norm = diverging_ramp(), Normalize(-limit, limit)
        shown = axes.imshow(image, ramp, norm, interpolation="nearest", extent=(west, east, south, north))
        frame_axes(axes, frame)
        axes.set_ylabel(frame.y_label)
        if is_of_classes:
            colours = (_LOWER, _NEITHER, _HIGHER)
            patches = [Patch(color=colour, label=text) for colour, text in zip(colours, CLASS_LABELS.values())]
            figure.legend(handles=patches, loc="outside lower center", ncols=3, handletextpad=0.4)
        else:
            bar = figure.colorbar(shown, ax=axes, label=label, extend="both", shrink=0.75, aspect=28, pad=0.02)
            bar.outline.set_linewidth(0.5)

    return draw(name, 6.2, map_height(frame, 4.8) + (0.3 if is_of_classes else 0.0), paint)
