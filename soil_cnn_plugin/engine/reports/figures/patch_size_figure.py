"""Held-out error against patch size: how far the landscape matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.patch_sizes import POINT, ErrorCurves, extent
from soil_cnn_plugin.engine.reports.drawing import FOREST_COLOUR, NETWORK_COLOUR, QUIET, draw, lighten_grid

_LINES = {
    NETWORK: ("Network", NETWORK_COLOUR, "--", "s", 1.1),
    FOREST_CONTEXT: ("Random forest with context", FOREST_COLOUR, "-", "^", 1.4),
    BLEND: ("Blend of both, ± one standard error beside its best size", NETWORK_COLOUR, "-", "o", 2.2),
}
_FAR = 0.6
"""The mean's line is left out when it lies further above the curves than this share of their height."""


def draw_patch_sizes(
    name: str, panels: Sequence[tuple[str, str, ErrorCurves]], metres: tuple[float, float], without_map: str
) -> str:
    """Panels: (title, axis label, curves); `without_map` says what is known without one."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, (title, label, curves) in zip(grid.flat, panels):
            _paint_panel(axes, curves, metres, without_map)
            axes.set(title=title, ylabel=label)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[-1]:
            axes.set_xlabel("Patch size")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)

    return draw(name, 9.2 if columns > 1 else 8.2, 1.0 + (3.3 if columns > 1 else 3.8) * rows, paint)


def _paint_panel(axes: Axes, curves: ErrorCurves, metres: tuple[float, float], without_map: str) -> None:
    lighten_grid(axes)
    sizes = [item.size for item in curves.sized[BLEND]]
    place = {size: float(np.log2(size + 1)) for size in (POINT, *sizes)}
    axes.axvline(place[curves.recommended], color="#dbe7ee", linewidth=9, zorder=0, label="Recommended size")
    point = curves.baselines[FOREST].error
    axes.axhline(point, color=FOREST_COLOUR, linewidth=0.8, linestyle=":")
    axes.plot(
        place[POINT], point, "D", color=FOREST_COLOUR, markersize=6, label="Random forest, covariates at the point"
    )
    for method, (label, colour, style, marker, width) in _LINES.items():
        items = curves.sized[method]
        x, errors = [place[item.size] for item in items], [item.error for item in items]
        bars = [item.above_best_error or 0.0 for item in items] if method == BLEND else None
        axes.errorbar(
            x, errors, yerr=bars, color=colour, linestyle=style, marker=marker, markersize=4.5, linewidth=width,
            elinewidth=1.2, capsize=3, label=label,
        )  # fmt: skip
    _paint_mean(axes, curves.baselines[MEAN].error, without_map.removeprefix("the "))
    axes.set_xticks(list(place.values()), [_tick(size, metres) for size in place])
    axes.grid(False, axis="x")
    axes.margins(x=0.08)


def _paint_mean(axes: Axes, mean: float, without_map: str) -> None:
    low, high = axes.get_ylim()
    if mean <= high + _FAR * (high - low):
        axes.axhline(mean, color=QUIET, linewidth=1, linestyle="-.")
        axes.annotate(without_map, (1, mean), xycoords=axes.get_yaxis_transform(), ha="right",
                      va="bottom", color=QUIET, fontsize=8)  # fmt: skip
    else:
        axes.annotate(f"{without_map}: {mean:.3g}, far above", (1, 1), xycoords="axes fraction", ha="right",
                      va="top", color=QUIET, fontsize=8)  # fmt: skip


def _tick(size: int, metres: tuple[float, float]) -> str:
    return "point" if size == POINT else f"{size} px\n{extent(size, metres)}"
