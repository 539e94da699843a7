"""All checks of a layer of observations, and their results for the page, the layer of problems and the numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.jobs import CheckObservations
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.checks.clustering import Clustering, check_clustering, measure_places
from soil_cnn_plugin.engine.checks.coverage import Coverage, check_coverage
from soil_cnn_plugin.engine.checks.doubtful_names import ClassSummary
from soil_cnn_plugin.engine.checks.duplicates import DuplicateSummary, check_duplicates, number_places
from soil_cnn_plugin.engine.checks.field_summary import FieldSummary
from soil_cnn_plugin.engine.checks.fields import LimitSummary, check_fields
from soil_cnn_plugin.engine.checks.findings import CHECK, KINDS, NOTE, REPAIR, Finding
from soil_cnn_plugin.engine.checks.horizons import HorizonSummary, check_profiles
from soil_cnn_plugin.engine.checks.places import Places, check_places
from soil_cnn_plugin.engine.checks.sums import SumSummary, check_compositions
from soil_cnn_plugin.engine.observations.point_layer import Layer
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.versions import read_versions

_ALL, _NOTHING = "all that hold measured numbers", "not chosen"
_WORDS = {
    "Observations": tr("Observations"),
    "Fields": tr("Fields"),
    "Covariates": tr("Covariates"),
    "Composition": tr("Composition"),
    "Profile": tr("Profile"),
    "Upper and lower limit": tr("Upper and lower limit"),
    "Detection limits": tr("Detection limits"),
    _ALL: tr("all that hold measured numbers"),
    _NOTHING: tr("not chosen"),
}
"""Setting, or its value -> how it is shown."""


@dataclass(frozen=True)
class ObservationsCheck:
    """The results of a check.

    `ids` (N,) are those of the features; `left_out` is field -> why it was not checked. What was not asked for, or
    cannot be told, is None or empty. `findings` are sorted: those to repair, to check, to know, and by weight.
    """

    name: str
    crs_name: str
    ids: Rows
    places: Places
    fields: tuple[FieldSummary, ...]
    left_out: dict[str, str]
    classes: tuple[ClassSummary, ...]
    sums: tuple[SumSummary, ...]
    horizons: HorizonSummary | None
    limits: tuple[LimitSummary, ...]
    duplicates: DuplicateSummary
    coverage: Coverage | None
    clustering: Clustering | None
    findings: tuple[Finding, ...]
    settings: dict[str, str]
    versions: dict[str, str]

    def of_severity(self, severity: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == severity]

    @property
    def problem_count(self) -> int:
        """Number of rows to repair or to check; a problem of a whole field counts as one."""
        return sum(max(1, len(finding.rows)) for finding in self.findings if finding.severity != NOTE)

    @property
    def shown_settings(self) -> dict[str, str]:
        """The settings in the user's language."""
        return {_WORDS[name]: _WORDS.get(value, value) for name, value in self.settings.items()}

    def rows_of(self, severity: str) -> Rows:
        """Return the observations with a problem of that severity, each once."""
        rows = [finding.rows for finding in self.of_severity(severity)]
        return np.unique(np.concatenate(rows)) if rows else np.empty(0, np.int64)


def sort_findings(findings: list[Finding]) -> tuple[Finding, ...]:
    order = {kind: index for index, kind in enumerate(KINDS)}
    severities = {REPAIR: 0, CHECK: 1, NOTE: 2}
    return tuple(sorted(findings, key=lambda each: (severities[each.severity], order[each.kind])))


def settings_in_words(job: CheckObservations, layer_name: str) -> dict[str, str]:
    return {
        "Observations": layer_name,
        "Fields": ", ".join(job.fields) or _ALL,
        "Covariates": ", ".join(covariate.name for covariate in job.covariates) or _NOTHING,
        "Composition": ", ".join(job.composition) or _NOTHING,
        "Profile": job.profile or _NOTHING,
        "Upper and lower limit": ", ".join(filter(None, (job.upper, job.lower))) or _NOTHING,
        "Detection limits": ", ".join(job.detection_limits) or _NOTHING,
    }


def check_layer(job: CheckObservations, layer: Layer, report: Report) -> ObservationsCheck:
    """Make one kind of check after the other, values first, then places."""
    places, wrong_places = check_places(layer)
    numbers = number_places(places.metres)
    fields = check_fields(layer, job, places, report.part(0.0, 0.4, tr("Looking at the values")))
    sums, wrong_sums = check_compositions(job, fields.checked)
    horizons, wrong_horizons = check_profiles(job, layer, numbers, fields)
    placing = report.part(0.4, 0.8, tr("Looking at the places"))
    coverage, wrong_pixels = check_coverage(places, job.covariates) if job.covariates else (None, [])
    placing.progress(0.5)
    values = [(each.measured, each.is_plausible) for each in fields.checked.values()]
    pixels = coverage.pixels if coverage else None
    duplicates, repeated = check_duplicates(layer.ids, numbers, fields.depths, layer.columns, values, pixels)
    clustering = measure_places(places, numbers, coverage)
    clustered = check_clustering(clustering) if clustering else []
    findings = [
        *wrong_places, *fields.findings, *wrong_sums, *wrong_horizons, *wrong_pixels, *repeated, *clustered
    ]  # fmt: skip
    return ObservationsCheck(
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
        settings=settings_in_words(job, layer.name),
        versions=read_versions(),
    )
