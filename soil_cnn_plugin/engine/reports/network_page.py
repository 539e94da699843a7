"""The page that tells what a network file holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.rasters.unchanged import FINGERPRINTS
from soil_cnn_plugin.engine.reports.class_tables import CLASS_COLUMNS, class_score_group
from soil_cnn_plugin.engine.reports.depth_order import by_depth, listed, titles
from soil_cnn_plugin.engine.reports.drawing import sentence_case
from soil_cnn_plugin.engine.reports.held_out_words import predictor_sentence
from soil_cnn_plugin.engine.reports.numerals import fixed, rounded
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.score_table import COLUMNS, ScoreGroup, score_group
from soil_cnn_plugin.engine.targets.classes import ClassScores
from soil_cnn_plugin.engine.targets.metrics import Scores

_UNITS = {"metre": "m", "degree": "°"}
_SCALES = {"none": "as measured", "log": "logarithm", "logit": "logit"}


class Description(Protocol):
    """What the page needs of a network's description; the one in the network file has it."""

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
    def scores(self) -> Mapping[str, Mapping[str, Scores]]: ...
    @property
    def compositions(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def class_scores(self) -> Mapping[str, ClassScores]: ...
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


def write_network_page(path: str, description: Description) -> None:
    """Writes one HTML file that needs nothing else. The description may come from a stranger: all of it is escaped."""
    targets = by_depth(description.targets, lambda target: target)
    write_page(
        path,
        "network",
        title=sentence_case(", ".join(titles(targets))),
        facts=_facts(description),
        targets=[_target_row(target, description) for target in targets],
        compositions=_compositions_in_words(description),
        covariates=[_covariate_row(summary) for summary in description.covariates],
        grid=_grid_rows(description.grid),
        predictor_sentence=predictor_sentence(description.predictor),
        folds_sentence=description.folds_sentence,
        verdicts=[
            (sentence_case(target.label), description.verdicts[target.field])
            for target in targets
            if target.field in description.verdicts
        ],
        columns=CLASS_COLUMNS if description.classes else COLUMNS,
        groups=_score_groups(targets, description),
        classes=description.classes,
        coverage=description.coverage,
        settings=description.settings,
        versions=description.versions,
        provenance={name: text for name, text in description.provenance.items() if name != FINGERPRINTS},
    )


def _compositions_in_words(description: Description) -> list[str]:
    """What targets that are parts of one whole have in common, from the top of the soil down."""
    found = {target.field: target for target in description.targets}
    wholes = [[found[field] for field in fields] for fields in description.compositions]
    texts = []
    for parts in by_depth(wholes, lambda parts: parts[0]):
        title = listed([part.title for part in parts])
        texts.append(
            f"{sentence_case(title)} are parts of a whole, learned together as isometric log-ratios: at every pixel,"
            " and in every member of the networks, they are positive and sum to it."
        )
    return texts


def _score_groups(targets: Sequence[SoilProperty], description: Description) -> list[ScoreGroup]:
    if description.classes:
        heading = sentence_case(targets[0].label)
        found = description.class_scores
        return [class_score_group(heading, found, description.predictor)] if found else []
    return [
        score_group(target, description.scores[target.field], description.coverage, predictor=description.predictor)
        for target in targets
        if target.field in description.scores
    ]


def _facts(description: Description) -> list[str]:
    size, (width, height) = description.patch_size, description.grid.cell_size
    across = f"{size * width:g} × {size * height:g} {_unit(description.grid)}"
    members = ", ".join(f"{count} × {name}" for name, count in description.architectures.items())
    return [
        f"{description.observation_count} observations",
        f"{len(description.covariates)} covariates",
        f"patches of {size} × {size} cells ({across})",
        f"networks: {members}",
    ]


def _target_row(target: SoilProperty, description: Description) -> tuple[str, ...]:
    """Property, field, depth, unit, scale."""
    transform = description.transforms.get(target.field, "none")
    depth = target.depth_cm
    depth_text = f"{depth[0]:g} to {depth[1]:g} cm" if depth else "–"
    name = target.name if depth else target.field
    return sentence_case(name), target.field, depth_text, target.unit or "–", _SCALES.get(transform, transform)


def _covariate_row(summary: CovariateSummary) -> tuple[str, ...]:
    """Name, kind, unit, values, source."""
    covariate = summary.covariate
    if summary.categories:
        values = f"{len(summary.categories)} classes: {_shortened(summary.labels)}"
    else:
        last = len(summary.quantiles) - 1
        lowest, low, middle, high, highest = (
            rounded(summary.quantiles[round(share * last)]) for share in (0, 0.05, 0.5, 0.95, 1)
        )
        values = f"{lowest} to {highest}, median {middle}, 90 % from {low} to {high}"
    source = covariate.path if covariate.band == 1 else f"{covariate.path}, band {covariate.band}"
    return covariate.name, covariate.kind, covariate.unit or "–", values, source


def _shortened(labels: Sequence[str], most: int = 12) -> str:
    rest = len(labels) - most
    return ", ".join(labels[:most]) + (f" and {rest} more" if rest > 0 else "")


def _grid_rows(grid: Grid) -> dict[str, str]:
    west, south, east, north = grid.bounds
    width, height = grid.cell_size
    decimals = 5 if grid.is_geographic else 1
    return {
        "Coordinate reference system": grid.crs_name,
        "Cell size": f"{width:g} × {height:g} {_unit(grid)}",
        "Rows and columns": f"{grid.height} × {grid.width}",
        "West to east": f"{fixed(west, decimals)} to {fixed(east, decimals)}",
        "South to north": f"{fixed(south, decimals)} to {fixed(north, decimals)}",
    }


def _unit(grid: Grid) -> str:
    return _UNITS.get(grid.unit, grid.unit)
