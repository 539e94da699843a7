"""Sand, silt and clay at two depths, from points to maps: extracted, trained, mapped, assessed and explained."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import (
    AssessMap,
    ComparePatchSizes,
    Covariate,
    DescribeNetwork,
    ExplainNetwork,
    ExtractPatches,
    PredictMap,
    TrainNetwork,
)
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.explaining import network_use
from soil_cnn_plugin.engine.jobs import (
    assess_map,
    compare_patch_sizes,
    describe_network,
    explain_network,
    extract_patches,
    predict_map,
    train_network,
)
from soil_cnn_plugin.engine.training import plan
from soil_cnn_plugin.engine.training.network_file import read_description
from soil_cnn_plugin.engine.training.plan import Shape
from tests.engine.landscape import CELL, CRS, NORTH, WEST, Landscape, Log, make_landscape
from tests.engine.reports.test_held_out_report import Reader

pytestmark = pytest.mark.usefixtures("words_of_all_figures", "quick_fits")
PARTS, DEPTHS = ("sand", "silt", "clay"), ("0_10", "30_60")
FIELDS = tuple(f"{part}_{depth}" for depth in DEPTHS for part in PARTS)
COUNT = 90
DEEP = np.arange(COUNT) % 3 != 0  # where the lower depth was sampled, too


@dataclass(frozen=True)
class Chain:
    landscape: Landscape
    job: TrainNetwork
    log: Log
    metrics: dict[str, Any]
    points: geopandas.GeoDataFrame
    """What was measured."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    landscape = make_landscape(tmp_path_factory.mktemp("texture"))
    folder = landscape.folder
    points = measure(landscape)
    points.to_file(folder / "texture.gpkg")
    targets, log = tuple(SoilProperty(field) for field in FIELDS), Log()
    patches = str(folder / "patches.h5")
    extract_patches.run(
        ExtractPatches(
            str(folder / "texture.gpkg"), targets, landscape.covariates, patches, patch_size=7, composition=FIELDS
        ),
        log,
    )
    job = TrainNetwork(
        patches,
        str(folder / "network.safetensors"),
        report=str(folder / "report.html"),
        held_out=str(folder / "held_out.gpkg"),
        metrics=str(folder / "metrics.json"),
        architecture="ring",
        members=3,
        epochs=30,
        folds=3,
        repeats=1,
        validation="random",
        device="cpu",
    )
    train_network.run(job, log)
    metrics = json.loads(Path(job.metrics).read_text(encoding="utf-8"))
    return Chain(landscape, job, log, metrics, points)


def measure(landscape: Landscape) -> geopandas.GeoDataFrame:
    """Clay rises with elevation, sand with flow; some clay is 0, one silt is missing, a third has no lower depth."""
    rng = np.random.default_rng(6)
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    rows, cols = valid[rng.choice(len(valid), COUNT, replace=False)].T
    elevation, flow = landscape.values[:2, rows, cols].astype(np.float64)
    columns: dict[str, Any] = {}
    for depth, shift in zip(DEPTHS, (0.0, 0.4)):
        logs = np.column_stack([0.8 * np.log(flow), np.zeros(COUNT), (elevation - 50) / 8 + shift])
        parts = np.exp(logs + rng.normal(0, 0.15, (COUNT, 3)))
        parts = np.round(100 * parts / parts.sum(axis=1, keepdims=True), 1)
        for part, values in zip(PARTS, parts.T):
            columns[f"{part}_{depth}"] = values if depth == DEPTHS[0] else np.where(DEEP, values, np.nan)
    columns["clay_0_10"][:2] = 0.0
    columns["silt_0_10"][5] = np.nan
    columns["sand_0_10"][6] += 20  # far from 100
    x, y = WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL
    return geopandas.GeoDataFrame(columns, geometry=geopandas.points_from_xy(x, y), crs=CRS)


def test_the_log_tells_of_sums_zeros_and_missing_parts(chain: Chain) -> None:
    text = " ".join([*chain.log.infos, *chain.log.warnings])
    assert "1 observations lack some of the parts sand_0_10, silt_0_10, clay_0_10 (silt_0_10 1)" in text
    assert "which counts as very small: clay_0_10 3" in text
    assert "All are rescaled to 100" in text
    assert "sand 0-10 cm (%) (scale: log-ratio)" in text


def test_each_depth_has_a_head_and_its_own_observations(chain: Chain) -> None:
    description = read_description(chain.job.network)
    assert description.columns == 4  # of one network: two log-ratios a depth
    assert [target["methods"]["blend"]["n"] for target in chain.metrics["targets"].values()] == [89] * 3 + [60] * 3
    (lower,) = [each for each in chain.metrics["compositions"] if each["title"].endswith("30-60 cm")]
    assert {scores["n"] for scores in lower["methods"].values()} == {60}


def test_held_out_predictions_sum_to_the_whole_and_beat_the_mean(chain: Chain) -> None:
    layer = geopandas.read_file(chain.job.held_out)
    for depth in DEPTHS:
        of_depth = [layer[[f"{part}_{depth}_{kind}" for part in PARTS]].dropna() for kind in ("observed", "predicted")]
        observed, predicted = (each.to_numpy() for each in of_depth)
        np.testing.assert_allclose(observed.sum(axis=1), 100, rtol=1e-9)
        np.testing.assert_allclose(predicted.sum(axis=1), 100, rtol=1e-9)
        assert (predicted > 0).all()
    assert layer["clay_30_60_predicted"].notna().sum() == DEEP.sum()
    for composition in chain.metrics["compositions"]:
        scores = composition["methods"]
        assert scores["blend"]["aitchison_distance"] < 0.8 * scores["mean"]["aitchison_distance"]
        assert scores["blend"]["right_class"] > scores["mean"]["right_class"]
        assert composition["texture_system"] == "usda"


