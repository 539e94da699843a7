"""Compare patch sizes: from a patch file to recommendation, JSON and page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, uniform_filter

from soil_cnn_plugin.contract.jobs import ComparePatchSizes, Covariate, ExtractPatches, JobError, from_json, to_json
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import compare_patch_sizes, extract_patches
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training import plan
from soil_cnn_plugin.engine.training.design import encode_patches
from soil_cnn_plugin.engine.training.plan import Plan, Shape
from tests.engine.landscape import NORTH, WEST, Log, extract, make_landscape, write_raster

pytestmark = pytest.mark.usefixtures("words_of_all_figures", "quick_fits")
QUIET = Report(lambda event: None)
SIDE, CELL = 60, 10.0


@pytest.fixture(autouse=True)
def less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer trees, members and steps than a user's."""
    monkeypatch.setattr(forest, "TREES", 60)
    monkeypatch.setattr(plan, "_RING", replace(plan._RING, shape=Shape("ring", 31, 5), steps=200))


@pytest.fixture
def vicinity(tmp_path: Path) -> str:
    """A patch file of 120 observations whose moisture is the mean of a noisy covariate over 9 x 9 pixels, and whose
    `sand` is the covariate at the point, measured with errors."""
    rng = np.random.default_rng(5)
    covariate = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2) * 7 + 1.5 * rng.normal(size=(SIDE, SIDE))
    rows, cols = rng.permutation(SIDE * SIDE)[:120] // SIDE, rng.permutation(SIDE * SIDE)[:120] % SIDE
    columns = {
        "moisture": 30 + 5 * uniform_filter(covariate, 9)[rows, cols],
        "sand": 40 + 3 * covariate[rows, cols] + 2 * rng.normal(size=120),
    }
    x, y = WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL
    points = str(tmp_path / "points.gpkg")
    geopandas.GeoDataFrame(columns, geometry=geopandas.points_from_xy(x, y), crs="EPSG:28992").to_file(points)
    raster = Covariate(write_raster(tmp_path / "covariate.tif", covariate), "covariate")
    path = str(tmp_path / "patches.h5")
    targets = (SoilProperty("moisture", "%"), SoilProperty("sand", "%"))
    extract_patches.run(ExtractPatches(points, targets, (raster,), path, patch_size=9), QUIET)
    return path


def job(patches: str, **changes: object) -> ComparePatchSizes:
    values = {"sizes": (3, 9), "architecture": "ring", "validation": "random", "folds": 2, "device": "cpu", **changes}
    return ComparePatchSizes(patches, **values)  # type: ignore[arg-type]


def test_a_property_made_by_its_surroundings_asks_for_them(vicinity: str, tmp_path: Path) -> None:
    report, metrics = tmp_path / "r.html", tmp_path / "m.json"
    log = Log()
    outputs = compare_patch_sizes.run(job(vicinity, sizes=(9, 3, 31), report=str(report), metrics=str(metrics)), log)
    found = json.loads(metrics.read_text(encoding="utf-8"))
    assert outputs["best_patch_size"] == found["best_patch_size"] == found["all_targets"]["recommended"]
    assert outputs["verdict"] == " ".join(found["conclusion"])
    assert [item["pixels"] for item in found["sizes"]] == [3, 9]
    assert [item["metres_east"] for item in found["sizes"]] == pytest.approx([30.0, 90.0], rel=0.01)
    assert found["targets"]["moisture"]["recommended"] == 9
    assert found["targets"]["sand"]["recommended"] == 3
    check_numbers(found["targets"]["moisture"])
    text = report.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and found["conclusion"][0] in text
    assert text.count("<svg") == 2 and "http://www.w3.org/2000/svg" in text
    assert any(
        "Not compared: 31 pixels, because the patches of the file are 9 pixels wide" in line for line in log.warnings
    )


def check_numbers(moisture: dict) -> None:
    """The curve is the mean of the folds' RMSE, and forest with context beats the one at the point."""
    scores, curves = moisture["scores"], moisture["curves"]
    for item in curves["blend"]:
        assert item["error"] == pytest.approx(np.mean(scores["blend"][str(item["size"])]["fold_rmse"]))
    assert scores["forest"]["n"] == scores["mean"]["n"] == scores["blend"]["9"]["n"] == 120
    assert moisture["baselines"]["forest"]["error"] == pytest.approx(np.mean(scores["forest"]["fold_rmse"]))
    assert curves["forest_context"][1]["error"] < 0.8 * moisture["baselines"]["forest"]["error"]
    assert curves["blend"][1]["error"] < 0.5 * moisture["baselines"]["mean"]["error"]


def test_patches_cut_down_are_those_extracted_small(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    plans = [Plan(Shape("ring", 7, 2), 0.4, 128, 3e-3, 0.1, 600, 8, None)]
    device = torch.device("cpu")
    with PatchFile(extract(landscape, patch_size=15)) as file:
        cropped = encode_patches(file, plans, device, patch_size=7)
    with PatchFile(extract(landscape, patch_size=7)) as file:
        small = encode_patches(file, plans, device)
    assert np.array_equal(cropped.context, small.context) and np.array_equal(cropped.point, small.point)
    assert torch.equal(cropped.inputs[0].tensor, small.inputs[0].tensor)


def test_forests_see_coordinates_unless_nobody_may_and_networks_where_asked(tmp_path: Path) -> None:
    plans = [Plan(Shape("ring", 7, 2), 0.4, 128, 3e-3, 0.1, 600, 8, None)]
    widths = {}
    with PatchFile(extract(make_landscape(tmp_path), patch_size=7)) as file:
        for location in ("off", "auto", "on"):
            data = encode_patches(file, plans, torch.device("cpu"), location)
            widths[location] = (data.inputs[0].tensor.shape[1], data.context.shape[1], data.point.shape[1])
    network, context, point = widths["off"]
    assert widths["auto"] == (network, context + 6, point + 6)
    assert widths["on"] == (network + 6, context + 6, point + 6)


def test_sizes_that_cannot_be_compared_are_refused(vicinity: str) -> None:
    with pytest.raises(EngineError, match="9 pixels wide, smaller than every size to compare: 15, 31"):
        compare_patch_sizes.run(job(vicinity, sizes=(15, 31)), QUIET)
    with pytest.raises(EngineError, match="'padarian' network needs patches of at least 11 pixels, but 3 is to be"):
        compare_patch_sizes.run(job(vicinity, architecture="padarian"), QUIET)
    with pytest.raises(JobError, match="8 is among the patch sizes"):
        job(vicinity, sizes=(3, 8))
    with pytest.raises(JobError, match="No patch size is given"):
        job(vicinity, sizes=())
    with pytest.raises(JobError, match="1 folds are asked for"):
        job(vicinity, folds=1)


def test_a_file_without_groups_cannot_hold_groups_out(vicinity: str) -> None:
    with pytest.raises(EngineError, match="patches.h5 was extracted without a group field"):
        compare_patch_sizes.run(job(vicinity, validation="groups"), QUIET)


def test_the_job_survives_its_file() -> None:
    one = ComparePatchSizes("/p.h5", "/r.html", "/m.json", (5, 21), domain="/area.gpkg", seed=3)
    assert from_json(to_json(one)) == one
