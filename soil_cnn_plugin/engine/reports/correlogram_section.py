"""The section that tells how alike errors are at two places, with the correlogram that answers about areas rest on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soil_cnn_plugin.contract.language import all_of, tr, whole
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.correlogram import FEWEST_SCORES, Correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, QUIET, draw, lighten_grid
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure, Item, Paragraph, Section, table
from soil_cnn_plugin.engine.reports.words import fixed, rounded, sentence_case, titles

_ACROSS = 3  # panels
_COLUMNS = (
    tr("Property"),
    tr("Observations"),
    tr("Nugget"),
    tr("Range, m"),
    tr("Correlation at 1/10 of the range"),
    tr("Residuals nearby"),
)
_INTRODUCTION = tr(
    "The mean of a field is more certain than a pixel where errors of pixels differ, and no more certain"
    " where they are alike. Held-out errors, as normal scores, show how alike errors are at two places. They"
    " are compared for observations that one training had not seen, because it has not seen the pixels of"
    " the map either. Summarize areas uses this correlogram."
)
_CAPTION = tr(
    "Correlation of held-out errors against distance. Points: what was observed in classes of distance,"
    " larger for more pairs; line: mean of the models that the errors allow; band: where the correlation"
    " lies with a probability of 90 %. At distance 0 it jumps to 1: the difference, the nugget, is what"
    " errors do not share with any neighbour."
)
_TABLE = tr(
    "Medians of the posterior, with the limits of 90 % in brackets. The nugget is the share of the errors'"
    " variance that no neighbour shares; beyond the range less than 5 % of the rest is shared. Residuals"
    " nearby: whether the residuals of training observations were shown to predict held-out errors; if so,"
    " answers about areas use them."
)


def correlogram_section(found: ErrorCorrelation | None, targets: Sequence[SoilProperty]) -> list[Section]:
    """Return the section; none where the network tells nothing of it."""
    if found is None:
        return []
    properties = {target.field: target for target in targets}
    names = [sentence_case(all_of(titles([properties[field] for field in group]))) for group in found.groups]
    known = [(name, each) for name, each in zip(names, found.correlograms) if each]
    unknown = [name for name, each in zip(names, found.correlograms) if not each]
    items: list[Item] = [Paragraph(_INTRODUCTION)]
    if known:
        rows = [_row(name, each, noise) for name, each, noise in zip(names, found.correlograms, found.noise) if each]
        items += [CaptionedFigure(draw_correlograms("correlograms", known), _CAPTION), table(_COLUMNS, rows, _TABLE)]
    if unknown:
        text = tr("{}: fewer than {} observations can be compared, too few to tell.").format(
            all_of(unknown), FEWEST_SCORES
        )
        items.append(Paragraph(tr("{} Areas cannot be summarized for them.").format(text), "caution"))
    return [Section("correlogram", tr("How alike errors are at two places"), items)]


def draw_correlograms(name: str, correlograms: Sequence[tuple[str, Correlogram]]) -> str:
    """Draw one panel for each."""
    down = -(-len(correlograms) // _ACROSS)
    across = min(len(correlograms), _ACROSS)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for panel in panels[len(correlograms) :]:
            panel.remove()
        for number, (panel, (title, correlogram)) in enumerate(zip(panels, correlograms)):
            _paint(panel, title, correlogram)
            panel.set_ylabel(tr("Correlation") if number % _ACROSS == 0 else "")

    return draw(name, 3.1 * across + 0.4, 2.5 * down + 0.2, paint)


def _paint(axes: Axes, title: str, correlogram: Correlogram) -> None:
    farthest = max([*correlogram.distances, 1.0])
    distances = np.linspace(0, 1.05 * farthest, 120)
    low, high = correlogram.limits(distances)
    axes.fill_between(distances, low, high, color=NETWORK_COLOUR, alpha=0.18, linewidth=0)
    axes.plot(distances, correlogram.correlation(distances), color=NETWORK_COLOUR, linewidth=1.7)
    pairs = np.array(correlogram.pairs, np.float64)
    sizes = 8 + 32 * pairs / max(pairs.max(initial=1.0), 1.0)
    axes.scatter(correlogram.distances, correlogram.observed, s=sizes, color="#22262b", zorder=3, linewidths=0)
    axes.axhline(0, color=QUIET, linewidth=0.7)
    lowest = min([-0.2, *correlogram.observed])
    axes.set(xlim=(0, 1.05 * farthest), ylim=(max(lowest - 0.05, -1), 1), xlabel=tr("Distance, m"), title=title)
    lighten_grid(axes)


def _row(name: str, correlogram: Correlogram, noise: float | None) -> tuple[str, ...]:
    nuggets = np.array([model.nugget for model in correlogram.models])
    ranges = np.array([model.range_m for model in correlogram.models])
    near = np.array([np.median(ranges) / 10])
    limits = tr("{} to {}").format(*(fixed(float(each[0]), 2) for each in correlogram.limits(near)))
    return (
        name,
        whole(correlogram.count),
        f"{fixed(float(np.median(nuggets)), 2)} ({_limits(nuggets, 2)})",
        f"{rounded(float(np.median(ranges)))} ({_limits(ranges)})",
        f"{fixed(float(correlogram.correlation(near)[0]), 2)} ({limits})",
        tr("tell nothing") if noise is None else tr("used"),
    )


def _limits(values: Array, decimals: int | None = None) -> str:
    limits = [float(value) for value in np.quantile(values, [0.05, 0.95])]
    return tr("{} to {}").format(*(rounded(each) if decimals is None else fixed(each, decimals) for each in limits))
