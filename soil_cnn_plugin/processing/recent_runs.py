"""The last runs and their results, kept in QGIS's settings for the menu."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterVectorDestination,
    QgsSettings,
)

SETTING = "soilcnn/recent_runs"
KEPT = 10


@dataclass(frozen=True)
class Run:
    """A run that succeeded; `layers` are pairs of a path and a title, from the bottom to the top."""

    title: str
    time: str
    report: str
    layers: tuple[tuple[str, str], ...]

    def has_report(self) -> bool:
        return bool(self.report) and Path(self.report).is_file()

    def present_layers(self) -> list[tuple[str, str]]:
        return [(path, title) for path, title in self.layers if Path(path).is_file()]


def recent_runs() -> list[Run]:
    """Return the last runs, the newest first; none if the setting is not what this file wrote."""
    try:
        found = json.loads(QgsSettings().value(SETTING, "[]", type=str))
        return [
            Run(item["title"], item["time"], item["report"], tuple((path, title) for path, title in item["layers"]))
            for item in found
        ]
    except (ValueError, TypeError, KeyError):
        return []


def note_run(algorithm: QgsProcessingAlgorithm, results: dict[str, Any], context: QgsProcessingContext) -> None:
    """Note a run that has just succeeded, unless it left nothing to look at. Call it before QGIS loads the results."""
    layers = []
    for name, path in results.items():
        kinds = (QgsProcessingParameterRasterDestination, QgsProcessingParameterVectorDestination)
        if isinstance(algorithm.parameterDefinition(name), kinds):
            is_loaded = context.willLoadLayerOnCompletion(path)
            details = context.layerToLoadOnCompletionDetails(path) if is_loaded else None
            title = details.name if details is not None and details.name else Path(path).stem
            layers.append((details.layerSortKey if details is not None else -1, path, title))
    report = results.get("REPORT", "")
    if not layers and not report:
        return
    ordered = tuple((path, title) for _, path, title in sorted(layers))
    run = Run(algorithm.displayName(), f"{datetime.now():%Y-%m-%d %H:%M}", report, ordered)
    kept = [run, *recent_runs()][:KEPT]
    QgsSettings().setValue(SETTING, json.dumps([asdict(item) for item in kept]))
