"""The page that says what a network file holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from soil_cnn_plugin.contract.language import all_of, localized, tr, tr_n
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.rasters.unchanged import FINGERPRINTS
from soil_cnn_plugin.engine.reports.class_tables import CLASS_COLUMNS, class_score_group
from soil_cnn_plugin.engine.reports.correlogram_section import correlogram_section
from soil_cnn_plugin.engine.reports.covariates_section import covariates_table
from soil_cnn_plugin.engine.reports.held_out_words import dissimilarity_section, predictor_sentence
from soil_cnn_plugin.engine.reports.score_table import SCALES, SCORE_COLUMNS, number_score_group
from soil_cnn_plugin.engine.reports.sections import (
    Item,
    Page,
    Pairs,
    Paragraph,
    ScoreGroup,
    ScoreTable,
    Section,
    Subheading,
    Terms,
    VerdictBox,
    text_table,
    write_page,
)
from soil_cnn_plugin.engine.reports.settings_words import named_settings
from soil_cnn_plugin.engine.reports.words import (
    by_depth,
    class_terms,
    fixed,
    number_terms,
    percent,
    sentence_case,
    titles,
)
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.measured import TargetsInWords
from soil_cnn_plugin.engine.targets.metrics import Scores

_UNITS = {"metre": "m", "degree": "°"}


class Description(Protocol):
    """The parts of a network's description that the page needs; the description in the network file has them."""

    @property
    def targets(self) -> tuple[SoilProperty, ...]: ...
    @property
    def covariates(self) -> tuple[CovariateSummary, ...]: ...
    @property
    def grid(self) -> Grid: ...
    @property
    def patch_size(self) -> int: ...
    @property
    def architectures(self) -> Mapping[str, int]: ...
    @property
    def predictor(self) -> str: ...
    @property
    def transforms(self) -> Mapping[str, str]: ...
    @property
    def coverage(self) -> float: ...
    @property
    def scores(self) -> Mapping[str, Mapping[str, Scores | ClassScores]]: ...
    @property
    def words(self) -> TargetsInWords: ...
    @property
    def verdicts(self) -> Mapping[str, str]: ...
    @property
    def folds_sentence(self) -> str: ...
    @property
    def observation_count(self) -> int: ...
    @property
    def settings(self) -> Mapping[str, str]: ...
    @property
    def versions(self) -> Mapping[str, str]: ...
    @property
    def provenance(self) -> Mapping[str, str]: ...
    @property
    def error_correlation(self) -> ErrorCorrelation | None: ...
    @property
    def spaces(self) -> Sequence[SpaceInWords]: ...


def write_network_page(path: str, description: Description) -> None:
    """Write one HTML file that needs nothing else. All of the description is escaped, because it may come from a
    stranger."""
    targets = by_depth(description.targets, lambda target: target)
    page = Page(
        kind=tr("Trained network"),
        title=sentence_case(", ".join(titles(targets))),
        facts=_facts(description),
        lead=[],
        sections=[
            Section("predicts", tr("What it predicts"), _predicts(targets, description)),
            Section("needs", tr("What it needs"), _needs(description)),
            Section("worth", tr("What it is worth"), _worth(targets, description)),
            *correlogram_section(description.error_correlation, targets),
            *dissimilarity_section(description.spaces),
            Section("origin", tr("Where it comes from"), _origin(description)),
        ],
    )
    write_page(path, page)


def _predicts(targets: Sequence[SoilProperty], description: Description) -> list[Item]:
    headings = (tr("Soil property"), tr("Field"), tr("Depth"), tr("Unit"), tr("Learned on the scale"))
    items: list[Item] = [
        Paragraph(predictor_sentence(description.predictor)),
        text_table(headings, [_target_row(target, description) for target in targets]),
        *map(Paragraph, _compositions_in_words(description)),
    ]
    classes = description.words.classes
    for field, names in classes.items():
        which = tr(" of {}").format(field) if len(targets) > 1 else ""
        items.append(Paragraph(tr("{} classes{}: {}.").format(len(names), which, ", ".join(names))))
    if classes:
        text = tr("Each class comes with a probability that was calibrated on held-out observations.")
        items.append(Paragraph(text, "small"))
    if len(targets) > len(classes):  # there are numbers, too
        text = tr("Each prediction comes with a {} interval that was calibrated on held-out observations.")
        items.append(Paragraph(text.format(percent(description.coverage)), "small"))
    return items


def _needs(description: Description) -> list[Item]:
    return [
        Paragraph(
            tr("A map needs all these covariates, with the same meaning, unit and classes. They are matched by name.")
        ),
        covariates_table(description.covariates, {}),
        Subheading(tr("Grid it was trained on")),
        Pairs(_grid_rows(description.grid)),
    ]


