"""The check of all fields that were asked for, or that hold measured numbers, and of their detection limits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.contract.jobs import CheckObservations, JobError, partners
from soil_cnn_plugin.contract.language import localized, some_of, tr, tr_n
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.checks.doubtful_names import ClassSummary, check_classes
from soil_cnn_plugin.engine.checks.field_summary import FieldCheck, check_field
from soil_cnn_plugin.engine.checks.findings import Finding, examples
from soil_cnn_plugin.engine.checks.measured import Measured, choose_fields, is_classes, read_measured
from soil_cnn_plugin.engine.checks.places import Places
from soil_cnn_plugin.engine.checks.texts import check_texts
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.point_layer import Layer
from soil_cnn_plugin.engine.report import Report


def check_fields(layer: Layer, job: CheckObservations, places: Places, report: Report) -> CheckedFields:
    """Check the fields; raise EngineError where one that was asked for is missing or holds what cannot be checked."""
    fields = CheckedFields(layer, job, places)
    fields.check(report)
    return fields


class CheckedFields:
    """The fields that are checked, one after the other, and what is found in them.

    `checked` holds those with numbers, `classes` those with classes; `left_out` is field -> why it was not checked.
    """

    def __init__(self, layer: Layer, job: CheckObservations, places: Places) -> None:
        self._layer, self._job = layer, job
        self._units = {known.field: known.unit for known in job.units}
        roles = [name for name in (job.profile, job.upper, job.lower, *job.detection_limits) if name]
        for name in (*roles, *job.fields, *job.composition):
            layer.column(name, tr("a field to check"))
        chosen, self.left_out = list(job.fields), dict[str, str]()
        if not chosen:
            chosen, self.left_out = choose_fields(layer.columns, roles, places.xy)
        self._names = list(dict.fromkeys([*chosen, *job.composition]))
        self.left_out = {name: why for name, why in self.left_out.items() if name not in self._names}
        self.checked: dict[str, FieldCheck] = {}
        self.classes: list[ClassSummary] = []
        self.limits: list[LimitSummary] = []
        self.findings: list[Finding] = []
        self.upper, self.lower = (self._depth(name) for name in (job.upper, job.lower))

    @property
    def depths(self) -> Array | None:
        """Upper and lower limits (N, 2), None where no depths are chosen."""
        return None if self.upper is None or self.lower is None else np.column_stack([self.upper, self.lower])

    def check(self, report: Report) -> None:
        limits = self._limits()
        for done, name in enumerate(self._names):
            column = self._layer.columns[name]
            if column.dtype.kind in "mM" or (is_classes(column) and name in self._job.composition):
                kind = tr("dates") if column.dtype.kind in "mM" else tr("texts")
                raise EngineError(
                    tr("The field {} of '{}' holds {}, where numbers are needed. Choose another.").format(
                        name, self._layer.name, kind
                    )
                )
            if is_classes(column):
                summary, found = check_classes(name, column)
                self.classes.append(summary)
                self.findings += found
            else:
                self._check_numbers(self._measured(name), limits.get(name))
            report.progress((done + 1) / len(self._names))
        self._check_units()
        if not self._names:
            sentence = tr("No field of '{}' holds measured numbers; only the places were checked.").format(
                self._layer.name
            )
            remedy = tr("Choose the fields to check, also texts such as soil classes.")
            self.findings.append(Finding("nothing_checked", "", sentence, remedy))

    def _check_numbers(self, measured: Measured, limits: Measured | None) -> None:
        measured, of_limits, found = mark_below_limits(measured, limits)
        self.findings += found
        if of_limits:
            self.limits.append(of_limits)
        checked = check_field(measured, measured.field in self._job.composition)
        self.findings += checked.findings
        self.checked[measured.field] = checked

    def _measured(self, name: str) -> Measured:
        return read_measured(SoilProperty(name, self._units.get(name, "")), self._layer.columns[name])

    def _limits(self) -> dict[str, Measured]:
        """Return field -> its detection limits."""
        if not self._job.detection_limits:
            return {}
        names = [name for name in self._names if not is_classes(self._layer.columns[name])]
        if not names:
            raise EngineError(
                tr(
                    "Detection limits are chosen ({}), but no field of '{}' holds measured numbers. Choose the"
                    " fields they belong to."
                ).format(", ".join(self._job.detection_limits), self._layer.name)
            )
        targets = [SoilProperty(name) for name in names]
        try:
            pairs = partners(targets, self._job.detection_limits, "detection limit", self._job.composition)
        except JobError as error:
            raise EngineError(str(error)) from error
        return {name: self._read_aside(limit) for name, limit in pairs.items()}

    def _depth(self, name: str) -> Array | None:
        return self._read_aside(name).values if name else None

    def _read_aside(self, name: str) -> Measured:
        """Read a field of limits or depths; its texts must be numbers, too."""
        measured = self._measured(name)
        self.findings += [found for found in check_texts(measured) if found.kind != "text_field"]
        return measured

    def _check_units(self) -> None:
        without = [name for name, each in self.checked.items() if not each.measured.soil_property.unit]
        if without:
            sentence = tr("No unit is known for {}.").format(some_of(without, 8))
            remedy = tr(
                "Write it under Units, or once and for all into the field's alias: Zinc (mg/kg). Legends"
                " and reports show it, and more mistakes can be found."
            )
            self.findings.append(Finding("no_unit", "", sentence, remedy))


@dataclass(frozen=True)
class LimitSummary:
    """Counts of a field's values and their detection limits.

    Of the `known` values of `field`, `below` lie below their limit, `equal` are their limit, and `half` are half of it,
    so that a rule put them there. `lowest` and `highest` are the extremes of the limits of the values below.
    """

    field: str
    limit_field: str  # empty: the limits stand in the texts
    known: int
    below: int
    equal: int
    half: int
    lowest: float
    highest: float

    @property
    def share(self) -> float:
        return self.below / self.known if self.known else 0.0


def mark_below_limits(
    measured: Measured, limits: Measured | None
) -> tuple[Measured, LimitSummary | None, list[Finding]]:
    """Return the field with the limits in place of the values below them, a summary, and findings.

    The summary is None where no value is below a limit and no limit is given. As in Extract patches, a value at its
    limit counts as below it. Negative values are left to other checks, unless they are the limit with a minus.
    """
    if limits is None and not (measured.is_below | measured.is_undetected).any():
        return measured, None, []
    found: list[Finding] = []
    equal = half = 0
    if limits is not None:
        values, numbers = measured.values, limits.values
        found += _check_limits(measured, limits)
        good = np.isfinite(numbers) & (numbers > 0)
        known = good & np.isfinite(values) & ~measured.is_below
        below = known & (np.abs(values) <= numbers)
        equal = int((below & (values == numbers)).sum())
        half = int((below & np.isclose(values, numbers / 2, rtol=1e-3, atol=0)).sum())
        below |= good & measured.is_undetected
        measured = replace(
            measured,
            values=np.where(below, numbers, values),
            is_below=measured.is_below | below,
            is_undetected=measured.is_undetected & ~below,
        )
    found += _check_undetected(measured)
    reached = measured.values[measured.is_below]
    summary = LimitSummary(
        field=measured.field,
        limit_field=limits.field if limits else "",
        known=int(np.isfinite(measured.values).sum()),
        below=len(reached),
        equal=equal,
        half=half,
        lowest=float(reached.min()) if len(reached) else float("nan"),
        highest=float(reached.max()) if len(reached) else float("nan"),
    )
    if summary.below:
        found.append(_below(summary))
    return measured, summary if summary.below or limits else None, found


def _check_undetected(measured: Measured) -> list[Finding]:
    rows, field = np.flatnonzero(measured.is_undetected), measured.field
    if not rows.size:
        return []
    texts = [str(text) for text in measured.texts[rows]]
    shown = some_of([repr(text) for text in dict.fromkeys(texts)])
    sentence = tr("{} says {} at {} of {} observations, but nothing tells the detection limit there.").format(
        field, shown, rows.size, len(measured.values)
    )
    remedy = tr(
        "Write <0.5 where the limit is 0.5, or choose a field with the limits under Detection limits; leave"
        " empty what was not measured. Extract patches refuses the field until then."
    )
    sentences = [tr("{} is {!r} without a detection limit.").format(field, text) for text in texts]
    return [Finding("undetected", field, sentence, remedy, rows, sentences, texts)]


def _below(summary: LimitSummary) -> Finding:
    span = (
        localized(f"{summary.lowest:g}")
        if summary.lowest == summary.highest
        else tr("{:g} to {:g}").format(summary.lowest, summary.highest)
    )
    sentence = tr_n(
        "{} of {} values of {} ({:.0f} %) lies below its detection limit of {}.",
        "{} of {} values of {} ({:.0f} %) lie below their detection limit of {}.",
        summary.below,
    ).format(summary.below, summary.known, summary.field, 100 * summary.share, span)
    remedy = tr(
        "Extract patches learns them as lying anywhere below it; fields of limits are chosen there under"
        " Detection limits, too."
    )
    return Finding("below_limit", summary.field, sentence, remedy)


def _check_limits(measured: Measured, limits: Measured) -> list[Finding]:
    field, name = measured.field, limits.field
    numbers, total = limits.values, len(limits.values)
    found = []
    wrong = np.flatnonzero((np.isfinite(numbers) & (numbers <= 0)) | np.isinf(numbers))
    if wrong.size:
        sentence = tr("{}, the detection limit of {}, is {} at {} of {} observations.").format(
            name, field, examples(numbers[wrong]), wrong.size, total
        )
        texts = [
            tr("{}, the detection limit of {}, is {:g}.").format(name, field, value)
            for value in numbers[wrong].tolist()
        ]
        remedy = tr('Write the limit, or set it to NULL where {} was measured: if("{}" > 0, "{}", NULL).').format(
            field, name, name
        )
        shown = [f"{value:g}" for value in numbers[wrong].tolist()]
        found.append(Finding("wrong_limit", name, sentence, remedy, wrong, texts, shown))
    silent = np.flatnonzero(
        np.isfinite(numbers) & (numbers > 0) & np.isnan(measured.values) & ~measured.is_failed & ~measured.is_undetected
    )
    if silent.size:
        sentence = tr_n(
            "{} of {} observations has a detection limit in {} but no {}.",
            "{} of {} observations have a detection limit in {} but no {}.",
            silent.size,
        ).format(silent.size, total, name, field)
        texts = [tr("{} is {:g}, but there is no {}.").format(name, value, field) for value in numbers[silent].tolist()]
        remedy = tr(
            "If nothing was detected there, write the limit into {}, or <limit if it is a text field. Left"
            " empty, they count as not measured."
        ).format(field)
        shown = [f"{value:g}" for value in numbers[silent].tolist()]
        found.append(Finding("limit_without_value", field, sentence, remedy, silent, texts, shown))
    return found
