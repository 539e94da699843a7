"""An assessment as files for machines: the numbers as JSON, the held-out predictions as a point layer."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas
from numpy.typing import ArrayLike

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.comparison import differences
from soil_cnn_plugin.engine.assessment.reliability import check_exceedance, coverage_by_spread, reliability
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.reports.files import write_json, write_points
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.targets.assessed import ClassTarget, NumberTarget, residuals
from soil_cnn_plugin.engine.targets.class_scores import (
    ClassHeldOut,
    confusion,
    purity,
    reliability_of_classes,
    reliability_of_map,
    representation,
)
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, means_outside, measured_coverage


def write_wanted(job: TrainNetwork, assessment: Assessment, file: PatchFile) -> None:
    """Write the report, the metrics and the held-out points, as far as the job wants them."""
    if job.report:
        write_report(job.report, assessment)
    if job.metrics:
        write_metrics(job.metrics, assessment)
    if job.held_out:
        write_held_out(job.held_out, assessment, file.grid.crs_wkt, file.ids)


def numbers(assessment: Assessment) -> dict[str, float]:
    """Return the numbers that models can branch on: means over the targets of a kind, for the map's predictor and for
    the better forest."""
    found = {}
    if assessment.numbers:
        scores = [target.methods[assessment.predictor].scores for target in assessment.numbers]
        baseline = [target.methods[target.verdict.rival].scores.rmse for target in assessment.numbers]
        found = {
            "rmse": float(np.mean([each.rmse for each in scores])),
            "mec": float(np.mean([np.nan if each.mec is None else each.mec for each in scores])),
            "ccc": float(np.mean([np.nan if each.ccc is None else each.ccc for each in scores])),
            "picp": float(np.mean([each.picp for each in scores])),
            "baseline_rmse": float(np.mean(baseline)),
        }
    if assessment.classes:
        of_classes = [target.methods[assessment.predictor].scores for target in assessment.classes]
        rivals = [target.methods[target.verdict.rival].scores.accuracy for target in assessment.classes]
        found |= {
            "accuracy": float(np.mean([each.accuracy for each in of_classes])),
            "brier": float(np.mean([each.brier for each in of_classes])),
            "log_score": float(np.mean([each.log_score for each in of_classes])),
            "baseline_accuracy": float(np.mean(rivals)),
        }
    return found


def write_metrics(path: str, assessment: Assessment) -> None:
    """Write the numbers of the report: folds, settings and versions, and for each target field the scores of each
    method over all folds and by fold, how far its distributions or probabilities hold, paired differences, and the
    verdict. `coverage_by_spread` goes from the narrowest third of the intervals to the widest. Classes also have the
    confusion matrix (a row is an observed class, a column a predicted one), and all of it under both kinds of folds.
    `dissimilarity` holds the weights of covariates in the index of maps. What is not known is null."""
    of_numbers = {"coverage": assessment.coverage} if assessment.numbers else {}
    content = {
        "predictor": assessment.predictor,
        **of_numbers,
        "observations": len(assessment.coordinates),
        "crs": assessment.crs_name,
        "cell_size": assessment.cell_size,
        "patch_size": assessment.patch_size,
        "folds": _folds_content(assessment),
        **({"quantile_levels": np.round(QUANTILE_LEVELS, 2)} if assessment.numbers else {}),
        "targets": {
            target.soil_property.field: {
                **(
                    _number_content(target, assessment.predictor, assessment.coverage)
                    if isinstance(target, NumberTarget)
                    else _class_content(target, assessment.predictor)
                ),
                "likeness_of_residuals": asdict(found) if (found := assessment.likeness(target)) else None,
            }
            for target in assessment.targets
        },
        **({"compositions": _compositions_content(assessment)} if assessment.numbers else {}),
        "dissimilarity": [asdict(space) for space in assessment.spaces],
        "settings": assessment.settings,
        "versions": assessment.versions,
        "notes": assessment.notes,
    }
    write_json(path, content)


def _folds_content(assessment: Assessment) -> dict[str, object]:
    """Return what is known of the folds. Numbers have their scores under the other kind of folds, too."""
    other_scores = {
        target.soil_property.field: {name: asdict(method.scores) for name, method in target.other_methods.items()}
        for target in assessment.numbers
        if target.other_methods
    }
    return {**asdict(assessment.folds), **({"other_scores": other_scores} if assessment.numbers else {})}


def _compositions_content(assessment: Assessment) -> list[dict[str, object]]:
    return [
        {
            "title": composition.title,
            "parts": [part.field for part in composition.parts],
            "texture_system": "usda" if composition.texture else None,
            "methods": {name: asdict(scores) for name, scores in composition.scores.items()},
        }
        for composition in assessment.compositions
    ]


def _number_content(target: NumberTarget, predictor: str, coverage: float) -> dict[str, object]:
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
        "methods": {name: _number_method(target, held_out, coverage) for name, held_out in target.methods.items()},
        "differences": [asdict(item) for item in differences(target.methods, predictor)],
        "verdict": asdict(target.verdict),
        "exceedance": [
            {**asdict(each), "threshold": each.threshold.text}
            for each in check_exceedance(target, target.methods[predictor])
        ],
    }


def _number_method(target: NumberTarget, held_out: HeldOut, coverage: float) -> dict[str, object]:
    found = reliability(target.observed, held_out, target.is_censored)
    measured = measured_coverage(target.observed, held_out, coverage, target.is_censored, target.limits)
    return {
        **asdict(held_out.scores),
        "folds": [asdict(scores) for scores in held_out.fold_scores],
        "reliability": asdict(found) if found else None,
        "coverage_by_spread": [asdict(third) for third in coverage_by_spread(target, held_out)],
        "measured_coverage": asdict(measured) if measured else None,
        "means_outside_interval": means_outside(held_out),
    }


def _class_content(target: ClassTarget, predictor: str) -> dict[str, object]:
    return {
        "label": target.soil_property.label,
        "classes": dict(zip(target.classes, target.counts)),
        "methods": {name: _class_method(target, held_out) for name, held_out in target.methods.items()},
        "methods_other_folds": {name: _class_method(target, each) for name, each in target.other_methods.items()},
        "differences": [asdict(item) for item in differences(target.methods, predictor)],
        "verdict": asdict(target.verdict),
    }


def _class_method(target: ClassTarget, held_out: ClassHeldOut) -> dict[str, object]:
    observed, names = target.observed, target.classes
    matrix = confusion(observed, held_out.predicted, len(names))
    return {
        **asdict(held_out.scores),
        "folds": [asdict(scores) for scores in held_out.fold_scores],
        "confusion": matrix,
        "purity": dict(zip(names, purity(matrix))),
        "representation": dict(zip(names, representation(matrix))),
        "reliability_of_map": asdict(reliability_of_map(observed, held_out.probabilities)),
        "reliability_of_classes": asdict(reliability_of_classes(observed, held_out.probabilities)),
    }


def write_held_out(path: str, assessment: Assessment, crs_wkt: str, ids: Rows) -> None:
    """Write a GeoPackage of all observations. For each target it holds what was observed, what the map's predictor
    predicted without having seen it, and the fold, counted from 1. Cells are empty where a target is missing.

    A number has limits and a residual (predicted minus observed). If it has values below detection limits, `censored`
    is 1 at these, and the limit stands as observed. There, `reported` is what a laboratory is expected to report of the
    prediction, and the residual is taken from it. A class has the probability of the predicted class, which is the most
    probable one, that of the observed class, and whether the prediction is right.
    """
    count = len(assessment.coordinates)
    columns: dict[str, object] = {"observation": ids}
    fold = np.zeros(count, np.int64)
    for target in assessment.targets:
        fold[target.rows] = target.fold + 1
        for name, known in _columns(target, assessment.predictor).items():
            columns[f"{target.soil_property.field}_{name}"] = known.reindex(np.arange(count))
    columns["fold"] = fold
    write_points(path, "held_out", columns, assessment.coordinates, crs_wkt)


def _columns(target: NumberTarget | ClassTarget, predictor: str) -> dict[str, pandas.Series]:
    """Return the columns of a target by row of the patch file. Whether a class is right is nullable, because it may be
    missing."""
    if isinstance(target, NumberTarget):
        return {name: pandas.Series(known, target.rows, float) for name, known in _of_number(target, predictor).items()}
    found = {name: pandas.Series(known, target.rows) for name, known in _of_class(target, predictor).items()}
    return {**found, "correct": found["correct"].astype("boolean")}


def _of_number(target: NumberTarget, predictor: str) -> dict[str, Array | Flags]:
    held_out = target.methods[predictor]
    residual = residuals(target, held_out)
    limited: dict[str, Array | Flags] = {"censored": target.is_censored, "reported": target.observed + residual}
    return {
        "observed": target.observed,
        "predicted": held_out.mean,
        **(limited if target.is_censored.any() else {}),
        "lower": held_out.lower,
        "upper": held_out.upper,
        "residual": residual,
    }


def _of_class(target: ClassTarget, predictor: str) -> dict[str, ArrayLike]:
    names, held_out = np.array(target.classes, object), target.methods[predictor]
    return {
        "observed": names[target.observed],
        "predicted": names[held_out.predicted],
        "probability": held_out.probabilities.max(axis=1),
        "probability_of_observed": held_out.probabilities[np.arange(len(target.rows)), target.observed],
        "correct": held_out.predicted == target.observed,
    }
