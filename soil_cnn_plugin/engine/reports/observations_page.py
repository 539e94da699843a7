"""The page of the check of observations: what to repair first, then the numbers of all fields and places."""

from __future__ import annotations

from dataclasses import replace

from soil_cnn_plugin.engine.checks.clustering import Clustering
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
from soil_cnn_plugin.engine.reports.references import neighbour_references
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Citations,
    Group,
    Item,
    Page,
    Pairs,
    Paragraph,
    Problems,
    Section,
    Subheading,
    Table,
    TableCell,
    Terms,
    VerdictBox,
    settings_section,
    table,
    text_table,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import NOTHING, fixed, percent, rounded

_RANGES = ("Minimum", "Lower quartile", "Median", "Upper quartile", "Maximum", "Skewness")
_MOST_CLASSES = 60
"""The most rows of a table of classes."""
_SOFTWARE = ("Soil CNN", "Python", "numpy", "scipy", "rasterio", "geopandas", "pyproj")


def write_observations_page(path: str, check: ObservationsCheck) -> None:
    """Write one HTML file that needs nothing else; names and values of the layer are escaped."""
    look, heading, sentence = words.summary(check)
    page = Page(
        kind="Check of observations",
        title=check.name,
        facts=_facts(check),
        lead=[VerdictBox(heading, [Paragraph(sentence)], look), *(_problem_map(check) if look == "good" else [])],
        sections=[
            *_problems(check),
            *_values(check),
            *_limits(check),
            *_sums(check),
            *_horizons(check),
            *_classes(check),
            Section("places", "Places", _places(check)),
            *_not_checked(check),
            Section("how", "How the checks work", [Terms(dict(words.HOW))]),
            _settings(check),
        ],
    )
    write_page(path, page)


def _problems(check: ObservationsCheck) -> list[Section]:
    """Return the problems to repair and to check, with their map, and the notes."""
    repair, doubtful, notes = (words.items(check, severity) for severity in (REPAIR, CHECK, NOTE))
    sections = []
    if repair:
        text = "Numbers of observations are ids of features ($id in QGIS); the layer of problems has them all."
        sections.append(Section("repair", "To repair", [Paragraph(text, "small"), Problems(repair)]))
    if doubtful:
        text = "Only you can tell whether these are right. Nothing is dropped because of them."
        sections.append(Section("check", "To check", [Paragraph(text), Problems(doubtful)]))
    if sections:
        sections[-1] = replace(sections[-1], items=[*sections[-1].items, *_problem_map(check)])
    return [*sections, *([Section("notes", "Good to know", [Problems(notes)])] if notes else [])]


def _values(check: ObservationsCheck) -> list[Section]:
    headings, rows = _counts(check)
    if not rows:
        return []
    limited = " Values below a detection limit count with it; ≤ marks what they decide."
    note = limited if any(each.below for each in check.fields) else ""
    ranges = Table(
        (
            "Field",
            "Minimum",
            "Lower quartile",
            "Median",
            "Upper quartile",
            "Maximum",
            "Skewness",
            "Transform",
            "Histogram",
        ),
        [Group("", [_value_row(each) for each in check.fields if each.quantiles])],
        f"Ranges, without codes for missing values and infinite ones.{note}",
        looks=("", *["number"] * len(_RANGES), "", ""),
    )
    counts = table(headings, rows, "Contents of the fields, in numbers of observations.")
    return [Section("values", "Values", [Subheading("Counts"), counts, Subheading("Ranges"), ranges])]


def _facts(check: ObservationsCheck) -> list[str]:
    fields = len(check.fields) + len(check.classes)
    return [
        f"{len(check.ids)} observation{'s' if len(check.ids) != 1 else ''}",
        f"{fields} field{'s' if fields != 1 else ''} checked",
        check.crs_name,
        f"Covariates: {check.settings['Covariates']}" if check.coverage else "without covariates",
    ]


def _problem_map(check: ObservationsCheck) -> list[Item]:
    placed = check.places.is_placed
    if not placed.any():
        return []
    gone, background = int((~placed).sum()), " Shaded: where all covariates have data." if check.coverage else ""
    missing = f" {gone} without a place, or with a wrong one, are not shown." if gone else ""
    figure = CaptionedFigure(
        draw_problem_map("problems", check),
        f"The observations, and where something is to be repaired or checked.{background}{missing}",
    )
    return [figure]


