"""From held-out predictions to what they say of a map: the assessment of all targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from soil_cnn_plugin.contract.composition import name_wholes
from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.assessment import Assessment, ClassTarget, FoldsInWords, NumberTarget
from soil_cnn_plugin.engine.assessment.comparison import class_verdict, verdict
from soil_cnn_plugin.engine.assessment.exceedance import choose_thresholds
from soil_cnn_plugin.engine.assessment.folds import Folds, overlap_share
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.targets.censored import reporting_limits
from soil_cnn_plugin.engine.targets.classes import ClassHeldOut
from soil_cnn_plugin.engine.targets.composition import CompositionAssessment, assess_composition
from soil_cnn_plugin.engine.targets.metrics import HeldOut
from soil_cnn_plugin.engine.targets.words import TargetsInWords
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation
from soil_cnn_plugin.engine.training.fitting import Design, Fitted
from soil_cnn_plugin.engine.training.folds_of_file import kind_within

Methods = Mapping[str, HeldOut] | Mapping[str, ClassHeldOut]
"""Of one target: what each method predicted for the observations that have it, in the order of the rows."""


def other_kind(folds: Folds) -> str:
    """The folds that are set beside the chosen ones: random beside spatial ones, and the other way round."""
    return "spatial_blocks" if kind_within(folds) == "random" else "random"


def assess(
    job: TrainNetwork,
    file: PatchFile,
    folds: Folds,
    design: Design,
    validations: Sequence[CrossValidation],
    final: Fitted,
) -> Assessment:
    """`validations` are under the chosen folds and, where there are any, under those of another kind."""
    chosen, *others = (_methods_of_targets(validation) for validation in validations)
    beside = others[0] if others else [{} for _ in file.targets]
    targets = tuple(
        _assess_classes(job, file, folds, t, chosen[t], beside[t])
        if _classes(file.words, t)
        else _assess_numbers(job, file, folds, design.transforms[t], t, chosen[t], beside[t])
        for t in range(len(file.targets))
    )
    west, _, _, north = file.grid.bounds
    overlap = overlap_share(file.coordinates, folds.fold, file.patch_size, file.grid.cell_size, (west, north))
    return Assessment(
        targets=targets,
        compositions=_assess_compositions(file.words, targets),
        folds=FoldsInWords(folds.kind, folds.count, folds.sentence, overlap, other_kind(folds) if others else ""),
        coordinates=file.coordinates,
        crs_name=file.grid.crs_name,
        cell_size=file.grid.cell_size[0],
        patch_size=file.patch_size,
        loss_curves=(*validations[0].curves, *final.curves),
        coverage=job.coverage,
        weights=file.weights,
        predictor=job.predictor,
        notes=tuple(note for note in file.provenance.get("notes", "").split("\n") if note),
    )


def _methods_of_targets(validation: CrossValidation) -> Sequence[Methods]:
    """In the order of the patch file's targets, whatever their kind."""
    return [validation.classes] if validation.classes else validation.methods


def _classes(words: TargetsInWords, t: int) -> tuple[str, ...]:
    """Names of the classes of a target; empty for a number."""
    return words.classes


def _assess_numbers(
    job: TrainNetwork, file: PatchFile, folds: Folds, transform: str, t: int, methods: Methods, other: Methods
) -> NumberTarget:
    target, rows = file.targets[t], np.flatnonzero(np.isfinite(file.values[:, t]))
    observed, is_censored = file.values[rows, t], file.is_censored[rows, t]
    found = cast(dict[str, HeldOut], methods)
    return NumberTarget(
        soil_property=target,
        rows=rows,
        observed=observed,
        fold=folds.fold[rows],
        is_censored=is_censored,
        limits=reporting_limits(observed, is_censored),
        errors=file.errors[rows, t],
        methods=found,
        transform=transform,
        verdict=verdict(found, job.predictor),
        thresholds=choose_thresholds(job.exceedance, target, observed, is_censored),
        other_methods=cast(dict[str, HeldOut], other),
    )


def _assess_classes(
    job: TrainNetwork, file: PatchFile, folds: Folds, t: int, methods: Methods, other: Methods
) -> ClassTarget:
    rows = np.flatnonzero(np.isfinite(file.values[:, t]))
    found = cast(dict[str, ClassHeldOut], methods)
    return ClassTarget(
        soil_property=file.targets[t],
        rows=rows,
        observed=file.values[rows, t].astype(np.int64),
        fold=folds.fold[rows],
        classes=_classes(file.words, t),
        methods=found,
        verdict=class_verdict(found, job.predictor),
        other_methods=cast(dict[str, ClassHeldOut], other),
    )


def _assess_compositions(
    words: TargetsInWords, targets: Sequence[NumberTarget | ClassTarget]
) -> tuple[CompositionAssessment, ...]:
    """From what is known of their parts, which all have the same observations."""
    groups = [[cast(NumberTarget, targets[t]) for t in group] for group in words.groups if len(group) > 1]
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
