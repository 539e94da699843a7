"""The style of points with residuals."""

from __future__ import annotations

from osgeo import ogr
from qgis.core import QgsVectorLayer

from soil_cnn_plugin.processing.point_styles import write_residual_style


def write(path, residuals) -> str:
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("held_out", geom_type=ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("zinc_residual", ogr.OFTReal))
    for residual in residuals:
        feature = ogr.Feature(layer.GetLayerDefn())
        if residual is not None:
            feature.SetField("zinc_residual", residual)
        feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (1 2)"))
        layer.CreateFeature(feature)
    source = None
    return str(path)


def test_residuals_get_five_classes_symmetric_around_zero(tmp_path, qgis_app) -> None:
    path = write(tmp_path / "h.gpkg", [-40.0, -10.0, 0.0, 3.0, 38.0, None])
    qml = write_residual_style(path)
    assert qml == str(tmp_path / "h.qml")
    layer = QgsVectorLayer(path, "h")
    layer.loadNamedStyle(qml)
    ranges = layer.renderer().ranges()
    assert [(item.lowerValue(), item.upperValue()) for item in ranges[1:-1]] == [(-30, -10), (-10, 10), (10, 30)]
    assert ranges[0].label() == "< -30 (far too low)"
    assert layer.renderer().classAttribute() == '"zinc_residual"'


def test_points_without_residuals_get_no_style(tmp_path, qgis_app) -> None:
    assert write_residual_style(write(tmp_path / "h.gpkg", [None, None])) == ""
    assert not (tmp_path / "h.qml").exists()
