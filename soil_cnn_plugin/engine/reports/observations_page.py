"""The page of the check of observations: what to repair first, then the numbers of all fields and places."""

from __future__ import annotations

from dataclasses import dataclass

from soil_cnn_plugin.engine.checks.field_summary import FieldSummary
from soil_cnn_plugin.engine.checks.findings import CHECK, NOTE, REPAIR
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck
from soil_cnn_plugin.engine.reports import observations_words as words
from soil_cnn_plugin.engine.reports.figures.observations_figures import (
    draw_distances,
    draw_problem_map,
    draw_sums,
    small_histogram,
)
from soil_cnn_plugin.engine.reports.held_out_report import CaptionedFigure
from soil_cnn_plugin.engine.reports.numerals import NOTHING, fixed, percent, rounded
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.references import Reference

MOST_CLASSES = 60
"""Rows of a table of classes."""
SOFTWARE = ("Soil CNN", "Python", "numpy", "scipy", "rasterio", "geopandas", "pyproj")
_REFERENCES = [
    Reference(
        "Clark-Evans ratio",
        "Clark, P. J., Evans, F. C. (1954). Distance to nearest neighbor as a measure of spatial relationships in"
        " populations. Ecology 35, 445–453.",
        "10.2307/1931034",
    ),
    Reference(
        "Area that places at random came from",
        "Ripley, B. D., Rasson, J.-P. (1977). Finding the edge of a Poisson forest. Journal of Applied Probability 14,"
        " 483–491.",
        "10.2307/3213451",
    ),
]


@dataclass(frozen=True)
class ValueRow:
    """A field in the table of values: its label, numbers as texts, and its histogram."""

    label: str
    texts: list[str]
    svg: str


def write_observations_page(path: str, check: ObservationsCheck) -> None:
    """Writes one HTML file that needs nothing else; names and values of the layer are escaped."""
    look, heading, sentence = words.summary(check)
    write_page(
        path,
        "observations",
        title=check.name,
        facts=_facts(check),
        look=look,
        heading=heading,
        sentence=sentence,
        repair=words.items(check, REPAIR),
        doubtful=words.items(check, CHECK),
        notes=words.items(check, NOTE),
        problem_map=_problem_map(check),
        counts=_counts(check),
        values=[_value_row(each) for each in check.fields if each.quantiles],
        has_limits=any(each.below for each in check.fields),
        limits=_limits(check),
        substituted=words.substituted_in_words(check),
        sums=_sums(check),
        sums_figure=_sums_figure(check),
        horizons=_horizons(check),
        classes=_classes(check),
        places=_places(check),
        by_covariate=[(name, str(count)) for name, count in check.coverage.without_data] if check.coverage else [],
        clustering=words.clustering_in_words(check.clustering) if check.clustering else "",
        distances=_distances(check),
        not_checked=words.not_checked(check),
        how=words.HOW,
        settings=check.settings,
        versions={name: check.versions[name] for name in SOFTWARE if name in check.versions},
        references=_REFERENCES if check.clustering else [],
    )


def _facts(check: ObservationsCheck) -> list[str]:
    fields = len(check.fields) + len(check.classes)
    return [
        f"{len(check.ids)} observation{'s' if len(check.ids) != 1 else ''}",
        f"{fields} field{'s' if fields != 1 else ''} checked",
        check.crs_name,
        f"Covariates: {check.settings['Covariates']}" if check.coverage else "without covariates",
    ]


def _problem_map(check: ObservationsCheck) -> CaptionedFigure | None:
    placed = check.places.is_placed
    if not placed.any():
        return None
    gone = int((~placed).sum())
    background = " Shaded: where all covariates have data." if check.coverage else ""
    missing = f" {gone} without a place, or with a wrong one, are not shown." if gone else ""
    return CaptionedFigure(
        draw_problem_map("problems", check),
        f"The observations, and where something is to be repaired or checked.{background}{missing}",
    )


def _counts(check: ObservationsCheck) -> tuple[list[str], list[list[str]]]:
    """Headings and rows; columns that are 0 for all fields are left out, but for the first four."""
    columns = {
        "Known": [each.known for each in check.fields],
        "Missing": [each.missing for each in check.fields],
        "Zero": [each.zero for each in check.fields],
        "Negative": [each.negative for each in check.fields],
        "Below limit": [each.below for each in check.fields],
        "Codes, infinite": [each.codes for each in check.fields],
        "No number": [each.failed for each in check.fields],
        "Different values": [each.distinct for each in check.fields],
    }
    shown = [name for index, (name, numbers) in enumerate(columns.items()) if index < 4 or any(numbers)]
    rows = [
        [each.soil_property.label, *(str(columns[name][row]) for name in shown)]
        for row, each in enumerate(check.fields)
    ]
    return ["Field", *shown], rows


