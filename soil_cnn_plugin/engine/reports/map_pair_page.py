"""The page of two maps: which is better or what has changed, on what that rests, and where they differ."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.design_based import Estimate
from soil_cnn_plugin.engine.assessment.map_pair import MapPair, PairsAtPoints
from soil_cnn_plugin.engine.assessment.paired_maps import BetterMap, Change
from soil_cnn_plugin.engine.reports.figures.map_pair_figures import CLASS_LABELS, draw_difference, draw_pairs
from soil_cnn_plugin.engine.reports.map_pair_words import pair_verdict, smallest_change
from soil_cnn_plugin.engine.reports.map_report import basis_items, dropped_items
from soil_cnn_plugin.engine.reports.references import map_pair_references
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Item,
    Page,
    Paragraph,
    Section,
    VerdictBox,
    citing_section,
    notes_section,
    settings_section,
    table,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import decimals_for, fixed, percent, rounded, sentence_case


def write_map_pair_page(path: str, pair: MapPair) -> None:
    """Write one HTML file that needs nothing else."""
    points = pair.points
    title = {"better": tr("Which of two maps is better"), "change": tr("Change between two maps")}[pair.question]
    page = Page(
        kind=tr("Comparison of maps"),
        title=f"{title}: {pair.soil_property.title}",
        facts=_facts(pair),
        lead=[VerdictBox(sentence_case(pair.soil_property.label), [Paragraph(pair_verdict(pair))])],
        sections=[
            *(_of_points(pair, points) if points is not None else []),
            Section("where", tr("Where the maps differ"), _where(pair)),
            *notes_section(pair.notes if points is None else ()),
            settings_section(pair.settings, pair.versions),
            citing_section(map_pair_references(bool(points and points.sentence), pair.has_intervals)),
        ],
    )
    write_page(path, page)


def _facts(pair: MapPair) -> list[str]:
    count = len(pair.points.ids) if pair.points else 0
    return [
        tr("first: {}").format(pair.names[0]),
        tr("second: {}").format(pair.names[1]),
        tr("{} observations").format(count) if count else tr("no observations"),
        pair.grid.crs_name,
    ]


def _of_points(pair: MapPair, points: PairsAtPoints) -> list[Section]:
    where = tr("the area that both maps show")
    basis = basis_items(len(points.ids), points.sentence, pair.notes, where)
    if not points.sentence:
        basis.append(
            Paragraph(
                tr(
                    "Intervals below are those of a paired comparison as if the points were independent of each"
                    " other. Where they lie in clusters, the intervals are too narrow."
                ),
                "small",
            )
        )
    items: list[Item] = []
    if points.better is not None:
        items = _better_items(pair, points, points.better)
    elif points.change is not None:
        items = _change_items(pair, points, points.change)
    return [
        Section("basis", tr("What these numbers stand for"), basis),
        Section("pairs", tr("At the observations, pair by pair"), [*items, *dropped_items(points.dropped)]),
    ]


def _better_items(pair: MapPair, points: PairsAtPoints, found: BetterMap) -> list[Item]:
    decimals = decimals_for(found.rmse.first.value)
    rows = [
        (
            each.name,
            fixed(each.first.value, decimals),
            fixed(each.second.value, decimals),
            *_cells(each.difference, decimals),
        )
        for each in found.measures
    ]
    unit = f" ({pair.soil_property.unit})" if pair.soil_property.unit else ""
    headings = (
        tr("Measure{}").format(unit),
        tr("First map"),
        tr("Second map"),
        tr("Second less first"),
        tr("From"),
        tr("To"),
    )
    share = found.second_nearer
    errors = points.mapped - points.observed
    return [
        table(
            headings, rows, tr("Differences with 95 % confidence intervals. Both maps are judged at the same places.")
        ),
        Paragraph(
            tr(
                "The second map is nearer to the observed value at {} of the places (95 % confidence interval"
                " {} to {}). The errors of both maps have a correlation of {}: the more they have in common,"
                " the smaller a difference can be shown. With these {} observations, a difference in RMSE of {}"
                " {} is found with a probability of 80 %."
            ).format(
                percent(share.value),
                percent(share.low),
                percent(share.high),
                fixed(found.correlation, 2),
                len(points.ids),
                rounded(found.detectable),
                pair.soil_property.unit,
            )
        ),
        CaptionedFigure(
            draw_pairs(
                "pairs", (tr("Error of the first map"), tr("Error of the second map")), errors[:, 0], errors[:, 1], unit
            ),
            tr(
                "Errors, predicted minus observed, of both maps at the same places. Points in the grey part are"
                " nearer to the observed value in the second map."
            ),
        ),
    ]


def _change_items(pair: MapPair, points: PairsAtPoints, found: Change) -> list[Item]:
    decimals = decimals_for(max(abs(found.observed.low), abs(found.observed.high)))
    named = {
        tr("Observed change"): found.observed,
        tr("Mapped change"): found.mapped,
        tr("Mapped less observed"): found.error,
    }
    rows = [(name, *_cells(each, decimals)) for name, each in named.items()]
    unit = f" ({pair.soil_property.unit})" if pair.soil_property.unit else ""
    smallest = smallest_change(found, pair.soil_property.unit, len(points.ids))
    seen, shown = points.observed[:, 1] - points.observed[:, 0], points.mapped[:, 1] - points.mapped[:, 0]
    return [
        table(
            (tr("Mean over the places{}").format(unit), tr("Estimate"), tr("From"), tr("To")),
            rows,
            tr("With 95 % confidence intervals."),
        ),
        Paragraph(
            tr(
                "{} It is the change that a test of these pairs finds with a probability of 80 %. Mapped and"
                " observed changes have a correlation of {}; the typical error of a mapped change (RMSE) is {}"
                " {}."
            ).format(smallest, fixed(found.correlation, 2), rounded(found.rmse), pair.soil_property.unit)
        ),
        CaptionedFigure(
            draw_pairs("pairs", (tr("Observed change"), tr("Mapped change")), seen, shown, unit, is_change=True),
            tr("Change from the first to the second date, mapped against observed. The dashed line is 1:1."),
        ),
    ]


def _cells(estimate: Estimate, decimals: int) -> tuple[str, str, str]:
    return fixed(estimate.value, decimals), fixed(estimate.low, decimals), fixed(estimate.high, decimals)


def _where(pair: MapPair) -> list[Item]:
    facts, unit = pair.facts, pair.soil_property.unit
    low, middle, high = (float(value) for value in facts.quantiles([0.05, 0.5, 0.95]))
    decimals = decimals_for(max(abs(low), abs(high)))
    rows = [
        (tr("Mean"), fixed(facts.mean, decimals)),
        (tr("Median"), fixed(middle, decimals)),
        (tr("90 % of the pixels between"), tr("{} and {}").format(fixed(low, decimals), fixed(high, decimals))),
        (tr("Root of the mean square"), fixed(facts.root_mean_square, decimals)),
    ]
    heading = tr("Second map less first{}").format(f" ({unit})" if unit else "")
    items: list[Item] = [table((heading, tr("{} pixels").format(facts.pixels)), rows)]
    if pair.has_intervals:
        items += _detectable(pair)
    west, south, east, north = pair.grid.bounds
    corners = np.array([[west, south], [east, north]])
    caption = (
        tr("Where the second map lies beyond both intervals, and where no difference can be told.")
        if pair.has_intervals
        else tr(
            "Second map less first. Brown: second higher; blue: second lower. Without intervals nobody knows"
            " which differences mean something."
        )
    )
    svg = draw_difference("difference", facts.image, corners, pair.grid.crs_name, heading, pair.has_intervals)
    return [*items, CaptionedFigure(svg, caption)]


def _detectable(pair: MapPair) -> list[Item]:
    facts = pair.facts
    rows = [
        (sentence_case(name), percent(facts.share(number), 1)) for number, name in enumerate(CLASS_LABELS.values(), 1)
    ]
    common = (
        tr(
            "The errors of both maps are assumed to have a correlation of {:.2f}, the lower limit of what the"
            " observations show."
        ).format(pair.common)
        if pair.common > 0
        else tr(
            "The errors of both maps are assumed to be independent. This is on the safe side for maps that were"
            " made from the same data: their true difference is then more certain than it looks."
        )
    )
    return [
        table((tr("Difference beyond both intervals"), tr("Share of the area")), rows),
        Paragraph(
            tr(
                "A difference is detectable in a pixel if the {} interval of the difference, from both maps'"
                " intervals, leaves out 0. Even if the maps showed the same truth, up to {} of the pixels could"
                " look different by chance; only a larger share, or a pattern with a cause, means a difference."
                " {}"
            ).format(percent(pair.coverage), percent(1 - pair.coverage), common)
        ),
    ]