def test_the_joint_score_can_be_computed_from_the_held_out_layer(chain: Chain) -> None:
    layer = geopandas.read_file(chain.job.held_out)
    observed, predicted = (
        np.log(layer[[f"{part}_30_60_{kind}" for part in PARTS]].dropna().to_numpy())
        for kind in ("observed", "predicted")
    )
    error = observed - predicted
    error -= error.mean(axis=1, keepdims=True)
    expected = np.sqrt((error**2).sum(axis=1).mean())
    assert chain.metrics["compositions"][1]["methods"]["blend"]["aitchison_distance"] == pytest.approx(expected)


def test_the_report_shows_depths_and_compositions_and_what_was_closed(chain: Chain) -> None:
    page = Reader(Path(chain.job.report).read_text(encoding="utf-8"))
    for words in (
        "Sand 0-10 and 30-60 cm, silt 0-10 and 30-60 cm and clay 0-10 and 30-60 cm",
        "Sand, silt and clay, at 2 depths, are parts of a whole.",
        "Clay by depth",
        "Scores of clay by depth",
        "Right texture class",
        "All are rescaled to 100",
        "which counts as very small: clay_0_10 3",
    ):
        assert words in page.text, words


def test_maps_sum_to_the_whole_and_can_be_assessed_part_by_part(chain: Chain, tmp_path: Path) -> None:
    paths = {name: str(tmp_path / f"{name}.tif") for name in ("prediction", "lower", "upper", "texture_classes")}
    predict_map.run(PredictMap(chain.job.network, covariates=chain.landscape.covariates, device="cpu", **paths), Log())
    with rasterio.open(paths["prediction"]) as dataset:
        mean = dataset.read(masked=True).astype(np.float64)
        assert dataset.descriptions == tuple(SoilProperty(field, "%").label for field in FIELDS)
    for depth in range(2):
        np.testing.assert_allclose(mean[3 * depth : 3 * depth + 3].sum(axis=0).compressed(), 100, rtol=1e-6)
    band = FIELDS.index("clay_30_60") + 1
    job = AssessMap(
        str(chain.landscape.folder / "texture.gpkg"),
        SoilProperty("clay_30_60", "%"),
        *(Covariate(paths[name], name, band=band) for name in ("prediction", "lower", "upper")),
        metrics=str(tmp_path / "m.json"),
    )
    numbers = assess_map.run(job, Log())
    assert numbers["count"] == DEEP.sum()
    with rasterio.open(paths["prediction"]) as dataset:
        places = [(point.x, point.y) for point in chain.points.geometry[DEEP]]
        predicted = np.array([values[band - 1] for values in dataset.sample(places)])
    observed = chain.points["clay_30_60"].to_numpy()[DEEP]
    assert numbers["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - observed) ** 2)), rel=1e-5)


def test_one_part_of_a_composition_can_be_explained(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_use, "_MOST_REPEATS", 2)
    job = ExplainNetwork(
        chain.job.network,
        chain.job.patches,
        report=str(tmp_path / "r.html"),
        attribution=str(tmp_path / "a.tif"),
        metrics=str(tmp_path / "m.json"),
        target="clay_30_60",
        extent=(WEST + 100, NORTH - 200, WEST + 200, NORTH - 100),
        device="cpu",
    )
    explain_network.run(job, Log())
    metrics = json.loads(Path(job.metrics).read_text(encoding="utf-8"))
    assert list(metrics["targets"]) == list(FIELDS)
    with rasterio.open(job.attribution) as dataset:
        ratio = "the ratio of clay 30-60 cm to the geometric mean of all parts"
        assert dataset.descriptions[0] == f"elevation: ln of the factor on {ratio}"
        assert set(dataset.units) == {"ln(factor of ratio)"}
        # Contributions add up to what is predicted: the part's centred log-ratio minus the base value.
        total = dataset.read(masked=True).astype(np.float64).sum(axis=0) + float(dataset.tags()["BASE_VALUE"])
    assert total.std() > 0.1


def test_patch_sizes_can_be_compared_for_compositions(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_RING", replace(plan._RING, shape=Shape("ring", 31, 2), steps=60))
    job = ComparePatchSizes(
        chain.job.patches,
        report=str(tmp_path / "r.html"),
        metrics=str(tmp_path / "m.json"),
        sizes=(7,),
        architecture="ring",
        validation="random",
        folds=2,
        device="cpu",
    )
    outputs = compare_patch_sizes.run(job, Log())
    assert outputs["best_patch_size"] in (1, 7)
    assert Path(job.report).is_file()


def test_the_description_of_the_network_names_the_wholes(chain: Chain, tmp_path: Path) -> None:
    describe_network.run(DescribeNetwork(chain.job.network, str(tmp_path / "d.html")), Log())
    page = Reader((tmp_path / "d.html").read_text(encoding="utf-8"))
    assert "Sand 30-60 cm, silt 30-60 cm and clay 30-60 cm are parts of a whole" in page.text
