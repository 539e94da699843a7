"""Class maps as rasters: numbers from 1, names and colours that every program of GDAL's kind finds."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyproj
import pytest
import rasterio

from soil_cnn_plugin.engine.rasters import raster_file
from soil_cnn_plugin.engine.rasters.class_names import as_rgb, class_colours, read_class_names
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.targets.measured import MOST_CLASSES

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (10, 0, 1000, 0, -10, 2000), 700, 650)
NAMES = ("Gley, nass", 'Moor "tief" & <nass>', "Böden\x02 und <script>alert(1)</script>", "42")
NUMBERS = np.random.default_rng(0).choice([1.0, 2.0, 4.0], (1, 700, 650), p=(0.6, 0.3, 0.1))
NUMBERS[0, :50, 300:400] = np.nan


def write(path: Path, names: tuple[str, ...] = NAMES) -> None:
    with RasterFile(str(path), GRID, ["soil type"], [""], {"CONTENT": "prediction"}, [names]) as file:
        for block in GRID.blocks(256):
            file.write(block, NUMBERS[(slice(None), *block.slices)])
        file.finish()


def test_a_class_map_holds_small_numbers_and_0_where_nothing_is_predicted(tmp_path: Path) -> None:
    write(tmp_path / "Karte.tif")
    with rasterio.open(tmp_path / "Karte.tif") as dataset:
        assert (dataset.dtypes, dataset.nodata, dataset.count) == (("uint8",), 0, 1)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and dataset.descriptions == ("soil type",)
        np.testing.assert_array_equal(dataset.read(1), np.nan_to_num(NUMBERS[0]).astype(np.uint8))
        overview = dataset.read(1, out_shape=(350, 325))
        assert set(np.unique(overview)) <= {0, 1, 2, 4}  # no means of class numbers
    assert sorted(os.listdir(tmp_path)) == ["Karte.tif", "Karte.tif.aux.xml"]


def test_names_stand_beside_the_raster_whatever_they_hold(tmp_path: Path) -> None:
    write(tmp_path / "Karte.tif")
    with rasterio.open(tmp_path / "Karte.tif") as dataset:
        names = read_class_names(dataset, 1)
    expected = (*NAMES[:2], "Böden  und <script>alert(1)</script>", "42")  # no control characters in XML
    assert names == dict(enumerate(expected, start=1))


def test_a_raster_whose_names_cannot_be_written_does_not_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(path: str, *_: object) -> None:
        Path(path).write_text("<PAMData")
        raise OSError(28, "No space left on device")

    write(tmp_path / "Karte.tif", NAMES[:3] + ("of last year",))
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    monkeypatch.setattr(raster_file, "write_class_names", write_half)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "Karte.tif")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_the_attribute_table_counts_the_pixels_of_each_class(tmp_path: Path) -> None:
    write(tmp_path / "Karte.tif")
    table = ElementTree.parse(tmp_path / "Karte.tif.aux.xml").find("PAMRasterBand/GDALRasterAttributeTable")
    assert table is not None
    assert [field.findtext("Name") for field in table.findall("FieldDefn")] == [
        *("Value", "Class", "Count", "Red", "Green", "Blue")
    ]
    rows = [[cell.text for cell in row.findall("F")] for row in table.findall("Row")]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert [int(str(row[2])) for row in rows] == np.bincount(np.nan_to_num(NUMBERS).astype(int).ravel())[1:].tolist()
    assert [tuple(int(str(cell)) for cell in row[3:]) for row in rows] == [as_rgb(each) for each in class_colours(4)]


def test_each_band_has_classes_of_its_own(tmp_path: Path) -> None:
    path, names = str(tmp_path / "map.tif"), (NAMES[:2], ("a", "b", "c", "d"))
    both = np.concatenate([np.where(NUMBERS > 2, 1, NUMBERS), NUMBERS])
    with RasterFile(path, GRID, ["one", "other"], ["", ""], {}, names) as file:
        for block in GRID.blocks(256):
            file.write(block, both[(slice(None), *block.slices)])
        file.finish()
    with rasterio.open(path) as dataset:
        assert [read_class_names(dataset, band) for band in (1, 2)] == [dict(enumerate(own, 1)) for own in names]
    for band, values, own in zip(ElementTree.parse(f"{path}.aux.xml").iter("PAMRasterBand"), both, names):
        rows = [[cell.text for cell in row.findall("F")] for row in band.iter("Row")]
        counts = np.bincount(np.nan_to_num(values).astype(int).ravel(), minlength=len(own) + 1)[1:]
        assert [(row[1], int(str(row[2]))) for row in rows] == list(zip(own, counts.tolist()))


def test_colours_stand_in_the_raster(tmp_path: Path) -> None:
    write(tmp_path / "Karte.tif")
    with rasterio.open(tmp_path / "Karte.tif") as dataset:
        found = dataset.colormap(1)
    assert [found[number] for number in (1, 2, 3, 4)] == [(*as_rgb(each), 255) for each in class_colours(4)]
    assert found[0] == (0, 0, 0, 0)


def test_names_of_an_earlier_raster_do_not_stay(tmp_path: Path) -> None:
    write(tmp_path / "map.tif")
    with RasterFile(str(tmp_path / "map.tif"), GRID, ["clay (%)"], ["%"], {}) as file:
        for block in GRID.blocks(512):
            file.write(block, NUMBERS[(slice(None), *block.slices)])
        file.finish()
    assert os.listdir(tmp_path) == ["map.tif"]
    write(tmp_path / "map.tif", ("Ranker", *NAMES[1:]))
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert read_class_names(dataset, 1)[1] == "Ranker"


def test_a_map_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RasterFile(str(tmp_path / "map.tif"), GRID, ["x"], [""], {}, [NAMES]):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


# Colours

TO_LMS = np.array(  # linear sRGB to cones and on to OKLab: bottosson.github.io/posts/oklab
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip
EYES = {  # Machado et al. 2009, severity 1
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def nearest(colours: list[str], eye: str) -> float:
    """The smallest distance of two colours in OKLab; 0.02 is just noticeable side by side."""
    srgb = np.array([as_rgb(colour) for colour in colours]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(EYES[eye]).T, 0, 1)
    lab = np.cbrt(seen @ TO_LMS.T) @ TO_LAB.T
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 9 * np.eye(len(lab))
    return float(distance.min())


@pytest.mark.parametrize(("count", "normal", "colour_blind"), [(9, 0.12, 0.05), (13, 0.12, 0.05), (24, 0.08, 0.045)])
def test_colours_are_told_apart_by_all_eyes(count: int, normal: float, colour_blind: float) -> None:
    colours = class_colours(count)
    assert nearest(colours, "normal") > normal
    assert nearest(colours, "protanopia") > colour_blind and nearest(colours, "deuteranopia") > colour_blind


def test_a_class_keeps_its_colour_when_others_follow_it() -> None:
    assert class_colours(13)[:5] == class_colours(5)
    assert len(set(class_colours(MOST_CLASSES))) == MOST_CLASSES
