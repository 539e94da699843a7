"""Small jobs on real data that together go through every kind of target, as the job files that the engine reads.

Job files rather than the contract's classes: what is compared is what users' job files give, whatever becomes of the
code behind them.
"""

from __future__ import annotations

from collections.abc import Callable
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
        return [_covariate(folder / f"{name}.tif", name) for name in names]


def chain_of_numbers(places: Places) -> list[Step]:
    """Three metals on the logarithmic scale: the blend of both architectures, thresholds, both spaces of dissimilarity,
    explanation, assessment of the map, and the description of the network."""
    observations = str(places.data / "meuse" / "points.gpkg")
    targets = _targets("zinc", "cadmium", "copper", unit="mg/kg")
    thresholds = [_threshold("zinc", 300.0, True), _threshold("copper", 30.0, False)]
    mapped = {
        "extract": _extraction(places, observations, targets, _meuse(places), 15),
        "train": _training(
            places,
            architecture="both",
            preset="standard",
            transform="log",
            exceedance=thresholds,
            folds=2,
            members=2,
            epochs=15,
        ),
        "predict": _prediction(
            places,
            "map",
            _MAPS | {"exceedance_probability": "tif"},
            exceedance=thresholds,
            dissimilarity_space="covariates",
        ),
    }
    maps = mapped["predict"]
    bands = {name: _covariate(Path(maps[name]), name) for name in ("prediction", "lower", "upper")}
    west, north, side = 179_000.0, 333_000.0, 1600.0
    area = places.path("area.gpkg")
    corner = geopandas.points_from_xy([west + side / 2], [north - side / 2]).buffer(side / 2)
    geopandas.GeoDataFrame(geometry=corner, crs="EPSG:28992").to_file(area)
    return [
        Step("map", "map_soil_properties", mapped),
        Step(
            "corner",
            "predict_map",
            _prediction(
                places,
                "corner",
                {"prediction": "tif", "dissimilarity": "tif"},
                dissimilarity_space="embedding",
                covariates=_meuse(places),
                extent=[west, north - side, west + side, north],
                area=area,
            ),
        ),
        Step(
            "explain",
            "explain_network",
            _explanation(places, **_attribution(places, "zinc", [179_000.0, 331_000.0, 180_000.0, 332_000.0])),
        ),
        Step("describe", "describe_network", _description(places)),
        Step(
            "assess",
            "assess_map",
            {
                "observations": observations,
                "target": targets[0],
                "map": bands["prediction"],
                "lower": bands["lower"],
                "upper": bands["upper"],
                "sample": "simple",
                **places.outputs("assess", report="html", metrics="json", residuals="gpkg"),
            },
        ),
    ]


def chain_of_compositions(places: Places) -> list[Step]:
    """Sand, silt and clay at two depths, their texture classes, and a number beside them."""
    depths = {"A": "0_10", "B": "10_30"}
    parts = {"SND": "sand", "SLT": "silt", "CLY": "clay"}
    fields = {f"{old}MHT_{a}": f"{new}_{depth}" for a, depth in depths.items() for old, new in parts.items()}
    layer = _eberg_points(places).rename(columns=fields).dropna(subset=list(fields.values()))
    layer["depth_of_clay"] = 10 * layer["clay_0_10"] / (layer["clay_0_10"] + layer["sand_10_30"] + 1)
    observations = _write(places, _spread(layer, 80)[["ID", "depth_of_clay", *fields.values(), "geometry"]])
    names = list(fields.values())
    mapped = {
        "extract": _extraction(
            places,
            observations,
            [*_targets(*names, unit="%"), *_targets("depth_of_clay", unit="cm")],
            _eberg(places),
            7,
            composition=names,
        ),
        "train": _training(places, validation="spatial_blocks", folds=2, members=2, epochs=20),
        "predict": _prediction(places, "map", _MAPS | {"texture_classes": "tif"}, texture_system="usda", block_size=64),
    }
    return [
        Step("map", "map_soil_properties", mapped),
        Step(
            "explain",
            "explain_network",
            _explanation(places, **_attribution(places, "clay_10_30", _eberg_corner(places))),
        ),
        Step("describe", "describe_network", _description(places)),
    ]


