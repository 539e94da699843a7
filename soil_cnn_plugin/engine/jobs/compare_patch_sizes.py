"""Compare patch sizes: held-out errors at several patch sizes, on the same folds, beside the random forests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import ComparePatchSizes, TrainNetwork
from soil_cnn_plugin.engine.assessment.comparison import BRIER, RMSE, Judged
from soil_cnn_plugin.engine.assessment.folds import Folds, overlap_share
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, MEAN
from soil_cnn_plugin.engine.assessment.patch_sizes import (
    AT_SIZES,
    PatchSizeComparison,
    SizedTarget,
    conclusion,
    error_curves,
    in_words,
)
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.forest import growth_in_words
from soil_cnn_plugin.engine.machine.device import choose_device, device_in_words
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.files import write_json
from soil_cnn_plugin.engine.reports.patch_size_report import metrics_content, write_patch_size_report
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation, cross_validate
from soil_cnn_plugin.engine.training.fitting import FORESTS, Design
from soil_cnn_plugin.engine.training.folds_of_file import (
    choose_transforms,
    hold_out,
    inner_folds,
    kind_within,
    tell_folds,
)
from soil_cnn_plugin.engine.training.plan import make_plans
from soil_cnn_plugin.engine.training.training_data import encode_patches
from soil_cnn_plugin.engine.versions import read_versions


def run(job: ComparePatchSizes, report: Report) -> dict[str, str | float | int]:
    device = choose_device(job.device, report)
    with PatchFile(job.patches) as file:
        sizes, notes = _usable_sizes(job, file)
        for note in notes:
            report.warning(note)
        folds = hold_out(file, job.validation, job.folds, job.seed, job.domain)
        tell_folds(folds, job.domain, report)
        designs = _designs(job, file, sizes, folds, device)
        step = report.part(0.02, 0.98, "Holding out observations at each patch size")
        comparison = _compare(job, file, sizes, folds, cross_validate(designs, step), notes, device)
    sentences = conclusion(comparison)
    _tell(comparison, sentences, report)
    if job.metrics:
        write_json(job.metrics, metrics_content(comparison))
    if job.report:
        write_patch_size_report(job.report, comparison)
    best = comparison.curves.recommended
    return {**job.output_paths(), "best_patch_size": best, "verdict": " ".join(sentences)}


def _usable_sizes(job: ComparePatchSizes, file: PatchFile) -> tuple[list[int], list[str]]:
    """Those asked for that the file's patches hold, ascending, and what is to be said about them."""
    asked = sorted(set(job.sizes))
    sizes, notes = [size for size in asked if size <= file.patch_size], []
    if not sizes:
        raise EngineError(
            f"The patches of {job.patches} are {file.patch_size} pixels wide, smaller than every size to compare:"
            f" {', '.join(map(str, asked))}. Extract larger patches, or compare smaller sizes."
        )
    if left_out := [str(size) for size in asked if size > file.patch_size]:
        notes.append(
            f"Not compared: {', '.join(left_out)} pixels, because the patches of the file are {file.patch_size} pixels"
            " wide. Extract larger patches to compare them."
        )
    smallest = PadarianNetwork.SMALLEST_PATCH
    if job.architecture == "padarian" and sizes[0] < smallest:
        raise EngineError(
            f"The 'padarian' network needs patches of at least {smallest} pixels, but {sizes[0]} is to be compared."
            " Leave out smaller sizes, or choose the architecture 'ring' or 'both'."
        )
    if job.architecture == "both" and sizes[0] < smallest <= sizes[-1]:
        notes.append(
            f"Below {smallest} pixels the network is 'ring' alone, because convolutions ('padarian') need at least"
            " that many."
        )
    if growth_in_words(file.count):
        notes.append(f"In the random forests {growth_in_words(file.count)}.")
    return sizes, notes


def _designs(
    job: ComparePatchSizes, file: PatchFile, sizes: Sequence[int], folds: Folds, device: torch.device
) -> list[Design]:
    """One a size; the forest at the point, the same for all sizes, is in the first alone."""
    asked = TrainNetwork(job.patches, "", architecture=job.architecture)
    within = inner_folds(file, kind_within(folds), job.domain)
    designs: list[Design] = []
    for size in sizes:
        plans = make_plans(asked, size)
        designs.append(
            Design(
                data=encode_patches(file, plans, device, patch_size=size),
                measured=file.measured,
                words=file.words,
                transforms=choose_transforms(asked.transform, file),
                fold=folds.fold,
                make_inner_folds=within,
                plans=plans,
                coverage=asked.coverage,
                seed=job.seed,
                device=device,
                forests=(FOREST_CONTEXT,) if designs else FORESTS,
            )
        )
    return designs


def _compare(
    job: ComparePatchSizes,
    file: PatchFile,
    sizes: Sequence[int],
    folds: Folds,
    validations: Sequence[CrossValidation],
    notes: Sequence[str],
    device: torch.device,
) -> PatchSizeComparison:
    targets = []
    for t, soil_property in enumerate(file.targets):
        known = file.values[np.isfinite(file.values[:, t]), t]
        by_size = {size: _methods(validation, t) for size, validation in zip(sizes, validations)}
        targets.append(
            SizedTarget(
                soil_property=soil_property,
                count=len(known),
                deviation=float(known.std()) or 1.0,
                by_size={size: {name: methods[name] for name in AT_SIZES} for size, methods in by_size.items()},
                baselines={name: by_size[sizes[0]][name] for name in (FOREST, MEAN)},
            )
        )
    west, _, _, north = file.grid.bounds
    return PatchSizeComparison(
        targets=tuple(targets),
        sizes=tuple(sizes),
        curves=error_curves(targets),
        target_curves=tuple(error_curves([target]) for target in targets),
        metres=file.grid.metres_per_cell(),
        folds_sentence=folds.sentence,
        overlap_percent={
            size: overlap_share(file.coordinates, folds.fold, size, file.grid.cell_size, (west, north))
            for size in sizes
        },
        measure=BRIER if file.words.classes else RMSE,
        notes=tuple(notes),
        settings={
            "patches": Path(file.path).name,
            "architecture": job.architecture,
            "validation": job.validation,
            "folds": str(job.folds),
            "seed": str(job.seed),
            "device": device_in_words(device),
        },
        versions=read_versions(),
    )


def _methods(validation: CrossValidation, target: int) -> Mapping[str, Judged]:
    return validation.classes or validation.methods[target]


def _tell(comparison: PatchSizeComparison, sentences: Sequence[str], report: Report) -> None:
    for target, curves in zip(comparison.targets, comparison.target_curves):
        point, error = curves.baselines[FOREST].error, comparison.measure.name
        report.info(f"{target.soil_property.label}: {error} of the random forest at the point {point:.4g}")
        for size in comparison.sizes:
            errors = ", ".join(f"{name.replace('_', ' with ')} {curves.at(name, size).error:.4g}" for name in AT_SIZES)
            report.info(f"{target.soil_property.label}, {in_words(size, comparison.metres)}: {error} of {errors}")
    for sentence in sentences:
        report.info(sentence)
