"""What names of fields tell, and which rasters are taken for those of classes."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import QgsField, QgsFields, QgsPalettedRasterRenderer, QgsRasterLayer
from qgis.PyQt.QtCore import QMetaType
from qgis.PyQt.QtGui import QColor

from soil_cnn_plugin.processing.categories import is_candidate, why_categorical
from soil_cnn_plugin.processing.guesses import guess_field, guess_measured, guess_parts, guess_targets


def fields(names: str, kind: QMetaType.Type = QMetaType.Type.Double) -> QgsFields:
    found = QgsFields()
    for name in names.split():
        found.append(QgsField(name, kind))
    return found


@pytest.mark.parametrize(
    ("names", "guesses"),
    [
        ("fid SOURCEID UHDICM LHDICM CLYPPT", ("SOURCEID", "UHDICM", "LHDICM")),
        ("fid id profile_id upper_depth lower_depth clay", ("profile_id", "upper_depth", "lower_depth")),
        ("fid Profil_ID Oberkante Unterkante Ton", ("Profil_ID", "Oberkante", "Unterkante")),
        ("fid peiid hzdept_r hzdepb_r claytotal_r", ("peiid", "hzdept_r", "hzdepb_r")),
        ("fid Site Top Bottom pH", ("Site", "Top", "Bottom")),
        ("fid plot_code_2019 site_key depth_from depth_to", ("site_key", "depth_from", "depth_to")),
        ("fid perfil limite_sup limite_inf arcilla", ("perfil", "limite_sup", "limite_inf")),
        ("fid clay stop setup", ("", "", "")),
    ],
)
def test_depths_and_profiles_are_guessed_and_never_from_fid(names: str, guesses: tuple[str, ...]) -> None:
    assert tuple(guess_field(name, fields(names)) for name in ("PROFILE", "UPPER", "LOWER")) == guesses


def test_coordinates_of_a_table_are_guessed() -> None:
    assert (guess_field("X", fields("fid LON LAT")), guess_field("Y", fields("fid LON LAT"))) == ("LON", "LAT")


def test_the_only_field_that_may_be_mapped_is_guessed() -> None:
    assert guess_targets(fields("fid site_id x y zinc zinc_sd zinc_dl lab_no")) == ["zinc"]
    assert guess_targets(fields("fid zinc copper")) == []
    assert guess_targets(fields("fid note", QMetaType.Type.QString)) == []


def test_sand_silt_and_clay_are_parts_depth_by_depth() -> None:
    chosen = ["clay_0_5", "sand_0_5", "silt_0_5", "clay_5_15", "sand_5_15", "ph"]
    assert guess_parts(chosen) == ["clay_0_5", "sand_0_5", "silt_0_5"]
    assert guess_parts(["SNDPPT", "SLTPPT", "CLYPPT"]) == ["SNDPPT", "SLTPPT", "CLYPPT"]
    assert guess_parts(["sandstone", "silt", "clay"]) == []


def test_a_maps_band_names_the_measured_field() -> None:
    assert guess_measured(fields("fid Zinc clay_5_15"), "zinc (mg/kg)") == "Zinc"
    assert guess_measured(fields("fid zinc clay_5_15"), "clay 5-15 cm (%)") == "clay_5_15"
    assert guess_measured(fields("fid zinc"), "") == ""


def layer_of(path: str, change) -> QgsRasterLayer:
    dataset = gdal.Open(path, gdal.GA_Update)
    change(dataset.GetRasterBand(1))
    dataset = None
    return QgsRasterLayer(path, "raster")


def codes(band: gdal.Band) -> None:
    band.WriteArray((np.arange(64).reshape(8, 8) % 5 + 1).astype("float32"))


def test_rasters_of_classes_are_recognized_by_values_legend_and_table(qgis_app, raster) -> None:
    assert why_categorical(QgsRasterLayer(raster("dem"), "dem")) == ""  # 64 whole numbers
    assert why_categorical(layer_of(raster("geology"), codes)) == "it holds 5 whole numbers"
    assert why_categorical(layer_of(raster("slope"), lambda band: band.WriteArray(np.full((8, 8), 1.5, "f4")))) == ""
    assert why_categorical(layer_of(raster("mask"), lambda band: band.WriteArray(np.eye(8, dtype="f4")))) == ""
    styled = QgsRasterLayer(raster("landuse"), "landuse")
    styled.setRenderer(
        QgsPalettedRasterRenderer(styled.dataProvider(), 1, [QgsPalettedRasterRenderer.Class(1, QColor("red"), "wood")])
    )
    assert why_categorical(styled) == "its legend names classes"


def test_a_colour_table_tells_classes_but_not_of_a_hundred_percentages(qgis_app, tmp_path) -> None:
    for name, most, reason in (("soil", 5, "it has a colour table"), ("water", 100, "")):
        path = str(tmp_path / f"{name}.tif")
        dataset = gdal.GetDriverByName("GTiff").Create(path, 16, 16, 1, gdal.GDT_Byte)
        table = gdal.ColorTable()
        for code in range(most):
            table.SetColorEntry(code, (code, 0, 0, 255))
        dataset.GetRasterBand(1).SetColorTable(table)
        dataset.GetRasterBand(1).WriteArray((np.arange(256).reshape(16, 16) % most).astype("uint8"))
        dataset = None
        assert why_categorical(QgsRasterLayer(path, name)) == reason


def test_a_map_of_soil_cnn_is_no_candidate_for_a_covariate(qgis_app, raster) -> None:
    path = raster("prediction")
    assert is_candidate(QgsRasterLayer(path, "dem"))
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetMetadataItem("TIFFTAG_SOFTWARE", "Soil CNN 0.1.0")
    dataset = None
    assert not is_candidate(QgsRasterLayer(path, "dem"))
