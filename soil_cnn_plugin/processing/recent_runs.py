"""The last runs and their results, kept in QGIS's settings for the menu."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterVectorDestination,
    QgsSettings,
)

from ..contract.language import moment_in_words

SETTING = "soilcnn/recent_runs"
KEPT = 10
_BESIDE_LAYERS = ("DISSIMILARITY_THRESHOLD", "NETWORK", "PATCHES")  # what layers are shown and explained with


@dataclass(frozen=True)
class Run:
    """A run that succeeded. `subject` names its group of layers; `results` are what these are made from: output name ->
    path, and the threshold of dissimilarity."""

    title: str
    time: str
    report: str
    subject: str
    results: dict[str, Any]

    def has_report(self) -> bool:
        return bool(self.report) and Path(self.report).is_file()

    def present_results(self) -> dict[str, Any]:
        """Return the results whose files still exist; empty if no file does."""
        files = {name: path for name, path in self.results.items() if isinstance(path, str) and Path(path).is_file()}
        return {
            **files,
            **{name: value for name, value in self.results.items() if files and not isinstance(value, str)},
        }


def recent_runs() -> list[Run]:
    """Return the last runs, the newest first; none if the setting is not what this file wrote."""
    try:
        found = json.loads(QgsSettings().value(SETTING, "[]", type=str))
        return [
            Run(item["title"], item["time"], item["report"], item["subject"], dict(item["results"])) for item in found
        ]
    except (ValueError, TypeError, KeyError):
        return []


def note_run(algorithm: QgsProcessingAlgorithm, results: dict[str, Any], subject: str) -> None:
    """Note a run that has just succeeded, unless it left nothing to look at."""
    kinds = (QgsProcessingParameterRasterDestination, QgsProcessingParameterVectorDestination)
    layers = {name: path for name, path in results.items() if isinstance(algorithm.parameterDefinition(name), kinds)}
    report = results.get("REPORT", "")
    if not layers and not report:
        return
    layers.update({name: results[name] for name in _BESIDE_LAYERS if name in results})
    run = Run(algorithm.displayName(), moment_in_words(datetime.now()), report, subject, layers)
    kept = [run, *recent_runs()][:KEPT]
    QgsSettings().setValue(SETTING, json.dumps([asdict(item) for item in kept]))
