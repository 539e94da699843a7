"""The fields of the job files on whose results same_results.py looks, and the layers of the data sets cut for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
from rasterio.windows import Window

VERSION = 1  # of the job file
_CATEGORICAL = ("ffreq", "soil", "lgn5", "PRMGEO6", "LNCCOR6", "MUSYM", "X2011", "X2012")
_DIRECTIONAL = ("northness", "eastness")
_EBERG_WINDOW = Window(220, 40, 100, 100)  # columns and rows where observations are dense
_BLOCK = 48  # pixels: the size that free memory allows differs from run to run
MAPS = dict.fromkeys(("prediction", "lower", "upper", "standard_deviation", "dissimilarity"), "tif")
Fields = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One job file: the job's name in it, and its fields."""

    name: str
    job: str
    fields: Fields

    @property
    def content(self) -> Fields:
        return {"job": self.job, "version": VERSION, **self.fields}


@dataclass(frozen=True)
class Places:
    """Where the data sets lie, and the folder that a chain's files go to."""

    data: Path
    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def outputs(self, step: str, **suffixes: str) -> Fields:
        """`report="html"` -> `{"report": ".../<step> report.html"}`."""
        return {name: self.path(f"{step} {name}.{suffix}") for name, suffix in suffixes.items()}

    def covariates(self, folder: Path, *names: str) -> list[Fields]:
        return [covariate(folder / f"{name}.tif", name) for name in names]


def extraction(
    places: Places, observations: str, targets: list[Fields], covariates: list[Fields], patch_size: int, **more: Any
) -> Fields:
    return {
        "observations": observations,
        "targets": targets,
        "covariates": covariates,
        "patch_size": patch_size,
        **places.outputs("map", patches="h5", dropped="gpkg"),
        **more,
    }


def training(places: Places, **more: Any) -> Fields:
    files = places.outputs("map", network="safetensors", report="html", held_out="gpkg", metrics="json")
    return {
        "patches": places.path("map patches.h5"),
        **files,
        "preset": "fast",
        "folds": 3,
        "repeats": 1,
        "device": "cpu",
        "seed": 0,
        **more,
    }


def prediction(places: Places, step: str, wanted: dict[str, str], **more: Any) -> Fields:
    files = places.outputs(step, **wanted)
    network = places.path("map network.safetensors")
    return {"network": network, **files, "block_size": _BLOCK, "device": "cpu", **more}


def explanation(places: Places, **more: Any) -> Fields:
    return {
        "network": places.path("map network.safetensors"),
        "patches": places.path("map patches.h5"),
        **places.outputs("explain", report="html", importance="csv", metrics="json"),
        "device": "cpu",
        "seed": 0,
        **more,
    }


def attribution(places: Places, target: str, extent: list[float]) -> Fields:
    return {"target": target, "extent": extent, **places.outputs("explain", attribution="tif")}


def description(places: Places) -> Fields:
    return {"network": places.path("map network.safetensors"), **places.outputs("describe", report="html")}


def targets(*names: str, unit: str) -> list[Fields]:
    return [{"field": name, "unit": unit} for name in names]


def threshold(target: str, value: float, is_above: bool) -> Fields:
    return {"target": target, "value": value, "is_above": is_above}


def covariate(path: Path, name: str, kind: str = "") -> Fields:
    known = "categorical" if name in _CATEGORICAL else "directional" if name in _DIRECTIONAL else "continuous"
    return {"path": str(path), "name": name, "kind": kind or known}


def meuse(places: Places) -> list[Fields]:
    return places.covariates(places.data / "meuse" / "covariates", "dist", "ahn", "ffreq", "water_occurrence")


def eberg(places: Places) -> list[Fields]:
    """Those of a window, written beside the chain's other files."""
    names = ("DEMTOPx", "slope_deg", "northness", "PRMGEO6")
    for name in names:
        with rasterio.open(places.data / "eberg" / "covariates25" / f"{name}.tif") as source:
            values = source.read(window=_EBERG_WINDOW)
            profile = source.profile | {
                "height": _EBERG_WINDOW.height,
                "width": _EBERG_WINDOW.width,
                "transform": source.window_transform(_EBERG_WINDOW),
            }
        with rasterio.open(places.folder / f"{name}.tif", "w", **profile) as cut:
            cut.write(values)
    return places.covariates(places.folder, *names)


def eberg_corner(places: Places) -> list[float]:
    """West, south, east and north of 20 x 20 pixels in the window's middle."""
    with rasterio.open(places.folder / "DEMTOPx.tif") as raster:
        return list(raster.window_bounds(Window(40, 40, 20, 20)))


def eberg_points(places: Places) -> geopandas.GeoDataFrame:
    """The observations in the window."""
    layer = geopandas.read_file(places.data / "eberg" / "points.gpkg")
    with rasterio.open(places.data / "eberg" / "covariates25" / "DEMTOPx.tif") as raster:
        west, south, east, north = raster.window_bounds(_EBERG_WINDOW)
    return layer.cx[west:east, south:north]


def spread(layer: geopandas.GeoDataFrame, count: int) -> geopandas.GeoDataFrame:
    """So many rows, at equal steps."""
    return layer.iloc[np.linspace(0, len(layer) - 1, count).astype(int)]


def write(places: Places, layer: geopandas.GeoDataFrame) -> str:
    path = places.path("observations.gpkg")
    layer.to_file(path, driver="GPKG")
    return path
