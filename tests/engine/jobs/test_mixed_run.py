"""A number, the parts of a whole and soil classes as targets of one network, from points to maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import ExplainNetwork, ExtractPatches, MapSoilProperties, PredictMap, TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.contract.threshold import parse_thresholds
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining import network_use
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import describe_network, explain_network, map_soil_properties
from soil_cnn_plugin.engine.jobs.describe_network import DescribeNetwork
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.training.network_file import read_description
from tests.engine.class_landscape import NAMES, classes_of
from tests.engine.landscape import CELL, CRS, NORTH, WEST, Landscape, Log, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures")
PARTS = ("sand", "silt", "clay")
COUNT = 150
QUICK = {
    "architecture": "both",
    "preset": "best",
    "members": 3,
    "epochs": 20,
    "validation": "random",
    "folds": 3,
    "repeats": 1,
}
RASTERS = (
    *("prediction", "lower", "upper", "standard_deviation", "classes", "probabilities", "confusion_index"),
    *("texture_classes", "exceedance_probability", "dissimilarity"),
)
Run = tuple[MapSoilProperties, dict[str, Any], Log]


@pytest.fixture(scope="module", autouse=True)
def few_trees_and_repeats(quick_fits: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 60)
        patch.setattr(network_use, "_MOST_REPEATS", 2)
        yield


def write_points(landscape: Landscape) -> str:
    """Zinc, sand and clay follow elevation, the soil type elevation and flow. A sixth has no zinc, another no soil."""
    rng = np.random.default_rng(2)
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    rows, cols = valid[rng.choice(len(valid), COUNT, replace=False)].T
    elevation, flow = landscape.values[:2, rows, cols].astype(np.float64)
    steady = (elevation - elevation.mean()) / elevation.std()
    clay = 20 + 6 * steady + rng.normal(0, 1, COUNT)
    sand = 50 - 6 * steady + rng.normal(0, 1, COUNT)
    number = np.arange(COUNT)
    kinds = np.array(NAMES, object)[classes_of(elevation, flow, len(NAMES))]
    columns = {
        "zinc": np.where(number % 6 == 0, np.nan, np.exp(4 + 0.5 * steady + rng.normal(0, 0.1, COUNT))),
        "soil": np.where(number % 6 == 1, None, kinds),
        "sand": sand,
        "silt": 100 - sand - clay,
        "clay": clay,
    }
    points = geopandas.points_from_xy(WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL)
    path = str(landscape.folder / "points.gpkg")
    geopandas.GeoDataFrame(columns, geometry=points, crs=CRS).to_file(path)
    return path


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Run:
    landscape = make_landscape(tmp_path_factory.mktemp("landscape"))
    folder = tmp_path_factory.mktemp("mapped")
    patches, network = str(folder / "patches.h5"), str(folder / "network.safetensors")
    thresholds = parse_thresholds("zinc > 60; clay > 25")
    targets = tuple(SoilProperty(field) for field in ("zinc", "soil", *PARTS))
    job = MapSoilProperties(
        ExtractPatches(
            write_points(landscape), targets, landscape.covariates, patches, patch_size=15, composition=PARTS
        ),
        TrainNetwork(
            patches,
            network,
            report=str(folder / "report.html"),
            held_out=str(folder / "held_out.gpkg"),
            metrics=str(folder / "metrics.json"),
            exceedance=thresholds,
            **QUICK,
        ),
        PredictMap(network, exceedance=thresholds, **{name: str(folder / f"{name}.tif") for name in RASTERS}),
    )
    log = Log()
    return job, map_soil_properties.run(job, log), log


def read(path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values (bands, h, w) with NaN where there is none, and what the bands are called."""
    with rasterio.open(path) as dataset:
        return dataset.read(masked=True).filled(0).astype(np.float64), dataset.descriptions


def test_the_patch_file_holds_numbers_parts_and_classes(mapped: Run) -> None:
    with PatchFile(mapped[0].extract.patches) as file:
        assert file.words.classes == {"soil": tuple(sorted(NAMES))}
        assert file.words.compositions == (PARTS,)
        missing = np.isnan(file.values).sum(axis=0)
    assert missing.tolist() == [25, 25, 0, 0, 0]


def test_numbers_come_back_for_both_kinds(mapped: Run) -> None:
    _, outputs, log = mapped
    assert {"rmse", "mec", "picp", "baseline_rmse", "accuracy", "brier", "baseline_accuracy"} <= set(outputs)
    assert outputs["mec"] > 0.5 and outputs["accuracy"] > 0.5
    assert all(
        f"{field.capitalize()}" in outputs["verdict"] or field in outputs["verdict"] for field in ("zinc", "soil")
    )
    (fold,) = [line for line in log.infos if line.startswith("Fold 1:")]
    assert "RMSE: zinc" in fold and "misclassified: soil" in fold and "most frequent class" in fold


