"""The dialog of an algorithm: what it guesses, proposes and offers, and what Run gets from it."""

from __future__ import annotations

import numpy as np
import pytest
import qgis.utils
from osgeo import gdal
from qgis.core import QgsApplication, QgsFeature, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtWidgets import QComboBox, QLabel, QPushButton

from soil_cnn_plugin.desktop import reader
from soil_cnn_plugin.paths import page
from soil_cnn_plugin.processing import settings
from soil_cnn_plugin.processing.provider import SoilCnnProvider


@pytest.fixture(scope="module")
def provider(qgis_app, qgis_processing):
    """Return the provider, without that of another test's plugin."""
    registry = QgsApplication.processingRegistry()
    if registry.providerById("soilcnn") is not None:
        registry.removeProvider("soilcnn")
    provider = SoilCnnProvider()
    registry.addProvider(provider)
    provider.refreshAlgorithms()
    yield provider
    registry.removeProvider("soilcnn")


@pytest.fixture
def dialog_of(provider, iface, monkeypatch, tmp_path):
    """Return a function that opens an algorithm's dialog."""
    monkeypatch.setattr(qgis.utils, "iface", iface)
    monkeypatch.setattr(iface, "browserModel", lambda: None, raising=False)
    monkeypatch.setattr(settings, "proposed_folder", lambda: str(tmp_path / "Soil CNN"))
    registry, dialogs = QgsApplication.processingRegistry(), []

    def open_dialog(name: str):
        from soil_cnn_plugin.desktop.dialog import make_dialog

        dialogs.append(make_dialog(registry.createAlgorithmById(f"soilcnn:{name}"), None))
        return dialogs[-1]

    yield open_dialog
    for dialog in dialogs:
        dialog.deleteLater()


@pytest.fixture
def add_points():
    def add(fields: str, *rows: list, kind: str = "Point?crs=EPSG:28992") -> QgsVectorLayer:
        separator = "&" if "?" in kind else "?"
        uri = f"{kind}{separator}" + "&".join(f"field={field}" for field in fields.split())
        layer = QgsVectorLayer(uri, "Soils", "memory")
        for row in rows:
            feature = QgsFeature(layer.fields())
            feature.setAttributes(row)
            layer.dataProvider().addFeature(feature)
        return QgsProject.instance().addMapLayer(layer)

    return add


@pytest.fixture
def add_raster(tmp_path):
    def add(name: str, values: np.ndarray) -> QgsRasterLayer:
        path = str(tmp_path / f"{name}.tif")
        dataset = gdal.GetDriverByName("GTiff").Create(path, 8, 8, 1, gdal.GDT_Float32)
        dataset.GetRasterBand(1).WriteArray(values.astype("float32"))
        dataset = None
        return QgsProject.instance().addMapLayer(QgsRasterLayer(path, name))

    return add


HEIGHTS = np.arange(64).reshape(8, 8) + 0.5
CODES = np.arange(64).reshape(8, 8) % 4 + 1


def value(dialog, name: str):
    return dialog.mainWidget().wrappers[name].parameterValue()


def choose(dialog, name: str, chosen) -> None:
    panel = dialog.mainWidget()
    panel.wrappers[name].setParameterValue(chosen, panel.processing_context)


def offered(dialog, *names: str) -> list[str]:
    return [name for name in names if name not in dialog.mainWidget().withdrawn]


def names_of(dialog, name: str) -> list[str]:
    layers = dialog.algorithm().parameterAsLayerList(
        {name: value(dialog, name)}, name, dialog.mainWidget().processing_context
    )
    return sorted(layer.name() for layer in layers)


def take_back(dialog) -> str:
    """Press the button in the message bar; return the message."""
    widget, _ = dialog.assistant._message
    text = widget.findChild(QLabel).text()
    widget.findChild(QPushButton).click()
    return str(text)


def test_a_fresh_dialog_needs_no_more_than_run(dialog_of, add_points, add_raster, tmp_path) -> None:
    points = add_points("fid:integer zinc:double")
    add_raster("dem", HEIGHTS), add_raster("geology", CODES)
    dialog = dialog_of("mapsoilproperties")
    assert (value(dialog, "OBSERVATIONS"), value(dialog, "TARGETS")) == (points.id(), ["zinc"])
    assert (names_of(dialog, "COVARIATES"), names_of(dialog, "CATEGORICAL_COVARIATES")) == (["dem"], ["geology"])
    given = dialog.mainWidget().createProcessingParameters()
    assert given["RESULTS"] == str(tmp_path / "Soil CNN")
    made = [name for name in ("PREDICTION", "LOWER", "UPPER", "DISSIMILARITY", "NETWORK", "PATCHES") if given[name]]
    assert len(made) == 6 and "skip" not in [given[name] for name in made]
    assert given["CLASSES"] == given["PROBABILITIES"] == "skip" and "MEDIAN" not in given
    assert take_back(dialog).startswith("2 rasters of the project are proposed as covariates. Categorical: geology.")
    assert not value(dialog, "COVARIATES") and not value(dialog, "CATEGORICAL_COVARIATES")


def test_a_default_output_that_is_skipped_says_so(dialog_of, add_points, add_raster) -> None:
    add_points("zinc:double"), add_raster("dem", HEIGHTS)
    dialog = dialog_of("mapsoilproperties")
    choose(dialog, "HELD_OUT", None)
    given = dialog.mainWidget().createProcessingParameters()
    assert given["HELD_OUT"] == "skip" and given["REPORT"] == "TEMPORARY_OUTPUT"


