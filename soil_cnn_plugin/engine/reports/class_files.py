"""An assessment of soil classes for machines: numbers to branch on, JSON, and the held-out predictions as points."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.class_assessment import ClassAssessment
from soil_cnn_plugin.engine.assessment.comparison import differences
from soil_cnn_plugin.engine.reports.held_out_files import write_json, write_points
from soil_cnn_plugin.engine.targets.class_scores import (
    ClassHeldOut,
    confusion,
    purity,
    reliability_of_classes,
    reliability_of_map,
    representation,
)


def class_numbers(assessment: ClassAssessment) -> dict[str, float]:
    """Of the map's predictor, and the accuracy of the better forest."""
    scores = assessment.map_method.scores
    return {
        "accuracy": scores.accuracy,
        "brier": scores.brier,
        "log_score": scores.log_score,
        "baseline_accuracy": assessment.methods[assessment.verdict.rival].scores.accuracy,
    }


def write_class_metrics(path: str, assessment: ClassAssessment) -> None:
    """The numbers of the report: folds, settings and versions, the classes and how many observations each has, and of
    each method, under both kinds of folds, its scores over all folds and by fold, the confusion matrix (a row an
    observed class, a column a predicted one), purity and representation of each class, and how far its probabilities
    hold; paired differences and the verdict. What is not known is null."""
    content = {
        "predictor": assessment.predictor,
        "observations": len(assessment.observed),
        "crs": assessment.crs_name,
        "cell_size": assessment.cell_size,
        "patch_size": assessment.patch_size,
        "folds": {key: value for key, value in asdict(assessment.folds).items() if key != "other_scores"},
        "targets": {
            assessment.target.field: {
                "label": assessment.target.label,
                "classes": dict(zip(assessment.classes, assessment.counts)),
                "methods": _methods(assessment, assessment.methods),
                "methods_other_folds": _methods(assessment, assessment.other_methods),
                "differences": [asdict(item) for item in differences(assessment.methods, assessment.predictor)],
                "verdict": asdict(assessment.verdict),
            }
        },
        "settings": assessment.settings,
        "versions": assessment.versions,
        "notes": assessment.notes,
    }
    write_json(path, content)


def _methods(assessment: ClassAssessment, methods: dict[str, ClassHeldOut]) -> dict[str, object]:
    return {name: _method_content(assessment, held_out) for name, held_out in methods.items()}


def _method_content(assessment: ClassAssessment, held_out: ClassHeldOut) -> dict[str, object]:
    observed, names = assessment.observed, assessment.classes
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


def write_class_held_out(path: str, assessment: ClassAssessment, crs_wkt: str, ids: Rows) -> None:
    """A GeoPackage of all observations: the class that was observed, the one that the map's predictor gave the highest
    probability without having seen the observation, this probability and that of the observed class, whether it is
    right, and the fold, from 1."""
    field, names = assessment.target.field, np.array(assessment.classes, object)
    probabilities, predicted = assessment.map_method.probabilities, assessment.map_method.predicted
    columns = {
        "observation": ids,
        f"{field}_observed": names[assessment.observed],
        f"{field}_predicted": names[predicted],
        f"{field}_probability": probabilities.max(axis=1),
        f"{field}_probability_of_observed": probabilities[np.arange(len(predicted)), assessment.observed],
        f"{field}_correct": predicted == assessment.observed,
        "fold": assessment.fold + 1,
    }
    write_points(path, "held_out", columns, assessment.coordinates, crs_wkt)
