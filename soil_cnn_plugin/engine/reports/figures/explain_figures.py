"""Figures of explanations and patch sizes: importance, error against radius or size, contributions over the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.patch_sizes import POINT, ErrorCurves, extent
from soil_cnn_plugin.engine.explaining.contribution_scale import factor_in_words
from soil_cnn_plugin.engine.explaining.explanation import LITTLE, AttributionSummary, Explanation
from soil_cnn_plugin.engine.reports.drawing import (
    FOREST_COLOUR,
    NETWORK_COLOUR,
    QUIET,
    diverging_ramp,
    draw,
    lighten_grid,
)
from soil_cnn_plugin.engine.reports.words import sentence_case

MOST_COVARIATES = 25
"""The most covariates that are drawn; the table has all."""
MOST_MAPS = 6
_COLOURS = {"map": NETWORK_COLOUR, "networks": "#7fb2cf", "forest": FOREST_COLOUR, "process": "#8a6fae"}
_LABELS = {
    "map": tr("Map (blend)"),
    "networks": tr("Networks alone"),
    "forest": tr("Random forest alone"),
    "process": tr("Gaussian process alone"),
}


def method_label(methods: tuple[str, ...], name: str) -> str:
    return tr("Map (networks)") if len(methods) == 1 else _LABELS[name]


def draw_importance(name: str, explanation: Explanation, target: int) -> str:
    """Draw one bar per covariate for the map's predictor, with one dot per fold; the parts of a blend are marks."""
    share = explanation.share()[:, :, target]
    by_fold = explanation.importance.by_fold[:, 0, :, target] / explanation.importance.error[0, target]
    order = np.argsort(-share[:, 0])[:MOST_COVARIATES]
    height = 1.3 + 0.3 * len(order)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        place = np.arange(len(order))
        label = method_label(explanation.methods, "map")
        axes.barh(place, share[order, 0], height=0.62, color=_COLOURS["map"], alpha=0.85, label=label)
        for fold in range(by_fold.shape[1]):
            axes.plot(
                by_fold[order, fold], place, "o", markersize=3, color="#22262b", alpha=0.55, markeredgewidth=0,
                label=tr("Single folds") if fold == 0 else None,
            )  # fmt: skip
        for method, marker in (("networks", "D"), ("forest", "^"), ("process", "s")):
            if method in explanation.methods:
                values = share[order, explanation.methods.index(method)]
                axes.plot(values, place, marker, markersize=5, color=_COLOURS[method], markeredgecolor="white",
                          markeredgewidth=0.5, label=_LABELS[method])  # fmt: skip
        lighten_grid(axes)
        axes.axvline(0, color=QUIET, linewidth=0.9)
        axes.set_yticks(place, [explanation.covariates[index] for index in order])
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        decimals = 0 if np.ptp(axes.get_xlim()) > 0.05 else None  # few percent: as many as Matplotlib finds right
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=decimals, symbol=" %"))
        axes.set_xlabel(tr("Growth of the held-out {} when the covariate is exchanged").format(explanation.measure))
        figure.legend(loc="outside lower center", ncols=4)

    return draw(name, 8.2, height, paint)


