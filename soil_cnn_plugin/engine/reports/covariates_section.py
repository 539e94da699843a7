"""The covariates of a network as a table: kinds, units, values, files, and how much each of them matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.observations.notes import comma_separated
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.reports.sections import Group, Item, Paragraph, Section, Table, TableCell
from soil_cnn_plugin.engine.reports.words import percent, rounded

_MOST_CLASSES = 12
_BAR = 90  # pixels of the whole


def covariates_section(covariates: Sequence[CovariateSummary], spaces: Sequence[SpaceInWords]) -> list[Section]:
    """Return the section; none where the covariates are not known."""
    if not covariates:
        return []
    weights = next((space.weights for space in spaces if space.weights), {})
    items: list[Item] = [covariates_table(covariates, weights)]
    if weights:
        items.append(Paragraph(_IMPORTANCE, "small"))
    return [Section("covariates", tr("Covariates and their importance"), items)]


def covariates_table(covariates: Sequence[CovariateSummary], weights: Mapping[str, float]) -> Table:
    """Return a table with a row a covariate, the most important one first; without `weights` it has no such column."""
    headings = [tr("Covariate"), tr("Kind"), tr("Unit"), tr("Values where it was trained"), tr("File")]
    looks = ["name", "", "", "values", "path"]
    ordered = list(covariates)
    if weights:
        headings.insert(1, tr("Importance"))
        looks.insert(1, "")
        ordered = sorted(ordered, key=lambda summary: -weights.get(summary.covariate.name, 0.0))
    most = max(weights.values(), default=0.0)
    rows = []
    for summary in ordered:
        row: list[str | TableCell] = list(_row(summary))
        if weights:
            row.insert(1, _importance(weights.get(summary.covariate.name, 0.0), most))
        rows.append(row)
    return Table(headings, [Group("", rows)], looks=looks)


def _row(summary: CovariateSummary) -> tuple[str, ...]:
    """Return a row with the name, kind, unit, values and source."""
    covariate = summary.covariate
    if summary.categories:
        values = tr("{} classes: {}").format(len(summary.categories), comma_separated(summary.labels, _MOST_CLASSES))
    else:
        last = len(summary.quantiles) - 1
        lowest, low, middle, high, highest = (
            rounded(summary.quantiles[round(share * last)]) for share in (0, 0.05, 0.5, 0.95, 1)
        )
        values = tr("{} to {}, median {}, 90 % from {} to {}").format(lowest, highest, middle, low, high)
    source = covariate.path if covariate.band == 1 else tr("{}, band {}").format(covariate.path, covariate.band)
    return covariate.name, covariate.kind, covariate.unit or "–", values, source


def _importance(weight: float, most: float) -> TableCell:
    """Return a cell with a bar and the share in percent."""
    width = round(_BAR * weight / most) if most > 0 else 0
    text = percent(weight)
    return TableCell(
        text,
        svg=f'<svg class="bar" width="{_BAR + 44}" height="14" role="img" aria-label="{text}">'
        f'<rect width="{width}" height="11" y="1.5" rx="1.5"/><text x="{width + 5}" y="11.5">{text}</text></svg>',
    )


_IMPORTANCE = tr(
    "Importance: how much the held-out error grows when a covariate is exchanged between observations, in"
    " percent of the sum over all covariates. Covariates with the same information share their importance."
    " Explain network tells more."
)
