"""Observations of any kind: what QGIS can show as points reaches the engine; anything else raises a message."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from osgeo import ogr
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsField,
    QgsGeometry,
    QgsPoint,
    QgsPointXY,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsVectorLayerJoinInfo,
)
from qgis.PyQt.QtCore import QMetaType

from soil_cnn_plugin.contract.jobs import JobError
from soil_cnn_plugin.processing import full_disk, vectors
from soil_cnn_plugin.processing.file_names import file_name
from soil_cnn_plugin.processing.inputs import Inputs
from soil_cnn_plugin.processing.results_folder import ResultsFolder


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


def points(crs: str, xy: list[tuple[float, float]], fields: str = "zinc:double") -> QgsVectorLayer:
    layer = QgsVectorLayer(f"Point?crs={crs}&field={fields}", "soils", "memory")
    rows = []
    for number, (x, y) in enumerate(xy):
        row = QgsFeature(layer.fields())
        row.setAttributes([float(number + 1)] * len(layer.fields()))
        row.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
        rows.append(row)
    layer.dataProvider().addFeatures(rows)
    return layer


def test_points_are_transformed_by_the_operation_that_the_project_has_chosen(
    provider, context, project, raster, tmp_path
) -> None:
    """NAD27 to NAD83 by an invented shift of 100 m, which nobody but the project knows."""
    dem = raster("dem", epsg=4269)
    nad27, nad83 = QgsCoordinateReferenceSystem("EPSG:4267"), QgsCoordinateReferenceSystem("EPSG:4269")
    shift = "+proj=pipeline +step +proj=affine +xoff=0.001 +yoff=0.002"
    transforms = project.transformContext()
    assert transforms.addCoordinateOperation(nad27, nad83, shift, False)
    project.setTransformContext(transforms)
    context.setProject(project)
    job, inputs = run_inputs(context, points("EPSG:4267", [(-100, 40)]), [dem], tmp_path)
    layer = QgsVectorLayer(job.observations, "written", "ogr")
    place = next(layer.getFeatures()).geometry().asPoint()
    assert (round(place.x(), 6), round(place.y(), 6)) == (-99.999, 40.002) and layer.crs() == nad83
    (note,) = inputs.notes
    assert note.startswith("soils is transformed from EPSG:4267 to EPSG:4269 by the operation") and "accuracy" in note


def test_points_in_the_crs_of_the_rasters_are_not_transformed(
    provider, context, observations, raster, tmp_path
) -> None:
    job, inputs = run_inputs(context, observations, [raster("dem")], tmp_path)
    assert inputs.notes == []
    layer = QgsVectorLayer(job.observations, "written", "ogr")
    assert next(layer.getFeatures()).geometry().asPoint() == QgsPointXY(105, 275)


def test_a_point_without_a_place_in_the_crs_of_the_rasters_keeps_its_row(provider, context, raster, tmp_path) -> None:
    dem = raster("dem", epsg=3857)
    job, _ = run_inputs(context, points("EPSG:4326", [(5, 52), (5, 95), (6, 52)]), [dem], tmp_path)
    layer = QgsVectorLayer(job.observations, "written", "ogr")
    places = [row.geometry().asPoint().y() for row in layer.getFeatures()]
    assert len(places) == 3 and round(places[0]) == round(places[2]) == 6800125 and not math.isfinite(places[1])


@pytest.mark.parametrize("name", ["Site ", " w", "Site"])
def test_blanks_at_the_ends_of_a_fields_name_belong_to_it(provider, context, raster, tmp_path, name) -> None:
    layer = points("EPSG:28992", [(105, 275), (115, 275)])
    layer.dataProvider().addAttributes([QgsField(name, QMetaType.Type.Double)])
    layer.updateFields()
    job, _ = run_inputs(context, layer, [raster("dem")], tmp_path, GROUP=name, WEIGHT=name)
    assert (job.group, job.weight) == (name, name)


def run_inputs(context, layer, rasters, folder, **parameters):
    """The job of Extract patches, and the inputs that it was made of."""
    context.project().addMapLayer(layer)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:extractpatches")
    values = {"OBSERVATIONS": layer, "TARGETS": ["zinc"], "COVARIATES": rasters, "PATCHES": str(folder / "p.h5")}
    values.update(parameters)
    assert algorithm.prepareAlgorithm(values, context, context.feedback())
    (folder / "inputs").mkdir()
    inputs = Inputs(algorithm, values, context, algorithm._rasters, folder / "inputs", ResultsFolder("Test"))
    return algorithm.job(inputs), inputs


def test_a_full_temporary_folder_is_told_instead_of_what_sqlite_says(
    provider, context, observations, raster, tmp_path, monkeypatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(full_disk.shutil, "disk_usage", lambda folder: usage._replace(free=4096))
    monkeypatch.setattr(vectors.QgsVectorFileWriter, "hasError", lambda self: 7)
    with pytest.raises(JobError, match="The disk of the temporary folder .*observations is full"):
        run_inputs(context, observations, [raster("dem")], tmp_path)
