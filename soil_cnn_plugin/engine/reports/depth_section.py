"""The section of a report about a property at several depths, and its figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, MEAN, NAMES
from soil_cnn_plugin.engine.reports.drawing import FOREST_COLOUR, NETWORK_COLOUR, QUIET, draw, lighten_grid
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure
from soil_cnn_plugin.engine.reports.words import decimals_for, fixed, percent, rounded, sentence_case
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.metrics import Scores

DEPTH_COLUMNS = (
    tr("Depth"),
    "n",
    tr("Variance explained"),
    "RMSE",
    tr("In the intervals"),
    tr("Network beside the forest"),
)
_OUTCOMES = {
    "network": tr("network better"),
    "forest": tr("forest better"),
    "equal": tr("no clear difference"),
    "none": tr("no usable signal"),
    "unknown": tr("too little evidence"),
}
DepthLine = tuple[str, str, list[Scores]]
"""A title, a colour, and the scores at each depth."""
COLOURS = (NETWORK_COLOUR, FOREST_COLOUR, QUIET)
MOST_PROFILES = 8
_OBSERVED_COLOUR = "#22262b"


def at_several_depths(targets: Sequence[NumberTarget]) -> dict[str, list[NumberTarget]]:
    """Return the targets of each soil property that has at least two depths, by its name, from the top down."""
    groups: dict[str, list[NumberTarget]] = {}
    for target in targets:
        if target.soil_property.depth_cm:
            groups.setdefault(target.soil_property.name, []).append(target)
    return {name: group for name, group in groups.items() if len(group) > 1}


def depth_figures(index: int, targets: Sequence[NumberTarget], assessment: Assessment) -> list[CaptionedFigure]:
    """Draw the figures of one soil property; `index` keeps them apart from those of others."""
    name, predictor = targets[0].soil_property.name, assessment.predictor
    methods = [predictor, *_rivals(targets, predictor)]
    lines: list[DepthLine] = [
        (sentence_case(NAMES[method]), colour, [target.methods[method].scores for target in targets])
        for method, colour in zip(methods, COLOURS)
    ]
    rows = choose_profiles(targets)
    profiles = (
        tr("{} profiles").format(len(rows))
        if len(rows) == MOST_PROFILES
        else tr("all {} profiles that have values").format(len(rows))
    )
    order = (
        tr(", in even steps from the lowest to the highest mean of {}").format(name)
        if len(rows) == MOST_PROFILES
        else ""
    )
    return [
        CaptionedFigure(
            draw_scores_by_depth(f"depths-{index}", targets, lines, assessment.coverage),
            tr(
                "Scores of {} by depth. Bars are the depth intervals. Dashed: a MEC of 0, which is no better"
                " than the mean, and the {} of the observations that prediction intervals should hold."
            ).format(name, percent(assessment.coverage)),
        ),
        CaptionedFigure(
            draw_profiles(f"profiles-{index}", targets, predictor, rows, assessment.coordinates, NETWORK_COLOUR),
            tr(
                "Observed {} by depth (black), and what the {} predicted for the same profiles without having"
                " seen them (blue, with {} prediction intervals), at {}{}. Its x and y are above each."
            ).format(name, NAMES[predictor], percent(assessment.coverage), profiles, order),
        ),
    ]


def depth_rows(targets: Sequence[NumberTarget], predictor: str) -> list[tuple[str, ...]]:
    """Return what the map of each depth is worth, under DEPTH_COLUMNS."""
    rows: list[tuple[str, ...]] = []
    decimals = decimals_for(min(target.methods[predictor].scores.rmse for target in targets))
    for target in targets:
        scores, (upper, lower) = target.methods[predictor].scores, limits_of(target)
        explained = None if scores.mec is None else max(scores.mec, 0.0)
        numbers = str(scores.n), percent(explained), fixed(scores.rmse, decimals), percent(scores.picp)
        rows.append((tr("{:g}-{:g} cm").format(upper, lower), *numbers, _OUTCOMES[target.verdict.outcome]))
    return rows


def depths_in_words(targets: Sequence[NumberTarget], predictor: str, coverage: float) -> str:
    """Say in one sentence of numbers what the maps of all depths are worth."""
    scores = [target.methods[predictor].scores for target in targets]
    explained = [max(each.mec, 0.0) for each in scores if each.mec is not None]
    texts = []
    if explained:
        shares = _span(percent(min(explained)), percent(max(explained)))
        texts.append(tr("the map explains {} of the variance of the held-out observations").format(shares))
    unit = targets[0].soil_property.unit
    errors = [each.rmse for each in scores]
    span = f"{_span(rounded(min(errors)), rounded(max(errors)))} {unit}".rstrip()
    texts.append(tr("its typical error (RMSE) is {}").format(span))
    inside = [each.picp for each in scores]
    if np.isfinite(inside).all():
        hold = _span(percent(min(inside)), percent(max(inside)))
        texts.append(tr("its {} prediction intervals hold {} of them").format(percent(coverage), hold))
    return tr("{}, by depth.").format(sentence_case("; ".join(texts)))


def shared_outcome(targets: Sequence[NumberTarget]) -> str:
    """Return the outcome of all depths where they agree, otherwise `equal`."""
    outcomes = {target.verdict.outcome for target in targets}
    return outcomes.pop() if len(outcomes) == 1 else "equal"


def _span(low: str, high: str) -> str:
    """Return a span such as `56 to 70 %`."""
    if low == high:
        return low
    return tr("{} to {}").format(low.removesuffix(" %"), high)


def _rivals(targets: Sequence[NumberTarget], predictor: str) -> list[str]:
    """Return the forest with the lower error over all depths, and the mean."""
    forests = [name for name in (FOREST, FOREST_CONTEXT) if name in targets[0].methods and name != predictor]
    error = {name: sum(target.methods[name].scores.rmse for target in targets) for name in forests}
    others = [min(forests, key=error.__getitem__)] if forests else []
    return [*others, *([MEAN] if MEAN in targets[0].methods else [])]


def limits_of(target: NumberTarget) -> tuple[float, float]:
    """Return the upper and lower limit in cm."""
    return target.soil_property.depth_cm or (0.0, 0.0)


def draw_scores_by_depth(name: str, targets: Sequence[NumberTarget], lines: list[DepthLine], coverage: float) -> str:
    """Draw RMSE, MEC and PICP against depth, with the surface on top."""
    limits = np.array([limits_of(target) for target in targets])
    middles = limits.mean(axis=1)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 3, sharey=True)
        unit = targets[0].soil_property.unit
        for axes, (label, field) in zip(panels, ((f"RMSE ({unit})", "rmse"), ("MEC", "mec"), ("PICP", "picp"))):
            lighten_grid(axes)
            for (title, colour, scores), marker in zip(lines, "os^"):
                found = np.array([getattr(each, field) for each in scores], np.float64)  # None becomes NaN
                axes.vlines(found, *limits.T, color=colour, linewidth=2.5, alpha=0.3)
                axes.plot(found, middles, color=colour, marker=marker, markersize=4.5, linewidth=1.1, label=title)
            axes.set_xlabel(label.replace(" ()", ""))
        panels[1].axvline(0, color=QUIET, linewidth=0.8, dashes=(5, 3), zorder=1)
        panels[2].axvline(coverage, color=QUIET, linewidth=0.8, dashes=(5, 3), zorder=1)
        _deepen(panels[0], limits)
        panels[0].legend(loc="best", fontsize=8)
        for target, middle in zip(targets, middles):
            panels[2].annotate(
                f"n = {len(target.rows)}",
                (1.02, middle),
                xycoords=("axes fraction", "data"),
                color=QUIET,
                fontsize=7.5,
                va="center",
                annotation_clip=False,
            )

    return draw(name, 9.2, 3.4, paint)


def choose_profiles(targets: Sequence[NumberTarget], most: int = MOST_PROFILES) -> Rows:
    """Choose rows of observations, in even steps from the lowest to the highest, with a value at each depth where
    possible."""
    count = 1 + max(int(target.rows.max()) for target in targets)
    values = np.full((len(targets), count), np.nan)
    for own, target in zip(values, targets):
        own[target.rows] = (target.observed - target.observed.mean()) / (target.observed.std() or 1.0)
    depths = np.isfinite(values).sum(axis=0)
    enough = next(number for number in range(len(targets), 0, -1) if (depths >= number).sum() >= most or number == 1)
    rows = np.flatnonzero(depths >= enough)
    order = rows[np.argsort(np.nanmean(values[:, rows], axis=0), kind="stable")]
    chosen = np.unique(((np.arange(most) + 0.5) / most * len(order)).astype(int))
    found: Rows = order[chosen]
    return found


def draw_profiles(
    name: str, targets: Sequence[NumberTarget], method: str, rows: Rows, coordinates: Array, colour: str
) -> str:
    """Draw observed values and held-out predictions with their intervals at some observations, with the surface on
    top."""
    limits = np.array([limits_of(target) for target in targets])

    def paint(figure: Figure) -> None:
        height, width = (2, 4) if len(rows) > 4 else (1, max(len(rows), 2))
        panels = figure.subplots(height, width, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in panels[len(rows) :]:
            axes.axis("off")
        for axes, row in zip(panels, rows):
            lighten_grid(axes)
            _paint_profile(axes, targets, method, int(row), colour)
            x, y = coordinates[row]
            place = tr("{:.6g}, {:.7g}").format(x, y) if abs(x) <= 180 else f"{x:.0f}, {y:.0f}"
            axes.set_title(place, fontsize=7.5, weight="normal")
        _deepen(panels[0], limits)
        soil_property = targets[0].soil_property
        figure.supxlabel(f"{sentence_case(soil_property.name)} ({soil_property.unit})".replace(" ()", ""), fontsize=9)

    return draw(name, 9.2, 5.2 if len(rows) > 4 else 3.0, paint)


def _paint_profile(axes: Axes, targets: Sequence[NumberTarget], method: str, row: int, colour: str) -> None:
    """Paint each depth by itself, because depths may leave gaps or overlap. A line joins those that meet."""
    observed, predicted = [], []
    for target in targets:
        place = np.flatnonzero(target.rows == row)
        if not len(place):
            continue
        held_out, (upper, lower) = target.methods[method], limits_of(target)
        low, high = float(held_out.lower[place[0]]), float(held_out.upper[place[0]])
        if np.isfinite([low, high]).all():
            axes.add_patch(
                Rectangle((low, upper), high - low, lower - upper, facecolor=colour, alpha=0.18, edgecolor="none")
            )
            axes.update_datalim([(low, upper), (high, lower)])
        observed.append((float(target.observed[place[0]]), upper, lower))
        predicted.append((float(held_out.mean[place[0]]), upper, lower))
    for steps, look in ((predicted, colour), (observed, _OBSERVED_COLOUR)):
        x, y = _staircase(steps)
        axes.plot(x, y, color=look, linewidth=1.5, solid_capstyle="butt")
    axes.autoscale_view()


def _staircase(steps: Sequence[tuple[float, float, float]]) -> tuple[list[float], list[float]]:
    """Return values and their limits, from the top down, as one line that is broken where depths do not meet."""
    x: list[float] = []
    y: list[float] = []
    for value, upper, lower in steps:
        if y and y[-1] != upper:
            x.append(np.nan)
            y.append(np.nan)
        x += [value, value]
        y += [upper, lower]
    return x, y


def _deepen(axes: Axes, limits: Array) -> None:
    axes.set_ylim(float(limits.max()), min(0.0, float(limits.min())))
    axes.set_ylabel(tr("Depth (cm)"))
