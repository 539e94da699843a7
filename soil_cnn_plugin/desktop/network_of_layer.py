"""Finds the network that has made a map, and the patch file of its observations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import QgsProviderRegistry, QgsRasterLayer

from ..processing.layer_words import open_raster
from ..processing.recent_runs import recent_runs


def network_of(layer: Any) -> tuple[str, str]:
    """Return the paths of network and patch file of a map's layer; empty where they are not found.

    The raster knows its network's name. It lies beside the raster, or a recent run tells where both were written.
    """
    if not isinstance(layer, QgsRasterLayer) or layer.providerType() != "gdal":
        return "", ""
    path = QgsProviderRegistry.instance().decodeUri("gdal", layer.source()).get("path") or ""
    for run in recent_runs():
        if path and path in run.results.values() and Path(run.results.get("NETWORK", "")).is_file():
            patches = run.results.get("PATCHES", "")
            return run.results["NETWORK"], patches if Path(patches).is_file() else ""
    beside = Path(path).with_name(_name_in(path)) if _name_in(path) else None
    return (str(beside), "") if beside is not None and beside.is_file() else ("", "")


def _name_in(path: str) -> str:
    dataset: Any = open_raster(path) if path else None
    name = dataset.GetMetadataItem("NETWORK") if isinstance(dataset, gdal.Dataset) else None
    return Path(name).name if name else ""
