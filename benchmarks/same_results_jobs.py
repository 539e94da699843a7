"""Small jobs on real data that together go through every kind of target, as the job files that the engine reads.

Job files rather than the contract's classes: what is compared is what users' job files give, whatever becomes of the
code behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import same_results_fields as fields
from same_results_fields import Places, Step


def chain_of_numbers(places: Places) -> list[Step]:
    """Three metals on the logarithmic scale: the blend of both architectures, thresholds, both spaces of dissimilarity,
    explanation, assessment of the map, and the description of the network."""
    observations = str(places.data / "meuse" / "points.gpkg")
    targets = fields.targets("zinc", "cadmium", "copper", unit="mg/kg")
    thresholds = [fields.threshold("zinc", 300.0, True), fields.threshold("copper", 30.0, False)]
    mapped = {
        "extract": fields.extraction(places, observations, targets, fields.meuse(places), 15),
        "train": fields.training(
            places,
            architecture="both",
            preset="standard",
            transform="log",
            exceedance=thresholds,
            folds=2,
            members=2,
            epochs=15,
        ),
        "predict": fields.prediction(
            places,
            "map",
            fields.MAPS | {"exceedance_probability": "tif"},
            exceedance=thresholds,
            dissimilarity_space="covariates",
        ),
    }
    maps = mapped["predict"]
    bands = {name: fields.covariate(Path(maps[name]), name) for name in ("prediction", "lower", "upper")}
    west, north, side = 179_000.0, 333_000.0, 1600.0
    area = places.path("area.gpkg")
    corner = geopandas.points_from_xy([west + side / 2], [north - side / 2]).buffer(side / 2)
    geopandas.GeoDataFrame(geometry=corner, crs="EPSG:28992").to_file(area)
    return [
        Step("map", "map_soil_properties", mapped),
        Step(
            "corner",
            "predict_map",
            fields.prediction(
                places,
                "corner",
                {"prediction": "tif", "dissimilarity": "tif"},
                dissimilarity_space="embedding",
                covariates=fields.meuse(places),
                extent=[west, north - side, west + side, north],
                area=area,
            ),
        ),
        Step(
            "explain",
            "explain_network",
            fields.explanation(
                places, **fields.attribution(places, "zinc", [179_000.0, 331_000.0, 180_000.0, 332_000.0])
            ),
        ),
        Step("describe", "describe_network", fields.description(places)),
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
    renamed = {f"{old}MHT_{a}": f"{new}_{depth}" for a, depth in depths.items() for old, new in parts.items()}
    layer = fields.eberg_points(places).rename(columns=renamed).dropna(subset=list(renamed.values()))
    layer["depth_of_clay"] = 10 * layer["clay_0_10"] / (layer["clay_0_10"] + layer["sand_10_30"] + 1)
    observations = fields.write(
        places, fields.spread(layer, 80)[["ID", "depth_of_clay", *renamed.values(), "geometry"]]
    )
    names = list(renamed.values())
    mapped = {
        "extract": fields.extraction(
            places,
            observations,
            [*fields.targets(*names, unit="%"), *fields.targets("depth_of_clay", unit="cm")],
            fields.eberg(places),
            7,
            composition=names,
        ),
        "train": fields.training(places, validation="spatial_blocks", folds=2, members=2, epochs=20),
        "predict": fields.prediction(
            places, "map", fields.MAPS | {"texture_classes": "tif"}, texture_system="usda", block_size=64
        ),
    }
    return [
        Step("map", "map_soil_properties", mapped),
        Step(
            "explain",
            "explain_network",
            fields.explanation(places, **fields.attribution(places, "clay_10_30", fields.eberg_corner(places))),
        ),
        Step("describe", "describe_network", fields.description(places)),
    ]


def chain_of_classes(places: Places) -> list[Step]:
    """Soil types, with rare ones merged; probabilities, confusion, and explanation."""
    layer = fields.eberg_points(places).dropna(subset=["TAXGRSC"])
    observations = fields.write(places, fields.spread(layer, 200)[["ID", "TAXGRSC", "geometry"]])
    target = {"field": "TAXGRSC", "unit": ""}
    wanted = {"prediction": "tif", "probabilities": "tif", "confusion_index": "tif", "dissimilarity": "tif"}
    mapped = {
        "extract": fields.extraction(
            places, observations, [target], fields.eberg(places), 7, target_type="class", rare_classes="merge"
        ),
        "train": fields.training(places, validation="random", members=2, epochs=20),
        "predict": fields.prediction(places, "map", wanted, dissimilarity_space="embedding"),
    }
    return [
        Step("map", "map_soil_properties", mapped),
        Step("explain", "explain_network", fields.explanation(places)),
        Step("describe", "describe_network", fields.description(places)),
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
    observations = fields.write(places, layer.dropna(subset=["landuse"])[kept])
    targets = fields.targets("cadmium_text", "lead", unit="mg/kg")
    mapped = {
        "extract": fields.extraction(
            places,
            observations,
            targets,
            fields.meuse(places),
            7,
            errors=["cadmium_text_sd"],
            detection_limits=["lead_dl"],
            weight="counts",
            group="landuse",
            duplicates="average",
        ),
        "train": fields.training(
            places, validation="groups", predictor="network", location="on", folds=2, members=3, epochs=15
        ),
        "predict": fields.prediction(places, "map", fields.MAPS, dissimilarity_space="embedding"),
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
                "observations": fields.write(places, fields.eberg_points(places)),
                "fields": [*parts, "TAXGRSC"],
                "units": fields.targets(*parts, unit="%"),
                "composition": parts,
                "covariates": fields.eberg(places),
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
