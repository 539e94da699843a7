"""Styles of results: ramps, limits, names, style files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import QgsProcessingContext, QgsRasterLayer, QgsSingleBandPseudoColorRenderer
from qgis.PyQt.QtGui import QColor

from soil_cnn_plugin.processing import band_labels, raster_styles, styles


@pytest.fixture
def maps(tmp_path: Path, qgis_app) -> dict[str, str]:
    """Write maps of two targets: predictions 0 to 99 with one extreme, lower limits 10 less, deviations 0 to 1."""

    def write(name: str, values: np.ndarray, descriptions: list[str]) -> str:
        path = str(tmp_path / f"{name}.tif")
        dataset = gdal.GetDriverByName("GTiff").Create(path, 10, 10, len(descriptions), gdal.GDT_Float32)
        for number, description in enumerate(descriptions, 1):
            band = dataset.GetRasterBand(number)
            band.WriteArray(values.astype("float32"))
            band.SetDescription(description)
        return path

    values = np.arange(100.0).reshape(10, 10)
    extreme = values.copy()
    extreme[9, 9] = 1e6
    return {
        "PREDICTION": write("p", extreme, ["zinc (mg/kg)", "clay 5-15 cm (%)"]),
        "LOWER": write("l", values - 10, ["zinc (mg/kg), lower 90 % limit", "clay 5-15 cm (%), lower 90 % limit"]),
        "STANDARD_DEVIATION": write("s", values / 100, ["zinc (mg/kg), standard deviation", "clay 5-15 cm (%)"]),
    }


class Style:
    """The style that QGIS finds beside a file when a user opens it."""

    def __init__(self, path: str) -> None:
        layer = QgsRasterLayer(path, "x")
        renderer = layer.renderer()
        assert isinstance(renderer, QgsSingleBandPseudoColorRenderer)
        self.band = renderer.inputBand()
        self.limits = (renderer.classificationMin(), renderer.classificationMax())
        self.colours = colours(renderer)
        self.values = [item.value for item in renderer.shader().rasterShaderFunction().colorRampItemList()]


def colours(renderer: QgsSingleBandPseudoColorRenderer) -> list[str]:
    return [item.color.name() for item in renderer.shader().rasterShaderFunction().colorRampItemList()]


def test_a_style_is_written_beside_each_raster_with_limits_from_percentiles(maps) -> None:
    styles.dress(maps, QgsProcessingContext())
    style = Style(maps["PREDICTION"])
    assert (style.band, style.limits) == (1, (2.0, 97.0))
    assert (style.colours[0], style.colours[-1]) == ("#fcffa4", "#000004")


def test_the_limits_share_the_predictions_classes_and_the_deviation_has_its_own(maps) -> None:
    styles.dress(maps, QgsProcessingContext())
    prediction, lower, deviation = (Style(path) for path in maps.values())
    assert (lower.limits, lower.colours) == (prediction.limits, prediction.colours)
    assert deviation.limits == (pytest.approx(0.02), pytest.approx(0.97))
    assert (deviation.colours[0], deviation.colours[-1]) == ("#0b0405", "#def5e5")


def test_a_median_shares_the_predictions_classes_and_is_named(maps, tmp_path, project) -> None:
    median = str(tmp_path / "m.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(median, 10, 10, 1, gdal.GDT_Float32)
    dataset.GetRasterBand(1).WriteArray(np.arange(100.0, dtype="float32").reshape(10, 10))
    dataset.GetRasterBand(1).SetDescription("zinc (mg/kg), median")
    dataset = None
    context = QgsProcessingContext()
    context.addLayerToLoadOnCompletion(median, QgsProcessingContext.LayerDetails("m", project, "MEDIAN"))
    styles.dress({**maps, "MEDIAN": median}, context)
    assert Style(median).limits == Style(maps["PREDICTION"]).limits
    assert context.layerToLoadOnCompletionDetails(median).name == "Zinc (mg/kg), median"


def test_each_colour_stands_at_its_share_of_the_range(maps) -> None:
    styles.dress(maps, QgsProcessingContext())
    style = Style(maps["STANDARD_DEVIATION"])
    low, high = style.limits
    assert [round((value - low) / (high - low), 3) for value in style.values] == [index / 10 for index in range(11)]


def test_layers_that_will_be_loaded_get_name_group_and_style(maps, project) -> None:
    context = QgsProcessingContext()
    for name, path in maps.items():
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project, name))
    styles.dress(maps, context)
    details = [context.layerToLoadOnCompletionDetails(path) for path in maps.values()]
    assert [item.name for item in details] == [
        "Zinc (mg/kg), predicted",
        "Zinc (mg/kg), lower 90 % limit",
        "Zinc (mg/kg), standard deviation",
    ]
    (group,) = {item.groupName for item in details}
    assert re.fullmatch(r"Soil map: zinc and clay 5-15 cm, \d{4}-\d\d-\d\d \d\d:\d\d", group)
    layer = QgsRasterLayer(maps["PREDICTION"], "x")
    layer.setRenderer(None)
    details[0].postProcessor().postProcessLayer(layer, context, None)
    assert colours(layer.renderer())[0] == "#fcffa4"


def test_dissimilarity_shows_where_the_map_is_applicable(tmp_path, project) -> None:
    path = str(tmp_path / "d.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 2, 1, 1, gdal.GDT_Float32)
    dataset.GetRasterBand(1).WriteArray(np.array([[0.39, 0.41]], "float32"))
    dataset = None
    context = QgsProcessingContext()
    context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails("x", project, "DISSIMILARITY"))
    styles.dress({"DISSIMILARITY": path, "DISSIMILARITY_THRESHOLD": 0.4}, context)
    layer = QgsRasterLayer(path, "x")
    items = layer.renderer().shader().rasterShaderFunction().colorRampItemList()
    assert [item.label.split(":")[0] for item in items] == 4 * ["applicable"] + 3 * ["not applicable"]
    assert [round(item.value, 3) for item in items] == [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, float("inf")]
    assert (items[3].label, items[6].label) == ("applicable: 0.3 - 0.4", "not applicable: above 0.8")
    image = layer.renderer().block(1, layer.extent(), 2, 1)
    inside, outside = (QColor(image.color(0, column)) for column in (0, 1))
    assert inside.green() > inside.red() and outside.red() > outside.green()
    assert context.layerToLoadOnCompletionDetails(path).name == "Dissimilarity index, applicable up to 0.4"


def test_contributions_have_zero_in_the_middle(tmp_path, qgis_app) -> None:
    path = str(tmp_path / "c.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 10, 10, 2, gdal.GDT_Float32)
    dataset.GetRasterBand(1).WriteArray(np.linspace(-1, 4, 100).reshape(10, 10).astype("float32"))
    dataset = None
    styles.dress({"ATTRIBUTION": path}, QgsProcessingContext())
    style = Style(path)
    assert style.limits[0] == -style.limits[1] and 3.5 < style.limits[1] <= 4
    assert (style.colours[0], style.colours[5], style.colours[-1]) == ("#004e92", "#f3f3f3", "#803100")


@pytest.mark.parametrize("is_factor", [False, True])
def test_contributions_open_with_the_most_important_covariate_in_their_unit(tmp_path, project, is_factor: bool) -> None:
    path = str(tmp_path / "c.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 10, 10, 3, gdal.GDT_Float32)
    kind = "ln of the factor on zinc" if is_factor else "contribution to zinc (mg/kg)"
    for band, (name, size) in enumerate((("slope", 0.1), ("flow", 0.3), ("soil", 0.2)), start=1):
        dataset.GetRasterBand(band).WriteArray(np.linspace(-size, size, 100).reshape(10, 10).astype("float32"))
        dataset.GetRasterBand(band).SetDescription(f"{name}: {kind}")
    dataset = None
    context = QgsProcessingContext()
    context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails("x", project, "ATTRIBUTION"))
    styles.dress({"ATTRIBUTION": path}, context)
    layer = QgsRasterLayer(path, "x")  # with its .qml
    assert layer.renderer().inputBand() == 2
    assert context.layerToLoadOnCompletionDetails(path).name == f"flow: {kind}"
    shader = layer.renderer().shader().rasterShaderFunction()
    assert shader.legendSettings().useContinuousLegend() == (not is_factor)
    if is_factor:
        labels = [item.label for item in shader.colorRampItemList()]
        assert (labels[0], labels[5], labels[-1]) == ("× 0.748", "× 1", "× 1.34")  # between 2 % and 98 % of the pixels
    else:
        assert shader.legendSettings().suffix() == " mg/kg"


def test_a_constant_map_has_limits_that_differ(tmp_path, qgis_app) -> None:
    path = str(tmp_path / "c.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 4, 4, 1, gdal.GDT_Float32)
    dataset.GetRasterBand(1).Fill(5)
    dataset = None
    low, high = raster_styles.percentiles(QgsRasterLayer(path, "c"))
    assert low < 5 < high


@pytest.mark.parametrize(
    ("name", "ramp"),
    [
        ("zinc", "inferno_reversed"),
        ("Cu", "inferno_reversed"),
        ("log_lead 0-5 cm", "inferno_reversed"),
        ("soc 0-30 cm", "rocket_reversed"),
        ("organic carbon", "rocket_reversed"),
        ("clay 5-15 cm", "cividis"),
        ("pH", "plasma"),
        ("water content", "mako_reversed"),
        ("leadership", "viridis"),
        ("bulk density", "viridis"),
    ],
)
def test_ramps_fit_the_property(name, ramp) -> None:
    assert raster_styles.ramp_for(name) == ramp


@pytest.mark.parametrize(
    ("labels", "text"),
    [(["zinc"], "zinc"), (["a", "b", "c"], "a, b and c"), (["a", "b", "c", "d", "e"], "a, b and 3 more")],
)
def test_many_properties_are_told_in_few_words(labels, text) -> None:
    assert band_labels.in_few_words(labels) == text


@pytest.mark.parametrize(("text", "title"), [("zinc", "Zinc"), ("pH", "pH"), ("ph", "ph"), ("CEC", "CEC")])
def test_titles_begin_with_a_capital_but_ph_does_not(text, title) -> None:
    assert band_labels.sentence_case(text) == title


@pytest.mark.parametrize(
    ("description", "parts"),
    [
        ("zinc (mg/kg)", ("zinc", None, "mg/kg", "")),
        ("clay 5-15 cm (%), lower 90 % limit", ("clay", (5, 15), "%", "lower 90 % limit")),
        ("pH 0-2.5 cm, median", ("pH", (0, 2.5), "", "median")),
        ("soil type, confusion index", ("soil type", None, "", "confusion index")),
        ("P (Olsen) (mg/kg)", ("P (Olsen)", None, "mg/kg", "")),
    ],
)
def test_a_bands_name_is_read_in_its_parts(description, parts) -> None:
    label = band_labels.read_label(description)
    assert (label.property, label.depth_cm, label.unit, label.kind) == parts


def test_ramps_grow_steadily_lighter_or_darker() -> None:
    """Perceptual order means that the luminance (ITU-R BT.709) of the colours is monotonic."""
    for name in raster_styles.RAMPS:
        ramp = raster_styles.colour_ramp(name)
        light = [
            0.2126 * colour.redF() + 0.7152 * colour.greenF() + 0.0722 * colour.blueF()
            for colour in (ramp.color(share / 10) for share in range(11))
        ]
        steps = np.diff(light)
        assert (steps > 0).all() or (steps < 0).all(), name


def test_a_map_of_probabilities_says_which_threshold_is_shown(tmp_path: Path, qgis_app) -> None:
    path = str(tmp_path / "p.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 4, 4, 2, gdal.GDT_Float32)
    for number, text in enumerate(("copper > 150 mg/kg, probability", "zinc < 300 mg/kg, probability"), 1):
        dataset.GetRasterBand(number).WriteArray(np.full((4, 4), 0.2 * number, "float32"))
        dataset.GetRasterBand(number).SetDescription(text)
    dataset = None
    context = QgsProcessingContext()
    details = QgsProcessingContext.LayerDetails("x", context.project(), "EXCEEDANCE_PROBABILITY")
    context.addLayerToLoadOnCompletion(path, details)
    styles.dress({"EXCEEDANCE_PROBABILITY": path}, context)
    assert context.layerToLoadOnCompletionDetails(path).name == "Probability: copper > 150 mg/kg"
    assert Style(path).limits == (0.0, 1.0)
