"""A number, a composition and soil classes in one network, through the packaged plugin in qgis_process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr

from tests.end_to_end.land import SIZE, Land, write_points
from tests.end_to_end.packaged import QUICK, Qgis

NAMES = ("Gley, nass", "Moor", "Braunerde")
PARTS = ("sand", "silt", "clay")
NUMBERS = ("PREDICTION", "LOWER", "UPPER", "TEXTURE_CLASSES")
OF_CLASSES = ("CLASSES", "PROBABILITIES", "CONFUSION_INDEX")


def limits(land: Land) -> np.ndarray:
    return np.quantile(land.clay, (0.35, 0.65))


@pytest.fixture(scope="module")
def observations(land: Land) -> Path:
    """120 points: zinc, sand and the soil type follow the clay; every sixth has no zinc, another sixth no soil type."""
    rng = np.random.default_rng(5)
    places = rng.choice(SIZE * (SIZE - 4), 120, replace=False) + 4 * SIZE
    points = []
    for number, (row, col) in enumerate(zip(*np.divmod(places, SIZE))):
        clay = float(land.clay[row, col] + rng.normal(0, 0.5))
        sand = 0.6 * (100 - clay)
        values: dict[str, object] = {"sand": sand, "silt": 100 - clay - sand, "clay": clay}
        if number % 6 != 0:
            values["zinc"] = 40 + 5 * clay
        if number % 6 != 1:
            values["soil"] = NAMES[int(np.digitize(land.clay[row, col], limits(land)))]
        points.append((row, col, values))
    return write_points(land.elevation.parent / "gemischt.gpkg", points)


@pytest.fixture(scope="module")
def mapped(qgis: Qgis, land: Land, observations: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("gemischt")
    inputs = {**land.inputs, "OBSERVATIONS": observations, "TARGETS": ["zinc", "soil", *PARTS]}
    inputs |= {"COMPOSITION": list(PARTS), "PATCH_SIZE": 7}
    rasters = {name: folder / f"{name.lower()}.tif" for name in (*NUMBERS, *OF_CLASSES)}
    files = {"NETWORK": folder / "m.safetensors", "REPORT": folder / "m.html", "METRICS": folder / "m.json"}
    files["HELD_OUT"] = folder / "held_out.gpkg"
    with qgis.without_figures():
        return qgis.run("soilcnn:mapsoilproperties", {**inputs, **QUICK, **rasters, **files})


def test_numbers_and_parts_have_bands_and_the_parts_sum_to_100(mapped: dict[str, object], land: Land) -> None:
    dataset = gdal.Open(str(mapped["PREDICTION"]))
    titles = [dataset.GetRasterBand(band + 1).GetDescription() for band in range(dataset.RasterCount)]
    assert titles == ["zinc", "sand (%)", "silt (%)", "clay (%)"]
    values = dataset.ReadAsArray().astype(np.float64)
    known = values[0] != -9999
    assert (~known).sum() == 4 * 9
    np.testing.assert_allclose(values[1:, known].sum(axis=0), 100, rtol=1e-6)
    assert np.corrcoef(values[0, known], land.clay[known])[0, 1] > 0.7
    lower, upper = (gdal.Open(str(mapped[name])).ReadAsArray()[:, known] for name in ("LOWER", "UPPER"))
    assert (lower <= upper).all() and lower.shape[0] == 4


def test_classes_have_a_raster_of_their_own(mapped: dict[str, object], land: Land) -> None:
    dataset = gdal.Open(str(mapped["CLASSES"]))
    band = dataset.GetRasterBand(1)
    assert (dataset.RasterCount, band.DataType, band.GetNoDataValue()) == (1, gdal.GDT_Byte, 0)
    names, found = band.GetCategoryNames(), band.ReadAsArray()
    assert names[0] == "" and set(names[1:]) == set(NAMES)
    expected = np.array([names.index(name) for name in NAMES])[np.digitize(land.clay, limits(land))]
    assert (found == expected)[found > 0].mean() > 0.7
    probabilities = gdal.Open(str(mapped["PROBABILITIES"])).ReadAsArray().astype(np.float64)
    np.testing.assert_array_equal(found[found > 0], 1 + probabilities.argmax(axis=0)[found > 0])
    style = Path(str(mapped["CLASSES"])).with_suffix(".qml").read_text(encoding="utf-8")
    assert 'type="paletted"' in style and "Gley, nass" in style


def test_report_metrics_and_held_out_points_tell_of_each_kind(mapped: dict[str, object]) -> None:
    page = Path(str(mapped["REPORT"])).read_text(encoding="utf-8")
    for words in ("Confusion matrix", "Aitchison distance", "zinc", "Gley, nass"):
        assert words in page, words
    metrics = json.loads(Path(str(mapped["METRICS"])).read_text(encoding="utf-8"))
    assert set(metrics["targets"]) == {"zinc", "soil", *PARTS} and len(metrics["compositions"]) == 1
    assert "rmse" in metrics["targets"]["zinc"]["methods"]["blend"]
    assert "accuracy" in metrics["targets"]["soil"]["methods"]["blend"]
    source = ogr.Open(str(mapped["HELD_OUT"]))
    columns = {field.GetName() for field in source.GetLayer(0).schema}
    assert {"zinc_observed", "zinc_predicted", "clay_observed", "soil_observed", "soil_correct"} <= columns


def test_one_network_is_described_with_all_its_targets(qgis: Qgis, mapped: dict[str, object], tmp_path: Path) -> None:
    inputs = {"NETWORK": mapped["NETWORK"], "REPORT": tmp_path / "network.html"}
    page = Path(str(qgis.run("soilcnn:describenetwork", inputs)["REPORT"])).read_text(encoding="utf-8")
    assert all(words in page for words in ("zinc", "Sand, silt and clay are parts of a whole", "3 classes of soil: "))
