"""Loss against training steps, one panel an architecture."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.reports.drawing import (
    FOREST_COLOUR,
    NETWORK_COLOUR,
    QUIET,
    draw,
    lighten_grid,
    sentence_case,
)


def draw_loss_curves(name: str, curves: Sequence[LossCurve]) -> str:
    """The last curve of each architecture is drawn strong, with the steps its members were kept at; others are thin."""
    architectures = list(dict.fromkeys(curve.architecture for curve in curves))

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(architectures), squeeze=False)[0]
        for axes, architecture in zip(all_axes, architectures):
            _paint_panel(axes, [curve for curve in curves if curve.architecture == architecture])
            axes.set(title=sentence_case(architecture), xlabel="Training step")
        all_axes[0].set_ylabel("Loss (median of members)")
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    return draw(name, 9.2 if len(architectures) > 1 else 7.6, 3.4, paint)


def _paint_panel(axes: Axes, curves: Sequence[LossCurve]) -> None:
    lighten_grid(axes)
    for curve in curves[:-1]:
        axes.plot(curve.steps, curve.training, color=QUIET, linewidth=0.7, alpha=0.4)
        axes.plot(curve.steps, curve.held_out, color=NETWORK_COLOUR, linewidth=0.7, alpha=0.4)
    last = curves[-1]
    axes.plot(last.steps, last.training, color=QUIET, linewidth=1.5, label="Training observations")
    axes.plot(last.steps, last.held_out, color=NETWORK_COLOUR, linewidth=1.9, label="Held-out observations")
    axes.plot(
        last.kept_steps,
        [0.0] * len(last.kept_steps),
        linestyle="none",
        marker="|",
        markersize=9,
        markeredgewidth=1.2,
        color=FOREST_COLOUR,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        label="Step at which a member was kept",
    )
