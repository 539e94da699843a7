"""Loss against training steps, one panel an architecture."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.pages.drawing import FOREST_COLOUR, NETWORK_COLOUR, QUIET, draw, lighten_grid, sentence_case


def draw_loss_curves(name: str, curves: Sequence[LossCurve]) -> str:
    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, curve in zip(all_axes, curves):
            _paint_curve(axes, curve)
        all_axes[0].set_ylabel("Loss (median of members)")
        all_axes[-1].legend(loc="upper right")

    return draw(name, 9.2 if len(curves) > 1 else 5.4, 3.0, paint)


def _paint_curve(axes: Axes, curve: LossCurve) -> None:
    lighten_grid(axes)
    axes.plot(curve.steps, curve.training, color=QUIET, linewidth=1.3, label="Training observations")
    axes.plot(curve.steps, curve.held_out, color=NETWORK_COLOUR, linewidth=1.8, label="Held-out observations")
    bottom = [0.0] * len(curve.kept_steps)
    axes.plot(
        curve.kept_steps,
        bottom,
        linestyle="none",
        marker="|",
        markersize=9,
        markeredgewidth=1.2,
        color=FOREST_COLOUR,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        label="Step at which a member was kept",
    )
    axes.set(title=sentence_case(curve.architecture), xlabel="Training step")
