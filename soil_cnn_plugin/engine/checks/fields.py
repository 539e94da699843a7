"""The check of all fields that were asked for, or that hold measured numbers, one after the other."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.jobs import CheckObservations, JobError, partners
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.checks.class_names import ClassSummary, check_classes
from soil_cnn_plugin.engine.checks.field_summary import FieldCheck, check_field, check_texts
from soil_cnn_plugin.engine.checks.findings import Finding, listed
from soil_cnn_plugin.engine.checks.limits import LimitSummary, mark_below_limits
from soil_cnn_plugin.engine.checks.measured import Measured, choose_fields, is_classes, read_measured
from soil_cnn_plugin.engine.checks.places import Places
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
            layer.column(name, "a field to check")
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
                kind = "dates" if column.dtype.kind in "mM" else "texts"
                raise EngineError(
                    f"The field {name} of '{self._layer.name}' holds {kind}, where numbers are needed. Choose another."
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
            sentence = f"No field of '{self._layer.name}' holds measured numbers; only the places were checked."
            remedy = "Choose the fields to check, also texts such as soil classes."
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
                f"Detection limits are chosen ({', '.join(self._job.detection_limits)}), but no field of"
                f" '{self._layer.name}' holds measured numbers. Choose the fields they belong to."
            )
        targets = [SoilProperty(name) for name in names]
        try:
            pairs = partners(targets, self._job.detection_limits, "detection limit")
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
            sentence = f"No unit is known for {listed(without, 8)}."
            remedy = (
                "Write it under Units, or once and for all into the field's alias: Zinc (mg/kg). Legends and reports"
                " show it, and more mistakes can be found."
            )
            self.findings.append(Finding("no_unit", "", sentence, remedy))
