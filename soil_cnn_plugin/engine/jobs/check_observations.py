"""Check observations: what is wrong, doubtful or worth knowing about them, where, and how to repair it."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import CheckObservations
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.checks.findings import CHECK, NOTE, REPAIR
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck, check_layer
from soil_cnn_plugin.engine.observations.point_layer import Layer, read_layer
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.observations_files import write_observation_metrics, write_problems
from soil_cnn_plugin.engine.reports.observations_page import write_observations_page
from soil_cnn_plugin.engine.reports.observations_words import items


def run(job: CheckObservations, report: Report) -> dict[str, str | float | int]:
    """Write what is wanted of the page, the layer of problems and the numbers."""
    layer = read_layer(job.observations)
    result = check_layer(job, layer, report)
    _tell(result, report)
    return _write(job, result, layer, report.part(0.8, 1.0, tr("Writing the page")))


def _tell(result: ObservationsCheck, report: Report) -> None:
    for severity, words in ((REPAIR, tr("To repair")), (CHECK, tr("To check"))):
        for sentence in [sentence for item in items(result, severity) for sentence in item.sentences]:
            report.warning(f"{words}: {sentence}")
    for item in items(result, NOTE):
        for sentence in item.sentences:
            report.info(sentence)
    if not result.problem_count:
        report.info(tr("No problem was found in the observations of '{}' ({}).").format(result.name, len(result.ids)))


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
