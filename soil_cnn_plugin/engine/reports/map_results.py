"""The results of an assessment of a map: report, metrics and residuals, of numbers and of classes."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.engine.assessment.class_map_assessment import ClassMapAssessment
from soil_cnn_plugin.engine.assessment.map_assessment import MapAssessment
from soil_cnn_plugin.engine.reports.class_map_report import (
    write_class_map_metrics,
    write_class_map_report,
    write_class_residuals,
)
from soil_cnn_plugin.engine.reports.map_report import write_map_metrics, write_map_report, write_residuals


def write_map_results(job: AssessMap, assessment: MapAssessment | ClassMapAssessment, crs_wkt: str) -> None:
    """Write what the job wants of them."""
    if isinstance(assessment, ClassMapAssessment):
        if job.metrics:
            write_class_map_metrics(job.metrics, assessment)
        if job.residuals:
            write_class_residuals(job.residuals, assessment, crs_wkt)
        if job.report:
            write_class_map_report(job.report, assessment)
        return
    if job.metrics:
        write_map_metrics(job.metrics, assessment)
    if job.residuals:
        write_residuals(job.residuals, assessment, crs_wkt)
    if job.report:
        write_map_report(job.report, assessment)
