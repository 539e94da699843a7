"""Check observations: what is wrong, doubtful or worth knowing about them, where, and how to repair it."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.composition import group_parts
from soil_cnn_plugin.contract.jobs import CheckObservations, JobError, partners
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.checks.class_names import ClassSummary, check_classes
from soil_cnn_plugin.engine.checks.clustering import Clustering, check_clustering, measure_clustering
from soil_cnn_plugin.engine.checks.coverage import Coverage, check_coverage
from soil_cnn_plugin.engine.checks.duplicates import check_duplicates, number_places
from soil_cnn_plugin.engine.checks.field_summary import FieldCheck, check_field, check_texts
from soil_cnn_plugin.engine.checks.findings import CHECK, NOTE, REPAIR, Finding, listed
from soil_cnn_plugin.engine.checks.horizons import HorizonSummary, check_horizons, check_profile_places
from soil_cnn_plugin.engine.checks.limits import LimitSummary, apply_limits
from soil_cnn_plugin.engine.checks.measured import Measured, choose_fields, is_classes, read_measured
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck, sort_findings
from soil_cnn_plugin.engine.checks.places import Places, check_places
from soil_cnn_plugin.engine.checks.profile_names import check_names
from soil_cnn_plugin.engine.checks.region import CoveredRegion, Region, enclose
from soil_cnn_plugin.engine.checks.sums import SumSummary, check_sums, lonely_part
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Layer, read_layer
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.observations_files import write_observation_metrics, write_problems
from soil_cnn_plugin.engine.reports.observations_page import write_observations_page
from soil_cnn_plugin.engine.reports.observations_words import items
from soil_cnn_plugin.engine.versions import read_versions

Checked = dict[str, FieldCheck]


def run(job: CheckObservations, report: Report) -> dict[str, str | float | int]:
    """Writes the page, the layer of problems and the numbers, those that are wanted."""
    layer = read_layer(job.observations)
    places, findings = check_places(layer)
    fields = _Fields(layer, job, places)
    fields.check(report.part(0.0, 0.4, "Looking at the values"))
    findings += fields.findings
    sums, found = _check_sums(job, fields.checked)
    findings += found
    horizons, found = _check_horizons(job, layer, places, fields)
    findings += found
    placing = report.part(0.4, 0.8, "Looking at the places")
    coverage, found = check_coverage(places, job.covariates) if job.covariates else (None, [])
    findings += found
    placing.progress(0.5)
    numbers = number_places(places.metres)
    duplicates, found = check_duplicates(
        layer.ids,
        numbers,
        fields.depths,
        layer.columns,
        [(each.measured, each.is_plausible) for each in fields.checked.values()],
        coverage.pixels if coverage else None,
    )
    findings += found
    clustering = _measure_clustering(places, numbers, coverage)
    findings += check_clustering(clustering) if clustering else []
    result = ObservationsCheck(
        name=layer.name,
        crs_name=layer.crs_name,
        ids=layer.ids,
        places=places,
        fields=tuple(each.summary for each in fields.checked.values()),
        left_out=fields.left_out,
        classes=tuple(fields.classes),
        sums=tuple(sums),
        horizons=horizons,
        limits=tuple(fields.limits),
        duplicates=duplicates,
        coverage=coverage,
        clustering=clustering,
        findings=sort_findings(findings),
        settings=_settings(job, layer),
        versions=read_versions(),
    )
    _tell(result, report)
    return _write(job, result, layer, report.part(0.8, 1.0, "Writing the page"))


class _Fields:
    """The fields that are checked, one after the other, and what is found in them."""

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
        self.checked: Checked = {}
        self.classes: list[ClassSummary] = []
        self.limits: list[LimitSummary] = []
        self.findings: list[Finding] = []
        self.upper, self.lower = (self._depth(name) for name in (job.upper, job.lower))

    @property
    def depths(self) -> Array | None:
        """(N, 2), None where no depths are chosen."""
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
        measured, of_limits, found = apply_limits(measured, limits)
        self.findings += found
        if of_limits:
            self.limits.append(of_limits)
        checked = check_field(measured, measured.field in self._job.composition)
        self.findings += checked.findings
        self.checked[measured.field] = checked

    def _measured(self, name: str) -> Measured:
        return read_measured(SoilProperty(name, self._units.get(name, "")), self._layer.columns[name])

    def _limits(self) -> dict[str, Measured]:
        """Field -> its detection limits."""
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
        """A field of limits or depths; its texts must be numbers, too."""
        measured = self._measured(name)
        self.findings += [found for found in check_texts(measured) if found.kind != "text_field"]
        return measured

    def _check_units(self) -> None:
        without = [name for name, each in self.checked.items() if not each.measured.soil_property.unit]
        if without:
            sentence = f"No unit is known of {listed(without, 8)}."
            remedy = (
                "Write it under Units, or once and for all into the field's alias: Zinc (mg/kg). Legends and reports"
                " show it, and more mistakes can be found."
            )
            self.findings.append(Finding("no_unit", "", sentence, remedy))


def _check_sums(job: CheckObservations, checked: Checked) -> tuple[list[SumSummary], list[Finding]]:
    summaries, findings = [], []
    for parts in group_parts([SoilProperty(field) for field in job.composition]):
        if len(parts) == 1:
            findings.append(lonely_part(parts[0]))
            continue
        chosen = [checked[part] for part in parts]
        summary, found = check_sums([each.measured for each in chosen], [each.is_known for each in chosen])
        summaries.append(summary)
        findings += found
    return summaries, findings


def _check_horizons(
    job: CheckObservations, layer: Layer, places: Places, fields: _Fields
) -> tuple[HorizonSummary | None, list[Finding]]:
    numbers = number_places(places.metres)
    profiles = read_names(layer, job.profile, "profile", Notes())  # what it tells are findings here
    findings = check_names(job.profile, layer.columns[job.profile]) if job.profile else []
    findings += check_profile_places(profiles, numbers, job.profile) if job.profile else []
    if fields.upper is None or fields.lower is None:
        return None, findings
    if not job.profile:
        profiles = np.array([f"at place {number + 1}" if number >= 0 else None for number in numbers.tolist()], object)
    summary, found = check_horizons(fields.upper, fields.lower, profiles, (job.upper, job.lower))
    return summary, findings + found


def _measure_clustering(places: Places, numbers: Rows, coverage: Coverage | None) -> Clustering | None:
    """Of one observation a place, in the area of the covariates where they are given."""
    is_used = places.is_placed if coverage is None else coverage.pixels >= 0
    rows = np.flatnonzero(is_used)
    _, first = np.unique(numbers[rows], return_index=True)
    metres = places.metres[rows[np.sort(first)]]
    region: Region | None = enclose(metres)
    if coverage is not None and len(coverage.cells.share):
        region = CoveredRegion(coverage, places)
    return measure_clustering(metres, region) if region else None


def _settings(job: CheckObservations, layer: Layer) -> dict[str, str]:
    nothing = "not chosen"
    return {
        "Observations": layer.name,
        "Fields": ", ".join(job.fields) or "all that hold measured numbers",
        "Covariates": ", ".join(covariate.name for covariate in job.covariates) or nothing,
        "Composition": ", ".join(job.composition) or nothing,
        "Profile": job.profile or nothing,
        "Upper and lower limit": ", ".join(filter(None, (job.upper, job.lower))) or nothing,
        "Detection limits": ", ".join(job.detection_limits) or nothing,
    }


def _tell(result: ObservationsCheck, report: Report) -> None:
    for severity, words in ((REPAIR, "To repair"), (CHECK, "To check")):
        for sentence in [sentence for item in items(result, severity) for sentence in item.sentences]:
            report.warning(f"{words}: {sentence}")
    for item in items(result, NOTE):
        for sentence in item.sentences:
            report.info(sentence)
    if not result.problem_count:
        report.info(f"No problem was found in the observations of '{result.name}' ({len(result.ids)}).")


def _write(
    job: CheckObservations, result: ObservationsCheck, layer: Layer, report: Report
) -> dict[str, str | float | int]:
    outputs: dict[str, str | float | int] = {}
    if job.problems:
        write_problems(job.problems, result, layer.crs)
        outputs["problems"] = job.problems
    report.progress(0.3)
    if job.report:
        write_observations_page(job.report, result)
        outputs["report"] = job.report
    if job.metrics:
        write_observation_metrics(job.metrics, result)
        outputs["metrics"] = job.metrics
    return {**outputs, "count": len(result.ids), "problem_count": result.problem_count}
