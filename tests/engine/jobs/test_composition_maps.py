"""Maps of sand, silt and clay: they sum to the whole at every pixel, and give maps of texture classes."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, MapSoilProperties, PredictMap, TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs import map_soil_properties
from soil_cnn_plugin.engine.jobs.predict_map import run
from soil_cnn_plugin.engine.rasters.class_names import class_colormap
from soil_cnn_plugin.engine.targets.texture import TEXTURE_CLASSES, texture_class
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, write_network
from tests.engine.compositions import PARTS, composition_network
from tests.engine.landscape import Landscape, Log, make_landscape, random_network

DEPTHS = ("0_5", "5_15", "15_30")


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


def make_job(landscape: Landscape, trained: TrainedNetwork, **wanted: str) -> PredictMap:
    folder = landscape.folder / "maps"
    folder.mkdir()
    network = str(landscape.folder / "network.safetensors")
    write_network(network, trained)
    paths = {name: str(folder / file) for name, file in wanted.items() if file.endswith(".tif")}
    others = {name: value for name, value in wanted.items() if not value.endswith(".tif")}
    prediction = str(folder / "prediction.tif")
    return PredictMap(network, prediction, covariates=landscape.covariates, device="cpu", **paths, **others)


def read(path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    with rasterio.open(path) as dataset:
        return dataset.read(masked=True).astype(np.float64).filled(np.nan), dataset.descriptions


def refused(job: PredictMap, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        run(job, Log())
    assert os.listdir(Path(job.prediction).parent) == []


def test_parts_are_positive_and_sum_to_100_at_every_pixel_of_three_depths(landscape: Landscape) -> None:
    wanted = {"lower": "lower.tif", "upper": "upper.tif", "standard_deviation": "deviation.tif"}
    job = make_job(landscape, composition_network(landscape, DEPTHS), **wanted)
    run(job, Log())
    mean, bands = read(job.prediction)
    assert bands == tuple(f"{part} {upper}-{lower} cm (%)" for part in PARTS for upper, lower in _limits())
    blind = ~np.isfinite(landscape.values).all(axis=0)
    for values in (mean, *(read(path)[0] for path in (job.lower, job.upper, job.standard_deviation))):
        assert (np.isnan(values) == blind).all()
        assert (values[:, ~blind] > 0).all()
    for depth in range(3):
        np.testing.assert_allclose(mean[depth::3, ~blind].sum(axis=0), 100, rtol=1e-6)
    lower, upper = read(job.lower)[0][:, ~blind], read(job.upper)[0][:, ~blind]
    assert (lower < upper).all()
    assert ((lower < mean[:, ~blind]) & (mean[:, ~blind] < upper)).mean() > 0.97
    assert mean[:, ~blind].std(axis=1).min() > 1


def _limits() -> list[list[str]]:
    return [depth.split("_") for depth in DEPTHS]


@pytest.mark.parametrize("system", ["usda", "wrb"])
def test_texture_classes_are_those_of_the_predicted_means(landscape: Landscape, system: str) -> None:
    trained = composition_network(landscape)
    job = make_job(landscape, trained, texture_classes="texture.tif", texture_system=system)
    log = Log()
    run(job, log)
    (sand, silt, clay), _ = read(job.prediction)
    with rasterio.open(job.texture_classes) as dataset:
        codes = dataset.read(1)
        assert dataset.dtypes == ("uint8",) and dataset.nodata == 0
        assert dataset.descriptions == (f"texture class 0-30 cm ({system.upper()})",)
        assert dataset.tags()["CONTENT"] == "texture_classes"
        colours = dataset.colormap(1)
    count = len(TEXTURE_CLASSES[system])
    assert {value: colours[value] for value in range(count + 1)} == class_colormap(count)
    np.testing.assert_array_equal(codes, texture_class(sand, silt, clay, system))
    assert len(np.unique(codes)) > 4
    ((names, table),) = _names_and_pixels(job.texture_classes)
    assert names == ["", *TEXTURE_CLASSES[system]]
    assert table == [(number + 1, name, int((codes == number + 1).sum())) for number, name in enumerate(names[1:])]
    size = {"usda": "50", "wrb": "63"}[system]
    assert [line for line in log.infos if f"silt is 2 to {size} µm: nothing is converted" in line]


def test_each_depth_has_a_band_of_texture_classes(landscape: Landscape) -> None:
    job = make_job(landscape, composition_network(landscape, DEPTHS), texture_classes="texture.tif")
    run(job, Log())
    mean, _ = read(job.prediction)
    with rasterio.open(job.texture_classes) as dataset:
        codes = dataset.read()
        titles = [f"texture class {upper}-{lower} cm (USDA)" for upper, lower in _limits()]
        assert dataset.descriptions == tuple(titles)
    for depth, band in enumerate(codes):
        np.testing.assert_array_equal(band, texture_class(*mean[depth::3]))
    tables = _names_and_pixels(job.texture_classes)
    assert [[count for _, _, count in table] for _, table in tables] == [
        [int((band == number).sum()) for number in range(1, 13)] for band in codes
    ]


def test_a_composition_without_depth_or_unit_is_called_by_nothing_more(landscape: Landscape) -> None:
    trained = composition_network(landscape, ("",), ("SND", "SLT", "CLY"), whole=1.0)
    job = make_job(landscape, trained, texture_classes="texture.tif")
    run(job, Log())
    assert read(job.texture_classes)[1] == ("texture class (USDA)",)
    mean, _ = read(job.prediction)
    np.testing.assert_allclose(mean.sum(axis=0)[np.isfinite(mean[0])], 1, rtol=1e-6)


def test_the_parts_of_several_wholes_without_depths_are_told_by_their_ending(landscape: Landscape) -> None:
    trained = composition_network(landscape, ("A", "B"), ("SNDMHT", "SLTMHT", "CLYMHT"))
    job = make_job(landscape, trained, texture_classes="texture.tif")
    run(job, Log())
    assert read(job.texture_classes)[1] == ("texture class A (USDA)", "texture class B (USDA)")


def test_parts_that_are_no_texture_are_refused_before_anything_is_computed(landscape: Landscape) -> None:
    trained = composition_network(landscape, parts=("quartz", "feldspar", "mica"))
    refused(make_job(landscape, trained, texture_classes="texture.tif"), "the composition quartz, feldspar, mica, in")


def test_texture_classes_need_a_composition(landscape: Landscape) -> None:
    job = make_job(landscape, random_network(landscape), texture_classes="texture.tif")
    refused(job, "network.safetensors predicts zinc_0_10, clay, no composition.*COMPOSITION")


def test_a_network_of_compositions_comes_back_from_its_file(landscape: Landscape) -> None:
    trained = composition_network(landscape, DEPTHS)
    job = make_job(landscape, trained)
    run(job, Log())
    first, _ = read(job.prediction)
    # The same outcomes in another order would give other maps.
    outcomes = trained.description.outcomes[::-1]
    write_network(job.network, replace(trained, description=replace(trained.description, outcomes=outcomes)))
    run(job, Log())
    assert np.nanmax(np.abs(read(job.prediction)[0] - first)) > 1


def _names_and_pixels(path: str) -> list[tuple[list[str], list[tuple[int, str, int]]]]:
    """Of each band, from the file beside the raster."""
    found = []
    for band in ElementTree.parse(f"{path}.aux.xml").getroot().iter("PAMRasterBand"):
        names = [each.text or "" for each in band.iter("Category")]
        rows = [[cell.text or "" for cell in row.iter("F")] for row in band.iter("Row")]
        found.append((names, [(int(value), name, int(count)) for value, name, count, *_ in rows]))
    return found


def test_the_whole_chain_refuses_texture_classes_of_other_parts_before_it_reads_anything(tmp_path: Path) -> None:
    fields = ("quartz", "feldspar")
    targets = tuple(SoilProperty(field) for field in fields)
    patches, network = str(tmp_path / "p.h5"), str(tmp_path / "n.safetensors")
    predict = PredictMap(network, str(tmp_path / "m.tif"), texture_classes=str(tmp_path / "t.tif"))
    covariates = (Covariate("nowhere.tif", "nowhere"),)
    cases = (
        (fields, "but the observations hold the composition quartz, feldspar, in"),
        ((), "feldspar, no comp"),
    )
    for composition, words in cases:
        extract = ExtractPatches("nowhere.gpkg", targets, covariates, patches, composition=composition)
        with pytest.raises(EngineError, match=words):
            map_soil_properties.run(MapSoilProperties(extract, TrainNetwork(patches, network), predict), Log())