def _counts(check: ObservationsCheck) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows. Columns that are 0 for all fields are left out, except the first four."""
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


def _value_row(summary: FieldSummary) -> list[str | TableCell]:
    numbers = [
        f"{'≤ ' if value <= summary.highest_limit else ''}{_number(value, summary.is_whole)}"
        for value in summary.quantiles
    ]
    transform = {"log": "logarithm"}.get(summary.transform, summary.transform)
    texts = [*numbers, fixed(summary.skewness, 2), transform]
    return [summary.soil_property.label, *texts, TableCell("", svg=small_histogram(summary.bars, summary.outside))]


def _number(value: float, is_whole: bool) -> str:
    return fixed(value, 0 if value.is_integer() else 1) if is_whole else rounded(value)


def _limits(check: ObservationsCheck) -> list[Section]:
    rows = [
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
    if not rows:
        return []
    headings = ("Field", "Limits", "Below", "Share", "Lowest limit", "Highest limit", "Equal to it", "Half of it")
    found = table(headings, rows, "Values below their detection limit, and what stands in their place.")
    return [Section("limits", "Detection limits", [found, *map(Paragraph, words.substituted_in_words(check))])]


def _sums(check: ObservationsCheck) -> list[Section]:
    rows = [
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
    if not rows:
        return []
    headings = ("Parts", "Complete", "Within 1 %", "1 to 5 % off", "Farther off", "Part missing", "Part is 0")
    found, figures = table(headings, rows, "Observations by the sum of their parts."), _sums_figure(check)
    return [Section("sums", "Sums of the composition", [found, *figures])]


def _share(count: int, total: int) -> str:
    return f"{count} ({percent(count / total)})" if total else "0"


def _sums_figure(check: ObservationsCheck) -> list[Item]:
    drawn = [each for each in check.sums if each.complete]
    if not drawn:
        return []
    first = " The first twelve compositions." if len(drawn) > 12 else ""
    caption = f"Sums of the parts. Dashed: 1 % and 5 % from the whole; red: farther than 5 %.{first}"
    return [CaptionedFigure(draw_sums("sums", drawn[:12]), caption)]


def _horizons(check: ObservationsCheck) -> list[Section]:
    found = check.horizons
    if found is None:
        return []
    fewest, middle, most = found.per_profile
    rows = {
        "Horizons": str(found.horizons),
        "Profiles with usable depths": str(found.profiles),
        "Horizons of a profile": f"{fewest} to {most}, median {middle:g}",
        "Thickness of a horizon": f"median {rounded(found.thickness)} cm",
        "Depth of a profile": f"median {rounded(found.deepest)} cm, at most {rounded(found.maximum)} cm",
    }
    return [Section("horizons", "Horizons", [Pairs(rows)])]


def _classes(check: ObservationsCheck) -> list[Section]:
    items: list[Item] = []
    for each in check.classes:
        shares = [(name, count, count / each.known) for name, count in each.counts[:_MOST_CLASSES]]
        rows = [[name, str(n), percent(share, 1) if share >= 0.0005 else "< 0.1 %"] for name, n, share in shares]
        hidden = len(each.counts) - len(rows)
        caption = (
            f"{len(each.counts)} classes at {each.known} observations; {each.missing} without one."
            f" Names that differ by capitals or spaces only are counted together."
            + (f" {hidden} more classes are not shown." if hidden else "")
        )
        items += [Subheading(each.field), table(("Class", "Observations", "Share"), rows, caption)]
    return [Section("classes", "Soil classes", items)] if items else []


def _places(check: ObservationsCheck) -> list[Item]:
    items: list[Item] = [Pairs(_place_rows(check))]
    if check.coverage and check.coverage.without_data:
        rows = [(name, str(count)) for name, count in check.coverage.without_data]
        items.append(table(("Covariate", "Observations"), rows, "Observations in pixels without data."))
    if check.clustering:
        text = Paragraph(words.clustering_in_words(check.clustering))
        items += [Subheading("Clusters and gaps"), text, _distances(check.clustering)]
    return items


def _place_rows(check: ObservationsCheck) -> dict[str, str]:
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


def _distances(found: Clustering) -> CaptionedFigure:
    return CaptionedFigure(
        draw_distances("distances", found),
        "Share of distances up to a length. The red line left of the grey band: clustered; right of it: regular. The"
        " blue line far right of the red one: large parts of the area are farther from observations than these from"
        " each other, and held-out errors of random folds would be too good.",
    )


def _not_checked(check: ObservationsCheck) -> list[Section]:
    rows = words.not_checked(check)
    if not rows:
        return []
    return [Section("not-checked", "Not checked", [text_table(("What", "Why, or what to choose for it"), rows)])]


def _settings(check: ObservationsCheck) -> Section:
    versions = {name: check.versions[name] for name in _SOFTWARE if name in check.versions}
    if not check.clustering:
        return settings_section(check.shown_settings, versions)
    return settings_section(check.shown_settings, versions, Subheading("Methods"), Citations(neighbour_references()))
