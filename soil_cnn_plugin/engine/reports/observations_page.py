"""The page of the check of observations: what to repair first, then the numbers of all fields and places."""

from __future__ import annotations

from dataclasses import replace

from soil_cnn_plugin.contract.language import localized, tr, tr_n, whole
from soil_cnn_plugin.engine.checks.clustering import Clustering
from soil_cnn_plugin.engine.checks.findings import CHECK, NOTE, REPAIR
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck
from soil_cnn_plugin.engine.reports import observations_words as words
from soil_cnn_plugin.engine.reports.figures.observations_figures import (
    draw_distances,
    draw_problem_map,
    draw_sums,
)
from soil_cnn_plugin.engine.reports.observations_values import value_sections
from soil_cnn_plugin.engine.reports.references import neighbour_references
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Citations,
    Item,
    Page,
    Pairs,
    Paragraph,
    Problems,
    Section,
    Subheading,
    Terms,
    VerdictBox,
    settings_section,
    table,
    text_table,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import NOTHING, percent, rounded

_MOST_CLASSES = 60
"""The most rows of a table of classes."""
_SOFTWARE = ("Soil CNN", "Python", "numpy", "scipy", "rasterio", "geopandas", "pyproj")


def write_observations_page(path: str, check: ObservationsCheck) -> None:
    """Write one HTML file that needs nothing else; names and values of the layer are escaped."""
    look, heading, sentence = words.summary(check)
    page = Page(
        kind=tr("Check of observations"),
        title=check.name,
        facts=_facts(check),
        lead=[VerdictBox(heading, [Paragraph(sentence)], look), *(_problem_map(check) if look == "good" else [])],
        sections=[
            *_problems(check),
            *value_sections(check),
            *_limits(check),
            *_sums(check),
            *_horizons(check),
            *_classes(check),
            Section("places", tr("Places"), _places(check)),
            *_not_checked(check),
            Section("how", tr("How the checks work"), [Terms(dict(words.HOW))]),
            _settings(check),
        ],
    )
    write_page(path, page)


def _problems(check: ObservationsCheck) -> list[Section]:
    """Return the problems to repair and to check, with their map, and the notes."""
    repair, doubtful, notes = (words.items(check, severity) for severity in (REPAIR, CHECK, NOTE))
    sections = []
    if repair:
        text = tr("Numbers of observations are ids of features ($id in QGIS); the layer of problems has them all.")
        sections.append(Section("repair", tr("To repair"), [Paragraph(text, "small"), Problems(repair)]))
    if doubtful:
        text = tr("Only you can tell whether these are right. Nothing is dropped because of them.")
        sections.append(Section("check", tr("To check"), [Paragraph(text), Problems(doubtful)]))
    if sections:
        sections[-1] = replace(sections[-1], items=[*sections[-1].items, *_problem_map(check)])
    return [*sections, *([Section("notes", tr("Good to know"), [Problems(notes)])] if notes else [])]


def _facts(check: ObservationsCheck) -> list[str]:
    fields = len(check.fields) + len(check.classes)
    return [
        words.observations_in_words(len(check.ids)),
        tr_n("{} field checked", "{} fields checked", fields).format(fields),
        check.crs_name,
        tr("Covariates: {}").format(check.settings["Covariates"]) if check.coverage else tr("without covariates"),
    ]


def _problem_map(check: ObservationsCheck) -> list[Item]:
    placed = check.places.is_placed
    if not placed.any():
        return []
    gone, background = int((~placed).sum()), tr(" Shaded: where all covariates have data.") if check.coverage else ""
    missing = tr(" {} without a place, or with a wrong one, are not shown.").format(gone) if gone else ""
    figure = CaptionedFigure(
        draw_problem_map("problems", check),
        tr("The observations, and where something is to be repaired or checked.{}{}").format(background, missing),
    )
    return [figure]