def chain_of_classes(places: Places) -> list[Step]:
    """Soil types, with rare ones merged; probabilities, confusion, and explanation."""
    layer = _eberg_points(places).dropna(subset=["TAXGRSC"])
    observations = _write(places, _spread(layer, 200)[["ID", "TAXGRSC", "geometry"]])
    target = {"field": "TAXGRSC", "unit": ""}
    wanted = {"prediction": "tif", "probabilities": "tif", "confusion_index": "tif", "dissimilarity": "tif"}
    mapped = {
        "extract": _extraction(
            places, observations, [target], _eberg(places), 7, target_type="class", rare_classes="merge"
        ),
        "train": _training(places, validation="random", members=2, epochs=20),
        "predict": _prediction(places, "map", wanted, dissimilarity_space="embedding"),
    }
    return [
        Step("map", "map_soil_properties", mapped),
        Step("explain", "explain_network", _explanation(places)),
        Step("describe", "describe_network", _description(places)),
    ]


def chain_of_limits(places: Places) -> list[Step]:
    """Values below detection limits in texts and in a field, errors of the measurement, weights, groups, the location
    as an input, networks without a forest; and patch sizes compared on the same patches."""
    layer = geopandas.read_file(places.data / "meuse" / "points.gpkg")
    count = np.arange(len(layer))
    layer["cadmium_text"] = np.where(layer["cadmium"] < 0.8, "<0.8", layer["cadmium"].astype(str))
    layer["cadmium_text_sd"] = 0.1 * layer["cadmium"] + 0.05 * (count % 3)
    layer["lead_dl"] = np.where(count % 2, 60.0, 45.0)
    layer["counts"] = 1.0 + count % 4
    kept = ["cadmium_text", "cadmium_text_sd", "lead", "lead_dl", "counts", "landuse", "geometry"]
    observations = _write(places, layer.dropna(subset=["landuse"])[kept])
    targets = _targets("cadmium_text", "lead", unit="mg/kg")
    mapped = {
        "extract": _extraction(
            places,
            observations,
            targets,
            _meuse(places),
            7,
            errors=["cadmium_text_sd"],
            detection_limits=["lead_dl"],
            weight="counts",
            group="landuse",
            duplicates="average",
        ),
        "train": _training(
            places, validation="groups", predictor="network", location="on", folds=2, members=3, epochs=15
        ),
        "predict": _prediction(places, "map", _MAPS, dissimilarity_space="embedding"),
    }
    sizes = {
        "patches": mapped["extract"]["patches"],
        **places.outputs("sizes", report="html", metrics="json"),
        "sizes": [3, 7],
        "architecture": "ring",
        "validation": "random",
        "folds": 2,
        "device": "cpu",
        "seed": 0,
    }
    return [Step("map", "map_soil_properties", mapped), Step("sizes", "compare_patch_sizes", sizes)]


def chain_of_observations(places: Places) -> list[Step]:
    """What is looked at before a map is made: problems of compositions and horizons, and fixed depth intervals."""
    horizons = str(places.data / "cookfarm" / "horizons.gpkg")
    parts = ["SNDMHT_A", "SLTMHT_A", "CLYMHT_A"]
    roles = {"profile": "SOURCEID", "upper": "UHDICM", "lower": "LHDICM"}
    checked = {"report": "html", "problems": "gpkg", "metrics": "json"}
    cook = places.data / "cookfarm" / "covariates"
    values = [{"field": "PHIHOX", "unit": ""}, {"field": "BLD", "unit": "t/m3"}]
    return [
        Step(
            "check",
            "check_observations",
            {
                "observations": _write(places, _eberg_points(places)),
                "fields": [*parts, "TAXGRSC"],
                "units": _targets(*parts, unit="%"),
                "composition": parts,
                "covariates": _eberg(places),
                **places.outputs("check", **checked),
            },
        ),
        Step(
            "horizons",
            "check_observations",
            {
                "observations": horizons,
                "covariates": places.covariates(cook, "DEM", "TWI", "MUSYM"),
                **roles,
                **places.outputs("horizons", **checked),
            },
        ),
        Step(
            "depths",
            "standardize_depths",
            {
                "horizons": horizons,
                **roles,
                "values": values,
                "intervals": [[0, 5], [5, 15], [15, 30], [30, 60]],
                **places.outputs("depths", output="gpkg", problems="gpkg"),
            },
        ),
    ]


