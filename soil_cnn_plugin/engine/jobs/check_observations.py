"""Check observations: what is wrong, doubtful or worth knowing about them, where, and how to repair it."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import CheckObservations
from soil_cnn_plugin.engine.checks.clustering import check_clustering, measure_places
from soil_cnn_plugin.engine.checks.coverage import check_coverage
from soil_cnn_plugin.engine.checks.duplicates import check_duplicates, number_places
from soil_cnn_plugin.engine.checks.fields import check_fields
from soil_cnn_plugin.engine.checks.findings import CHECK, NOTE, REPAIR
from soil_cnn_plugin.engine.checks.horizons import check_profiles
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck, settings_in_words, sort_findings
from soil_cnn_plugin.engine.checks.places import check_places
from soil_cnn_plugin.engine.checks.sums import check_compositions
from soil_cnn_plugin.engine.observations.point_layer import Layer, read_layer
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.observations_files import write_observation_metrics, write_problems
from soil_cnn_plugin.engine.reports.observations_page import write_observations_page
from soil_cnn_plugin.engine.reports.observations_words import items
from soil_cnn_plugin.engine.versions import read_versions


def run(job: CheckObservations, report: Report) -> dict[str, str | float | int]:
    """Write what is wanted of the page, the layer of problems and the numbers."""
    layer = read_layer(job.observations)
    result = _check(job, layer, report)
    _tell(result, report)
    return _write(job, result, layer, report.part(0.8, 1.0, "Writing the page"))


def _check(job: CheckObservations, layer: Layer, report: Report) -> ObservationsCheck:
    """Make one kind of check after the other, values first, then places."""
    places, wrong_places = check_places(layer)
    numbers = number_places(places.metres)
    fields = check_fields(layer, job, places, report.part(0.0, 0.4, "Looking at the values"))
    sums, wrong_sums = check_compositions(job, fields.checked)
    horizons, wrong_horizons = check_profiles(job, layer, numbers, fields)
    placing = report.part(0.4, 0.8, "Looking at the places")
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
    if job.problems:
        write_problems(job.problems, result, layer.crs)
    report.progress(0.3)
    if job.report:
        write_observations_page(job.report, result)
    if job.metrics:
        write_observation_metrics(job.metrics, result)
    return {**job.output_paths(), "count": len(result.ids), "problem_count": result.problem_count}
