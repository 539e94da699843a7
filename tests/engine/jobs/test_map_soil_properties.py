"""The whole chain in one job: observations and covariates in, maps and report out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.events import Progress
from soil_cnn_plugin.contract.jobs import (
    ExtractPatches,
    MapSoilProperties,
    PredictMap,
    TrainNetwork,
    from_json,
    to_json,
)
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs.map_soil_properties import run
from tests.engine.landscape import TARGETS, Log, extract, make_landscape


def test_observations_and_covariates_become_maps_and_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 10)
    landscape = make_landscape(tmp_path, has_aspect=True)
    extract(landscape)  # for its points
    out = tmp_path / "Ergebnis"
    out.mkdir()
    patches, network = str(out / "patches.h5"), str(out / "network.safetensors")
    job = MapSoilProperties(
        ExtractPatches(str(tmp_path / "points.gpkg"), TARGETS, landscape.covariates, patches, patch_size=15),
        TrainNetwork(patches, network, report=str(out / "report.html"), members=2, epochs=2, folds=2, device="cpu"),
        PredictMap(network, str(out / "map.tif"), lower=str(out / "lower.tif"), block_size=16, device="cpu"),
    )
    log = Log()
    outputs = run(from_json(to_json(job)), log)  # type: ignore[arg-type]
    assert {name: outputs[name] for name in job.output_paths()} == job.output_paths()
    assert {"count", "rmse", "mec", "verdict", "baseline_rmse"} <= set(outputs) and outputs["count"] == 60
    assert sorted(os.listdir(out)) == ["lower.tif", "map.tif", "network.safetensors", "patches.h5", "report.html"]
    with rasterio.open(outputs["prediction"]) as dataset:
        zinc, clay = dataset.read(masked=True).filled(np.nan)
        assert dataset.descriptions == ("zinc 0-10 cm (mg/kg)", "clay (%)")
    assert (np.isfinite(zinc) == np.isfinite(landscape.values).all(0)).all() and np.nanmin(zinc) > 0
    percents = [event.percent for event in log.events if isinstance(event, Progress)]
    assert percents == sorted(percents) and percents[0] == 0
    steps = list(dict.fromkeys(event.step for event in log.events if isinstance(event, Progress)))
    assert steps[0] == "Extracting patches" and steps[-1] == "Predicting the map"