CHAINS: dict[str, Callable[[Places], list[Step]]] = {
    "compositions": chain_of_compositions,
    "numbers": chain_of_numbers,
    "classes": chain_of_classes,
    "limits": chain_of_limits,
    "observations": chain_of_observations,
}
"""Name -> what writes a chain's observations and tells its jobs, in their order: later ones read what earlier ones
wrote. The longest come first."""

_MAPS = dict.fromkeys(("prediction", "lower", "upper", "standard_deviation", "dissimilarity"), "tif")


def _extraction(
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


def _training(places: Places, **more: Any) -> Fields:
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


def _prediction(places: Places, step: str, wanted: dict[str, str], **more: Any) -> Fields:
    files = places.outputs(step, **wanted)
    network = places.path("map network.safetensors")
    return {"network": network, **files, "block_size": _BLOCK, "device": "cpu", **more}


def _explanation(places: Places, **more: Any) -> Fields:
    return {
        "network": places.path("map network.safetensors"),
        "patches": places.path("map patches.h5"),
        **places.outputs("explain", report="html", importance="csv", metrics="json"),
        "device": "cpu",
        "seed": 0,
        **more,
    }


def _attribution(places: Places, target: str, extent: list[float]) -> Fields:
    return {"target": target, "extent": extent, **places.outputs("explain", attribution="tif")}


def _description(places: Places) -> Fields:
    return {"network": places.path("map network.safetensors"), **places.outputs("describe", report="html")}


def _targets(*names: str, unit: str) -> list[Fields]:
    return [{"field": name, "unit": unit} for name in names]


def _threshold(target: str, value: float, is_above: bool) -> Fields:
    return {"target": target, "value": value, "is_above": is_above}


def _covariate(path: Path, name: str, kind: str = "") -> Fields:
    known = "categorical" if name in _CATEGORICAL else "directional" if name in _DIRECTIONAL else "continuous"
    return {"path": str(path), "name": name, "kind": kind or known}


def _meuse(places: Places) -> list[Fields]:
    return places.covariates(places.data / "meuse" / "covariates", "dist", "ahn", "ffreq", "water_occurrence")


def _eberg(places: Places) -> list[Fields]:
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


def _eberg_corner(places: Places) -> list[float]:
    """West, south, east and north of 20 x 20 pixels in the window's middle."""
    with rasterio.open(places.folder / "DEMTOPx.tif") as raster:
        return list(raster.window_bounds(Window(40, 40, 20, 20)))


def _eberg_points(places: Places) -> geopandas.GeoDataFrame:
    """The observations in the window."""
    layer = geopandas.read_file(places.data / "eberg" / "points.gpkg")
    with rasterio.open(places.data / "eberg" / "covariates25" / "DEMTOPx.tif") as raster:
        west, south, east, north = raster.window_bounds(_EBERG_WINDOW)
    return layer.cx[west:east, south:north]


def _spread(layer: geopandas.GeoDataFrame, count: int) -> geopandas.GeoDataFrame:
    """So many rows, at equal steps."""
    return layer.iloc[np.linspace(0, len(layer) - 1, count).astype(int)]


def _write(places: Places, layer: geopandas.GeoDataFrame) -> str:
    path = places.path("observations.gpkg")
    layer.to_file(path, driver="GPKG")
    return path
