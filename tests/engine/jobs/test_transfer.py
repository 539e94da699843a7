"""A network in another area: other codes, other CRSs and other cell sizes, and what its user is told of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
from rasterio.enums import Resampling

from soil_cnn_plugin.contract.jobs import Covariate, PredictMap
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.predict_map import run
from soil_cnn_plugin.engine.mapping.matching import cell_in_words
from soil_cnn_plugin.engine.training.network_file import write_network
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


def in_degrees(covariates: tuple[Covariate, ...], folder: Path, cell: float) -> tuple[Covariate, ...]:
    """The same rasters in a CRS in degrees."""
    folder.mkdir()
    found = []
    for covariate in covariates:
        path = str(folder / Path(covariate.path).name)
        with rasterio.open(covariate.path) as source:
            transform, width, height = rasterio.warp.calculate_default_transform(
                source.crs, "EPSG:4326", source.width, source.height, *source.bounds, resolution=cell
            )
            profile = {**source.profile, "crs": "EPSG:4326", "transform": transform, "width": width, "height": height}
            with rasterio.open(path, "w", **profile) as target:
                mixing = Resampling.nearest if covariate.kind == "categorical" else Resampling.bilinear
                rasterio.warp.reproject(rasterio.band(source, 1), rasterio.band(target, 1), resampling=mixing)
        found.append(replace(covariate, path=path))
    return tuple(found)


@pytest.mark.parametrize(("is_trained_in_degrees", "cell"), [(False, 2e-5), (True, 6e-5)])
def test_a_map_from_rasters_in_another_crs_is_the_same_map(
    tmp_path: Path, is_trained_in_degrees: bool, cell: float
) -> None:
    """The covariates are smooth here, so that resampling changes little; the network knows its location, too."""
    landscape = make_landscape(tmp_path)
    x, y = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 40))
    smooth = (np.sin(3 * x) + y, np.exp(x + np.cos(3 * y)), 1.0 + (x > y) + (x > -y))
    for covariate, values in zip(landscape.covariates, smooth):
        write_raster(Path(covariate.path), values, crs="EPSG:32631")  # no shift of datum
    metres = landscape.covariates
    degrees = in_degrees(metres, tmp_path / "degrees", cell)
    own, other = (degrees, metres) if is_trained_in_degrees else (metres, degrees)
    trained = random_network(
        replace(landscape, covariates=own), has_forest=False, has_location=not is_trained_in_degrees
    )
    path = str(tmp_path / "network.safetensors")
    write_network(path, trained)
    (tmp_path / "own").mkdir()
    here, quiet = predict(path, own, tmp_path / "own")
    there, log = predict(path, other, tmp_path)
    assert quiet.warnings == [] and len(log.warnings) == 1
    wanted = cell_in_words(trained.description.grid)
    assert f"the network was trained on cells of {wanted}. They are resampled to {wanted}" in log.warnings[0]
    with rasterio.open(tmp_path / "own" / "map.tif") as one, rasterio.open(tmp_path / "map.tif") as two:
        rows, cols = np.mgrid[8 : one.height - 8, 8 : one.width - 8].reshape(2, -1)
        x, y = rasterio.warp.transform(one.crs, two.crs, *one.xy(rows, cols))
        rows_there, cols_there = rasterio.transform.rowcol(two.transform, x, y)

    difference = there[rows_there, cols_there] - here[rows, cols]
    assert np.abs(difference).mean() < 0.1 * here[rows, cols].std()
