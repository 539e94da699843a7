"""The whole chain in one job: observations and covariates in, maps and report out."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from soil_cnn_plugin.contract.events import Info, Progress
from soil_cnn_plugin.contract.jobs import (
    ExtractPatches,
    MapSoilProperties,
    PredictMap,
    TrainNetwork,
    from_json,
    to_json,
)
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import predict_map, train_network
from soil_cnn_plugin.engine.jobs.map_soil_properties import run
from soil_cnn_plugin.engine.report import Report
from tests.engine.landscape import TARGETS, Log, extract, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures")


def test_observations_and_covariates_become_maps_and_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 10)
    landscape = make_landscape(tmp_path, has_aspect=True)
    extract(landscape)  # for its points
    out = tmp_path / "Ergebnis"
    out.mkdir()
    patches, network = str(out / "patches.h5"), str(out / "network.safetensors")
    job = MapSoilProperties(
        ExtractPatches(str(tmp_path / "points.gpkg"), TARGETS, landscape.covariates, patches, patch_size=15),
        TrainNetwork(
            patches, network, report=str(out / "report.html"), members=2, epochs=2, folds=2, repeats=1, device="cpu"
        ),
        PredictMap(
            network,
            str(out / "map.tif"),
            lower=str(out / "lower.tif"),
            probabilities=str(out / "probabilities.tif"),
            where_fitting=("lower", "probabilities"),
            block_size=16,
            device="cpu",
        ),
    )
    log = Log()
    outputs = run(from_json(to_json(job)), log)  # type: ignore[arg-type]
    assert "probabilities" not in outputs  # and not in the folder: nothing among the targets can fill it
    fitting = {name: path for name, path in job.output_paths().items() if name != "probabilities"}
    assert {name: outputs[name] for name in fitting} == fitting
    assert {"count", "rmse", "mec", "verdict", "baseline_rmse"} <= set(outputs) and outputs["count"] == 60
    assert sorted(os.listdir(out)) == ["lower.tif", "map.tif", "network.safetensors", "patches.h5", "report.html"]
    with rasterio.open(outputs["prediction"]) as dataset:
        zinc, clay = dataset.read(masked=True).filled(np.nan)
        assert dataset.descriptions == ("zinc 0-10 cm (mg/kg)", "clay (%)")
    assert (np.isfinite(zinc) == np.isfinite(landscape.values).all(0)).all() and np.nanmin(zinc) > 0
    page = (out / "report.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="([a-z0-9-]+)"', page)
    assert sections[:3] == ["maps", "observations", "covariates"]
    maps = page[page.index('<section id="maps">') : page.index('<section id="observations"')]
    assert maps.count("<figure>") == 2 and "Zinc 0-10 cm (mg/kg): the prediction" in maps  # one a target
    assert all(covariate.path in page.replace("<wbr>", "") for covariate in landscape.covariates)
    texts = [event.text for event in log.events if isinstance(event, Info)]
    closing = texts[texts.index("—— Result ——") :]
    assert closing[1].startswith("Zinc 0-10 cm: the map ") and "typical error" in closing[1]
    assert f"Map: {out / 'map.tif'}" in closing and closing[-1].startswith("Next: Read the report first.")
    percents = [event.percent for event in log.events if isinstance(event, Progress)]
    assert percents == sorted(percents) and percents[0] == 0
    steps = list(dict.fromkeys(event.step for event in log.events if isinstance(event, Progress)))
    assert steps[0] == "Extracting patches" and steps[-1] == "Predicting the map"


@pytest.mark.parametrize("is_virtual", [False, True])
def test_a_covariate_that_changes_while_networks_train_makes_no_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_fits: None, is_virtual: bool
) -> None:
    landscape = make_landscape(tmp_path)
    extract(landscape)
    elevation, covariates = landscape.covariates[0], landscape.covariates
    if is_virtual:
        virtual = str(tmp_path / "elevation.vrt")
        rasterio.shutil.copy(elevation.path, virtual, driver="VRT")
        covariates = (replace(elevation, path=virtual), *covariates[1:])
    train = train_network.train

    def change_and_train(job: TrainNetwork, report: Report) -> dict[str, str | float | int]:
        outputs = train(job, report)
        with rasterio.open(elevation.path, "r+") as dataset:
            dataset.write(dataset.read(1) + 1000, 1)
        return outputs

    monkeypatch.setattr(train_network, "train", change_and_train)
    patches, network = str(tmp_path / "patches.h5"), str(tmp_path / "network.safetensors")
    job = MapSoilProperties(
        ExtractPatches(str(tmp_path / "points.gpkg"), TARGETS, covariates, patches, patch_size=15),
        TrainNetwork(patches, network, members=2, epochs=2, folds=2, repeats=1, device="cpu"),
        PredictMap(network, str(tmp_path / "map.tif"), device="cpu"),
    )
    with pytest.raises(EngineError, match="was changed while it was read, .* No map is made of it"):
        run(job, Log())
    assert Path(network).exists() and not Path(job.predict.prediction).exists()
    log = Log()  # in a run of its own the user is told, and decides
    predict_map.run(replace(job.predict, covariates=covariates), log)
    assert f"'{covariates[0].path}' is no longer as when the patches were extracted." in log.warnings[0]
