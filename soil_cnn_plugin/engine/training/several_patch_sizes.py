"""Networks and forests at several patch sizes: which sizes a patch file allows, a design for each, and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import ComparePatchSizes, TrainNetwork
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.folds import Folds, overlap_share
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, FORESTS, MEAN
from soil_cnn_plugin.engine.assessment.patch_sizes import AT_SIZES, PatchSizeComparison, SizedTarget, error_curves
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.forest import growth_in_words
from soil_cnn_plugin.engine.machine.device import device_in_words
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.targets.groups import by_target, joint_measure, kinds_of
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation
from soil_cnn_plugin.engine.training.design import Design, encode_patches
from soil_cnn_plugin.engine.training.folds_of_file import inner_folds, kind_within, kinds_on_scales
from soil_cnn_plugin.engine.training.plan import left_out_in_words, make_plans
from soil_cnn_plugin.engine.versions import read_versions


def usable_sizes(job: ComparePatchSizes, file: PatchFile) -> tuple[list[int], list[str]]:
    """The requested sizes that the file's patches hold, ascending, and notes about them."""
    asked = sorted(set(job.sizes))
    sizes, notes = [size for size in asked if size <= file.patch_size], []
    if not sizes:
        raise EngineError(
            tr(
                "The patches of {} are {} pixels wide, smaller than every size to compare: {}. Extract larger"
                " patches, or compare smaller sizes."
            ).format(job.patches, file.patch_size, ", ".join(map(str, asked)))
        )
    if left_out := [str(size) for size in asked if size > file.patch_size]:
        notes.append(
            tr(
                "Not compared: {} pixels, because the patches of the file are {} pixels wide. Extract larger"
                " patches to compare them."
            ).format(", ".join(left_out), file.patch_size)
        )
    smallest = PadarianNetwork.SMALLEST_PATCH
    if job.architecture == "padarian" and sizes[0] < smallest:
        raise EngineError(
            tr(
                "The 'padarian' network needs patches of at least {} pixels, but {} is to be compared. Leave"
                " out smaller sizes, or choose the architecture 'ring' or 'both'."
            ).format(smallest, sizes[0])
        )
    asked_network = TrainNetwork(job.patches, "", architecture=job.architecture)
    if few := left_out_in_words(asked_network, sizes[-1], file.count):
        notes.append(few)
    elif job.architecture == "both" and sizes[0] < smallest <= sizes[-1]:
        notes.append(
            tr(
                "Below {} pixels the network is 'ring' alone, because convolutions ('padarian') need at least"
                " that many."
            ).format(smallest)
        )
    if growth_in_words(file.count):
        notes.append(tr("In the random forests {}.").format(growth_in_words(file.count)))
    return sizes, notes


def design_sizes(
    job: ComparePatchSizes, file: PatchFile, sizes: Sequence[int], folds: Folds, device: torch.device
) -> list[Design]:
    """One design for each size; only the first has the forest at the point, which is the same for all sizes."""
    asked = TrainNetwork(job.patches, "", architecture=job.architecture)
    within = inner_folds(file, kind_within(folds), job.domain)
    designs: list[Design] = []
    for size in sizes:
        plans = make_plans(asked, size, file.count)
        designs.append(
            Design(
                data=encode_patches(file, plans, device, asked.location, size),
                measured=file.measured,
                kinds=kinds_on_scales(asked.transform, file),
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


def compare_sizes(
    job: ComparePatchSizes,
    file: PatchFile,
    sizes: Sequence[int],
    folds: Folds,
    validations: Sequence[CrossValidation],
    notes: Sequence[str],
    device: torch.device,
) -> PatchSizeComparison:
    targets, kinds = [], kinds_of(file.words)
    deviations = by_target(kinds, [kind.spreads(file.values[:, list(kind.targets)]) for kind in kinds])
    for t, soil_property in enumerate(file.targets):
        known = file.values[np.isfinite(file.values[:, t]), t]
        by_size = {size: validation.methods[t] for size, validation in zip(sizes, validations)}
        targets.append(
            SizedTarget(
                soil_property=soil_property,
                count=len(known),
                deviation=deviations[t],
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
        measure=joint_measure(kinds),
        notes=tuple(notes),
        settings={
            "patches": Path(file.path).name,
            "architecture": job.architecture,
            "validation": job.validation,
            "folds": str(folds.count),
            "seed": str(job.seed),
            "device": device_in_words(device),
        },
        versions=read_versions(),
    )
