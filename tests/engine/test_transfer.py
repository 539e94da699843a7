"""A network in another area: other codes, other CRSs and other cell sizes, and what its user is told of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate, PredictMap
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.network_file import write_network
from soil_cnn_plugin.engine.predict_map import run
from tests.engine.landscape import Landscape, Log, make_landscape, random_network, write_raster


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


@pytest.fixture
def network(landscape: Landscape, tmp_path: Path) -> str:
    path = str(tmp_path / "network.safetensors")
    write_network(path, random_network(landscape))
    return path


def predict(network: str, covariates: tuple[Covariate, ...], folder: Path) -> tuple[np.ndarray, Log]:
    log, path = Log(), str(folder / "map.tif")
    run(PredictMap(network, path, covariates=covariates, device="cpu"), log)
    with rasterio.open(path) as dataset:
        return dataset.read(1, masked=True).filled(np.nan), log


def test_pixels_with_class_codes_that_training_did_not_know_stay_empty_and_are_told(
    landscape: Landscape, network: str, tmp_path: Path
) -> None:
    soil = landscape.values[2].astype(float)
    soil[10:20, 30:35] = 8
    other = Covariate(write_raster(tmp_path / "other.tif", soil), "soil", labels=((1, "Clay"), (8, "Peat")))
    whole, _ = predict(network, landscape.covariates, tmp_path)
    found, log = predict(network, (*landscape.covariates[:2], other), tmp_path)
    unknown = soil == 8
    assert np.isnan(found[unknown]).all() and np.isfinite(whole[unknown]).sum() == 50
    assert np.isfinite(found[~unknown & np.isfinite(whole)]).all()
    assert any("soil: 50 pixels" in warning and "code 8 (Peat) at 50." in warning for warning in log.warnings)


def test_a_map_of_unknown_codes_only_is_refused_with_their_count(
    landscape: Landscape, network: str, tmp_path: Path
) -> None:
    other = Covariate(write_raster(tmp_path / "other.tif", landscape.values[2] + 10.0), "soil")
    log = Log()
    job = PredictMap(network, str(tmp_path / "map.tif"), covariates=(*landscape.covariates[:2], other), device="cpu")
    with pytest.raises(EngineError, match="No pixel of the map can be predicted: .* an unknown class code"):
        run(job, log)
    assert any("have class codes that the training raster does not have" in warning for warning in log.warnings)
    assert not (tmp_path / "map.tif").exists()
