"""The assessment of a map as files for machines: the numbers as JSON, the residuals as a point layer."""

from __future__ import annotations

from dataclasses import asdict

from soil_cnn_plugin.engine.assessment.map_assessment import MapAssessment
from soil_cnn_plugin.engine.reports.held_out_files import write_json, write_points


def write_map_metrics(path: str, assessment: MapAssessment) -> None:
    """What was compared, scores at the observations and, of a probability sample, estimates for the whole map."""
    soil_property, scores = assessment.target.soil_property, asdict(assessment.predicted.scores)
    del scores["crps"]  # a map and its limits are no distribution
    estimates = assessment.estimates
    content = {
        "target": {"field": soil_property.field, "label": soil_property.label, "unit": soil_property.unit},
        "map": assessment.map_name,
        "count": len(assessment.ids),
        "dropped": assessment.dropped,
        "coverage": assessment.coverage if assessment.has_interval else None,
        "scores": scores,
        "design_based": asdict(estimates) if estimates else None,
        "settings": assessment.settings,
        "versions": assessment.versions,
        "notes": assessment.notes,
    }
    write_json(path, content)


def write_residuals(path: str, assessment: MapAssessment, crs_wkt: str) -> None:
    """A GeoPackage of the observations that were used: observed and predicted value, limits, residual (predicted minus
    observed) and whether the observed value is inside the interval; no columns for an interval that is not there."""
    observed, predicted = assessment.target.observed, assessment.predicted
    columns: dict[str, object] = {
        "observation": assessment.ids,
        "observed": observed,
        "predicted": predicted.mean,
        "residual": predicted.mean - observed,
    }
    if assessment.has_interval:
        columns |= {"lower": predicted.lower, "upper": predicted.upper, "inside": assessment.inside}
    write_points(path, "residuals", columns, assessment.coordinates, crs_wkt)