def _limits(check: ObservationsCheck) -> list[Section]:
    rows = [
        [
            each.field,
            each.limit_field or tr("in the text"),
            tr("{} of {}").format(each.below, each.known),
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
    headings = (
        tr("Field"),
        tr("Limits"),
        tr("Below"),
        tr("Share"),
        tr("Lowest limit"),
        tr("Highest limit"),
        tr("Equal to it"),
        tr("Half of it"),
    )
    found = table(headings, rows, tr("Values below their detection limit, and what stands in their place."))
    return [Section("limits", tr("Detection limits"), [found, *map(Paragraph, words.substituted_in_words(check))])]


def _sums(check: ObservationsCheck) -> list[Section]:
    rows = [
        [
            f"{each.title} = {localized(f'{each.whole:g}')}",
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
    headings = (
        tr("Parts"),
        tr("Complete"),
        tr("Within 1 %"),
        tr("1 to 5 % off"),
        tr("Farther off"),
        tr("Part missing"),
        tr("Part is 0"),
    )
    found, figures = table(headings, rows, tr("Observations by the sum of their parts.")), _sums_figure(check)
    return [Section("sums", tr("Sums of the composition"), [found, *figures])]


def _share(count: int, total: int) -> str:
    return f"{whole(count)} ({percent(count / total)})" if total else "0"


def _sums_figure(check: ObservationsCheck) -> list[Item]:
    drawn = [each for each in check.sums if each.complete]
    if not drawn:
        return []
    first = tr(" The first twelve compositions.") if len(drawn) > 12 else ""
    caption = tr("Sums of the parts. Dashed: 1 % and 5 % from the whole; red: farther than 5 %.{}").format(first)
    return [CaptionedFigure(draw_sums("sums", drawn[:12]), caption)]


def _horizons(check: ObservationsCheck) -> list[Section]:
    found = check.horizons
    if found is None:
        return []
    fewest, middle, most = found.per_profile
    rows = {
        tr("Horizons"): str(found.horizons),
        tr("Profiles with usable depths"): str(found.profiles),
        tr("Horizons of a profile"): tr("{} to {}, median {:g}").format(fewest, most, middle),
        tr("Thickness of a horizon"): tr("median {} cm").format(rounded(found.thickness)),
        tr("Depth of a profile"): tr("median {} cm, at most {} cm").format(
            rounded(found.deepest), rounded(found.maximum)
        ),
    }
    return [Section("horizons", tr("Horizons"), [Pairs(rows)])]


def _classes(check: ObservationsCheck) -> list[Section]:
    items: list[Item] = []
    for each in check.classes:
        shares = [(name, count, count / each.known) for name, count in each.counts[:_MOST_CLASSES]]
        rows = [[name, str(n), percent(share, 1) if share >= 0.0005 else "< 0.1 %"] for name, n, share in shares]
        hidden = len(each.counts) - len(rows)
        caption = tr(
            "{} classes at {} observations; {} without one. Names that differ by capitals or spaces only"
            " are counted together."
        ).format(len(each.counts), each.known, each.missing) + (
            tr(" {} more classes are not shown.").format(hidden) if hidden else ""
        )
        items += [Subheading(each.field), table((tr("Class"), tr("Observations"), tr("Share")), rows, caption)]
    return [Section("classes", tr("Soil classes"), items)] if items else []


def _places(check: ObservationsCheck) -> list[Item]:
    items: list[Item] = [Pairs(_place_rows(check))]
    if check.coverage and check.coverage.without_data:
        rows = [(name, whole(count)) for name, count in check.coverage.without_data]
        items.append(table((tr("Covariate"), tr("Observations")), rows, tr("Observations in pixels without data.")))
    if check.clustering:
        text = Paragraph(words.clustering_in_words(check.clustering))
        items += [Subheading(tr("Clusters and gaps")), text, _distances(check.clustering)]
    return items


def _place_rows(check: ObservationsCheck) -> dict[str, str]:
    duplicates, coverage = check.duplicates, check.coverage
    rows = {
        tr("Observations with a usable place"): tr("{} of {}").format(
            int(check.places.is_placed.sum()), len(check.ids)
        ),
        tr("Different places"): str(duplicates.places),
        tr("Repeated at one place and depth") if check.horizons else tr("Repeated at one place"): str(
            duplicates.repeated
        ),
        tr("of these the same in all fields"): str(duplicates.identical),
    }
    if coverage is not None:
        rows[tr("Inside the covariates")] = str(coverage.inside)
        rows[tr("Outside the covariates")] = str(coverage.outside)
        rows[tr("In pixels without data of some covariate")] = str(coverage.blind)
        rows[tr("In a pixel with observations of other places")] = str(duplicates.in_shared_pixels)
    return rows


def _distances(found: Clustering) -> CaptionedFigure:
    return CaptionedFigure(
        draw_distances("distances", found),
        tr(
            "Share of distances up to a length. If the red line lies left of the grey band, the observations"
            " are clustered; if it lies right of the band, they are regular. If the blue line lies far right"
            " of the red one, large parts of the area are farther from observations than these are from each"
            " other, and held-out errors of random folds would be too small."
        ),
    )


def _not_checked(check: ObservationsCheck) -> list[Section]:
    rows = words.not_checked(check)
    if not rows:
        return []
    return [
        Section("not-checked", tr("Not checked"), [text_table((tr("What"), tr("Why, or what to choose for it")), rows)])
    ]


def _settings(check: ObservationsCheck) -> Section:
    versions = {name: check.versions[name] for name in _SOFTWARE if name in check.versions}
    if not check.clustering:
        return settings_section(check.shown_settings, versions)
    methods = (Subheading(tr("Methods")), Citations(neighbour_references()))
    return settings_section(check.shown_settings, versions, *methods)
