"""The style of summarized areas."""

from __future__ import annotations

from osgeo import ogr
from qgis.core import QgsVectorLayer

from soil_cnn_plugin.processing.area_styles import colour_areas


def write(path, means) -> str:
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("areas", geom_type=ogr.wkbPolygon)
    for name in ("mapped_share", "zinc_mean", "zinc_lower", "zinc_upper"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTReal))
    for number, mean in enumerate(means):
        feature = ogr.Feature(layer.GetLayerDefn())
        if mean is not None:
            feature.SetField("zinc_mean", mean)
        left = 2 * number
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({left} 0, {left + 1} 0, {left + 1} 1, {left} 0))"))
        layer.CreateFeature(feature)
    source = None
    return str(path)


def rules_of(path: str) -> list[tuple[str, bool]]:
    """Labels of the rules, and whether each is for all others; read while the layer lives, which owns them."""
    layer = QgsVectorLayer(path, "areas")
    assert 'round("zinc_mean", 3)' in colour_areas(layer)
    return [(rule.label(), rule.isElse()) for rule in layer.renderer().rootRule().children()]


def test_areas_get_classes_of_equal_size_and_hatching_where_nothing_is_known(tmp_path, qgis_app) -> None:
    *classes, unknown = rules_of(write(tmp_path / "a.gpkg", [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, None]))
    assert [label for label, _ in classes] == ["1 - 2", "2 - 3", "3 - 5", "5 - 8", "8 - 13"]
    assert unknown == ("not mapped", True)


def test_one_value_is_one_class_and_none_is_none(tmp_path, qgis_app) -> None:
    assert rules_of(write(tmp_path / "a.gpkg", [4.0, 4.0])) == [("4", False), ("not mapped", True)]
    assert rules_of(write(tmp_path / "b.gpkg", [None])) == [("not mapped", True)]
