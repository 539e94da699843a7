"""Figures of an assessment of classes: confusion matrix, reliability of probabilities, maps of right and wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from soil_cnn_plugin.contract.language import tr, whole
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.rasters.class_names import class_colours
from soil_cnn_plugin.engine.reports.drawing import (
    QUIET,
    RASTER_ABOVE,
    draw,
    drawn_points,
    lighten_grid,
    sequential_ramp,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import MapFrame, frame_axes, map_height, paint_folds
from soil_cnn_plugin.engine.reports.words import percent
from soil_cnn_plugin.engine.targets.class_scores import ClassReliability

RIGHT_COLOUR, WRONG_COLOUR = "#5b96b8", "#b3480a"
MOST_IN_LEGEND = 24
_MOST_NUMBERED = 30  # classes whose counts are written into the matrix
_LONGEST_NAME = 26

ReliabilityLine = tuple[str, str, ClassReliability, ClassReliability]
"""The name, the colour, and the reliability of the most probable classes and of all classes."""


def short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def draw_confusion(name: str, classes: Sequence[str], matrix: Rows) -> str:
    """Draw the confusion `matrix` (K, K), in which a row is an observed class. Colours are shares of the row, and
    numbers are counts."""
    count = len(classes)
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, total, where=total > 0, out=np.zeros(matrix.shape))
    side = float(np.clip(0.5 * count, 2.2, 7.0))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(share, vmin=0, vmax=1, cmap=sequential_ramp(), interpolation="nearest", aspect="equal")
        size = float(np.clip(130 / count, 4.5, 9.0))
        places, names = np.arange(count), [short(each) for each in classes]
        axes.set_xticks(places, names, rotation=50, ha="right", rotation_mode="anchor", fontsize=size)
        axes.set_yticks(places, names, fontsize=size)
        axes.set_xlabel(tr("Predicted class"))
        axes.set_ylabel(tr("Observed class"), labelpad=8)
        axes.tick_params(length=0)
        for edge in (-0.5, count - 0.5):
            axes.axhline(edge, color="#8a9099", linewidth=0.7)
            axes.axvline(edge, color="#8a9099", linewidth=0.7)
        for row, column in np.argwhere(matrix > 0) if count <= _MOST_NUMBERED else ():
            weight = "bold" if row == column else "normal"
            colour = "white" if share[row, column] > 0.5 else "#22262b"
            axes.text(
                column, row, str(matrix[row, column]), ha="center", va="center", fontsize=size, color=colour,
                fontweight=weight,
            )  # fmt: skip
        bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=24, pad=0.02, label=tr("Share of the observed class"))
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        bar.outline.set_linewidth(0.5)

    return draw(name, min(9.2, side + 2.9), side + 1.3, paint)


def draw_reliability(name: str, lines: Sequence[ReliabilityLine]) -> str:
    """Draw predicted probabilities against what came true. Bars are 95 % of chance, and areas say how often a step
    occurs."""

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for index, (axes, title) in enumerate(((left, tr("The class of the map")), (right, tr("All classes")))):
            found = [(label, colour, line[index]) for label, colour, *line in lines]
            paint_reliability(axes, found)
            axes.set_title(title)
        left.set_ylabel(tr("Share that came true"))
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    return draw(name, 9.2, 4.1, paint)


def paint_reliability(axes: Axes, lines: Sequence[tuple[str, str, ClassReliability]]) -> None:
    """Paint lines of (label, colour, reliability), and the diagonal that probabilities which hold would follow."""
    lighten_grid(axes)
    axes.axline((0, 0), slope=1, color=QUIET, linewidth=0.9, dashes=(5, 3))
    first = lines[0][2]
    shares = first.count / first.count.sum()
    axes.bar(
        first.predicted,
        0.25 * shares / shares.max(),
        width=0.05,
        color="#e1e4e8",
        zorder=0,
        label=tr("How often predicted"),
    )
    for x, share, count in zip(first.predicted, shares, first.count):
        height = 0.25 * share / shares.max() + 0.008
        axes.text(x, height, whole(count), ha="center", va="bottom", fontsize=6.5, color=QUIET, clip_on=True)
    for place, (label, colour, line) in enumerate(lines):
        shift = 0.006 * (place - (len(lines) - 1) / 2)
        errors = np.clip(np.stack([line.right - line.low, line.high - line.right]), 0, None)
        axes.errorbar(
            line.predicted + shift, line.right, errors, color=colour, marker="os"[place % 2], markersize=4.5,
            linewidth=1.5, elinewidth=0.9, linestyle="-" if place == 0 else (0, (4, 1.5)), label=label,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=tr("Predicted probability"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def draw_folds_and_classes(
    name: str, coordinates: Array, folds: Rows, observed: Rows, classes: Sequence[str], frame: MapFrame
) -> str:
    """Draw maps of the folds and of the observed classes, in the colours of the class map."""
    order = np.argsort(-np.bincount(observed, minlength=len(classes)), kind="stable")
    shown = sorted(order[:MOST_IN_LEGEND].tolist())
    height = frame.height_over_width * 3.8 + 0.7 + 0.19 * max(-(-len(shown) // 2), -(-(int(folds.max()) + 1) // 2))

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        paint_folds(left, coordinates, folds, frame)
        left.set_ylabel(frame.y_label)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=2, handletextpad=0.2)
        _paint_classes(right, coordinates, observed, classes, frame)
        handles, labels = right.get_legend_handles_labels()
        chosen = zip(*((handles[index], labels[index]) for index in shown))
        figure.legend(*chosen, loc="outside lower right", ncols=2, handletextpad=0.2, markerscale=1.4)

    return draw(name, 9.2, min(height, 7.5), paint)


def _paint_classes(axes: Axes, coordinates: Array, observed: Rows, classes: Sequence[str], frame: MapFrame) -> None:
    is_many = len(observed) > 400
    drawn, counts = drawn_points(len(observed)), np.bincount(observed, minlength=len(classes))
    for index, colour in enumerate(class_colours(len(classes))):
        x, y = (coordinates[drawn][observed[drawn] == index] * frame.scale).T
        axes.plot(
            x, y, linestyle="none", marker="o", markersize=2.6 if is_many else 4.6, markerfacecolor=colour,
            markeredgecolor="#5b6168", markeredgewidth=0.1 if is_many else 0.3,
            rasterized=len(observed) > RASTER_ABOVE, label=f"{short(classes[index])} (n = {counts[index]})",
        )  # fmt: skip
    frame_axes(axes, frame)
    axes.set_title(tr("Observed classes"))


def draw_right_and_wrong(name: str, coordinates: Array, frame: MapFrame, panels: Sequence[tuple[str, Flags]]) -> str:
    """Draw one map per panel (title, whether each observation is right). Wrong observations lie on top."""
    is_many, drawn = len(coordinates) > 400, drawn_points(len(coordinates))

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
        for axes, (title, is_right) in zip(all_axes, panels):
            for label, colour, marker, chosen in (
                (tr("Right"), RIGHT_COLOUR, "o", is_right),
                (tr("Wrong"), WRONG_COLOUR, "X", ~is_right),
            ):
                x, y = (coordinates[drawn][chosen[drawn]] * frame.scale).T
                axes.plot(
                    x, y, linestyle="none", marker=marker, markersize=2.4 if is_many else 4.6, markerfacecolor=colour,
                    markeredgecolor="white", markeredgewidth=0.1 if is_many else 0.4,
                    rasterized=len(coordinates) > RASTER_ABOVE, label=label,
                )  # fmt: skip
            frame_axes(axes, frame)
            axes.set_title(tr("{}: {} right").format(title, percent(float(is_right.mean()))))
        all_axes[0].set_ylabel(frame.y_label)
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, markerscale=1.6)

    width = 9.2 if len(panels) > 1 else 5.4
    return draw(name, width, map_height(frame, (width - 0.8) / len(panels)) + 0.3, paint)
