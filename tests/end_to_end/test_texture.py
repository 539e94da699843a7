"""Texture at several depths through the packaged plugin: qgis_process brings horizons to depths, trains and maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from tests.end_to_end.land import SIZE, Land, write_points
from tests.end_to_end.packaged import QUICK, Qgis

PARTS, DEPTHS = ("sand", "silt", "clay"), ("0_30", "30_60")
FIELDS = [f"{part}_{depth}" for part in PARTS for depth in DEPTHS]


@pytest.fixture(scope="module")
def horizons(land: Land) -> Path:
    """80 profiles: clay as the land has it, and 8 % more below 30 cm; a quarter ends there."""
    path = land.elevation.parent / "horizonte.gpkg"
    rng = np.random.default_rng(4)
    cells = rng.choice(SIZE * (SIZE - 4), 80, replace=False) + 4 * SIZE
    points = []
    for number, (row, col) in enumerate(zip(*np.divmod(cells, SIZE))):
        for top, bottom, more in ((0, 30, 0.0), (30, 70, 8.0))[: 1 if number % 4 == 0 else 2]:
            clay = float(land.clay[row, col] + more + rng.normal(0, 1))
            sand = 0.6 * (100 - clay)
            parts = (sand, 98 - clay - sand, clay)  # sums of 98
            points.append((row, col, {"profile": number, "top": top, "bottom": bottom, **dict(zip(PARTS, parts))}))
    return write_points(path, points)


@pytest.fixture(scope="module")
def mapped(qgis: Qgis, land: Land, horizons: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Results of Standardize depths and of Map soil properties with its fields."""
    folder = tmp_path_factory.mktemp("textur")
    profiles = qgis.run(
        "soilcnn:standardizedepths",
        {"HORIZONS": horizons, "PROFILE": "profile", "UPPER": "top", "LOWER": "bottom", "VALUES": list(PARTS)}
        | {"INTERVALS": "0-30,30-60", "OUTPUT": folder / "profiles.gpkg"},
    )
    inputs = {**land.inputs, "OBSERVATIONS": profiles["OUTPUT"], "TARGETS": FIELDS, "COMPOSITION": FIELDS}
    rasters = {name: folder / f"{name.lower()}.tif" for name in ("PREDICTION", "LOWER", "UPPER", "TEXTURE_CLASSES")}
    files = {"NETWORK": folder / "t.safetensors", "REPORT": folder / "t.html", "METRICS": folder / "t.json"}
    chosen = {**QUICK, "TEXTURE_SYSTEM": "wrb", "PATCH_SIZE": 7}
    with qgis.without_figures():
        return qgis.run("soilcnn:mapsoilproperties", {**inputs, **chosen, **rasters, **files})


def test_parts_sum_to_100_at_each_depth_of_the_map(mapped: dict[str, object]) -> None:
    dataset = gdal.Open(str(mapped["PREDICTION"]))
    titles = [dataset.GetRasterBand(band + 1).GetDescription() for band in range(6)]
    assert titles == [f"{part} {depth.replace('_', '-')} cm (%)" for part in PARTS for depth in DEPTHS]
    values = dataset.ReadAsArray().astype(np.float64)
    known = values[0] != -9999
    assert (~known).sum() == 4 * 9
    for depth in range(2):
        np.testing.assert_allclose(values[depth::2, known].sum(axis=0), 100, rtol=1e-6)
    assert (values[:, known] > 0).all()
    clay = values[4:, known].mean(axis=1)
    assert 5 < clay[1] - clay[0] < 11


def test_texture_classes_have_names_and_a_style(mapped: dict[str, object]) -> None:
    dataset = gdal.Open(str(mapped["TEXTURE_CLASSES"]))
    assert [dataset.GetRasterBand(band + 1).GetDescription() for band in range(2)] == [
        "texture class 0-30 cm (WRB)",
        "texture class 30-60 cm (WRB)",
    ]
    for number in (1, 2):
        band = dataset.GetRasterBand(number)
        assert band.DataType == gdal.GDT_Byte and band.GetNoDataValue() == 0
        names = band.GetCategoryNames()
        assert (len(names), names[1], names[13]) == (14, "sand", "heavy clay")
        table, codes = band.GetDefaultRAT(), band.ReadAsArray()
        counts = [table.GetValueAsInt(row, 2) for row in range(13)]
        assert counts == [int((codes == value).sum()) for value in range(1, 14)] and sum(counts) == SIZE**2 - 36
    style = Path(str(mapped["TEXTURE_CLASSES"])).with_suffix(".qml").read_text(encoding="utf-8")
    assert 'type="paletted"' in style and 'label="sandy clay loam"' in style


def test_the_report_and_the_metrics_tell_of_depths_and_compositions(mapped: dict[str, object]) -> None:
    page = Path(str(mapped["REPORT"])).read_text(encoding="utf-8")
    for words in ("Clay by depth", "Right texture class", "Aitchison distance", "All are rescaled to 100"):
        assert words in page, words
    metrics = json.loads(Path(str(mapped["METRICS"])).read_text(encoding="utf-8"))
    first, second = metrics["compositions"]
    assert (first["title"], second["title"]) == ("sand, silt and clay 0-30 cm", "sand, silt and clay 30-60 cm")
    assert (first["methods"]["blend"]["n"], second["methods"]["blend"]["n"]) == (80, 60)
    distances = [composition["methods"] for composition in (first, second)]
    assert all(each["blend"]["aitchison_distance"] < each["mean"]["aitchison_distance"] for each in distances)


def test_texture_classes_of_other_parts_are_refused_at_once(
    qgis: Qgis, land: Land, mapped: dict[str, object], tmp_path: Path
) -> None:
    inputs = {**land.inputs, "TARGETS": ["clay_0_10", "sand_0_10"], "COMPOSITION": ["clay_0_10", "sand_0_10"]}
    rasters = {"PREDICTION": tmp_path / "p.tif", "TEXTURE_CLASSES": tmp_path / "t.tif"}
    text = qgis.refusal("soilcnn:mapsoilproperties", {**inputs, **QUICK, **rasters})
    assert "Texture classes need sand, silt and clay, but the observations hold the composition clay, sand" in text
    assert list(tmp_path.iterdir()) == []
