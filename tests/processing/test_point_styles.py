"""The style of points with residuals, and what their layers say."""

from __future__ import annotations

import pytest
from osgeo import ogr
from qgis.core import (
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsGraduatedSymbolRenderer,
    QgsProcessingContext,
    QgsVectorLayer,
)

from soil_cnn_plugin.processing import styles
from soil_cnn_plugin.processing.point_plans import point_plans


def write(path, residuals, fields=("zinc_residual",)) -> str:
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("held_out", geom_type=ogr.wkbPoint)
    for name in fields:
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTReal))
    for residual in residuals:
        feature = ogr.Feature(layer.GetLayerDefn())
        if residual is not None:
            for name in fields:
                feature.SetField(name, residual)
        feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (1 2)"))
        layer.CreateFeature(feature)
    source = None
    return str(path)


def test_residuals_get_five_classes_symmetric_around_zero(tmp_path, qgis_app) -> None:
    path = write(tmp_path / "h.gpkg", [-40.0, -10.0, 0.0, 3.0, 38.0, None])
    styles.dress({"HELD_OUT": path}, QgsProcessingContext())
    layer = QgsVectorLayer(path, "h")  # finds the style beside it
    ranges = layer.renderer().ranges()
    assert [(item.lowerValue(), item.upperValue()) for item in ranges[1:-1]] == [(-30, -10), (-10, 10), (10, 30)]
    assert ranges[0].label() == "< -30 (far too low)"
    assert layer.renderer().classAttribute() == '"zinc_residual"'


def test_points_without_residuals_get_no_style(tmp_path, qgis_app) -> None:
    path = write(tmp_path / "h.gpkg", [None, None])
    styles.dress({"HELD_OUT": path}, QgsProcessingContext())
    assert not isinstance(QgsVectorLayer(path, "h").renderer(), QgsGraduatedSymbolRenderer)


def test_each_target_has_a_layer_of_points_with_words_for_its_fields(tmp_path, qgis_app) -> None:
    path = write(tmp_path / "h.gpkg", [-4.0, 4.0], ["zinc_residual", "zinc_observed", "clay_0_5_residual", "reason"])
    plans = point_plans({"HELD_OUT": path}, {"zinc": "zinc (mg/kg)", "clay 0-5 cm": "clay 0-5 cm (%)"})[path]
    assert [(plan.title, plan.is_shown) for plan in plans] == [
        ("Held-out predictions: zinc (mg/kg)", (True, True)),
        ("Held-out predictions: clay 0-5 cm (%)", (True, False)),
    ]
    layer = plans[0].open()
    plans[0].dress(layer)
    assert [layer.attributeDisplayName(index) for index in range(1, 4)] == [
        "Zinc (mg/kg), residual (predicted minus observed)",
        "Zinc (mg/kg), observed",
        "Clay 0-5 cm (%), residual (predicted minus observed)",
    ]
    assert '[% represent_value("zinc_observed") %]' in layer.mapTipTemplate()


@pytest.mark.parametrize(
    ("name", "field", "value", "shown"),
    [
        ("HELD_OUT", "zinc_predicted", 609.277301975141, "609.3"),
        ("RESIDUALS", "zinc_residual", -1452.71187239282, "-1453"),
        ("OUTPUT", "clay_0_5", 17.6048290494765, "17.60"),
        ("OUTPUT", "top", 12.3456789, "12.3456789"),  # the user's own
        ("IMPORTANCE", "importance_percent", 0.0123456789, "0.01235"),
    ],
)
def test_tables_and_tips_show_four_digits(tmp_path, qgis_app, name, field, value, shown) -> None:
    path = write(tmp_path / "h.gpkg", [value], [field])
    plan = point_plans({name: path}, {})[path][0]
    layer = plan.open()
    plan.dress(layer)
    layer.loadNamedStyle(styles.write_style(path, plan.style))
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    context.setFeature(next(layer.getFeatures()))
    found = QgsExpression.replaceExpressionText(f'[% represent_value("{field}") %]', context)
    assert found.replace("\u2212", "-").replace(",", "") == shown


def test_own_numbers_of_areas_stay_as_they_are(tmp_path, qgis_app) -> None:
    path = write(tmp_path / "a.gpkg", [1.23456789], ["yield", "area_ha", "zinc_mean"])
    layer = point_plans({"AREAS": path}, {})[path][0].open()
    layer.loadNamedStyle(styles.write_style(path, point_plans({"AREAS": path}, {})[path][0].style))
    kinds = [layer.editorWidgetSetup(index).type() for index in range(1, 4)]
    assert kinds[0] != "Range" and kinds[1:] == ["Range", "Range"]


def test_a_layer_without_unused_observations_is_not_loaded(tmp_path, project) -> None:
    empty = write(tmp_path / "e.gpkg", [])
    context = QgsProcessingContext()
    context.setProject(project)
    context.addLayerToLoadOnCompletion(empty, QgsProcessingContext.LayerDetails("x", project, "DROPPED"))
    styles.dress({"DROPPED": empty}, context)
    assert not context.willLoadLayerOnCompletion(empty)
    some = write(tmp_path / "s.gpkg", [1.0])
    context.addLayerToLoadOnCompletion(some, QgsProcessingContext.LayerDetails("x", project, "DROPPED"))
    styles.dress({"DROPPED": some}, context)
    assert context.layerToLoadOnCompletionDetails(some).name == "Observations not used"
