"""An assessment as files for machines: the numbers as JSON, the held-out predictions as a point layer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from typing import Any

import geopandas
import numpy as np

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.assessment import Assessment, TargetAssessment, residuals
from soil_cnn_plugin.engine.assessment.comparison import differences
from soil_cnn_plugin.engine.assessment.exceedance import check_exceedance
from soil_cnn_plugin.engine.assessment.reliability import reliability
from soil_cnn_plugin.engine.observations.point_layer import GPKG_VERSION
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut


def write_metrics(path: str, assessment: Assessment) -> None:
    """The numbers of the report: folds, settings and versions, and by target field the scores of each method over all
    folds and by fold, how far its distributions hold, paired differences, verdict. What is not known is null."""
    content = {
        "predictor": assessment.predictor,
        "coverage": assessment.coverage,
        "observations": len(assessment.coordinates),
        "crs": assessment.crs_name,
        "cell_size": assessment.cell_size,
        "patch_size": assessment.patch_size,
        "folds": asdict(assessment.folds),
        "quantile_levels": np.round(QUANTILE_LEVELS, 2),
        "targets": {
            target.soil_property.field: _target_content(target, assessment.predictor) for target in assessment.targets
        },
        "compositions": [
            {
                "title": composition.title,
                "parts": [part.field for part in composition.parts],
                "texture_system": "usda" if composition.texture else None,
                "methods": {name: asdict(scores) for name, scores in composition.scores.items()},
            }
            for composition in assessment.compositions
        ],
        "settings": assessment.settings,
        "versions": assessment.versions,
        "notes": assessment.notes,
    }
    write_json(path, content)


def write_json(path: str, content: object) -> None:
    """Arrays become lists, numbers that are not finite null: JSON has no others."""
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text.encode())


def _target_content(target: TargetAssessment, predictor: str) -> dict[str, object]:
    return {
        "label": target.soil_property.label,
        "name": target.soil_property.name,
        "depth_cm": target.soil_property.depth_cm,
        "unit": target.soil_property.unit,
        "transform": target.transform,
        "n": len(target.observed),
        "censored": int(target.is_censored.sum()),
        "detection_limits": np.unique(target.observed[target.is_censored])[[0, -1]] if target.is_censored.any() else [],
        "median_error_of_measurement": float(np.median(target.errors[target.errors > 0])) if target.errors.any() else 0,
        "methods": {name: _method_content(target, held_out) for name, held_out in target.methods.items()},
        "differences": [asdict(item) for item in differences(target.methods, predictor)],
        "verdict": asdict(target.verdict),
        "exceedance": [
            {**asdict(each), "threshold": each.threshold.text}
            for each in check_exceedance(target, target.methods[predictor])
        ],
    }


def _method_content(target: TargetAssessment, held_out: HeldOut) -> dict[str, object]:
    found = reliability(target.observed, held_out, target.is_censored)
    return {
        **asdict(held_out.scores),
        "folds": [asdict(scores) for scores in held_out.fold_scores],
        "reliability": asdict(found) if found else None,
    }


def write_held_out(
    path: str, assessment: Assessment, crs_wkt: str, ids: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    """A GeoPackage of all observations: by target what was observed, what the map's predictor predicted without having
    seen it, limits, residual (predicted minus observed), and the fold, from 1; empty where a target is missing.

    Of a target with values below detection limits `censored` is 1 at these, where the limit stands as observed, and
    `reported` is what is expected to be reported of the prediction, from which the residual is taken.
    """
    count = len(assessment.coordinates)
    columns: dict[str, object] = {"observation": ids}
    fold = np.zeros(count, np.int64)
    for target in assessment.targets:
        held_out = target.methods[assessment.predictor]
        fold[target.rows] = target.fold + 1
        residual = residuals(target, held_out)
        limited = {"censored": target.is_censored, "reported": target.observed + residual}
        values = {
            "observed": target.observed,
            "predicted": held_out.mean,
            **(limited if target.is_censored.any() else {}),
            "lower": held_out.lower,
            "upper": held_out.upper,
            "residual": residual,
        }
        for name, known in values.items():
            column = np.full(count, np.nan)
            column[target.rows] = known
            columns[f"{target.soil_property.field}_{name}"] = column
    columns["fold"] = fold
    write_points(path, "held_out", columns, assessment.coordinates, crs_wkt)


def write_points(path: str, layer: str, columns: Mapping[str, object], coordinates: Array, crs_wkt: str) -> None:
    """A GeoPackage of points: `columns` (N,) by name, `coordinates` (N, 2) x and y."""
    points = geopandas.points_from_xy(*coordinates.T)
    frame, content = geopandas.GeoDataFrame(columns, geometry=points, crs=crs_wkt), BytesIO()
    frame.to_file(content, layer=layer, driver="GPKG", VERSION=GPKG_VERSION)
    write_whole(path, content.getvalue())


def _plain(value: Any) -> Any:
    """As JSON has it: arrays as lists, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
