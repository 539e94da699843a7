"""From held-out predictions to what they say of a map: an assessment of numbers or of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from soil_cnn_plugin.contract.composition import name_wholes
from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.assessment import Assessment, FoldsInWords, LossCurve, TargetAssessment
from soil_cnn_plugin.engine.assessment.class_assessment import ClassAssessment, class_verdict
from soil_cnn_plugin.engine.assessment.comparison import verdict
from soil_cnn_plugin.engine.assessment.exceedance import choose_thresholds
from soil_cnn_plugin.engine.assessment.folds import Folds, overlap_share
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.targets.censored import reporting_limits
from soil_cnn_plugin.engine.targets.compositions import CompositionAssessment, assess_composition
from soil_cnn_plugin.engine.targets.groups import by_target
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.targets.words import TargetsInWords
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation
from soil_cnn_plugin.engine.training.fitting import Design, Fitted
from soil_cnn_plugin.engine.training.folds_of_file import kind_within


def other_kind(folds: Folds) -> str:
    """Of the folds that are set beside the chosen ones: random beside spatial ones, and the other way round."""
    return "spatial_blocks" if kind_within(folds) == "random" else "random"


def assess_numbers(
    job: TrainNetwork,
    file: PatchFile,
    folds: Folds,
    design: Design,
    validations: Sequence[CrossValidation],
    final: Fitted,
) -> Assessment:
    """`validations` are under the chosen folds and, where there are any, under those of another kind."""
    chosen, *others = validations
    targets = []
    for t, target in enumerate(file.targets):
        rows = np.flatnonzero(np.isfinite(file.values[:, t]))
        targets.append(
            TargetAssessment(
                soil_property=target,
                rows=rows,
                observed=file.values[rows, t],
                fold=folds.fold[rows],
                is_censored=file.is_censored[rows, t],
                limits=reporting_limits(file.values[rows, t], file.is_censored[rows, t]),
                errors=file.errors[rows, t],
                methods=chosen.methods[t],
                transform=by_target(design.kinds, [kind.transforms for kind in design.kinds])[t],
                verdict=verdict(chosen.methods[t], job.predictor),
                thresholds=choose_thresholds(job.exceedance, target, file.values[rows, t], file.is_censored[rows, t]),
            )
        )
    other_scores = {
        target.field: {name: held_out.scores for name, held_out in methods.items()}
        for each in others
        for target, methods in zip(file.targets, each.methods)
    }
    return Assessment(
        **_common(job, file, folds, validations, final, other_scores),
        weights=file.weights,
        targets=tuple(targets),
        coverage=job.coverage,
        compositions=_assess_compositions(file.words, targets),
    )


def _assess_compositions(
    words: TargetsInWords, targets: Sequence[TargetAssessment]
) -> tuple[CompositionAssessment, ...]:
    """From what is known of their parts, which all have the same observations."""
    groups = [[targets[t] for t in group] for group in words.groups if len(group) > 1]
    properties = [tuple(target.soil_property for target in group) for group in groups]
    return tuple(
        assess_composition(
            name,
            parts,
            np.column_stack([target.observed for target in group]),
            {method: np.column_stack([part.methods[method].mean for part in group]) for method in group[0].methods},
        )
        for name, parts, group in zip(name_wholes(properties), properties, groups)
    )


def assess_classes(
    job: TrainNetwork, file: PatchFile, folds: Folds, validations: Sequence[CrossValidation], final: Fitted
) -> ClassAssessment:
    """As `assess_numbers`."""
    chosen, *others = validations
    return ClassAssessment(
        **_common(job, file, folds, validations, final, {}),
        target=file.targets[0],
        classes=file.words.classes_of[0],
        observed=file.values[:, 0].astype(np.int64),
        fold=folds.fold,
        methods=chosen.methods[0],
        verdict=class_verdict(chosen.methods[0], job.predictor),
        other_methods=others[0].methods[0] if others else {},
    )


class _Common(TypedDict):
    folds: FoldsInWords
    coordinates: Array
    crs_name: str
    cell_size: float
    patch_size: int
    loss_curves: tuple[LossCurve, ...]
    predictor: str
    notes: tuple[str, ...]


def _common(
    job: TrainNetwork,
    file: PatchFile,
    folds: Folds,
    validations: Sequence[CrossValidation],
    final: Fitted,
    other_scores: dict[str, dict[str, Scores]],
) -> _Common:
    west, _, _, north = file.grid.bounds
    overlap = overlap_share(file.coordinates, folds.fold, file.patch_size, file.grid.cell_size, (west, north))
    other = other_kind(folds) if len(validations) > 1 else ""
    return {
        "folds": FoldsInWords(folds.kind, folds.count, folds.sentence, overlap, other, other_scores),
        "coordinates": file.coordinates,
        "crs_name": file.grid.crs_name,
        "cell_size": file.grid.cell_size[0],
        "patch_size": file.patch_size,
        "loss_curves": (*validations[0].curves, *final.curves),
        "predictor": job.predictor,
        "notes": tuple(note for note in file.provenance.get("notes", "").split("\n") if note),
    }
