"""Figures of the check of observations: problems on a map, sums, distances between neighbours, small histograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.checks.clustering import CURVE, Clustering
from soil_cnn_plugin.engine.checks.coverage import Coverage
from soil_cnn_plugin.engine.checks.findings import CHECK, REPAIR
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck
from soil_cnn_plugin.engine.checks.places import Places
from soil_cnn_plugin.engine.checks.sums import FAR, NEAR, SumSummary
from soil_cnn_plugin.engine.rasters.crs import full_turn, nearest_turn
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, QUIET, RASTER_ABOVE, draw, lighten_grid
from soil_cnn_plugin.engine.reports.figures.point_maps import MapFrame, map_frame

REPAIR_COLOUR, CHECK_COLOUR, COVERED = "#a3303a", "#e08e1b", "#eaf1ee"
_BARS = 60
_TITLE = 28  # letters above one of three panels


def draw_problem_map(name: str, check: ObservationsCheck) -> str:
    """Draw all observations whose place can be right. Those to repair lie on top."""
    xy = check.places.xy
    placed = check.places.is_placed
    frame = map_frame(_with_room(xy[placed]), check.crs_name)
    is_repair, is_check = (np.zeros(len(xy), bool) for _ in range(2))
    is_repair[check.rows_of(REPAIR)] = True
    is_check[check.rows_of(CHECK)] = True
    looks = [
        (placed & ~is_repair & ~is_check, tr("nothing found"), QUIET, "o", 3.2),
        (placed & is_check & ~is_repair, tr("to check"), CHECK_COLOUR, "^", 5.0),
        (placed & is_repair, tr("to repair"), REPAIR_COLOUR, "D", 4.4),
    ]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        if check.coverage is not None:
            _paint_covered(axes, check.coverage, check.places, frame)
        for chosen, label, colour, marker, size in looks:
            x, y = (xy[chosen] * frame.scale).T
            shrink = 1.0 if len(x) <= 400 else 0.6 if len(x) <= 5000 else 0.35
            axes.plot(
                x,
                y,
                linestyle="none",
                marker=marker,
                markersize=size * shrink,
                markerfacecolor=colour,
                markeredgecolor="white",
                markeredgewidth=0.4 * shrink,
                rasterized=len(x) > RASTER_ABOVE,
                label=f"{label} ({chosen.sum()})",
            )
        lighten_grid(axes)
        axes.set(xlim=frame.x_limits, ylim=frame.y_limits, aspect=frame.aspect)
        axes.set(xlabel=frame.x_label, ylabel=frame.y_label)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, prune="both"))
        axes.ticklabel_format(useOffset=False, style="plain")
        figure.legend(loc="outside right upper", handletextpad=0.2)

    return draw(name, 7.2, min(5.6, 4.9 * frame.height_over_width + 0.8), paint)


def _with_room(xy: Array) -> Array:
    """Add places around observations that lie at one place, or around a single one, so that there is something to
    frame."""
    if np.ptp(xy, axis=0).max() > 0:
        return xy
    room = 0.001 if np.abs(xy).max() <= 360 else 50.0
    return np.concatenate([xy, xy[:1] - room, xy[:1] + room])


def _paint_covered(axes: Axes, coverage: Coverage, places: Places, frame: MapFrame) -> None:
    cells, grid = coverage.cells, coverage.grid
    corners = [(0, 0), (0, 1), (1, 1), (1, 0)]
    middle, turn = float(np.nanmedian(places.xy[:, 0])), full_turn(places.crs)
    sides = []
    for down, across in corners:
        rows, cols = cells.row + down * cells.height - 0.5, cells.col + across * cells.width - 0.5
        x, y = grid.xy(rows, cols, places.crs.to_wkt())
        sides.append(np.column_stack([nearest_turn(x, middle, turn), y]) * frame.scale)
    polygons = np.stack(sides, axis=1)  # (M, 4, 2)
    axes.add_collection(
        PolyCollection(
            list(polygons), facecolors=COVERED, edgecolors=COVERED, linewidths=0.3, zorder=0, rasterized=True
        )
    )


def draw_sums(name: str, sums: list[SumSummary]) -> str:
    """Draw one histogram per composition, in shares of its whole, with the limits of near and far."""
    columns = min(3 if max(len(each.title) for each in sums) <= _TITLE else 2, len(sums))
    rows = -(-len(sums) // columns)

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(rows, columns, squeeze=False)
        for axes, each in zip(all_axes.ravel(), sums):
            low, high = min(each.sums.min(), 0.9 * each.whole), max(each.sums.max(), 1.1 * each.whole)
            counts, edges = np.histogram(each.sums, bins=_BARS, range=(low, high))
            middle = (edges[:-1] + edges[1:]) / 2
            is_far = np.abs(middle / each.whole - 1) > FAR
            colours = np.where(is_far, REPAIR_COLOUR, NETWORK_COLOUR)
            lighten_grid(axes)
            axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours, linewidth=0)
            for share in (FAR, NEAR):
                for sign in (-1, 1):
                    axes.axvline(each.whole * (1 + sign * share), color=QUIET, linewidth=0.7, dashes=(4, 3))
            axes.set(title=each.title if len(each.title) <= 50 else f"{each.title[:48]} …", xlabel=tr("Sum"))
        for axes in all_axes[:, 0]:
            axes.set_ylabel(tr("Observations"))
        for axes in all_axes.ravel()[len(sums) :]:
            axes.remove()

    return draw(name, 9.2 if columns > 1 else 5.4, 2.5 * rows, paint)


def draw_distances(name: str, found: Clustering) -> str:
    """Draw cumulative curves of the distances between neighbours, of places at random, and from the area to them."""
    unit, scale = ("km", 0.001) if found.of_area[-1] >= 3000 else ("m", 1.0)
    steps = np.linspace(0, 100, CURVE)
    longest = scale * max(float(np.quantile(each, 0.98)) for each in (found.nearest, found.random_high, found.of_area))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        lighten_grid(axes)
        axes.fill_betweenx(
            steps, found.random_low * scale, found.random_high * scale, color="#cfd4da", linewidth=0,
            label=tr("between neighbours, if placed at random"),
        )  # fmt: skip
        axes.plot(found.nearest * scale, steps, color=REPAIR_COLOUR, label=tr("between neighbouring observations"))
        axes.plot(
            found.of_area * scale, steps, color=NETWORK_COLOUR, dashes=(5, 2),
            label=tr("from a place of the area to the nearest observation"),
        )  # fmt: skip
        axes.set(
            xlim=(0, longest),
            ylim=(0, 100),
            xlabel=tr("Distance ({})").format(unit),
            ylabel=tr("Share that is nearer (%)"),
        )
        figure.legend(loc="outside lower center", ncols=1)

    return draw(name, 5.8, 4.2, paint)


_WIDTH, _HEIGHT = 120, 26  # pixels


def small_histogram(bars: Sequence[int], outside: int = 0) -> str:
    """Return a histogram as an SVG element; it is empty for a single bar, or none. A bar that holds anything is
    visible, however few it holds.

    The tooltip counts the values `outside`, which lie beyond the last bars.
    """
    if len(bars) < 2:
        return ""
    highest, step = max(bars), _WIDTH / len(bars)
    shapes = []
    for index, count in enumerate(bars):
        if count:
            height = max(1.5, count / highest * (_HEIGHT - 1))
            shapes.append(f"M{index * step:.1f} {_HEIGHT - 1}v{-height:.1f}h{max(step - 0.6, 0.8):.1f}v{height:.1f}z")
    title = tr("{} values far from all others are left out").format(outside) if outside else ""
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return (
        f'<svg {size} role="img" aria-label="{tr("histogram")}">{title}'
        f'<path d="{"".join(shapes)}" fill="{NETWORK_COLOUR}"/>'
        f'<path d="M0 {_HEIGHT - 0.5}h{_WIDTH}" stroke="{QUIET}" stroke-width="0.6"/></svg>'
    )
