"""The page of two maps: which is better or what has changed, on what that rests, and where they differ."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.assessment.design_based import Estimate
from soil_cnn_plugin.engine.assessment.detectable_difference import DIFFERENCE_CLASSES
from soil_cnn_plugin.engine.assessment.map_pair import MapPair, PairsAtPoints
from soil_cnn_plugin.engine.assessment.paired_maps import BetterMap, Change
from soil_cnn_plugin.engine.reports.figures.map_pair_figures import draw_difference, draw_pairs
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
    title = {"better": "Which of two maps is better", "change": "Change between two maps"}[pair.question]
    page = Page(
        kind="Comparison of maps",
        title=f"{title}: {pair.soil_property.title}",
        facts=_facts(pair),
        lead=[VerdictBox(sentence_case(pair.soil_property.label), [Paragraph(pair_verdict(pair))])],
        sections=[
            *(_of_points(pair, points) if points is not None else []),
            Section("where", "Where the maps differ", _where(pair)),
            *notes_section(pair.notes if points is None else ()),
            settings_section(pair.settings, pair.versions),
            citing_section(map_pair_references(bool(points and points.sentence), pair.has_intervals)),
        ],
    )
    write_page(path, page)


def _facts(pair: MapPair) -> list[str]:
    count = len(pair.points.ids) if pair.points else 0
    return [
        f"first: {pair.names[0]}",
        f"second: {pair.names[1]}",
        f"{count} observations" if count else "no observations",
        pair.grid.crs_name,
    ]


def _of_points(pair: MapPair, points: PairsAtPoints) -> list[Section]:
    where = "the area that both maps show"
    basis = basis_items(len(points.ids), points.sentence, pair.notes, where)
    if not points.sentence:
        basis.append(
            Paragraph(
                "Intervals below are those of a paired comparison as if the points were independent of each other."
                " Where they lie in clusters, the intervals are too narrow.",
                "small",
            )
        )
    items: list[Item] = []
    if points.better is not None:
        items = _better_items(pair, points, points.better)
    elif points.change is not None:
        items = _change_items(pair, points, points.change)
    return [
        Section("basis", "What these numbers stand for", basis),
        Section("pairs", "At the observations, pair by pair", [*items, *dropped_items(points.dropped)]),
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
    headings = (f"Measure{unit}", "First map", "Second map", "Second less first", "From", "To")
    share = found.second_nearer
    errors = points.mapped - points.observed
    return [
        table(headings, rows, "Differences with 95 % confidence intervals. Both maps are judged at the same places."),
        Paragraph(
            f"The second map is nearer to the observed value at {percent(share.value)} of the places (95 % confidence"
            f" interval {percent(share.low)} to {percent(share.high)}). The errors of both maps have a correlation of"
            f" {fixed(found.correlation, 2)}: the more they have in common, the smaller a difference can be shown."
            f" With these {len(points.ids)} observations, a difference in RMSE of"
            f" {rounded(found.detectable)} {pair.soil_property.unit} is found with a probability of 80 %."
        ),
        CaptionedFigure(
            draw_pairs(
                "pairs", ("Error of the first map", "Error of the second map"), errors[:, 0], errors[:, 1], unit
            ),
            "Errors, predicted minus observed, of both maps at the same places. Points in the grey part are nearer to"
            " the observed value in the second map.",
        ),
    ]


def _change_items(pair: MapPair, points: PairsAtPoints, found: Change) -> list[Item]:
    decimals = decimals_for(max(abs(found.observed.low), abs(found.observed.high)))
    named = {"Observed change": found.observed, "Mapped change": found.mapped, "Mapped less observed": found.error}
    rows = [(name, *_cells(each, decimals)) for name, each in named.items()]
    unit = f" ({pair.soil_property.unit})" if pair.soil_property.unit else ""
    smallest = smallest_change(found, pair.soil_property.unit, len(points.ids))
    seen, shown = points.observed[:, 1] - points.observed[:, 0], points.mapped[:, 1] - points.mapped[:, 0]
    return [
        table((f"Mean over the places{unit}", "Estimate", "From", "To"), rows, "With 95 % confidence intervals."),
        Paragraph(
            f"{smallest} It is the change that a test of these pairs finds with a probability of"
            f" 80 %. Mapped and observed changes have a correlation of {fixed(found.correlation, 2)}; the typical error"
            f" of a mapped change (RMSE) is {rounded(found.rmse)} {pair.soil_property.unit}."
        ),
        CaptionedFigure(
            draw_pairs("pairs", ("Observed change", "Mapped change"), seen, shown, unit, is_change=True),
            "Change from the first to the second date, mapped against observed. The dashed line is 1:1.",
        ),
    ]


def _cells(estimate: Estimate, decimals: int) -> tuple[str, str, str]:
    return fixed(estimate.value, decimals), fixed(estimate.low, decimals), fixed(estimate.high, decimals)


def _where(pair: MapPair) -> list[Item]:
    facts, unit = pair.facts, pair.soil_property.unit
    low, middle, high = (float(value) for value in facts.quantiles([0.05, 0.5, 0.95]))
    decimals = decimals_for(max(abs(low), abs(high)))
    rows = [
        ("Mean", fixed(facts.mean, decimals)),
        ("Median", fixed(middle, decimals)),
        ("90 % of the pixels between", f"{fixed(low, decimals)} and {fixed(high, decimals)}"),
        ("Root of the mean square", fixed(facts.root_mean_square, decimals)),
    ]
    heading = f"Second map less first{f' ({unit})' if unit else ''}"
    items: list[Item] = [table((heading, f"{facts.pixels} pixels"), rows)]
    if pair.has_intervals:
        items += _detectable(pair)
    west, south, east, north = pair.grid.bounds
    corners = np.array([[west, south], [east, north]])
    caption = (
        "Where the second map lies beyond both intervals, and where no difference can be told."
        if pair.has_intervals
        else "Second map less first. Brown: second higher; blue: second lower. Without intervals nobody knows which"
        " differences mean something."
    )
    svg = draw_difference("difference", facts.image, corners, pair.grid.crs_name, heading, pair.has_intervals)
    return [*items, CaptionedFigure(svg, caption)]


def _detectable(pair: MapPair) -> list[Item]:
    facts = pair.facts
    rows = [
        (sentence_case(name), percent(facts.share(number + 1), 1)) for number, name in enumerate(DIFFERENCE_CLASSES)
    ]
    common = (
        f"The errors of both maps are reckoned to have a correlation of {pair.common:.2f}, the lower limit of what the"
        " observations show."
        if pair.common > 0
        else "The errors of both maps are reckoned to be independent, which is on the safe side where the maps rest on"
        " the same data: their true difference is then more certain than it looks."
    )
    return [
        table(("Difference beyond both intervals", "Share of the area"), rows),
        Paragraph(
            f"A difference is detectable in a pixel if the {percent(pair.coverage)} interval of the difference, from"
            f" both maps' intervals, leaves out 0. Even if the maps showed the same truth, up to"
            f" {percent(1 - pair.coverage)} of the pixels could look different by chance; only a larger share, or a"
            f" pattern with a cause, means a difference. {common}"
        ),
    ]
