"""The page of a sampling plan: the points, what they achieve and prove, how many are enough, and a list to carry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.reports.figures.sampling_figures import draw_course, draw_error_curve, draw_plan
from soil_cnn_plugin.engine.reports.references import sampling_references
from soil_cnn_plugin.engine.reports.sampling_files import degrees
from soil_cnn_plugin.engine.reports.sampling_words import (
    DESIGN_TITLES,
    ORDERS,
    hectares_in_words,
    proofs_of,
    verdict_of,
)
from soil_cnn_plugin.engine.reports.sections import (
    Bullets,
    CaptionedFigure,
    Details,
    Item,
    Page,
    Paragraph,
    Section,
    Subheading,
    VerdictBox,
    citing_section,
    notes_section,
    settings_section,
    table,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import decimals_for, fixed, percent, rounded
from soil_cnn_plugin.engine.sampling.plan import SamplingPlan

_MOST_LISTED = 2000


def write_sampling_page(path: str, plan: SamplingPlan) -> None:
    """Write one HTML file that needs nothing else."""
    page = Page(
        kind=tr("Sampling plan"),
        title=DESIGN_TITLES[plan.design],
        facts=_facts(plan),
        lead=[VerdictBox(tr("The plan"), [Paragraph(verdict_of(plan))])],
        sections=[
            Section("proof", tr("What this design can and cannot prove"), _proofs(plan)),
            Section("points", tr("The points"), _points(plan)),
            *_achieved(plan),
            *_how_many(plan),
            Section("list", tr("Points in walking order"), _listed(plan)),
            *notes_section(plan.notes),
            settings_section(plan.settings, plan.versions),
            citing_section(sampling_references(plan.design)),
        ],
    )
    write_page(path, page)


def _facts(plan: SamplingPlan) -> list[str]:
    existing = tr("{} existing").format(len(plan.legacy)) if len(plan.legacy) else tr("no existing points")
    return [tr("{} new points").format(plan.count), existing, hectares_in_words(plan.frame.hectares), plan.crs_name]


def _proofs(plan: SamplingPlan) -> list[Item]:
    proofs = proofs_of(plan)
    return [
        Subheading(tr("It can prove") if plan.chosen.inclusion is not None else tr("It is good for")),
        Bullets(proofs.can),
        Subheading(tr("It cannot prove")),
        Bullets(proofs.cannot),
        Subheading(tr("Then")),
        Bullets(proofs.then),
    ]


def _points(plan: SamplingPlan) -> list[Item]:
    order = ORDERS.get(plan.design, "")
    colour = tr(" Colour is the order {}.").format(order) if order else ""
    strata = tr(" Tints are strata.") if plan.design == "stratified_random" else ""
    nearest = tr(" The two nearest points lie {} m apart.").format(rounded(plan.nearest)) if plan.count > 1 else ""
    items: list[Item] = [
        CaptionedFigure(
            draw_plan("plan", plan, tr("Order") if order else ""),
            tr(
                "New points in the area that may be sampled.{}{} Numbers and the line are the walking order, as"
                " the crow flies."
            ).format(strata, colour),
        ),
        Paragraph(f"{plan.frame.counts.in_words()}.{nearest}", "small"),
    ]
    if plan.design == "stratified_random":
        items.append(_strata_table(plan))
    return items


def _strata_table(plan: SamplingPlan) -> Item:
    frame, inclusion = plan.frame, plan.chosen.inclusion
    own = np.bincount(plan.points.stratum, minlength=len(frame.strata))
    chance = np.zeros(len(frame.strata))
    if inclusion is not None:
        chance[plan.points.stratum] = inclusion
    rows = [
        (
            frame.strata[h],
            rounded(float(frame.stratum_hectares[h])),
            str(frame.stratum_places[h]),
            str(own[h]),
            _chance(chance[h]),
        )
        for h in range(len(frame.strata))
    ]
    found = table((tr("Stratum"), tr("Area (ha)"), tr("Pixels"), tr("Points"), tr("Inclusion probability")), rows)
    return Details(tr("Table of the {} strata").format(len(rows)), [found]) if len(rows) > 12 else found


def _chance(value: float) -> str:
    return localized(f"{value:.3g}")


def _achieved(plan: SamplingPlan) -> list[Section]:
    criterion, items = plan.chosen.criterion, list[Item]()
    if criterion is not None:
        decimals = decimals_for(criterion.value)
        low, mean, high = (fixed(float(f(criterion.random)), decimals) for f in (np.min, np.mean, np.max))
        rows = [
            (
                criterion.name,
                fixed(criterion.value, decimals),
                mean,
                tr("{} to {}").format(low, high),
                percent(criterion.gain),
            )
        ]
        unit = f" ({criterion.unit})" if criterion.unit else ""
        headings = (
            tr("Criterion{}").format(unit),
            tr("This plan"),
            tr("Random, mean"),
            tr("Random, range"),
            tr("Less"),
        )
        caption = tr("Beside {} simple random samples of as many points. Lower is better.").format(
            len(criterion.random)
        )
        items.append(table(headings, rows, caption))
    if plan.chosen.course is not None:
        what, course = plan.chosen.course
        is_by_point = plan.design == "where_next"
        random = criterion.random if criterion is not None and is_by_point else np.empty(0)
        svg = draw_course("course", what, course, is_by_point, random)
        items.append(CaptionedFigure(svg, tr("{}, as the choice went on.").format(what)))
    return [Section("achieved", tr("What the points achieve"), items)] if items else []


def _how_many(plan: SamplingPlan) -> list[Section]:
    curve = plan.curve
    if curve is None:
        text = tr(
            "To see how the error falls with the number of samples, choose existing points with a measured"
            " value (LEGACY and TARGET) and covariates, or write nugget, sill and range in VARIOGRAM."
        )
        return [Section("how-many", tr("How many are enough"), [Paragraph(text, "small")])]
    svg = draw_error_curve("how-many-curve", curve, plan.count)
    return [
        Section(
            "how-many",
            tr("How many are enough"),
            [Paragraph(curve.sentence), CaptionedFigure(svg, curve.basis)],
        )
    ]


def _listed(plan: SamplingPlan) -> list[Item]:
    rows: Sequence[tuple[str, ...]] = _rows(plan)
    headings = [tr("Walk"), tr("Order"), tr("Longitude"), tr("Latitude"), "x", "y"]
    if plan.design == "stratified_random":
        headings.append(tr("Stratum"))
    items: list[Item] = [table(headings, rows[:_MOST_LISTED], tr("Longitude and latitude are in WGS 84."))]
    if len(rows) > _MOST_LISTED:
        items.append(
            Paragraph(tr("{} more points are in the layer and the files.").format(len(rows) - _MOST_LISTED), "small")
        )
    return [Details(tr("List of the {} points").format(len(rows)), items)]


def _rows(plan: SamplingPlan) -> list[tuple[str, ...]]:
    places, xy, points = degrees(plan), plan.points.xy, plan.points
    decimals = 1 if float(np.abs(xy).max()) > 1000 else 6
    rows = []
    for row in np.argsort(plan.walk).tolist():
        cells = [str(plan.walk[row]), str(row + 1), *(localized(f"{value:.6f}") for value in places[row])]
        cells += [fixed(float(value), decimals) for value in xy[row]]
        if plan.design == "stratified_random":
            cells.append(points.strata[points.stratum[row]])
        rows.append(tuple(cells))
    return rows
