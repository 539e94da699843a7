"""The page about areas: what each is, its means and totals with intervals, and how they were computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from soil_cnn_plugin.contract.jobs import SummarizeAreas
from soil_cnn_plugin.contract.language import localized, tr, tr_n, whole
from soil_cnn_plugin.engine.areas.area_layer import AreaLayer
from soil_cnn_plugin.engine.areas.quantities import CLASS, SHARE, VALUE, Quantities, Quantity
from soil_cnn_plugin.engine.areas.summaries import AreaEstimate, AreaSummary, totals
from soil_cnn_plugin.engine.reports.correlogram_section import correlogram_section
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, QUIET, draw, lighten_grid
from soil_cnn_plugin.engine.reports.references import Publication
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Details,
    Item,
    Page,
    Paragraph,
    Section,
    citing_section,
    settings_section,
    table,
    write_page,
)
from soil_cnn_plugin.engine.reports.stock_words import mass_below_in_words, stock_settings, total_in_words
from soil_cnn_plugin.engine.reports.words import NOTHING, decimals_for, fixed, percent, rounded, sentence_case
from soil_cnn_plugin.engine.versions import read_versions

_MOST_ROWS = 40
"""Areas in a table or a figure; of more the largest are shown, and the layer holds all."""
_CITED = (
    Publication(
        tr("uncertainty of areas"),
        "Wadoux, A. M. J.-C. & Heuvelink, G. B. M. (2023). Uncertainty of spatial averages and totals of natural"
        " resource maps. Methods in Ecology and Evolution 14, 1320-1332.",
        "10.1111/2041-210X.14106",
    ),
)


def write_area_page(
    job: SummarizeAreas,
    layer: AreaLayer,
    names: Sequence[str],
    quantities: Quantities,
    summaries: Sequence[AreaSummary],
) -> None:
    """Write one HTML file that needs nothing else."""
    order = np.argsort([-each.hectares for each in summaries], kind="stable")[:_MOST_ROWS]
    shown = [(names[index], summaries[index]) for index in order if summaries[index].estimates]
    description = quantities.description
    below = mass_below_in_words(quantities, summaries)
    page = Page(
        kind=tr("Areas"),
        title=sentence_case(layer.name),
        facts=[
            tr_n("{} area", "{} areas", len(summaries)).format(len(summaries)),
            tr("{} ha in all").format(rounded(sum(each.hectares for each in summaries))),
            tr("{} intervals").format(percent(job.coverage)),
            Path(job.network).name,
        ],
        lead=[Paragraph(_lead(job, summaries)), *([Paragraph(below, "caution")] if below else [])],
        sections=[
            Section("areas", tr("The areas"), _areas(shown, len(summaries))),
            *(_section(number, quantity, job, quantities, shown) for number, quantity in _told(quantities)),
            *_classes(job, quantities, shown),
            Section("method", tr("How this was computed"), _method(quantities, summaries)),
            *correlogram_section(description.error_correlation, description.targets),
            settings_section(_settings(job, layer), read_versions()),
            citing_section(_CITED),
        ],
    )
    write_page(job.report, page)


def _told(quantities: Quantities) -> list[tuple[int, Quantity]]:
    return [(number, each) for number, each in enumerate(quantities.all) if each.kind == VALUE]


def _lead(job: SummarizeAreas, summaries: Sequence[AreaSummary]) -> str:
    partly = sum(1 for each in summaries if each.estimates and each.mapped < 0.995)
    without = sum(1 for each in summaries if not each.estimates)
    beside = (
        tr_n(
            " {} area is only partly mapped: its numbers are those of the mapped part.",
            " {} areas are only partly mapped: their numbers are those of the mapped part.",
            partly,
        ).format(partly)
        if partly
        else ""
    )
    beside += (
        tr_n(" {} area is not mapped at all.", " {} areas are not mapped at all.", without).format(without)
        if without
        else ""
    )
    return tr(
        "In {} of cases the truth lies between the limits of an interval, if errors of the map are like"
        " those of held-out observations. An interval is for the mean of an area; values at single places"
        " vary more.{}"
    ).format(percent(job.coverage), beside)


def _areas(shown: Sequence[tuple[str, AreaSummary]], count: int) -> list[Item]:
    rows = [
        (
            name,
            rounded(each.hectares),
            percent(each.mapped),
            percent(each.applicable),
            NOTHING if each.observations is None else whole(each.observations),
            whole(each.pixels),
        )
        for name, each in shown
    ]
    caption = tr(
        "Area on the ellipsoid; share of it that is mapped; share of the mapped part that is like the"
        " observations (applicable); observations inside; pixels that it touches."
    )
    if count > len(shown):
        caption += tr(" {} of {} areas: the largest that have an answer; the layer holds all.").format(
            len(shown), count
        )
    return [
        table((tr("Area"), tr("ha"), tr("Mapped"), tr("Applicable"), tr("Observations"), tr("Pixels")), rows, caption)
    ]


def _section(
    number: int,
    quantity: Quantity,
    job: SummarizeAreas,
    quantities: Quantities,
    shown: Sequence[tuple[str, AreaSummary]],
) -> Section:
    heading = sentence_case(f"{quantity.title} ({quantity.unit})" if quantity.unit else quantity.title)
    estimates = [
        (name, each, each.estimates[number])
        for name, each in shown
        if each.estimates and np.isfinite(each.estimates[number].mean)
    ]
    thresholds = [threshold for t, threshold in quantities.thresholds if t == quantity.of]
    shares = [index for index, each in enumerate(quantities.all) if each.kind == SHARE and each.of == quantity.of]
    deviation = float(np.median([abs(each.deviation) for *_, each in estimates])) if estimates else 1.0
    decimals = decimals_for(10 * deviation)  # two significant digits of it
    headings = [tr("Area"), tr("Mean"), tr("{} interval").format(percent(job.coverage)), tr("SD")]
    if quantity.per_area:
        headings += [tr("Total, {}").format(quantity.per_area[1]), tr("{} interval").format(percent(job.coverage))]
    for threshold in thresholds:
        words = f"{'>' if threshold.is_above else '<'} {localized(f'{threshold.value:g}')}"
        headings += [tr("Probability that the mean is {}").format(words), tr("Share of the area {}").format(words)]
    rows = []
    for name, summary, estimate in estimates:
        row = [name, fixed(estimate.mean, decimals), _interval(estimate, decimals), fixed(estimate.deviation, decimals)]
        if quantity.per_area:
            total, low, high = totals(summary, quantity.per_area[0], estimate)
            row += [total_in_words(total), tr("{} to {}").format(total_in_words(low), total_in_words(high))]
        for place, index in zip(range(len(thresholds)), shares):
            share = summary.estimates[index] if summary.estimates else estimate
            row += [_probability(estimate.beyond[place]), f"{percent(share.mean)} ({_percents(share)})"]
        rows.append(row)
    caption = (
        tr("Mean of each area with its {} interval; a dashed line is a threshold.")
        if thresholds
        else tr("Mean of each area with its {} interval.")
    )
    figure = CaptionedFigure(
        draw_intervals(
            f"areas-{number}", [(name, each) for name, _, each in estimates], heading, [t.value for t in thresholds]
        ),
        caption.format(percent(job.coverage)),
    )
    found: Item = table(headings, rows)
    return Section(f"quantity-{number}", heading, [figure, found if len(rows) <= 15 else Details(tr("Table"), [found])])


def _classes(job: SummarizeAreas, quantities: Quantities, shown: Sequence[tuple[str, AreaSummary]]) -> list[Section]:
    """One section a target of classes: hectares of each class."""
    targets = dict.fromkeys(each.of for each in quantities.all if each.kind == CLASS)
    sections = []
    for t in targets:
        own = [(number, each) for number, each in enumerate(quantities.all) if each.kind == CLASS and each.of == t]
        rows = []
        for name, summary in shown:
            cells = [name]
            for number, _ in own:
                if summary.estimates:
                    middle, low, high = totals(summary, 1.0, summary.estimates[number])
                    cells.append(tr("{} ({} to {})").format(rounded(middle), rounded(low), rounded(high)))
            rows.append(cells)
        title = quantities.description.targets[t].title
        caption = tr("Hectares of each class with {} intervals. Those of an area sum to its mapped part.").format(
            percent(job.coverage)
        )
        found = table([tr("Area"), *(each.class_name for _, each in own)], rows, caption)
        sections.append(Section(f"classes-{t}", sentence_case(tr("{}: area of each class").format(title)), [found]))
    return sections


def _method(quantities: Quantities, summaries: Sequence[AreaSummary]) -> list[Item]:
    errors = quantities.description.error_correlation
    told = [each for each in summaries if each.estimates]
    coarse = [each for each in told if each.side > 1]
    given = [fields for fields, noise in zip(errors.groups, errors.noise) if noise is not None] if errors else []
    items: list[Item] = [
        Paragraph(
            tr(
                "The mean of an area is the mean of the predicted means of all its pixels, each weighted by its"
                " share in the polygon. The interval comes from joint draws of the errors of all pixels. Each"
                " pixel keeps the distribution that the map gives it. The errors of pixels are correlated as"
                " the correlogram shows, those of several properties as their held-out errors are. The draws"
                " give equal weight to 16 models that agree with the held-out errors, so the interval includes"
                " the uncertainty of the correlogram."
            )
        )
    ]
    if given:
        fields = ", ".join(field for group in given for field in group)
        items.append(
            Paragraph(
                tr("Residuals of nearby observations were shown to predict errors of {}, so they are used.").format(
                    fields
                )
            )
        )
    if coarse:
        side = max(each.side for each in coarse)
        spreads = [estimate.uncertain_spread for each in coarse for estimate in each.estimates or ()]
        items.append(
            Paragraph(
                tr(
                    "{} of {} areas have too many pixels to draw one by one: squares of up to {} x {} pixels"
                    " were drawn as one, by the mean error of their pixels. Two choices of the pixels that"
                    " represent a square give standard deviations that differ by {} or less for 90 % of the"
                    " numbers."
                ).format(len(coarse), len(told), side, side, percent(float(np.quantile(spreads, 0.9)), 1))
            )
        )
    return items


def _settings(job: SummarizeAreas, layer: AreaLayer) -> dict[str, str]:
    return {
        "network": job.network,
        "areas": layer.name,
        "coverage of intervals": tr("{:g} %").format(100 * job.coverage),
        "thresholds": "; ".join(each.text for each in job.exceedance) or tr("none"),
        "stock": job.stock,
        **stock_settings(job),
        "expressions": "; ".join(f"{each.name} = {each.formula}" for each in job.expressions) or tr("none"),
        "seed": str(job.seed),
    }


def _interval(estimate: AreaEstimate, decimals: int) -> str:
    return tr("{} to {}").format(fixed(estimate.lower, decimals), fixed(estimate.upper, decimals))


def _percents(estimate: AreaEstimate) -> str:
    return tr("{} to {} %").format(fixed(100 * estimate.lower, 0), fixed(100 * estimate.upper, 0))


def _probability(value: float) -> str:
    """A probability from draws, which cannot tell one below 1 %."""
    return "< 1 %" if value < 0.01 else "> 99 %" if value > 0.99 else percent(value)


def draw_intervals(
    name: str, estimates: Sequence[tuple[str, AreaEstimate]], label: str, thresholds: Sequence[float]
) -> str:
    """Draw the mean and interval of each area, the highest mean on top."""
    ordered = sorted(estimates, key=lambda each: each[1].mean)

    def paint(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        places = np.arange(len(ordered))
        means = np.array([each.mean for _, each in ordered])
        limits = np.array([(each.lower, each.upper) for _, each in ordered]).reshape(-1, 2)
        axes.hlines(places, limits[:, 0], limits[:, 1], color=NETWORK_COLOUR, linewidth=2.2, alpha=0.55)
        axes.scatter(means, places, s=22, color=NETWORK_COLOUR, zorder=3)
        for threshold in thresholds:
            axes.axvline(threshold, color=QUIET, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_yticks(places, [text[:32] for text, _ in ordered])
        axes.set(xlabel=label, ylim=(-0.7, len(ordered) - 0.3))
        axes.xaxis.set_major_locator(MaxNLocator(7))
        lighten_grid(axes)

    return draw(name, 7.6, 0.9 + 0.24 * max(len(ordered), 2), paint)
