"""Observations of any kind: what QGIS can show as points reaches the engine; anything else raises a message."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from osgeo import ogr
from qgis.core import (
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsField,
    QgsGeometry,
    QgsPoint,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsVectorLayerJoinInfo,
)
from qgis.PyQt.QtCore import QMetaType

from soil_cnn_plugin.contract.jobs import JobError
from soil_cnn_plugin.processing.vectors import file_name


@pytest.fixture
def rows_of(job_of, raster, project, tmp_path) -> Callable[..., list[dict]]:
    """Return a function for the rows, with id and coordinates, that Extract patches exports of a layer or path."""

    def make(layer: QgsVectorLayer | str) -> list[dict]:
        if isinstance(layer, QgsVectorLayer):
            assert layer.isValid(), layer.error().summary()
            project.addMapLayer(layer)
        values = {"OBSERVATIONS": layer, "TARGETS": ["zinc"], "COVARIATES": [raster("dem")]}
        dataset = ogr.Open(job_of("extractpatches", {**values, "PATCHES": str(tmp_path / "p.h5")}).observations)
        rows = []
        for row in dataset.GetLayer(0):
            point = row.geometry()
            rows.append({"fid": row.GetFID(), **row.items(), "point": point.ExportToWkt() if point else None})
        return rows

    return make


def memory_layer(definition: str, rows: list[tuple[list, QgsGeometry | str | None]], name: str = "Soils"):
    layer = QgsVectorLayer(definition, name, "memory")
    for values, geometry in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes(values)
        if geometry:
            feature.setGeometry(QgsGeometry.fromWkt(geometry) if isinstance(geometry, str) else geometry)
        layer.dataProvider().addFeature(feature)
    return layer


def test_a_text_file_with_decimal_commas_and_a_filter(rows_of, tmp_path) -> None:
    path = tmp_path / "Proben Ä.csv"
    path.write_text("id;x;y;zinc;clay\n1;105,5;275;10,5;<0,5\n2;115;265,5;20;3,2\n3;125;255;5,25;1\n", "utf-8")
    source = f"file://{path}?type=csv&delimiter=;&decimalPoint=,&xField=x&yField=y&crs=EPSG:28992&detectTypes=yes"
    rows = rows_of(QgsVectorLayer(f"{source}&subset=%22zinc%22%20%3E%206", "Proben", "delimitedtext"))
    assert [(row["zinc"], row["clay"], row["point"]) for row in rows] == [
        (10.5, "<0,5", "POINT (105.5 275.0)"),
        (20.0, "3,2", "POINT (115.0 265.5)"),
    ]


def test_a_table_without_points_is_told_with_the_way_to_points(rows_of, tmp_path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("x,y,zinc\n105,275,3\n", "utf-8")
    with pytest.raises(JobError, match="samples is a table without points. .* Create points layer from table"):
        rows_of(str(path))


def test_heights_and_measures_are_left_out(rows_of) -> None:
    heights = [
        QgsPoint(105, 275, 12.5),
        QgsPoint(115, 265, math.nan),  # QGIS makes such points if no height is given
    ]
    rows = rows_of(
        memory_layer("PointZ?crs=EPSG:28992&field=zinc:double", [([1.0], QgsGeometry(each)) for each in heights])
    )
    assert [row["point"] for row in rows] == ["POINT (105 275)", "POINT (115 265)"]
    layer = memory_layer("MultiPointZM?crs=EPSG:28992&field=zinc:double", [([1.0], "MULTIPOINTZM((105 275 3 4))")])
    assert rows_of(layer)[0]["point"] == "POINT (105 275)"


def test_joined_and_virtual_fields_are_seen(rows_of, project) -> None:
    sites = memory_layer("Point?crs=EPSG:28992&field=zinc:double&field=k:integer", [([7.0, 1], "POINT(105 275)")])
    laboratory = memory_layer("NoGeometry?field=k:integer&field=lead:double", [([1, 2.5], None)], "lab")
    project.addMapLayer(laboratory)
    join = QgsVectorLayerJoinInfo()
    join.setJoinLayer(laboratory)
    join.setJoinFieldName("k")
    join.setTargetFieldName("k")
    sites.addJoin(join)
    sites.addExpressionField('"lab_lead" * 2', QgsField("double_lead", QMetaType.Type.Double))
    (row,) = rows_of(sites)
    assert (row["lab_lead"], row["double_lead"]) == (2.5, 5.0)


def test_lists_and_maps_among_the_fields_are_no_hindrance(rows_of) -> None:
    fields = "field=zinc:double&field=names:string[]&field=more:map&field=taken:date&field=done:bool"
    layer = memory_layer(
        f"Point?crs=EPSG:28992&{fields}", [([1.0, ["A", "B"], {"a": 1}, None, True], "POINT(105 275)")]
    )
    (row,) = rows_of(layer)
    assert (row["zinc"], row["names"], "more" in row) == (1.0, '["A","B"]', False)


def test_fields_that_differ_in_case_only_are_told(rows_of) -> None:
    layer = memory_layer("Point?crs=EPSG:28992&field=Zinc:double&field=zinc:double", [([1.0, 2.0], "POINT(105 275)")])
    with pytest.raises(JobError, match="Soils has fields Zinc and zinc, which differ in upper and lower case only"):
        rows_of(layer)


def test_features_that_share_an_id_are_all_kept(rows_of, project) -> None:
    project.addMapLayer(
        memory_layer("Point?crs=EPSG:28992&field=zinc:double", [([1.0], "POINT(105 275)"), ([2.0], "POINT(115 265)")])
    )
    query = "?query=select zinc, 5 as same, geometry from Soils&geometry=geometry:1:28992&uid=same"
    rows = rows_of(QgsVectorLayer(query, "query", "virtual"))
    assert [row["zinc"] for row in rows] == [1.0, 2.0] and len({row["fid"] for row in rows}) == 2


@pytest.mark.parametrize(("driver", "name"), [("ESRI Shapefile", "a b.shp"), ("GeoJSON", "ä.geojson")])
def test_files_whose_ids_begin_at_zero(rows_of, tmp_path, driver: str, name: str) -> None:
    layer = memory_layer(
        "Point?crs=EPSG:4326&field=zinc:double&field=Bodenart:string",
        [([1.5, "Löß"], "POINT(5 52)"), ([None, None], "POINT(6 53)")],
    )
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.fileEncoding = driver, "UTF-8"
    path = str(Path(tmp_path) / name)
    QgsVectorFileWriter.writeAsVectorFormatV3(layer, path, QgsCoordinateTransformContext(), options)
    rows = rows_of(path)
    assert [(row["fid"], row["zinc"], row["Bodenart"]) for row in rows] == [(0, 1.5, "Löß"), (1, None, None)]


@pytest.mark.parametrize("name", ["土" * 200, "ä" * 300, "😀" * 90, "a" * 500])
def test_a_file_of_a_layer_fits_the_bytes_of_a_file_system(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{file_name(name)}.gpkg-journal"
    path.touch()
    assert name.startswith(path.name.split(".")[0]) and len(file_name(name)) >= 50
