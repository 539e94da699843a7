"""The triangle of compositions with three parts: what was observed, and what was predicted of the same observations."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, QUIET, RASTER_ABOVE, draw
from soil_cnn_plugin.engine.reports.words import sentence_case
from soil_cnn_plugin.engine.targets.compositions import CompositionAssessment
from soil_cnn_plugin.engine.targets.texture import BORDERS, TEXTURE_CLASSES, USDA, lattice, texture_class

_HEIGHT = np.sqrt(3) / 2
TEXTURE_CODES = {  # as FAO (2006) abbreviates them
    "sand": "S",
    "loamy sand": "LS",
    "sandy loam": "SL",
    "loam": "L",
    "silt loam": "SiL",
    "silt": "Si",
    "sandy clay loam": "SCL",
    "clay loam": "CL",
    "silty clay loam": "SiCL",
    "sandy clay": "SC",
    "silty clay": "SiC",
    "clay": "C",
}
_OBSERVED_COLOUR = "#4b5563"
_CELL = 0.5  # percent; points that are nearer to each other are drawn as one


def has_triangle(composition: CompositionAssessment) -> bool:
    return composition.texture is not None or len(composition.parts) == 3


def draw_triangle(name: str, composition: CompositionAssessment, method: str, title: str) -> str:
    """Draw the observed compositions, and those that `method`, called `title`, predicted."""

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        panels = (
            (left, "Observed", composition.observed, _OBSERVED_COLOUR),
            (
                right,
                f"Predicted: {title}",
                composition.predicted[method],
                NETWORK_COLOUR,
            ),
        )
        for axes, heading, values, colour in panels:
            _paint_frame(axes, _corners(composition))
            if composition.texture:
                _paint_classes(axes)
            _paint_points(axes, _percent(composition, values), colour)
            axes.set_title(heading)

    return draw(name, 9.2, 4.2, paint)


def place(first: Array, top: Array) -> tuple[Array, Array]:
    """Return x and y of percentages of the part on the left and the part on top, in a triangle with sides of 100."""
    return 100 - first - top / 2, top * _HEIGHT


def _corners(composition: CompositionAssessment) -> tuple[str, str, str]:
    """Return the names of the parts on the left, on the right and on top."""
    if composition.texture:
        return "Sand", "Silt", "Clay"
    left, right, top = map(sentence_case, composition.names)
    return left, right, top


def _percent(composition: CompositionAssessment, values: Array) -> Array:
    """Return (3, n) percentages of (n, D) values, in the order of the corners."""
    if composition.texture:
        return composition.texture.fine_earth(values.T)
    percent: Array = 100 * values.T / values.sum(axis=1)
    return percent


def _paint_frame(axes: Axes, corners: tuple[str, str, str]) -> None:
    axes.set(xlim=(-13, 113), ylim=(-11, 96), aspect="equal")
    axes.axis("off")
    for share in range(20, 100, 20):
        # Lines along which the part of one corner is the same, each with its number where the line ends.
        for (first, top), (other_first, other_top), offset in (
            ((share, 0), (share, 100 - share), (0, -4)),  # left part: from the bottom up to the right side
            ((0, 100 - share), (100 - share, 0), (4, 1.5)),  # right part: from the right side down
            ((100 - share, share), (0, share), (-3.5, 1.5)),  # top part: from the left side across
        ):
            x, y = place(np.array([first, other_first]), np.array([top, other_top]))
            axes.plot(x, y, color="#e6e8eb", linewidth=0.6, zorder=0)
            axes.text(x[0] + offset[0], y[0] + offset[1], str(share), color=QUIET, fontsize=7, ha="center", va="center")
    x, y = place(np.array([100, 0, 0, 100]), np.array([0, 0, 100, 0]))
    axes.plot(x, y, color="#8a9099", linewidth=0.9, zorder=1)
    for name, x_of, y_of in zip(corners, (0, 100, 50), (-9, -9, 100 * _HEIGHT + 5)):
        axes.text(x_of, y_of, f"{name} 100 %", ha="center", va="center", fontsize=8.5)


def _paint_classes(axes: Axes) -> None:
    for start, end in BORDERS[USDA]:
        x, y = place(np.array([start[0], end[0]]), np.array([start[2], end[2]]))
        axes.plot(x, y, color="#8a9099", linewidth=0.7, zorder=1)
    sand, silt, clay = lattice(1.0)
    classes = texture_class(sand, silt, clay)
    paper = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
    look: dict[str, Any] = {
        "color": "#3f454d",
        "fontsize": 7.5,
        "ha": "center",
        "va": "center",
        "zorder": 3,
        "bbox": paper,
    }
    for number, name in enumerate(TEXTURE_CLASSES[USDA], start=1):
        x, y = place(sand[classes == number].mean(), clay[classes == number].mean())
        axes.text(float(x), float(y), TEXTURE_CODES[name], **look)


def _paint_points(axes: Axes, percent: Array, colour: str) -> None:
    """Paint the compositions. Those that lie in one place, as field estimates do, are one point: the more there are,
    the larger it is."""
    cells, counts = np.unique(np.round(percent[[0, 2]] / _CELL), axis=1, return_counts=True)
    x, y = place(*(cells * _CELL))
    many = len(x) > RASTER_ABOVE
    axes.scatter(
        x,
        y,
        s=(4 if many else 10) * np.sqrt(counts),
        facecolor=colour,
        edgecolor="none" if many else "white",
        linewidth=0.3,
        alpha=0.5 if many else 0.75,
        rasterized=many,
        zorder=2,
    )
