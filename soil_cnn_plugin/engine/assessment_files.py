"""An assessment as files for machines: the numbers as JSON, the held-out predictions as a point layer."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict

import geopandas
import numpy as np

from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.engine.assessment.assessment import NETWORK, Array, Assessment


def write_metrics(path: str, assessment: Assessment) -> None:
    """Folds, settings and versions, and by target field: scores of each method, over all folds and by fold, verdict."""
    content = {
        "coverage": assessment.coverage,
        "folds": asdict(assessment.folds),
        "targets": {
            target.soil_property.field: {
                "label": target.soil_property.label,
                "unit": target.soil_property.unit,
                "transform": target.transform,
                "methods": {
                    name: {**asdict(held_out.scores), "folds": [asdict(scores) for scores in held_out.fold_scores]}
                    for name, held_out in target.methods.items()
                },
                "verdict": asdict(target.verdict),
            }
            for target in assessment.targets
        },
        "settings": assessment.settings,
        "versions": assessment.versions,
        "notes": assessment.notes,
    }
    write_json(path, content)


def write_json(path: str, content: object) -> None:
    """Numbers that are not finite become null: JSON has no others."""
    with open(part(path), "w", encoding="utf-8") as file:
        json.dump(_finite(content), file, indent=1, ensure_ascii=False)
    os.replace(part(path), path)


def write_held_out(
    path: str, assessment: Assessment, crs_wkt: str, ids: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    """A GeoPackage of all observations: by target what was observed and what the network predicted without having seen
    it, limits, residual (predicted minus observed) and the fold, from 1; empty where a target is missing."""
    count = len(assessment.coordinates)
    columns: dict[str, object] = {"observation": ids}
    fold = np.zeros(count, np.int64)
    for target in assessment.targets:
        held_out = target.methods[NETWORK]
        fold[target.rows] = target.fold + 1
        values = {
            "observed": target.observed,
            "predicted": held_out.mean,
            "lower": held_out.lower,
            "upper": held_out.upper,
            "residual": held_out.mean - target.observed,
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
    partial = f"{part(path)}.gpkg"  # GDAL wants the extension
    geopandas.GeoDataFrame(columns, geometry=points, crs=crs_wkt).to_file(partial, layer=layer, driver="GPKG")
    os.replace(partial, path)


def _finite(content: object) -> object:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
