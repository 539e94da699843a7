"""An explanation as files for machines: the importance of covariates as a table, and all numbers as JSON."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
from pyogrio.raw import write

from soil_cnn_plugin.engine.explaining.explanation import Explanation, context_verdict, importance_verdict
from soil_cnn_plugin.engine.observations.point_layer import GPKG_VERSION
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.reports.files import write_json


def write_importance(path: str, explanation: Explanation) -> None:
    """Write a table with one row per target and covariate, as `.csv` or as a GeoPackage without geometry. A row holds
    the growth of the held-out error under the map's predictor, and its standard deviation over folds, in the error's
    unit and in percent, and p of such a growth by chance. In a blend it also holds the growth in percent of the
    networks and of the forest alone. The error is the RMSE, or the root Brier score for classes."""
    columns = _columns(explanation)
    if Path(path).suffix.lower() == ".csv":
        text = StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
        write_whole(path, text.getvalue().encode())
        return
    fields = [np.array(values, dtype=object if isinstance(values[0], str) else float) for values in columns.values()]
    options = {"layer": "importance", "driver": "GPKG", "VERSION": GPKG_VERSION}
    content = BytesIO()
    write(content, None, fields, list(columns), geometry_type=None, **options)
    write_whole(path, content.getvalue())


def write_explanation_metrics(path: str, explanation: Explanation) -> None:
    """Write the error, the importance of each covariate, the error against the radius and the verdicts, by target
    field. What is not known is null."""
    targets = {target.field: _target_content(explanation, t) for t, target in enumerate(explanation.targets)}
    attribution = explanation.attribution
    content = {
        "observations": explanation.observations,
        "basis": explanation.basis,
        "methods": explanation.methods,
        "targets": targets,
        "attribution": attribution
        and {
            "target": attribution.scale.target.field,
            "class": attribution.scale.class_name or None,
            "scale": attribution.scale.transform,
            "unit": attribution.scale.unit,
            "meaning": attribution.scale.meaning,
            "base": attribution.base,
            "pixels": attribution.pixels,
            "step": attribution.step,
            "mean_absolute": dict(zip(explanation.covariates, attribution.magnitude.tolist())),
        },
        "settings": explanation.settings,
        "versions": explanation.versions,
    }
    write_json(path, content)


def _columns(explanation: Explanation) -> dict[str, list[str] | list[float]]:
    importance, share, spread = explanation.importance, explanation.share(), explanation.spread_share()
    p_values = [importance.significance(0, t) for t in range(len(explanation.targets))]
    pairs = [(t, c) for t in range(len(explanation.targets)) for c in np.argsort(-share[:, 0, t])]
    columns: dict[str, list[str] | list[float]] = {
        "target": [explanation.targets[t].field for t, _ in pairs],
        "covariate": [explanation.covariates[c] for _, c in pairs],
        "importance": [float(importance.mean[c, 0, t]) for t, c in pairs],
        "spread": [float(importance.spread[c, 0, t]) for t, c in pairs],
        "importance_percent": [100 * float(share[c, 0, t]) for t, c in pairs],
        "spread_percent": [100 * float(spread[c, 0, t]) for t, c in pairs],
        "p": [np.nan if (p := p_values[t][c]) is None else p for t, c in pairs],
    }
    for m, method in enumerate(explanation.methods[1:], start=1):
        columns[f"{method}_percent"] = [100 * float(share[c, m, t]) for t, c in pairs]
    return columns


def _target_content(explanation: Explanation, t: int) -> dict[str, object]:
    importance, context = explanation.importance, explanation.context
    p_values = importance.significance(0, t)
    reach = context.reach(0, t)
    error = "rmse" if explanation.measures[t] == "RMSE" else "root_brier"
    return {
        "label": explanation.targets[t].label,
        "unit": explanation.targets[t].unit,
        "standard_deviation": float(explanation.standard_deviation[t]),
        "forest_weight": explanation.forest_weights[t] if explanation.forest_weights else None,
        "gaussian_process_weight": explanation.process_weights[t] if explanation.process_weights else None,
        error: dict(zip(explanation.methods, importance.error[:, t].tolist())),
        "importance": {
            name: {
                "mean": float(importance.mean[c, 0, t]),
                "spread": float(importance.spread[c, 0, t]),
                "p": p_values[c],
                "folds": importance.by_fold[c, 0, :, t],
                "share": dict(zip(explanation.methods, explanation.share()[c, :, t].tolist())),
            }
            for c, name in enumerate(explanation.covariates)
        },
        "context": {
            "radius_pixels": context.radii,
            "radius_metres": [explanation.distance(radius) for radius in context.radii],
            error: {name: context.error[:, m, t] for m, name in enumerate(explanation.methods)},
            f"{error}_by_fold": context.by_fold[:, 0, :, t],
            "observations": context.observations,
        },
        "context_radius_metres": 0.0 if reach is None else explanation.distance(context.radii[reach]),
        "verdicts": [importance_verdict(explanation, t), context_verdict(explanation, t)],
    }
