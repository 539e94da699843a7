"""A small landscape trained, mapped with its dissimilarity and explained: what is told holds."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

from soil_cnn_plugin.contract.jobs import ExplainNetwork, PredictMap, TrainNetwork
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining import explain_map, network_use
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import explain_network, predict_map, train_network
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.training.network_file import read_network, write_network
from tests.engine.landscape import CELL, NORTH, SIDE, WEST, Log, extract, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures", "quick_fits")
PIECE = (WEST + 18 * CELL, NORTH - 22 * CELL, WEST + 30 * CELL, NORTH - 10 * CELL)  # with a part of the lake
QUICK: dict[str, Any] = {"members": 3, "epochs": 25, "folds": 3, "repeats": 1, "validation": "random", "device": "cpu"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainNetwork]:
    """The folder of a landscape whose zinc follows flow and whose clay follows elevation, with a blend."""
    folder = tmp_path_factory.mktemp("explain")
    patches = extract(make_landscape(folder), count=90, patch_size=11)
    job = TrainNetwork(patches, str(folder / "n.safetensors"), **QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 60)
        train_network.run(job, Log())
    return folder, job


@pytest.fixture(scope="module")
def explained(trained) -> tuple[dict[str, Any], dict[str, Any], Log, Path]:
    """Outputs, the numbers in METRICS, the log and the folder."""
    folder, training = trained
    log = Log()
    job = ExplainNetwork(
        training.network,
        training.patches,
        report=str(folder / "explain.html"),
        importance=str(folder / "importance.gpkg"),
        attribution=str(folder / "attribution.tif"),
        metrics=str(folder / "explain.json"),
        target="clay",
        extent=PIECE,
        device="cpu",
    )
    outputs = explain_network.run(job, log)
    return outputs, json.loads(Path(job.metrics).read_text(encoding="utf-8")), log, folder


def test_the_covariate_that_a_property_follows_is_the_most_important(explained) -> None:
    _, metrics, log, _ = explained
    for field, covariate in (("zinc_0_10", "flow"), ("clay", "elevation")):
        importance = metrics["targets"][field]["importance"]
        assert max(importance, key=lambda name: importance[name]["mean"]) == covariate
        assert importance[covariate]["mean"] > 2 * importance[covariate]["spread"] > 0
        assert importance[covariate]["share"]["map"] == pytest.approx(
            importance[covariate]["mean"] / metrics["targets"][field]["rmse"]["map"]
        )
    assert "each is predicted by the members of the ensemble that were not trained on it" in metrics["basis"]
    assert any(line.startswith("clay (%): Exchanging a covariate") and "elevation" in line for line in log.infos)


def test_the_error_is_that_of_held_out_predictions(explained, trained) -> None:
    """Larger than that of the whole network, which was trained on the observations."""
    _, metrics, _, _ = explained
    _, training = trained
    network = read_network(training.network, torch.device("cpu"))
    with PatchFile(training.patches) as file:
        views = see(network, encode(network, file.read(0, file.count), file.coordinates))
        clay = file.values[:, 1]
    location, _ = network.predictor.predict(views.inputs, views.context)
    scale = network.description.outcomes[1].scale
    assert scale.transform == "none"
    own_error = np.sqrt(np.nanmean((location[:, 1] * scale.spread + scale.centre - clay) ** 2))
    content = metrics["targets"]["clay"]
    assert metrics["observations"] == 90 and len(content["importance"]["flow"]["folds"]) == 5
    assert 1.1 * own_error < content["rmse"]["map"] < np.nanstd(clay)


def test_surroundings_matter_less_and_less_with_the_radius(explained) -> None:
    _, metrics, _, _ = explained
    context = metrics["targets"]["clay"]["context"]
    assert context["radius_pixels"] == [0, 1, 2, 3, 4, 5]
    assert context["radius_metres"] == [5.0, 15.0, 25.0, 35.0, 45.0, 55.0]
    error = context["rmse"]["map"]
    assert error[-1] == pytest.approx(metrics["targets"]["clay"]["rmse"]["map"])
    assert error[0] > 1.05 * error[-1]
    assert error[0] == max(error)


def test_the_table_has_a_row_a_target_and_covariate(explained) -> None:
    _, metrics, _, folder = explained
    with sqlite3.connect(folder / "importance.gpkg") as table:
        rows = table.execute("select target, covariate, importance, spread, importance_percent from importance")
        found = {(row[0], row[1]): row[2:] for row in rows}
        assert table.execute("select data_type from gpkg_contents").fetchall() == [("attributes",)]
    assert len(found) == 2 * 4  # three covariates and the location, which the Gaussian process sees
    for (field, covariate), (mean, spread, percent) in found.items():
        expected = metrics["targets"][field]["importance"][covariate]
        assert (mean, spread) == pytest.approx((expected["mean"], expected["spread"]))
        assert percent == pytest.approx(100 * expected["share"]["map"])


def test_contributions_add_up_to_the_map(explained, trained) -> None:
    outputs, metrics, _, folder = explained
    job = PredictMap(trained[1].network, str(folder / "p.tif"), device="cpu", extent=PIECE)
    predict_map.run(job, Log())
    with rasterio.open(job.prediction) as source:
        clay = source.read(2, masked=True).filled(np.nan)
    with rasterio.open(outputs["attribution"]) as source:
        parts = source.read(masked=True).filled(np.nan)
        names = ("elevation", "flow", "soil", "location")
        assert source.descriptions == tuple(f"{name}: contribution to clay (%)" for name in names)
        assert source.units == ("%",) * 4
        base = float(source.tags()["BASE_VALUE"])
    valid = np.isfinite(clay)
    assert parts.shape == (4, 12, 12) and (np.isfinite(parts[0]) == valid).all() and not valid.all()
    # The map adds the mean of the calibrated residuals, a constant, to the location that contributions explain.
    rest = (clay - base - parts.sum(0))[valid]
    assert rest.std() < 0.1 * clay[valid].std()
    sizes = np.abs(parts[:, valid]).mean(axis=1)
    assert sizes[0] > 2 * sizes[1:].max()
    assert metrics["attribution"]["mean_absolute"]["elevation"] == pytest.approx(sizes[0], rel=1e-4)


def test_the_report_has_verdicts_and_figures_and_names_the_forests_part(explained) -> None:
    outputs, _, _, _ = explained
    page = Path(outputs["report"]).read_text(encoding="utf-8")
    for words in ("Importance of the covariates", "has a weight of", "What made the map: Clay", "expected gradients"):
        assert words in page, words
    assert page.count("<svg") == 4 and "http-equiv" in page and "<script" not in page


def test_a_large_map_is_explained_at_every_fourth_pixel(trained, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_map, "MOST_PIXELS", 100)
    monkeypatch.setattr(network_use, "_MOST_REPEATS", 2)
    _, training = trained
    log = Log()
    paths = {"report": str(tmp_path / "r.html"), "attribution": str(tmp_path / "a.tif")}
    explain_network.run(ExplainNetwork(training.network, training.patches, device="cpu", **paths), log)
    with rasterio.open(paths["attribution"]) as source:
        assert (source.shape, source.res) == ((SIDE // 4, SIDE // 4), (40.0, 40.0))
        on_scale = {
            "none": ("elevation: contribution to zinc 0-10 cm (mg/kg)", "mg/kg", "adds 0.3 mg/kg to zinc 0-10 cm"),
            "log": ("elevation: ln of the factor on zinc 0-10 cm", "ln(factor)", "multiplies zinc 0-10 cm by 1.35"),
        }
        name, unit, meaning = on_scale[source.tags()["SCALE"]]
        assert (source.descriptions[0], source.units[0]) == (name, unit) and meaning in source.tags()["MEANING"]
    assert any("one in 4 x 4 is explained" in line for line in log.infos)


def test_new_observations_are_predicted_by_the_whole_network(trained, tmp_path) -> None:
    _, training = trained
    patches = extract(make_landscape(tmp_path), count=40, patch_size=11, seed=77)
    log = Log()
    table = str(tmp_path / "i.csv")
    job = ExplainNetwork(training.network, patches, report=str(tmp_path / "r.html"), importance=table, device="cpu")
    explain_network.run(job, log)
    assert any("that the network was not trained on" in line for line in log.infos)
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["covariate"] for row in rows if row["target"] == "clay"][0] == "elevation"


def test_what_cannot_be_explained_is_told_in_words(trained, tmp_path) -> None:
    _, training = trained
    report = str(tmp_path / "r.html")
    job = ExplainNetwork(training.network, training.patches, report=report, device="cpu")
    with pytest.raises(EngineError, match="no target 'lead'. Its targets are: zinc_0_10, clay"):
        explain_network.run(replace(job, target="lead"), Log())
    other = extract(make_landscape(tmp_path), count=40, patch_size=9)
    with pytest.raises(EngineError, match="9 pixels wide, those the network was trained on 11. Extract patches of 11"):
        explain_network.run(replace(job, patches=other), Log())
    old = str(tmp_path / "old.safetensors")
    network = read_network(training.network, torch.device("cpu"))
    write_network(old, replace(network, rows=None, spaces=(), description=replace(network.description, spaces=())))
    with pytest.raises(EngineError, match="written by an older version. Train the network again"):
        explain_network.run(replace(job, network=old), Log())
    with pytest.raises(EngineError, match="does not tell how dissimilar a pixel is"):
        predict_map.run(PredictMap(old, str(tmp_path / "p.tif"), dissimilarity=str(tmp_path / "d.tif")), Log())
    assert not Path(report).exists() and not (tmp_path / "p.tif").exists()


@pytest.mark.parametrize("space", ["covariates", "embedding"])
def test_the_map_tells_where_it_may_be_used(trained, tmp_path, space: str) -> None:
    folder, training = trained
    log = Log()
    paths = {"prediction": str(tmp_path / "p.tif"), "dissimilarity": str(tmp_path / "d.tif")}
    outputs = predict_map.run(
        PredictMap(training.network, dissimilarity_space=space, device="cpu", block_size=16, **paths), log
    )
    with rasterio.open(paths["dissimilarity"]) as source:
        index = source.read(1, masked=True).compressed()
        assert (source.count, source.descriptions) == (1, ("dissimilarity index",))
        assert float(source.tags()["DISSIMILARITY_THRESHOLD"]) == pytest.approx(outputs["dissimilarity_threshold"])
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    share = (index <= outputs["dissimilarity_threshold"]).mean()
    assert 0.3 < share < 1 and index.min() < 1e-3  # the observations' own pixels
    assert outputs["applicable_share"] == pytest.approx(share, abs=0.002)
    assert any(f"{100 * share:.1f} % of the predicted pixels are applicable" in line for line in log.infos)
    description = read_network(training.network, torch.device("cpu")).description
    weights = description.spaces[0].weights
    assert sum(weights.values()) == pytest.approx(1) and min(weights, key=lambda name: weights[name]) == "soil"
