"""The last trained network and the last patch file, which later steps take unless another file is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProcessingAlgorithm, QgsProcessingParameterFile, QgsSettings

from .settings import place_for_results

SETTING = "soilcnn/last_files"
ENDINGS = {"NETWORK": "safetensors", "PATCHES": "h5"}


def note_files(results: dict[str, Any]) -> None:
    """Note the network and the patches of a run that has just succeeded."""
    for name in ENDINGS:
        if results.get(name):
            QgsSettings().setValue(f"{SETTING}/{name}", results[name])


def last_file(name: str, beside: str = "") -> str:
    """Return the newest file of NETWORK or PATCHES, noted or in a folder of the results folder; empty if there is none.

    Files in the folder of the file `beside` come first: patches belong to the network that was trained on them.
    """
    ending = ENDINGS[name]
    if beside:
        own = _newest(Path(beside).parent.glob(f"*.{ending}"))
        if own:
            return own
    noted = Path(str(QgsSettings().value(f"{SETTING}/{name}", "", type=str)))
    folder = place_for_results()
    found = [*Path(folder).glob(f"*/*.{ending}"), *Path(folder).glob(f"*.{ending}")] if folder else []
    return _newest([noted, *found])


def propose_files(algorithm: QgsProcessingAlgorithm) -> None:
    """Let the algorithm's dialog begin with the last network and its patches, and with the results folder.

    A network that may be left out is not proposed: it would decide what the algorithm does.
    """
    network = ""
    for name in ENDINGS:  # the network first
        definition = algorithm.parameterDefinition(name)
        is_choice = name == "NETWORK" and bool(
            definition and definition.flags() & Qgis.ProcessingParameterFlag.Optional
        )
        if isinstance(definition, QgsProcessingParameterFile) and not is_choice:
            found = last_file(name, network)
            network = found if name == "NETWORK" else network
            definition.setGuiDefaultValueOverride(found or None)
    folder = algorithm.parameterDefinition("RESULTS")
    if folder is not None:
        folder.setGuiDefaultValueOverride(place_for_results())


def _newest(paths: Any) -> str:
    files = [path for path in paths if path.is_file()]
    return str(max(files, key=lambda path: path.stat().st_mtime)) if files else ""