def test_each_raster_holds_what_its_kinds_give(mapped: Run) -> None:
    predict = mapped[0].predict
    values, bands = read(predict.prediction)
    assert bands == ("zinc", "sand (%)", "silt (%)", "clay (%)")
    known = values[0] > 0
    np.testing.assert_allclose(values[1:, known].sum(axis=0), 100, rtol=1e-6)
    lower, _ = read(predict.lower)
    upper, _ = read(predict.upper)
    assert (lower[:, known] <= values[:, known]).all() and (values[:, known] <= upper[:, known]).all()
    classes, bands = read(predict.classes)
    assert bands == ("soil",) and set(np.unique(classes)) <= {0, 1, 2, 3}
    probabilities, bands = read(predict.probabilities)
    assert bands == tuple(f"probability of {name}" for name in sorted(NAMES))
    np.testing.assert_allclose(probabilities[:, known].sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(classes[0, known], 1 + probabilities.argmax(axis=0)[known])
    assert read(predict.texture_classes)[1] == ("texture class (USDA)",)
    assert read(predict.exceedance_probability)[1] == ("zinc > 60, probability", "clay > 25 %, probability")


def test_the_held_out_layer_and_the_metrics_hold_all_targets(mapped: Run) -> None:
    job = mapped[0].train
    layer = geopandas.read_file(job.held_out)
    assert {"zinc_residual", "soil_observed", "soil_correct", "clay_predicted", "fold"} <= set(layer.columns)
    assert layer["zinc_residual"].isna().sum() == 25 and layer["soil_observed"].isna().sum() == 25
    content = json.loads(Path(job.metrics).read_text(encoding="utf-8"))
    assert list(content["targets"]) == ["zinc", "soil", *PARTS]
    assert content["targets"]["soil"]["classes"].keys() == set(NAMES)
    assert content["targets"]["zinc"]["n"] == COUNT - 25
    assert [whole["parts"] for whole in content["compositions"]] == [list(PARTS)]


def test_the_report_has_the_sections_of_each_kind(mapped: Run) -> None:
    html = Path(mapped[0].train.report).read_text(encoding="utf-8")
    for words in ("RMSE", "Brier score", "Confusion", "Distance between compositions"):
        assert words.lower() in html.lower(), words


def test_the_network_file_and_its_page_tell_all_kinds(mapped: Run, tmp_path: Path) -> None:
    description = read_description(mapped[0].train.network)
    assert description.transforms == {
        "zinc": description.transforms["zinc"],
        "soil": "classes",
        **dict.fromkeys(PARTS, "log-ratio"),
    }
    assert [(each.head, each.count) for each in description.layout] == [("numbers", 1), ("classes", 3), ("numbers", 2)]
    page = tmp_path / "page.html"
    describe_network.run(DescribeNetwork(mapped[0].train.network, str(page)), Log())
    text = page.read_text(encoding="utf-8")
    assert "3 classes of soil" in text and "Sand, silt and clay are parts of a whole" in text


def test_a_network_of_all_kinds_is_explained_target_by_target(mapped: Run, tmp_path: Path) -> None:
    job = ExplainNetwork(
        mapped[0].train.network,
        mapped[0].extract.patches,
        report=str(tmp_path / "explain.html"),
        importance=str(tmp_path / "importance.csv"),
        metrics=str(tmp_path / "explain.json"),
        target="soil",
    )
    outputs = explain_network.run(job, Log())
    content = json.loads(Path(job.metrics).read_text(encoding="utf-8"))
    assert outputs["verdict"]
    assert "root_brier" in json.dumps(content["targets"]["soil"]) and "rmse" in json.dumps(content["targets"]["zinc"])


def test_contributions_to_the_odds_of_a_class_add_up_to_the_map_of_its_probability(mapped: Run, tmp_path: Path) -> None:
    job, log = mapped[0], Log()
    west, north = WEST + 100, NORTH - 150
    corner = (west, north - 40, west + 40, north)
    report, raster = str(tmp_path / "why.html"), str(tmp_path / "why.tif")
    wanted = ExplainNetwork(
        job.predict.network,
        job.extract.patches,
        report,
        attribution=raster,
        target="soil",
        extent=corner,
        device="cpu",
    )
    for options, words in (
        ({"target_class": "Ranker"}, "soil has no class 'Ranker'. Its classes are: "),
        ({"target": "zinc", "target_class": NAMES[0]}, "learned zinc as a number. Leave CLASS empty"),
    ):
        with pytest.raises(EngineError, match=words):
            explain_network.run(replace(wanted, **options), log)
    explain_network.run(wanted, log)
    with rasterio.open(raster) as source:
        values, bands, tags = source.read(masked=True).filled(np.nan), source.descriptions, source.tags()
        assert source.units == ("ln(factor of odds)",) * 4
    with rasterio.open(job.predict.probabilities) as source:
        name = f"probability of {tags['CLASS']}"
        band, window = source.descriptions.index(name) + 1, source.window(*corner)
        shares = source.read(band, window=window, masked=True).filled(np.nan).astype(np.float64)
    log_odds = np.log(shares / (1 - shares))
    np.testing.assert_allclose(values.sum(axis=0) + float(tags["BASE_VALUE"]), log_odds, atol=2e-3)
    assert bands[0] == f"elevation: ln of the factor on the odds of {tags['CLASS']} (soil)"
    assert tags["SCALE"] == "log-odds" and "multiplies the odds of" in tags["MEANING"] and "by 1.35" in tags["MEANING"]
    page = Path(report).read_text(encoding="utf-8")
    assert "× or ÷ " in page and f"What made the map: Soil, {tags['CLASS']}" in page
    (told,) = [line for line in log.infos if line.startswith("No class is chosen for the contributions")]
    with PatchFile(job.extract.patches) as file:
        counts = np.bincount(file.values[np.isfinite(file.values[:, 1]), 1].astype(int))
        most = file.words.classes["soil"][counts.argmax()]
    assert tags["CLASS"] == most and f"{most} ({counts.max()})" in told