def _worth(targets: Sequence[SoilProperty], description: Description) -> list[Item]:
    items: list[Item] = [Paragraph(description.folds_sentence)]
    for target in targets:
        if target.field in description.verdicts:
            text = Paragraph(description.verdicts[target.field])
            items.append(VerdictBox(sentence_case(target.label), [text]))
    best = tr("A dot marks the best of each column, bold type the method of the map.")
    terms: dict[str, str] = {}
    groups, class_groups = _score_groups(targets, description)
    if groups:
        caption = tr(
            "Scores of held-out observations. ME, RMSE, width, interval score and CRPS are in the unit of the soil"
            " property. {}"
        ).format(best)
        items.append(ScoreTable(SCORE_COLUMNS, groups, caption))
        terms = number_terms(description.coverage, SCORE_COLUMNS)
    if class_groups:
        items.append(ScoreTable(CLASS_COLUMNS, class_groups, tr("Scores of held-out observations. {}").format(best)))
        terms = {**class_terms(of_classes=False), **terms}
    return [*items, Subheading(tr("What the measures mean")), Terms(terms)] if terms else items


def _score_groups(
    targets: Sequence[SoilProperty], description: Description
) -> tuple[list[ScoreGroup], list[ScoreGroup]]:
    """Return the scores of targets that are numbers, and of those that are classes."""
    groups, class_groups = [], []
    for target in targets:
        found = description.scores.get(target.field, {})
        numbers = {name: each for name, each in found.items() if isinstance(each, Scores)}
        classes = {name: each for name, each in found.items() if isinstance(each, ClassScores)}
        if numbers:
            groups.append(number_score_group(target, numbers, description.coverage, predictor=description.predictor))
        if classes:
            class_groups.append(class_score_group(sentence_case(target.label), classes, description.predictor))
    return groups, class_groups


def _origin(description: Description) -> list[Item]:
    content = {
        tr("Provenance"): {name: text for name, text in description.provenance.items() if name != FINGERPRINTS},
        tr("Settings"): named_settings(description.settings),
        tr("Software"): description.versions,
    }
    return [item for heading, rows in content.items() if rows for item in (Subheading(heading), Pairs(rows))]


def _compositions_in_words(description: Description) -> list[str]:
    """Say what targets that are parts of one whole have in common, from the top of the soil down."""
    found = {target.field: target for target in description.targets}
    wholes = [[found[field] for field in fields] for fields in description.words.compositions]
    texts = []
    for parts in by_depth(wholes, lambda parts: parts[0]):
        title = all_of([part.title for part in parts])
        texts.append(
            tr(
                "{} are parts of a whole, learned together as isometric log-ratios: at every pixel, and in"
                " every member of the networks, they are positive and sum to it."
            ).format(sentence_case(title))
        )
    return texts


def _facts(description: Description) -> list[str]:
    size, (width, height) = description.patch_size, description.grid.cell_size
    across = f"{localized(f'{size * width:g} × {size * height:g}')} {_unit(description.grid)}"
    members = ", ".join(f"{count} × {name}" for name, count in description.architectures.items())
    return [
        tr("{} observations").format(description.observation_count),
        tr_n("{} covariate", "{} covariates", len(description.covariates)).format(len(description.covariates)),
        tr("patches of {} × {} cells ({})").format(size, size, across),
        tr("networks: {}").format(members),
    ]


def _target_row(target: SoilProperty, description: Description) -> tuple[str, ...]:
    """Return a row with the property, field, depth, unit and scale."""
    transform = description.transforms.get(target.field, "none")
    depth = target.depth_cm
    depth_text = tr("{:g} to {:g} cm").format(depth[0], depth[1]) if depth else "–"
    name = target.name if depth else target.field
    return sentence_case(name), target.field, depth_text, target.unit or "–", SCALES.get(transform, transform)


def _grid_rows(grid: Grid) -> dict[str, str]:
    west, south, east, north = grid.bounds
    width, height = grid.cell_size
    decimals = 5 if grid.is_geographic else 1
    return {
        tr("Coordinate reference system"): grid.crs_name,
        tr("Cell size"): f"{width:g} × {height:g} {_unit(grid)}",
        tr("Rows and columns"): f"{grid.height} × {grid.width}",
        tr("West to east"): tr("{} to {}").format(fixed(west, decimals), fixed(east, decimals)),
        tr("South to north"): tr("{} to {}").format(fixed(south, decimals), fixed(north, decimals)),
    }


def _unit(grid: Grid) -> str:
    return _UNITS.get(grid.unit, grid.unit)