def draw_context(name: str, explanation: Explanation) -> str:
    """Draw one panel per target: the growth of the error against the radius beyond which pixels are exchanged."""
    count = len(explanation.targets)
    columns = min(2, count)
    rows = -(-count // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for target, axes in enumerate(grid.flat[:count]):
            _paint_context(axes, explanation, target)
        for axes in grid.flat[count:]:
            axes.set_visible(False)
        for axes in grid[-1]:
            axes.set_xlabel(tr("Radius that is kept (m)"))
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    return draw(name, 9.2 if columns > 1 else 8.2, 0.9 + (2.9 if columns > 1 else 3.4) * rows, paint)


def _paint_context(axes: Axes, explanation: Explanation, target: int) -> None:
    context = explanation.context
    metres = np.array([explanation.distance(radius) for radius in context.radii])
    lighten_grid(axes)
    axes.axhspan(0, LITTLE, color="#dbe7ee", linewidth=0, zorder=0, label=tr("Less than {:g} %").format(100 * LITTLE))
    by_fold = context.by_fold[:, 0, :, target] / context.by_fold[-1, 0, :, target] - 1
    for fold in range(by_fold.shape[1]):
        axes.plot(metres, by_fold[:, fold], color=_COLOURS["map"], alpha=0.25, linewidth=0.9,
                  label=tr("Single folds") if fold == 0 else None)  # fmt: skip
    for index, method in enumerate(explanation.methods):
        style = {"map": ("o", 2.2), "networks": ("D", 1.1), "forest": ("^", 1.1), "process": ("s", 1.1)}[method]
        label = method_label(explanation.methods, method)
        axes.plot(metres, context.growth[:, index, target], marker=style[0], markersize=4, linewidth=style[1],
                  color=_COLOURS[method], label=label)  # fmt: skip
    reach = context.reach(0, target)
    if reach is not None:
        axes.axvline(metres[reach], color=QUIET, linewidth=0.9, linestyle="--")
        axes.annotate(tr(" {:.0f} m").format(metres[reach]), (metres[reach], 1), va="top", fontsize=8.5,
                      xycoords=axes.get_xaxis_transform(), color="#3f454d")  # fmt: skip
    axes.set_title(sentence_case(explanation.targets[target].title))
    axes.set_ylabel(tr("Growth of the held-out {}").format(explanation.measure))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_xlim(0, None)


def draw_contributions(name: str, explanation: Explanation, attribution: AttributionSummary) -> str:
    """Draw maps of the covariates that contribute most, all in the same colours."""
    order = np.argsort(-attribution.magnitude)[:MOST_MAPS]
    scale, columns = attribution.scale, min(3, len(order))
    rows = -(-len(order) // columns)
    limit = float(np.nanquantile(np.abs(attribution.maps[order]), 0.99)) or 1.0
    norm, ramp = Normalize(-limit, limit), diverging_ramp()
    shape = attribution.maps.shape[1:]
    width = 8.0 / columns
    height = min(1.6, max(0.4, shape[0] / shape[1])) * width + 0.35

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, axes in zip(order, grid.flat):
            axes.imshow(attribution.maps[index], norm=norm, cmap=ramp, interpolation="nearest")
            axes.set_title(explanation.covariates[index])
        for axes in grid.flat:
            axes.set_axis_off()
        bar = figure.colorbar(
            ScalarMappable(norm, ramp), ax=list(grid.flat), extend="both", shrink=0.7, aspect=28, pad=0.02,
            label=tr("Contribution ({})").format(scale.unit) if scale.unit and not scale.is_factor else
            tr("Factor") if scale.is_factor else tr("Contribution"),
        )  # fmt: skip
        if scale.is_factor:
            bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"× {factor_in_words(value)}"))
        bar.outline.set_linewidth(0.5)

    return draw(name, 9.2, rows * height + 0.2, paint)


_LINES = {
    NETWORK: (tr("Network"), NETWORK_COLOUR, "--", "s", 1.1),
    FOREST_CONTEXT: (tr("Random forest with context"), FOREST_COLOUR, "-", "^", 1.4),
    BLEND: (tr("Blend, ± one standard error beside its best size"), NETWORK_COLOUR, "-", "o", 2.2),
}
_FAR = 0.6
"""The mean's line is left out where it lies further above the curves than this share of their height."""


def draw_patch_sizes(
    name: str, panels: Sequence[tuple[str, str, ErrorCurves]], metres: tuple[float, float], without_map: str
) -> str:
    """Draw panels of (title, axis label, curves). `without_map` says what is known without a map."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, (title, label, curves) in zip(grid.flat, panels):
            _paint_sizes(axes, curves, metres, without_map)
            axes.set(title=title, ylabel=label)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[-1]:
            axes.set_xlabel(tr("Patch size"))
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)

    return draw(name, 9.2 if columns > 1 else 8.2, 1.0 + (3.3 if columns > 1 else 3.8) * rows, paint)


def _paint_sizes(axes: Axes, curves: ErrorCurves, metres: tuple[float, float], without_map: str) -> None:
    lighten_grid(axes)
    sizes = [item.size for item in curves.sized[BLEND]]
    place = {size: float(np.log2(size + 1)) for size in (POINT, *sizes)}
    axes.axvline(place[curves.recommended], color="#dbe7ee", linewidth=9, zorder=0, label=tr("Recommended size"))
    point = curves.baselines[FOREST].error
    axes.axhline(point, color=FOREST_COLOUR, linewidth=0.8, linestyle=":")
    axes.plot(
        place[POINT], point, "D", color=FOREST_COLOUR, markersize=6, label=tr("Random forest, covariates at the point")
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
        text = tr("{}: {:.3g}, far above").format(without_map, mean)
        axes.annotate(text, (1, 1), xycoords="axes fraction", ha="right", va="top", color=QUIET, fontsize=8)


def _tick(size: int, metres: tuple[float, float]) -> str:
    return tr("point") if size == POINT else tr("{} px\n{}").format(size, extent(size, metres))