def _value_row(summary: FieldSummary) -> ValueRow:
    numbers = [
        f"{'≤ ' if value <= summary.highest_limit else ''}{_number(value, summary.is_whole)}"
        for value in summary.quantiles
    ]
    transform = {"log": "logarithm"}.get(summary.transform, summary.transform)
    texts = [*numbers, fixed(summary.skewness, 2), transform]
    return ValueRow(summary.soil_property.label, texts, small_histogram(summary.bars, summary.outside))


def _number(value: float, is_whole: bool) -> str:
    return fixed(value, 0 if value.is_integer() else 1) if is_whole else rounded(value)


def _limits(check: ObservationsCheck) -> list[list[str]]:
    return [
        [
            each.field,
            each.limit_field or "in the text",
            f"{each.below} of {each.known}",
            percent(each.share),
            rounded(each.lowest),
            rounded(each.highest),
            str(each.equal) if each.limit_field else NOTHING,
            str(each.half) if each.limit_field else NOTHING,
        ]
        for each in check.limits
    ]


def _sums(check: ObservationsCheck) -> list[list[str]]:
    return [
        [
            f"{each.title} = {each.whole:g}",
            str(each.complete),
            _share(each.near, each.complete),
            _share(each.fair - each.near, each.complete),
            _share(each.complete - each.fair, each.complete),
            str(each.torn),
            str(each.with_zero),
        ]
        for each in check.sums
    ]


def _share(count: int, total: int) -> str:
    return f"{count} ({percent(count / total)})" if total else "0"


def _sums_figure(check: ObservationsCheck) -> CaptionedFigure | None:
    drawn = [each for each in check.sums if each.complete]
    if not drawn:
        return None
    return CaptionedFigure(
        draw_sums("sums", drawn[:12]),
        "Sums of the parts. Dashed: 1 % and 5 % from the whole; red: farther than 5 %."
        + (" The first twelve compositions." if len(drawn) > 12 else ""),
    )


def _horizons(check: ObservationsCheck) -> dict[str, str]:
    found = check.horizons
    if found is None:
        return {}
    fewest, middle, most = found.per_profile
    return {
        "Horizons": str(found.horizons),
        "Profiles with usable depths": str(found.profiles),
        "Horizons of a profile": f"{fewest} to {most}, median {middle:g}",
        "Thickness of a horizon": f"median {rounded(found.thickness)} cm",
        "Depth of a profile": f"median {rounded(found.deepest)} cm, at most {rounded(found.maximum)} cm",
    }


def _classes(check: ObservationsCheck) -> list[tuple[str, str, list[list[str]]]]:
    """Field, caption and rows of each."""
    tables = []
    for each in check.classes:
        shares = [(name, count, count / each.known) for name, count in each.counts[:MOST_CLASSES]]
        rows = [[name, str(n), percent(share, 1) if share >= 0.0005 else "< 0.1 %"] for name, n, share in shares]
        hidden = len(each.counts) - len(rows)
        caption = (
            f"{len(each.counts)} classes at {each.known} observations; {each.missing} without one."
            f" Names that differ by capitals or spaces only are counted together."
            + (f" {hidden} more classes are not shown." if hidden else "")
        )
        tables.append((each.field, caption, rows))
    return tables


def _places(check: ObservationsCheck) -> dict[str, str]:
    duplicates, coverage = check.duplicates, check.coverage
    rows = {
        "Observations with a usable place": f"{int(check.places.is_placed.sum())} of {len(check.ids)}",
        "Different places": str(duplicates.places),
        "Repeated at one place" + (" and depth" if check.horizons else ""): str(duplicates.repeated),
        "of these the same in all fields": str(duplicates.identical),
    }
    if coverage is not None:
        rows["Inside the covariates"] = str(coverage.inside)
        rows["Outside the covariates"] = str(coverage.outside)
        rows["In pixels without data of some covariate"] = str(coverage.blind)
        rows["In a pixel with observations of other places"] = str(duplicates.in_shared_pixels)
    return rows


def _distances(check: ObservationsCheck) -> CaptionedFigure | None:
    if check.clustering is None:
        return None
    return CaptionedFigure(
        draw_distances("distances", check.clustering),
        "Share of distances up to a length. The red line left of the grey band: clustered; right of it: regular. The"
        " blue line far right of the red one: large parts of the area are farther from observations than these from"
        " each other, and held-out errors of random folds would be too good.",
    )
