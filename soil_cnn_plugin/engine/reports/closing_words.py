"""The last lines of a log: how good the map is, where everything lies, and what to do next, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.engine.assessment.accuracy_words import accuracy_sentence
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.words import by_depth, sentence_case

_FILES = {"report": tr("Report"), "network": tr("Network"), "prediction": tr("Map")}
_MOST_TARGETS = 8


def tell_results(report: Report, assessment: Assessment, paths: Mapping[str, str]) -> None:
    """Tell the results; `paths` are the wanted outputs by name."""
    targets = by_depth(assessment.targets, lambda target: target.soil_property)
    report.info(tr("—— Result ——"))
    for target in targets[:_MOST_TARGETS]:
        scores = target.methods[assessment.predictor].scores
        report.info(sentence_case(accuracy_sentence(target.soil_property, scores, assessment.coverage)))
    if len(targets) > _MOST_TARGETS:
        report.info(tr("And {} more in the report.").format(len(targets) - _MOST_TARGETS))
    report.info(tr("All of this was measured on observations that the networks had not seen."))
    nearness = assessment.folds.nearness
    if nearness and nearness.is_doubtful:
        report.warning(nearness.in_words(assessment.folds.kind))
    for name, word in _FILES.items():
        if paths.get(name):
            report.info(f"{word}: {paths[name]}")
    maps = [path for path in paths.values() if path.endswith((".tif", ".tiff"))]
    if len(maps) > 1:
        folders = sorted({str(Path(path).parent) for path in maps})
        report.info(tr("All {} rasters lie in {}").format(len(maps), all_of(folders)))
    for line in _next_steps(paths):
        report.info(line)


def _next_steps(paths: Mapping[str, str]) -> list[str]:
    steps = [
        tr("Read the report first.") if paths.get("report") else tr("Choose a REPORT next time: it tells much more.")
    ]
    if "prediction" not in paths:
        steps.append(tr("Predict map makes the map with this network."))
    if paths.get("network") and paths.get("patches"):
        steps.append(tr("Explain network shows which covariates the network uses."))
    if "prediction" in paths:
        steps.append(tr("Assess map compares the map with new observations."))
    return [tr("Next: {}").format(" ".join(steps))]
