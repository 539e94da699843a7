"""Train network: assess it on held-out folds beside the forests, train it on all observations, keep it in one file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.folds import Folds
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST_CONTEXT, FORESTS_SETTING
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.forest import growth_in_words
from soil_cnn_plugin.engine.machine.device import choose_device, device_in_words
from soil_cnn_plugin.engine.machine.processes import is_agreed, joined
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.held_out_files import numbers, write_held_out, write_metrics
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.targets.groups import by_target, pair_with_targets
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.training.assessing import assess, other_kind
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.cross_validation import fit_and_cross_validate
from soil_cnn_plugin.engine.training.fitting import Design, Fitted
from soil_cnn_plugin.engine.training.folds_of_file import (
    hold_out,
    inner_folds,
    kind_within,
    kinds_on_scales,
    tell_folds,
    tell_scales,
)
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, write_network
from soil_cnn_plugin.engine.training.plan import Plan, make_plans
from soil_cnn_plugin.engine.training.predictor import Predictor
from soil_cnn_plugin.engine.training.training_data import encode_patches
from soil_cnn_plugin.engine.training.training_places import fit_spaces, training_rows
from soil_cnn_plugin.engine.training.wild_observations import tell_wild
from soil_cnn_plugin.engine.versions import read_versions


def run(job: TrainNetwork, report: Report) -> dict[str, str | float | int]:
    device = choose_device(job.device, report)
    checkpoints = Path(f"{job.network}.checkpoints")
    with PatchFile(job.patches) as file:
        plans = make_plans(job, file.patch_size)
        folds = hold_out(file, job.validation, job.folds, job.seed, job.domain)
        kinds = kinds_on_scales(job.transform, file)
        pair_with_targets(job.exceedance, file.targets, kinds)
        report.info(_plans_in_words(file, plans, kinds))
        tell_scales(kinds, job.transform, file, report)
        tell_folds(folds, job.domain, report)
        if growth_in_words(file.count):
            report.info(f"In the random forests {growth_in_words(file.count)}.")
        data = encode_patches(file, plans, device, job.location)
        kept_at = checkpoints / read_versions()["Soil CNN"] / data.fingerprint
        design = Design(
            data=data,
            measured=file.measured,
            kinds=kinds,
            fold=folds.fold,
            make_inner_folds=inner_folds(file, kind_within(folds), job.domain),
            plans=plans,
            coverage=job.coverage,
            seed=job.seed,
            device=device,
            checkpoints=CheckpointFolder(kept_at, report.warning) if job.resume else None,
        )
        designs = [design, *_other_design(file, job, folds, design, report)]
        step = report.part(0.02, 0.98, "Training, and assessing on held-out folds")
        forests = (FOREST_CONTEXT,) if job.predictor == BLEND else ()
        with joined(device):
            if not is_agreed(int(data.fingerprint[:15], 16), device):
                raise EngineError(
                    f"The processes that train together read different patches from {job.patches}. Copy one patch file"
                    " to all machines, or to a folder that they share."
                )
            final, validations = fit_and_cross_validate(designs, forests, step)
        if process_number() != 0:  # only the first of several processes writes
            return {}
        assessment = assess(job, file, folds, design, validations, final)
        assessment = replace(assessment, settings=_settings(job, plans, device, file.count), versions=read_versions())
        wild = tell_wild(file, kinds, final.outcomes(final.weights(job.predictor)), report)
        assessment = replace(assessment, notes=(*assessment.notes, *wild))
        for target in assessment.targets:
            report.info(f"{target.soil_property.label}: {target.verdict.text}")
        predictor = final.predictor(job.predictor, file.patch_size)
        description = _describe(job, file, plans, final, predictor, assessment, data.encoder.location)
        spaces = fit_spaces(design, final, job.predictor, file.patch_size, report)
        description = replace(description, spaces=tuple(space.words for space in spaces))
        rows = training_rows(file.coordinates, final)
        write_network(job.network, TrainedNetwork(description, data.encoder, predictor, spaces, rows))
        _write_files(job, assessment, file)
    if job.resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
    found = numbers(assessment)
    for name, value in found.items():
        report.metric(name, value)
    verdicts = [f"{target.soil_property.title}: {target.verdict.text}" for target in assessment.targets]
    return {**job.output_paths(), **found, "verdict": " ".join(verdicts)}


def _other_design(file: PatchFile, job: TrainNetwork, folds: Folds, design: Design, report: Report) -> list[Design]:
    """Return the design with folds of another kind: random folds beside spatial ones, and spatial blocks beside random
    ones. The difference shows how much the map's worth depends on near observations. Return nothing where the
    observations allow no blocks."""
    kind = other_kind(folds)
    try:
        fold = hold_out(file, kind, job.folds, job.seed).fold
    except EngineError as error:
        report.info(f"No folds of another kind are shown beside these: {error}")
        return []
    return [replace(design, fold=fold, make_inner_folds=inner_folds(file, kind))]


def _write_files(job: TrainNetwork, assessment: Assessment, file: PatchFile) -> None:
    """Write the files that are wanted beside the network file."""
    if job.report:
        write_report(job.report, assessment)
    if job.metrics:
        write_metrics(job.metrics, assessment)
    if job.held_out:
        write_held_out(job.held_out, assessment, file.grid.crs_wkt, file.ids)


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


def _settings(job: TrainNetwork, plans: tuple[Plan, ...], device: torch.device, count: int) -> dict[str, str]:
    """Return what was asked for and what it came to, for the report and the network file."""
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
        **({FORESTS_SETTING: growth_in_words(count)} if growth_in_words(count) else {}),
    }
    for plan in plans:
        settings[plan.shape.name] = (
            f"{plan.shape.members} members, patches of {plan.shape.patch_size} pixels, batches of {plan.batch_size},"
            f" learning rate {plan.learning_rate:g}, weight decay {plan.weight_decay:g}, dropout {plan.dropout:g},"
            f" patience {plan.patience} evaluations"
        )
    return settings


def _plans_in_words(file: PatchFile, plans: tuple[Plan, ...], kinds: tuple[Kind, ...]) -> str:
    ensembles = " and ".join(
        f"{plan.shape.members} members of {plan.shape.name} ({plan.shape.patch_size} x {plan.shape.patch_size} pixels)"
        for plan in plans
    )
    targets = ", ".join(by_target(kinds, [kind.in_words() for kind in kinds]))
    return f"{file.count} observations, {len(file.covariates)} covariates; networks: {ensembles}; targets: {targets}"
