"""The section on the values of observations: what the fields hold, and the ranges of their numbers."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.checks.field_summary import FieldSummary
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck
from soil_cnn_plugin.engine.reports.figures.observations_figures import small_histogram
from soil_cnn_plugin.engine.reports.sections import Group, Section, Subheading, Table, TableCell, table
from soil_cnn_plugin.engine.reports.words import fixed, rounded

_RANGES = (
    tr("Minimum"),
    tr("Lower quartile"),
    tr("Median"),
    tr("Upper quartile"),
    tr("Maximum"),
    tr("Skewness"),
)


def value_sections(check: ObservationsCheck) -> list[Section]:
    """Return the section with the contents and the ranges of all fields of numbers; none where there are none."""
    headings, rows = _counts(check)
    if not rows:
        return []
    limited = tr(" Values below a detection limit count with it; ≤ marks what they decide.")
    note = limited if any(each.below for each in check.fields) else ""
    ranges = Table(
        (tr("Field"), *_RANGES, tr("Transform"), tr("Histogram")),
        [Group("", [_value_row(each) for each in check.fields if each.quantiles])],
        tr("Ranges, without codes for missing values and infinite ones.{}").format(note),
        looks=("", *["number"] * len(_RANGES), "", ""),
    )
    counts = table(headings, rows, tr("Contents of the fields, in numbers of observations."))
    return [Section("values", tr("Values"), [Subheading(tr("Counts")), counts, Subheading(tr("Ranges")), ranges])]


def _counts(check: ObservationsCheck) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows. Columns that are 0 for all fields are left out, except the first four."""
    columns = {
        tr("Known"): [each.known for each in check.fields],
        tr("Missing"): [each.missing for each in check.fields],
        tr("Zero"): [each.zero for each in check.fields],
        tr("Negative"): [each.negative for each in check.fields],
        tr("Below limit"): [each.below for each in check.fields],
        tr("Codes, infinite"): [each.codes for each in check.fields],
        tr("No number"): [each.failed for each in check.fields],
        tr("Different values"): [each.distinct for each in check.fields],
    }
    shown = [name for index, (name, numbers) in enumerate(columns.items()) if index < 4 or any(numbers)]
    rows = [
        [each.soil_property.label, *(str(columns[name][row]) for name in shown)]
        for row, each in enumerate(check.fields)
    ]
    return [tr("Field"), *shown], rows


def _value_row(summary: FieldSummary) -> list[str | TableCell]:
    numbers = [
        f"{'≤ ' if value <= summary.highest_limit else ''}{_number(value, summary.is_whole)}"
        for value in summary.quantiles
    ]
    transform = {"log": tr("logarithm")}.get(summary.transform, summary.transform)
    texts = [*numbers, fixed(summary.skewness, 2), transform]
    return [summary.soil_property.label, *texts, TableCell("", svg=small_histogram(summary.bars, summary.outside))]


def _number(value: float, is_whole: bool) -> str:
    return fixed(value, 0 if value.is_integer() else 1) if is_whole else rounded(value)
