"""Figures of sampling plans: the points on their way, the expected error by their number, the course of a choice."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.reports.drawing import (
    FOREST_COLOUR,
    NETWORK_COLOUR,
    QUIET,
    RASTER_ABOVE,
    draw,
    lighten_grid,
    sequential_ramp,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import MapFrame, frame_axes, map_frame, map_height
from soil_cnn_plugin.engine.sampling.how_many import ErrorCurve
from soil_cnn_plugin.engine.sampling.plan import SamplingPlan

_CELLS = 150
"""Cells along the longer side of the area that is drawn behind the points."""
_MOST_NUMBERED = 60
_TINTS = ("#dfe5ea", "#cdd8cf", "#e8dfd0", "#d7d3e3", "#e6d5d3", "#cfdfe0")


def draw_plan(name: str, plan: SamplingPlan, order: str) -> str:
    """Draw the places that may be sampled, existing points, and the new ones with the way past them.

    Colours show the order in which points matter, which `order` names; without it, they have one colour.
    """
    frame = map_frame(plan.frame.xy, plan.crs_name)
    ramp, norm = sequential_ramp().reversed(), Normalize(1, max(2, plan.count))
    x, y = (plan.points.xy * frame.scale).T

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _paint_places(axes, plan, frame)
        way = np.argsort(plan.walk)
        axes.plot(x[way], y[way], color=QUIET, linewidth=0.7, zorder=2, label=tr("Walking order"))
        if len(plan.legacy):
            axes.plot(
                *(plan.legacy.xy * frame.scale).T, linestyle="none", marker="x", color="#4b5158", zorder=3,
                markersize=4 if len(plan.legacy) <= 400 else 2, markeredgewidth=0.8 if len(plan.legacy) <= 400 else 0.4,
                rasterized=len(plan.legacy) > RASTER_ABOVE,
                label=tr("Existing points (n = {})").format(len(plan.legacy)),
            )  # fmt: skip
        colours = ramp(norm(np.arange(plan.count) + 1)) if order else NETWORK_COLOUR
        axes.scatter(
            x, y, s=26 if plan.count <= 200 else 10, c=colours, edgecolors="#22262b", linewidths=0.6, zorder=4,
            label=tr("New points (n = {})").format(plan.count),
        )  # fmt: skip
        if plan.count <= _MOST_NUMBERED:
            for place, number in zip(zip(x, y), plan.walk.tolist()):
                axes.annotate(str(number), place, (3, 3), textcoords="offset points", fontsize=6.5, zorder=5)
        frame_axes(axes, frame)
        axes.set_ylabel(frame.y_label)
        if order:
            bar = figure.colorbar(ScalarMappable(norm, ramp), ax=axes, label=order, shrink=0.7, aspect=26, pad=0.02)
            bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
            bar.outline.set_linewidth(0.5)
        figure.legend(loc="outside lower center", ncols=3, handletextpad=0.3)

    return draw(name, 7.2, map_height(frame, 5.6) + 0.5, paint)


def _paint_places(axes: Axes, plan: SamplingPlan, frame: MapFrame) -> None:
    """Paint the places in a tint for each stratum, as an image of coarse cells."""
    places = plan.frame
    lowest, extent = places.xy.min(axis=0), np.ptp(places.xy, axis=0)
    cell = max(float(extent.max()) / _CELLS, float(np.sqrt(np.prod(extent + 1e-9) / len(places))) * 1.5)
    cols, rows = ((places.xy - lowest) / cell).astype(int).T
    image = np.full((rows.max() + 1, cols.max() + 1), np.nan)
    image[rows, cols] = places.stratum % len(_TINTS)
    west, south = lowest * frame.scale
    east, north = (lowest + np.array(image.shape[::-1]) * cell) * frame.scale
    axes.imshow(
        image, ListedColormap(_TINTS), Normalize(-0.5, len(_TINTS) - 0.5), origin="lower", interpolation="nearest",
        extent=(west, east, south, north), zorder=1,
    )  # fmt: skip


def draw_error_curve(name: str, curve: ErrorCurve, planned: int) -> str:
    """Draw the expected RMSE against the number of samples, what was measured, and the numbers before and after."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        if (curve.high > curve.low).any():
            axes.fill_between(
                curve.counts, curve.low, curve.high, color=NETWORK_COLOUR, alpha=0.18, linewidth=0,
                label=tr("90 % of curves through repeats"),
            )  # fmt: skip
        axes.plot(curve.counts, curve.rmse, color=NETWORK_COLOUR, linewidth=1.6, label=tr("Expected"))
        if len(curve.measured):
            axes.plot(
                curve.measured_counts, curve.measured, "o", color=NETWORK_COLOUR, markersize=4.5, label=tr("Measured")
            )
            after = curve.present + planned
            axes.axvline(curve.present, color=QUIET, linewidth=0.9, linestyle="--")
            axes.axvline(after, color=FOREST_COLOUR, linewidth=0.9, linestyle="--")
            top = float(np.max(curve.high))
            axes.text(
                curve.present, top, tr(" now {}").format(curve.present), color=QUIET, fontsize=8, va="top", ha="left"
            )
            axes.text(
                after, top, tr(" planned {}").format(after), color=FOREST_COLOUR, fontsize=8, va="bottom", ha="left"
            )
        else:
            axes.axvline(planned, color=FOREST_COLOUR, linewidth=0.9, linestyle="--")
            axes.text(
                planned,
                float(curve.rmse.max()),
                tr(" planned {}").format(planned),
                color=FOREST_COLOUR,
                fontsize=8,
                va="top",
            )
        lighten_grid(axes)
        axes.set(xlabel=tr("Number of samples"), ylabel=tr("RMSE ({})").format(curve.unit) if curve.unit else "RMSE")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.legend(loc="upper right")

    return draw(name, 6.2, 3.0, paint)


def draw_course(name: str, what: str, course: Array, is_by_point: bool, random: Array) -> str:
    """Draw how a criterion falls, by points or by steps, and where random samples of all points end."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        at = np.linspace(0, len(course) - 1, min(400, len(course))).astype(int)
        axes.plot(at, course[at], color=NETWORK_COLOUR, linewidth=1.6, label=tr("This plan"))
        if len(random):
            axes.errorbar(
                [len(course) - 1], [random.mean()],
                [[random.mean() - random.min()], [random.max() - random.mean()]],
                fmt="s", color=FOREST_COLOUR, markersize=5, capsize=3,
                label=tr("{} random samples of as many points: mean and range").format(len(random)),
            )  # fmt: skip
        lighten_grid(axes)
        axes.set(xlabel=tr("Points chosen") if is_by_point else tr("Steps of the annealing"), ylabel=what)
        axes.yaxis.label.set_wrap(True)
        axes.legend(loc="best")

    return draw(name, 6.2, 3.0, paint)
