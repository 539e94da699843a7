"""Compare patch sizes: held-out errors at several patch sizes, on the same folds, beside the random forests."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from soil_cnn_plugin.contract.jobs import ComparePatchSizes
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.assessment.methods import FOREST, NAMES
from soil_cnn_plugin.engine.assessment.patch_sizes import AT_SIZES, PatchSizeComparison, conclusion, size_in_words
from soil_cnn_plugin.engine.machine.device import on_device
from soil_cnn_plugin.engine.machine.memory import giving_back
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.files import write_json
from soil_cnn_plugin.engine.reports.patch_size_report import metrics_content, write_patch_size_report
from soil_cnn_plugin.engine.training.cross_validation import cross_validate
from soil_cnn_plugin.engine.training.folds_of_file import hold_out, tell_folds
from soil_cnn_plugin.engine.training.several_patch_sizes import compare_sizes, design_sizes, usable_sizes


def run(job: ComparePatchSizes, report: Report) -> dict[str, str | float | int]:
    with giving_back():
        return on_device(lambda device: _compare(job, device, report), job.device, job.full_gpu, report)


def _compare(job: ComparePatchSizes, device: torch.device, report: Report) -> dict[str, str | float | int]:
    with PatchFile(job.patches) as file:
        sizes, notes = usable_sizes(job, file)
        for note in notes:
            report.warning(note)
        folds = hold_out(file, job.validation, job.folds, job.seed, job.domain, report=report)
        tell_folds(folds, job.domain, report)
        designs = design_sizes(job, file, sizes, folds, device)
        step = report.part(0.02, 0.98, tr("Holding out observations at each patch size"))
        validations = cross_validate(designs, step)
        comparison = compare_sizes(job, file, sizes, folds, validations, notes, device)
    sentences = conclusion(comparison)
    _tell(comparison, sentences, report)
    if job.metrics:
        write_json(job.metrics, metrics_content(comparison))
    if job.report:
        write_patch_size_report(job.report, comparison)
    best = comparison.curves.recommended
    return {**job.output_paths(), "best_patch_size": best, "verdict": " ".join(sentences)}


def _tell(comparison: PatchSizeComparison, sentences: Sequence[str], report: Report) -> None:
    for target, curves in zip(comparison.targets, comparison.target_curves):
        point, error = curves.baselines[FOREST].error, comparison.measure.name
        report.info(
            tr("{}: {} of the random forest at the point {:.4g}").format(target.soil_property.label, error, point)
        )
        for size in comparison.sizes:
            errors = ", ".join(f"{NAMES[name]} {localized(f'{curves.at(name, size).error:.4g}')}" for name in AT_SIZES)
            report.info(
                tr("{}, {}: {} of {}").format(
                    target.soil_property.label, size_in_words(size, comparison.metres), error, errors
                )
            )
    for sentence in sentences:
        report.info(sentence)
