"""Train network: assess on held-out folds beside the forests, train on all observations, keep it in one file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.assessment import (
    BLEND,
    FOREST_CONTEXT,
    Assessment,
    FoldsInWords,
    TargetAssessment,
)
from soil_cnn_plugin.engine.assessment.comparison import verdict
from soil_cnn_plugin.engine.assessment.folds import Folds, overlap_share
from soil_cnn_plugin.engine.assessment_files import write_held_out, write_metrics
from soil_cnn_plugin.engine.cross_validation import CrossValidation, fit_and_cross_validate
from soil_cnn_plugin.engine.data.patch_file import PatchFile
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.fitting import Design, Fitted
from soil_cnn_plugin.engine.networks.device import choose_device, device_in_words
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.networks.network_file import NetworkDescription, TrainedNetwork, write_network
from soil_cnn_plugin.engine.networks.plan import Plan, make_plans
from soil_cnn_plugin.engine.networks.predictor import Predictor
from soil_cnn_plugin.engine.networks.training_data import encode_patches
from soil_cnn_plugin.engine.pages.held_out_report import write_report
from soil_cnn_plugin.engine.patch_folds import choose_transforms, hold_out, inner_folds, kind_within, tell_folds
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training_places import fit_spaces, training_rows
from soil_cnn_plugin.engine.versions import read_versions

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


def run(job: TrainNetwork, report: Report) -> dict[str, str | float | int]:
    device = choose_device(job.device, report)
    with PatchFile(job.patches) as file:
        plans = make_plans(job, file.patch_size)
        folds = hold_out(file, job.validation, job.folds, job.seed, job.domain)
        transforms = choose_transforms(job.transform, file)
        report.info(_plans_in_words(file, plans, transforms))
        tell_folds(folds, job.domain, report)
        data = encode_patches(file, plans, device, job.location)
        design = Design(
            data=data,
            measured=file.measured,
            words=file.words,
            transforms=transforms,
            fold=folds.fold,
            make_inner_folds=inner_folds(file, kind_within(folds), job.domain),
            plans=plans,
            coverage=job.coverage,
            seed=job.seed,
            device=device,
        )
        designs = [design, *_other_design(file, job, folds, design, report)]
        step = report.part(0.02, 0.98, "Training, and assessing on held-out folds")
        final, validations = fit_and_cross_validate(designs, (FOREST_CONTEXT,) if job.predictor == BLEND else (), step)
        assessment = _assess(job, file, folds, design, validations, final)
        assessment = replace(assessment, settings=_settings(job, plans, device), versions=read_versions())
        for target in assessment.targets:
            report.info(f"{target.soil_property.label}: {target.verdict.text}")
        predictor = final.predictor(job.predictor, file.patch_size)
        description = _describe(job, file, plans, final, predictor, assessment, data.encoder.location)
        spaces = fit_spaces(design, final, job.predictor, file.patch_size, report)
        description = replace(description, spaces=tuple(space.words for space in spaces))
        rows = training_rows(file.coordinates, final)
        write_network(job.network, TrainedNetwork(description, data.encoder, predictor, spaces, rows))
        if job.report:
            write_report(job.report, assessment)
        if job.metrics:
            write_metrics(job.metrics, assessment)
        if job.held_out:
            write_held_out(job.held_out, assessment, file.grid.crs_wkt, file.ids)
    return {**job.output_paths(), **_summary(assessment, report)}


def _other_design(file: PatchFile, job: TrainNetwork, folds: Folds, design: Design, report: Report) -> list[Design]:
    """Random folds beside spatial ones, and spatial blocks beside random ones: the difference tells how far the map's
    worth hangs on near observations. Nothing where the observations allow no blocks."""
    kind = _other_kind(folds)
    try:
        fold = hold_out(file, kind, job.folds, job.seed).fold
    except EngineError as error:
        report.info(f"No folds of another kind are shown beside these: {error}")
        return []
    return [replace(design, fold=fold, make_inner_folds=inner_folds(file, kind))]


def _other_kind(folds: Folds) -> str:
    return "spatial_blocks" if kind_within(folds) == "random" else "random"


def _assess(
    job: TrainNetwork,
    file: PatchFile,
    folds: Folds,
    design: Design,
    validations: list[CrossValidation],
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
                limits=design.limits[rows, t],
                methods=chosen.methods[t],
                transform=design.transforms[t],
                verdict=verdict(chosen.methods[t], job.predictor),
            )
        )
    grid = file.grid
    west, _, _, north = grid.bounds
    overlap = overlap_share(file.coordinates, folds.fold, file.patch_size, grid.cell_size, (west, north))
    other_scores = {
        target.field: {name: held_out.scores for name, held_out in methods.items()}
        for each in others
        for target, methods in zip(file.targets, each.methods)
    }
    return Assessment(
        targets=tuple(targets),
        folds=FoldsInWords(
            folds.kind, folds.count, folds.sentence, overlap, _other_kind(folds) if others else "", other_scores
        ),
        coverage=job.coverage,
        coordinates=file.coordinates,
        crs_name=grid.crs_name,
        cell_size=grid.cell_size[0],
        patch_size=file.patch_size,
        loss_curves=(*chosen.curves, *final.curves),
        predictor=job.predictor,
    )


def _describe(
    job: TrainNetwork,
    file: PatchFile,
    plans: tuple[Plan, ...],
    final: Fitted,
    predictor: Predictor,
    assessment: Assessment,
    location: Location | None,
) -> NetworkDescription:
    return NetworkDescription(
        targets=file.targets,
        covariates=file.covariates,
        grid=file.grid,
        patch_size=file.patch_size,
        shapes=tuple(plan.shape for plan in plans),
        predictor=job.predictor,
        weights=tuple(tuple(row) for row in predictor.weights.tolist()),
        location=location,
        compositions=file.words.compositions,
        outcomes=final.outcomes(final.weights(job.predictor)),
        coverage=job.coverage,
        observation_count=file.count,
        folds_sentence=assessment.folds.sentence,
        scores={
            target.soil_property.field: {name: held_out.scores for name, held_out in target.methods.items()}
            for target in assessment.targets
        },
        verdicts={target.soil_property.field: target.verdict.text for target in assessment.targets},
        settings=assessment.settings,
        versions=assessment.versions,
        provenance={
            **file.provenance,
            "patches": Path(job.patches).name,
            "trained": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        seed=job.seed,
    )


def _settings(job: TrainNetwork, plans: tuple[Plan, ...], device: torch.device) -> dict[str, str]:
    """What was asked for and what it came to, for report and network file."""
    settings = {
        "architecture": " and ".join(plan.shape.name for plan in plans),
        "predictor": job.predictor,
        "location as an input": "yes" if job.location else "no",
        "preset": job.preset,
        "transform": job.transform,
        "validation": job.validation,
        "folds": str(job.folds),
        "coverage of intervals": f"{100 * job.coverage:g} %",
        "seed": str(job.seed),
        "device": device_in_words(device),
    }
    for plan in plans:
        settings[plan.shape.name] = (
            f"{plan.shape.members} members, patches of {plan.shape.patch_size} pixels, batches of {plan.batch_size},"
            f" learning rate {plan.learning_rate:g}, weight decay {plan.weight_decay:g}, dropout {plan.dropout:g},"
            f" patience {plan.patience} evaluations"
        )
    return settings


def _summary(assessment: Assessment, report: Report) -> dict[str, str | float | int]:
    """Means over the targets, for models to branch on, and the verdicts."""
    scores = [target.methods[assessment.predictor].scores for target in assessment.targets]
    baseline = [target.methods[target.verdict.rival].scores.rmse for target in assessment.targets]
    numbers = {
        "rmse": float(np.mean([each.rmse for each in scores])),
        "mec": float(np.mean([np.nan if each.mec is None else each.mec for each in scores])),
        "ccc": float(np.mean([np.nan if each.ccc is None else each.ccc for each in scores])),
        "picp": float(np.mean([each.picp for each in scores])),
        "baseline_rmse": float(np.mean(baseline)),
    }
    for name, value in numbers.items():
        report.metric(name, value)
    verdicts = [f"{target.soil_property.title}: {target.verdict.text}" for target in assessment.targets]
    return {**numbers, "verdict": " ".join(verdicts)}


def _plans_in_words(file: PatchFile, plans: tuple[Plan, ...], transforms: tuple[str, ...]) -> str:
    ensembles = " and ".join(
        f"{plan.shape.members} members of {plan.shape.name} ({plan.shape.patch_size} x {plan.shape.patch_size} pixels)"
        for plan in plans
    )
    targets = ", ".join(f"{target.label} (scale: {transform})" for target, transform in zip(file.targets, transforms))
    return f"{file.count} observations, {len(file.covariates)} covariates; networks: {ensembles}; targets: {targets}"