def test_rasters_of_classes_move_to_the_categorical_ones_and_back(dialog_of, add_points, add_raster) -> None:
    add_points("zinc:double copper:double")
    dialog = dialog_of("mapsoilproperties")
    layers = [add_raster("dem", HEIGHTS).id(), add_raster("geology", CODES).id()]
    choose(dialog, "COVARIATES", layers)
    assert (names_of(dialog, "COVARIATES"), names_of(dialog, "CATEGORICAL_COVARIATES")) == (["dem"], ["geology"])
    assert take_back(dialog) == "Moved to the categorical covariates: geology (it holds 4 whole numbers)."
    assert names_of(dialog, "COVARIATES") == ["dem", "geology"] and not value(dialog, "CATEGORICAL_COVARIATES")
    choose(dialog, "COVARIATES", layers[::-1])  # taken back once, the user knows better
    assert names_of(dialog, "COVARIATES") == ["dem", "geology"]


def test_only_what_fits_the_fields_to_map_is_offered(dialog_of, add_points) -> None:
    add_points("zinc:double note:string(20) soil:string(20)", [1.0, "<0,5", "Gley"], [2.0, "3", "Podzol"])
    dialog = dialog_of("mapsoilproperties")
    names = ("LOWER", "EXCEEDANCE", "CLASSES", "PROBABILITIES", "RARE_CLASSES", "TEXTURE_CLASSES")
    for chosen, fitting in (
        (["zinc", "note"], ["LOWER", "EXCEEDANCE"]),  # numbers as text are numbers
        (["soil"], ["PROBABILITIES", "RARE_CLASSES"]),
        (["zinc", "soil"], ["LOWER", "EXCEEDANCE", "CLASSES", "PROBABILITIES", "RARE_CLASSES"]),
    ):
        choose(dialog, "TARGETS", chosen)
        assert offered(dialog, *names) == fitting
    choose(dialog, "TARGETS", ["zinc"])
    choose(dialog, "TARGET_TYPE", "class")
    assert offered(dialog, *names) == ["PROBABILITIES", "RARE_CLASSES"]


def test_sand_silt_and_clay_are_proposed_as_parts(dialog_of, add_points) -> None:
    add_points("sand:double silt:double clay:double ph:double")
    dialog = dialog_of("mapsoilproperties")
    choose(dialog, "TARGETS", ["sand", "silt", "clay", "ph"])
    assert value(dialog, "COMPOSITION") == ["sand", "silt", "clay"] and offered(dialog, "TEXTURE_CLASSES")
    assert "parts of a whole" in take_back(dialog) and value(dialog, "COMPOSITION") == []
    choose(dialog, "TARGETS", ["sand", "silt", "clay"])
    assert value(dialog, "COMPOSITION") == []


def test_depths_profiles_and_coordinates_of_a_table_are_filled_in(dialog_of, add_points) -> None:
    add_points("fid:integer zinc:double")
    fields = "fid:integer SOURCEID:string(9) UHDICM:double LHDICM:double LON:double LAT:double CLYPPT:double"
    horizons = add_points(fields, kind="None")
    dialog = dialog_of("standardizedepths")
    names = ("HORIZONS", "PROFILE", "UPPER", "LOWER", "X", "Y")
    filled = (horizons.id(), "SOURCEID", "UHDICM", "LHDICM", "LON", "LAT")
    assert tuple(value(dialog, name) for name in names) == filled
    other = add_points("fid:integer clay:double")
    choose(dialog, "HORIZONS", other.id())
    assert [value(dialog, name) or "" for name in ("PROFILE", "UPPER", "LOWER")] == ["", "", ""]  # never fid


def test_choices_show_words_and_give_the_values_of_scripts(dialog_of, add_points) -> None:
    dialog = dialog_of("trainnetwork")
    box = dialog.mainWidget().wrappers["VALIDATION"].wrappedWidget()
    box = box if isinstance(box, QComboBox) else box.findChild(QComboBox)
    assert box.currentText() == "as the map needs (kNNDM)" and value(dialog, "VALIDATION") == "knndm"
    box.setCurrentIndex(2)
    assert value(dialog, "VALIDATION") == "random"


def test_chosen_values_take_the_place_of_proposals(dialog_of, add_points, add_raster) -> None:
    add_points("zinc:double")
    dem = add_raster("dem", HEIGHTS)
    codes = add_raster("codes", CODES)
    dialog = dialog_of("mapsoilproperties")
    dialog.setParameters({"COVARIATES": [dem.id(), codes.id()], "CATEGORICAL_COVARIATES": [], "LOWER": "skip"})
    given = dialog.mainWidget().createProcessingParameters()
    assert given["LOWER"] == "skip" != given["UPPER"]  # as the history of runs holds it
    assert names_of(dialog, "COVARIATES") == ["codes", "dem"] and dialog.messageBar().currentItem() is None


def test_the_patches_follow_the_network(dialog_of, tmp_path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        for file in ("network.safetensors", "patches.h5"):
            (tmp_path / folder / file).touch()
    dialog = dialog_of("explainnetwork")
    choose(dialog, "NETWORK", str(tmp_path / "old" / "network.safetensors"))
    assert value(dialog, "PATCHES") == str(tmp_path / "old" / "patches.h5")


def test_help_opens_the_guide_at_the_page_of_the_algorithm(provider) -> None:
    browser = reader.guide(None, provider.algorithm("predictmap").guide_page()).browser
    assert "Predict map" in browser.toPlainText() and "DISSIMILARITY_SPACE" in browser.toPlainText()
    browser.anchorClicked.emit(QUrl.fromLocalFile(str(page("docs", "guide.md"))))
    assert browser.toPlainText().startswith("User guide")
    browser.backward()
    assert "Predict map" in browser.toPlainText()
