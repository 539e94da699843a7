"""Train network: assess it on held-out folds beside the forests, train it on all observations, keep it in one file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST_CONTEXT
from soil_cnn_plugin.engine.machine.device import choose_device
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.held_out_files import numbers, write_wanted
from soil_cnn_plugin.engine.training.assessing import assess
from soil_cnn_plugin.engine.training.cross_validation import fit_and_cross_validate
from soil_cnn_plugin.engine.training.design import make_designs
from soil_cnn_plugin.engine.training.folds_of_file import hold_out, in_metres
from soil_cnn_plugin.engine.training.held_out_scores import error_correlation_of
from soil_cnn_plugin.engine.training.network_file import write_network
from soil_cnn_plugin.engine.training.repeats import over_repeats, repeated_designs
from soil_cnn_plugin.engine.training.trained_network import trained_network
from soil_cnn_plugin.engine.training.wild_observations import tell_wild


def run(job: TrainNetwork, report: Report) -> dict[str, str | float | int]:
    device = choose_device(job.device, report)
    checkpoints = Path(f"{job.network}.checkpoints")
    with PatchFile(job.patches) as file:
        folds = hold_out(file, job.validation, job.folds, job.seed, job.domain)
        design, *others = make_designs(job, file, folds, checkpoints, device, report)
        repeats = repeated_designs(job, file, folds, design, sum(int(o.fold.max()) + 1 for o in others), report)
        step = report.part(0.02, 0.98, "Training, and assessing on held-out folds")
        forests = (FOREST_CONTEXT,) if job.predictor == BLEND else ()
        final, validations = fit_and_cross_validate([design, *repeats, *others], forests, step)
        if process_number() != 0:  # only the first of several processes writes
            return {}
        count = 1 + len(repeats)
        held_out = [each.scores[job.predictor] for each in validations[:count]]
        errors = error_correlation_of([design, *repeats], held_out, in_metres(file, file.coordinates))
        validations = [over_repeats(validations[:count]), *validations[count:]]
        assessment = assess(job, file, folds, design, validations, final, count)
        wild = tell_wild(file, design.kinds, final.outcomes(final.weights(job.predictor)), report)
        assessment = replace(assessment, notes=(*assessment.notes, *wild), error_correlation=errors)
        verdicts = {target.soil_property: target.verdict.text for target in assessment.targets}
        for soil_property, verdict in verdicts.items():
            report.info(f"{soil_property.label}: {verdict}")
        trained = trained_network(job, file, design, final, assessment, report)
        write_network(job.network, trained)
        write_wanted(job, replace(assessment, spaces=trained.description.spaces), file)
    if job.resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
    found = numbers(assessment)
    for name, value in found.items():
        report.metric(name, value)
    told = [f"{soil_property.title}: {verdict}" for soil_property, verdict in verdicts.items()]
    return {**job.output_paths(), **found, "verdict": " ".join(told)}
