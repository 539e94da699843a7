"""Explain network: which covariates it uses, how far around a pixel it looks, and what made the map what it is."""

from __future__ import annotations

from dataclasses import replace

import torch

from soil_cnn_plugin.contract.jobs import ExplainNetwork
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.explain_map import check_class, explain_map
from soil_cnn_plugin.engine.explaining.explanation import Explanation, context_verdict, importance_verdict
from soil_cnn_plugin.engine.explaining.known_observations import read_observations
from soil_cnn_plugin.engine.explaining.network_use import measure_use
from soil_cnn_plugin.engine.machine.device import device_in_words, on_device
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.explain_report import write_explain_report
from soil_cnn_plugin.engine.reports.explanation_files import write_explanation_metrics, write_importance
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, read_network


def run(job: ExplainNetwork, report: Report) -> dict[str, str | float | int]:
    return on_device(lambda device: _explain(job, device, report), job.device, job.full_gpu, report)


def _explain(job: ExplainNetwork, device: torch.device, report: Report) -> dict[str, str | float | int]:
    trained = read_network(job.network, device)
    with PatchFile(job.patches) as file:
        target = _target(job, trained)
        check_class(job, trained.description, target)  # raised now, not when all is explained
        known = read_observations(
            trained, file, job.network, report.part(0.0, 0.3, tr("Reading and predicting patches"))
        )
        report.info(known.basis)
        settings = {"patches": job.patches, "network": job.network, "seed": str(job.seed)}
        settings["device"] = device_in_words(device)
        explanation = measure_use(trained, known, file.grid.metres_per_cell(), job.seed, settings, report)
        if job.attribution:
            step = report.part(0.75, 0.98, tr("Attributing the map to covariates"))
            explanation = replace(explanation, attribution=explain_map(job, trained, known, target, step))
    for index, soil_property in enumerate(explanation.targets):
        report.info(f"{soil_property.label}: {importance_verdict(explanation, index)}")
        report.info(f"{soil_property.label}: {context_verdict(explanation, index)}")
    write_explain_report(job.report, explanation)
    if job.importance:
        write_importance(job.importance, explanation)
    if job.metrics:
        write_explanation_metrics(job.metrics, explanation)
    return {**job.output_paths(), **_numbers(explanation, target)}


def _target(job: ExplainNetwork, trained: TrainedNetwork) -> int:
    fields = [target.field for target in trained.description.targets]
    if job.target and job.target not in fields:
        raise EngineError(
            tr(
                "The network knows no target {!r}. Its targets are: {}. Write one of them, or leave TARGET"
                " empty for the first."
            ).format(job.target, ", ".join(fields))
        )
    return fields.index(job.target) if job.target else 0


def _numbers(explanation: Explanation, target: int) -> dict[str, float | str]:
    """Return the numbers of the chosen target that models can branch on."""
    context = explanation.context
    reach = context.reach(0, target)
    radius = explanation.distance(context.radii[reach]) if reach is not None else 0.0
    return {"context_radius": radius, "verdict": context_verdict(explanation, target)}
