"""Parameter values become jobs, compared with literals; exports are compared with the layers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from osgeo import gdal, ogr, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsPalettedRasterRenderer,
    QgsPointXY,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsRasterRange,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from soil_cnn_plugin.contract.jobs import (
    AssessMap,
    CheckEnvironment,
    Covariate,
    DescribeNetwork,
    ExplainNetwork,
    Expression,
    ExtractPatches,
    JobError,
    MapSoilProperties,
    PredictMap,
    SummarizeAreas,
    Threshold,
    TrainNetwork,
)
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.processing.fields import parse_units
from soil_cnn_plugin.processing.outputs import check_outputs


def rows(path: str) -> list[dict]:
    """Return the rows of a GeoPackage, with fid."""
    dataset = ogr.Open(path)
    layer = dataset.GetLayer(0)
    return [{"fid": row.GetFID(), **row.items(), "xy": row.geometry().GetPoint_2D()} for row in layer]


@pytest.fixture
def extract(job_of, observations, raster, tmp_path):
    """Return a function that makes the job of Extract patches, with changed values."""

    def make(**changes) -> ExtractPatches:
        values = {
            "OBSERVATIONS": observations,
            "TARGETS": ["zinc"],
            "COVARIATES": [raster("dem")],
            "PATCHES": str(tmp_path / "patches.h5"),
        }
        return job_of("extractpatches", {**values, **changes})

    return make


def test_extract_patches_with_defaults(extract, tmp_path) -> None:
    job = extract()
    assert job == ExtractPatches(
        observations=job.observations,
        targets=(SoilProperty("zinc"),),
        covariates=(Covariate(str(tmp_path / "dem.tif"), "dem"),),
        patches=str(tmp_path / "patches.h5"),
    )
    assert Path(job.observations).name == "Observed soils.gpkg"  # the name in messages and reports


def test_extract_patches_with_all_values(extract, raster, tmp_path) -> None:
    job = extract(
        TARGETS=["zinc", "note"],
        CATEGORICAL_COVARIATES=[raster("geology")],
        DIRECTIONAL_COVARIATES=[raster("northness")],
        REFERENCE=raster("grid"),
        CELL_SIZE=20,
        PATCH_SIZE=5,
        GROUP="site",
        UNITS="zinc=mg/kg; note=-",
        MAX_MISSING=0.25,
        PATCHES=str(tmp_path / "without extension"),
        DROPPED=str(tmp_path / "dropped.gpkg"),
    )
    assert job == ExtractPatches(
        observations=job.observations,
        targets=(SoilProperty("zinc", "mg/kg"), SoilProperty("note", "")),
        covariates=(
            Covariate(str(tmp_path / "dem.tif"), "dem"),
            Covariate(str(tmp_path / "geology.tif"), "geology", kind="categorical"),
            Covariate(str(tmp_path / "northness.tif"), "northness", kind="directional"),
        ),
        patches=str(tmp_path / "without extension.h5"),
        dropped=str(tmp_path / "dropped.gpkg"),
        reference=str(tmp_path / "grid.tif"),
        cell_size=20.0,
        patch_size=5,
        group="site",
        max_missing=0.25,
    )


def test_a_raster_listed_twice_is_taken_once_with_its_special_kind(extract, raster) -> None:
    dem, geology = raster("dem"), raster("geology")
    job = extract(COVARIATES=[geology, dem], CATEGORICAL_COVARIATES=[geology])
    assert [(item.name, item.kind) for item in job.covariates] == [("dem", "continuous"), ("geology", "categorical")]


def test_a_memory_layer_is_exported_with_its_text_and_missing_values(extract) -> None:
    assert rows(extract().observations) == [
        {"fid": 1, "zinc": 0.0, "note": "0.5", "site": "a", "xy": (105.0, 275.0)},
        {"fid": 2, "zinc": 10.0, "note": "1.5", "site": "b", "xy": (115.0, 275.0)},
        {"fid": 3, "zinc": 20.0, "note": "2.5", "site": "a", "xy": (125.0, 275.0)},
        {"fid": 4, "zinc": 30.0, "note": "3.5", "site": "b", "xy": (135.0, 275.0)},
        {"fid": 5, "zinc": None, "note": "4.5", "site": "a", "xy": (145.0, 275.0)},
    ]


def test_only_selected_features_are_exported_with_their_own_ids(extract, observations) -> None:
    observations.selectByIds([2, 4])
    source = QgsProcessingFeatureSourceDefinition(observations.id(), selectedFeaturesOnly=True)
    assert [row["fid"] for row in rows(extract(OBSERVATIONS=source).observations)] == [2, 4]


def test_a_filter_of_the_layer_is_honoured(extract, observations) -> None:
    observations.setSubsetString('"zinc" > 5')
    assert [row["zinc"] for row in rows(extract().observations)] == [10.0, 20.0, 30.0]


def test_a_filter_expression_of_the_run_is_honoured(extract, observations) -> None:
    source = QgsProcessingFeatureSourceDefinition(observations.id(), filterExpression="\"site\" = 'b'")
    assert [row["fid"] for row in rows(extract(OBSERVATIONS=source).observations)] == [2, 4]


def test_unsaved_edits_are_seen(extract, observations) -> None:
    observations.startEditing()
    added = QgsFeature(observations.fields())
    added.setAttributes([99.0, "9", "c"])
    added.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(155, 275)))
    observations.addFeature(added)
    observations.changeAttributeValue(1, 0, -1.0)
    observations.deleteFeature(2)
    found = {row["fid"]: row["zinc"] for row in rows(extract().observations)}
    assert found == {1: -1.0, 3: 20.0, 4: 30.0, 5: None, 6: 99.0}


def test_a_field_called_fid_is_no_obstacle(extract, project) -> None:
    layer = QgsVectorLayer("Point?crs=EPSG:28992&field=fid:integer&field=zinc:double&field=geom:string", "p", "memory")
    for number in range(3):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([7, float(number), "x"])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(105, 275)))
        layer.dataProvider().addFeature(feature)
    project.addMapLayer(layer)
    assert [(row["fid"], row["zinc"]) for row in rows(extract(OBSERVATIONS=layer).observations)] == [
        (1, 0.0),
        (2, 1.0),
        (3, 2.0),
    ]


def test_one_layer_of_several_in_a_file(extract, tmp_path) -> None:
    path = str(tmp_path / "many.gpkg")
    dataset = gdal.GetDriverByName("GPKG").Create(path, 0, 0, 0)
    system = osr.SpatialReference()
    system.ImportFromEPSG(28992)
    for name, zinc in (("first", 1.0), ("second", 2.0)):
        layer = dataset.CreateLayer(name, system, ogr.wkbMultiPoint)
        layer.CreateField(ogr.FieldDefn("zinc", ogr.OFTReal))
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("zinc", zinc)
        feature.SetGeometry(ogr.CreateGeometryFromWkt("MULTIPOINT (105 275)"))
        layer.CreateFeature(feature)
    feature = layer = dataset = None
    job = extract(OBSERVATIONS=f"{path}|layername=second")
    assert rows(job.observations) == [{"fid": 1, "zinc": 2.0, "xy": (105.0, 275.0)}]


def test_a_multipoint_of_several_points_is_refused(extract, project) -> None:
    layer = QgsVectorLayer("MultiPoint?crs=EPSG:28992&field=zinc:double", "Pits", "memory")
    feature = QgsFeature(layer.fields())
    feature.setGeometry(QgsGeometry.fromWkt("MULTIPOINT (105 275, 115 275)"))
    layer.dataProvider().addFeature(feature)
    project.addMapLayer(layer)
    with pytest.raises(JobError, match="Feature 1 of Pits is a multipoint of 2 points"):
        extract(OBSERVATIONS=layer)


def test_observations_without_crs_are_refused(extract, observations) -> None:
    observations.setCrs(QgsCoordinateReferenceSystem())
    with pytest.raises(JobError, match="Observed soils has no CRS"):
        extract()


def test_a_missing_field_is_named_with_those_there_are(extract) -> None:
    with pytest.raises(JobError, match=r"no field 'lead' \(TARGETS\). Their fields are: zinc, note, site"):
        extract(TARGETS=["lead"])
    with pytest.raises(JobError, match=r"no field 'pit' \(GROUP\)"):
        extract(GROUP="pit")


def test_the_number_of_a_row_is_no_target(extract, job_of, raster, tmp_path) -> None:
    points = extract().observations  # a GeoPackage, whose first field is fid
    for algorithm, name, value in (("extractpatches", "TARGETS", ["zinc", "fid"]), ("assessmap", "TARGET", "fid")):
        values = {"OBSERVATIONS": points, name: value, "COVARIATES": [raster("dem")], "MAP": raster("map")}
        with pytest.raises(JobError, match="The field fid numbers the rows of the file, so it cannot be mapped"):
            job_of(algorithm, {**values, "PATCHES": str(tmp_path / "p.h5")})


def test_the_unit_comes_from_the_fields_alias(extract, observations) -> None:
    observations.setFieldAlias(0, "Zinc (mg/kg)")
    assert extract().targets == (SoilProperty("zinc", "mg/kg"),)
    assert extract(UNITS="ppm").targets == (SoilProperty("zinc", "ppm"),)


def test_units_as_text() -> None:
    assert parse_units("", ["zinc"]) == {}
    assert parse_units("mg/kg", ["zinc", "lead"]) == {"zinc": "mg/kg", "lead": "mg/kg"}
    assert parse_units("zinc=mg/kg; ph=-", ["zinc", "ph", "clay"]) == {"zinc": "mg/kg", "ph": ""}
    with pytest.raises(JobError, match="'zink=mg/kg', which is not of the form"):
        parse_units("zink=mg/kg", ["zinc"])
    with pytest.raises(JobError, match="'soc: %', which is not of the form"):
        parse_units("soc: %; bd: g/cm3", ["soc", "bd"])
    with pytest.raises(JobError, match="'soc=%, bd=g/cm3', which .* Put semicolons between several"):
        parse_units("soc=%, bd=g/cm3", ["soc", "bd"])


def test_units_of_fields_with_special_characters_are_read() -> None:
    assert parse_units("pH=H2O=pH units", ["pH", "pH=H2O"]) == {"pH=H2O": "pH units"}
    assert parse_units('"pH=H2O"=-; "N; total" = %', ["pH=H2O", "N; total"]) == {"pH=H2O": "", "N; total": "%"}
    assert parse_units("clay =%", ["clay "]) == {"clay ": "%"}
    assert parse_units("clay=%", [" clay"]) == {" clay": "%"}
    with pytest.raises(JobError, match="may stand in quotes"):
        parse_units("N; total=%", ["N; total"])


def test_bands_are_named_by_file_and_description_or_number(extract, raster) -> None:
    job = extract(COVARIATES=[raster("s2", bands=("red", "", "nir")), raster("two", bands=("a", "a"))])
    assert [(item.name, item.band) for item in job.covariates] == [
        ("s2_red", 1),
        ("s2_2", 2),
        ("s2_nir", 3),
        ("two_1", 1),
        ("two_2", 2),
    ]


def test_a_layer_of_the_project_is_named_by_its_file_too(extract, raster, project) -> None:
    layer = QgsRasterLayer(raster("dem"), "Höhe über NN")
    project.addMapLayer(layer)
    assert extract(COVARIATES=[layer.id()]).covariates == extract().covariates


def test_nodata_that_the_user_set_on_the_layer_is_handed_on(extract, raster, project) -> None:
    layer = QgsRasterLayer(raster("dem", bands=("a", "b"), nodata=-1), "dem")
    kinds = QgsRasterRange.BoundsType
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(5, 5), QgsRasterRange(60, 63, kinds.IncludeMax)])
    layer.dataProvider().setUseSourceNoDataValue(2, False)
    project.addMapLayer(layer)
    first, second = extract(COVARIATES=[layer]).covariates
    assert first.nodata[0] == (5.0, 5.0)
    assert 60 < first.nodata[1][0] < 60.0001 and first.nodata[1][1] == 63.0
    assert first.use_file_nodata
    assert (second.nodata, second.use_file_nodata) == ((), False)


def test_a_crs_that_the_user_set_is_handed_on(extract, raster, project) -> None:
    path = raster("no crs", epsg=None)
    layer = QgsRasterLayer(path, "dem")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:28992"))
    project.addMapLayer(layer)
    (covariate,) = extract(COVARIATES=[layer]).covariates
    assert (covariate.path, covariate.name) == (f"vrt://{path}?a_srs=EPSG:28992", "no crs")


def test_a_table_in_a_geopackage_is_handed_on_by_name(extract, raster, tmp_path) -> None:
    path = str(tmp_path / "rasters.gpkg")
    gdal.Translate(path, raster("dem"), format="GPKG", outputType=gdal.GDT_Byte, creationOptions=["RASTER_TABLE=slope"])
    (covariate,) = extract(COVARIATES=[f"GPKG:{path}:slope"]).covariates
    assert (covariate.path, covariate.name) == (f"GPKG:{path}:slope", "slope")


def test_relative_paths_become_absolute(extract, raster, tmp_path, monkeypatch, context) -> None:
    raster("dem")
    monkeypatch.chdir(tmp_path)
    job = extract(COVARIATES=["dem.tif"], PATCHES="patches.h5")
    context.temporaryLayerStore().removeAllMapLayers()  # on closing it, GDAL may write statistics beside it
    assert job.covariates == (Covariate(str(tmp_path / "dem.tif"), "dem"),)
    assert job.patches == str(tmp_path / "patches.h5")


def test_a_raster_that_gdal_alone_cannot_open_is_exported(extract, raster, project) -> None:
    layer = QgsRasterLayer(f"{raster('dem')}|option:NUM_THREADS=2", "dem")
    assert layer.isValid()
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(0, 9)])
    project.addMapLayer(layer)
    (covariate,) = extract(COVARIATES=[layer]).covariates
    assert (covariate.name, covariate.nodata, covariate.use_file_nodata) == ("dem", ((0.0, 9.0),), True)
    dataset = gdal.Open(covariate.path)
    assert dataset.GetGeoTransform() == (100, 10, 0, 280, 0, -10)
    assert dataset.ReadAsArray()[1, 2] == 10
    assert osr.SpatialReference(dataset.GetProjection()).GetAuthorityCode(None) == "28992"


def test_a_virtual_raster_layer_is_exported(extract, raster, project) -> None:
    dem = raster("dem")
    source = (
        "?crs=EPSG:28992&extent=100,200,180,280&width=8&height=8&formula=%22dem@1%22%20*%202"
        f"&dem:uri={dem}&dem:provider=gdal"
    )
    layer = QgsRasterLayer(source, "Double height", "virtualraster")
    assert layer.isValid(), layer.error().message()
    project.addMapLayer(layer)
    (covariate,) = extract(COVARIATES=[layer]).covariates
    assert covariate.name == "Double height"
    assert gdal.Open(covariate.path).ReadAsArray()[7, 7] == 126


def test_a_raster_that_is_not_there_is_named(extract, tmp_path) -> None:
    with pytest.raises(JobError, match=r"gone\.tif cannot be opened as a raster \(COVARIATES\)"):
        extract(COVARIATES=[str(tmp_path / "gone.tif")])


def test_a_vector_layer_among_the_covariates_is_named(extract, raster, observations) -> None:
    for vector in (observations, observations.id()):
        with pytest.raises(JobError, match=r"cannot be opened as a raster \(COVARIATES\)"):
            extract(COVARIATES=[raster("dem"), vector])


def test_the_dialog_names_a_raster_that_is_not_there(
    provider, context, observations, raster, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    values = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], "PATCHES": str(tmp_path / "p.h5")}
    gone = {**values, "COVARIATES": [raster("dem"), str(tmp_path / "gone.tif")]}
    is_right, message = provider.algorithm("extractpatches").checkParameterValues(gone, context)
    assert not is_right
    assert "gone.tif cannot be opened as a raster (Covariates)" in message


def test_a_layer_of_any_name_is_exported(extract, observations) -> None:
    for name, file in {
        'a/b: "c" é': "a_b_ _c_ é.gpkg",
        "..": "observations.gpkg",
        "x" * 300: f"{'x' * 80}.gpkg",
    }.items():
        observations.setName(name)
        assert Path(extract().observations).name == file


def test_train_network_with_defaults_and_with_all_values(job_of, tmp_path) -> None:
    patches = tmp_path / "patches.h5"
    patches.write_bytes(b"")
    network = str(tmp_path / "n.safetensors")
    assert job_of("trainnetwork", {"PATCHES": str(patches), "NETWORK": network}) == TrainNetwork(str(patches), network)
    job = job_of(
        "trainnetwork",
        {
            "PATCHES": str(patches),
            "NETWORK": network,
            "REPORT": str(tmp_path / "r.html"),
            "HELD_OUT": str(tmp_path / "h.gpkg"),
            "METRICS": str(tmp_path / "m"),
            "ARCHITECTURE": "ring",
            "PRESET": "fast",
            "VALIDATION": "random",
            "TRANSFORM": "log",
            "DEVICE": "cpu",
            "FULL_GPU": "wait",
            "MEMBERS": 3,
            "EPOCHS": 4,
            "BATCH_SIZE": 5,
            "PATIENCE": 6,
            "FOLDS": 7,
            "REPEATS": 4,
            "SEED": 8,
            "LEARNING_RATE": 0.001,
            "WEIGHT_DECAY": 0,
            "COVERAGE": 0.8,
        },
    )
    assert job == TrainNetwork(
        patches=str(patches),
        network=network,
        report=str(tmp_path / "r.html"),
        held_out=str(tmp_path / "h.gpkg"),
        metrics=str(tmp_path / "m.json"),
        architecture="ring",
        preset="fast",
        members=3,
        epochs=4,
        batch_size=5,
        learning_rate=0.001,
        weight_decay=0.0,
        patience=6,
        transform="log",
        validation="random",
        folds=7,
        repeats=4,
        coverage=0.8,
        device="cpu",
        full_gpu="wait",
        seed=8,
    )


def test_predict_map(job_of, raster, tmp_path) -> None:
    network = tmp_path / "n.safetensors"
    network.write_bytes(b"")
    prediction = str(tmp_path / "p.tif")
    job = job_of("predictmap", {"NETWORK": str(network), "PREDICTION": prediction})
    assert job == PredictMap(str(network), prediction)
    area = QgsVectorLayer("Polygon?crs=EPSG:28992", "Area", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt("POLYGON ((100 200, 150 200, 150 250, 100 200))"))
    area.dataProvider().addFeature(feature)
    job = job_of(
        "predictmap",
        {
            "NETWORK": str(network),
            "PREDICTION": prediction,
            "MEDIAN": str(tmp_path / "m.tif"),
            "LOWER": str(tmp_path / "l.tif"),
            "DISSIMILARITY": str(tmp_path / "d.tif"),
            "DISSIMILARITY_SPACE": "embedding",
            "TEXTURE_CLASSES": str(tmp_path / "t.tif"),
            "TEXTURE_SYSTEM": "wrb",
            "COVARIATES": [raster("dem")],
            "EXTENT": "110,160,210,260 [EPSG:28992]",
            "AREA": area,
            "BLOCK_SIZE": 64,
            "PRECISION": "float32",
        },
    )
    assert job.extent == (110.0, 210.0, 160.0, 260.0)
    assert QgsCoordinateReferenceSystem(job.extent_crs).authid() == "EPSG:28992"
    assert ogr.Open(job.area).GetLayer(0).GetExtent() == (100, 150, 200, 250)
    assert job.covariates == (Covariate(str(tmp_path / "dem.tif"), "dem"),)
    assert (job.lower, job.upper, job.block_size) == (str(tmp_path / "l.tif"), "", 64)
    assert job.median == str(tmp_path / "m.tif")
    assert job.precision == "float32"
    assert (job.dissimilarity, job.dissimilarity_space) == (str(tmp_path / "d.tif"), "embedding")
    assert (job.texture_classes, job.texture_system) == (str(tmp_path / "t.tif"), "wrb")


def test_map_soil_properties_hands_its_parts_to_each_other(job_of, observations, raster, tmp_path) -> None:
    values = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], "COVARIATES": [raster("dem")]}
    prediction = str(tmp_path / "p.tif")
    job = job_of("mapsoilproperties", {**values, "PREDICTION": prediction})
    folder = Path(job.extract.observations).parent.parent
    assert job == MapSoilProperties(
        extract=ExtractPatches(
            observations=str(folder / "observations" / "Observed soils.gpkg"),
            targets=(SoilProperty("zinc"),),
            covariates=(Covariate(str(tmp_path / "dem.tif"), "dem"),),
            patches=str(folder / "patches.h5"),
        ),
        train=TrainNetwork(str(folder / "patches.h5"), str(folder / "network.safetensors")),
        predict=PredictMap(str(folder / "network.safetensors"), prediction),
    )
    job = job_of(
        "mapsoilproperties",
        {**values, "PREDICTION": prediction, "PATCHES": str(tmp_path / "x.h5"), "NETWORK": str(tmp_path / "y")},
    )
    assert job.extract.patches == job.train.patches == str(tmp_path / "x.h5")
    assert job.train.network == job.predict.network == str(tmp_path / "y.safetensors")
    check_outputs(job, [])


def test_summarize_areas_with_defaults_and_with_all_values(job_of, raster, tmp_path) -> None:
    network, patches = tmp_path / "n.safetensors", tmp_path / "p.h5"
    network.touch()
    patches.touch()
    polygons = QgsVectorLayer("Polygon?crs=EPSG:28992&field=farm:string", "farms", "memory")
    areas = str(tmp_path / "areas.gpkg")
    values = {"NETWORK": str(network), "POLYGONS": polygons, "AREAS": areas}
    job = job_of("summarizeareas", values)
    assert job == SummarizeAreas(str(network), job.polygons, areas)
    assert job.polygons.endswith("farms.gpkg")
    stock = {"STOCK": "equivalent_soil_mass", "CARBON": "soc_0_10, soc_10_30", "BULK_DENSITY": "bd_0_10;bd_10_30"}
    job = job_of(
        "summarizeareas",
        {
            **values,
            **stock,
            "SOIL_MASS": 4000,
            "NAME": "farm",
            "COVARIATES": [raster("dem")],
            "EXCEEDANCE": "zinc > 300",
            "EXPRESSIONS": "load = zinc / 300",
            "COVERAGE": 0.8,
            "PATCHES": str(patches),
            "BLOCK_SIZE": 64,
            "SEED": 3,
            "REPORT": str(tmp_path / "r.html"),
            "METRICS": str(tmp_path / "m.json"),
        },
    )
    assert job == SummarizeAreas(
        network=str(network),
        polygons=job.polygons,
        areas=areas,
        report=str(tmp_path / "r.html"),
        metrics=str(tmp_path / "m.json"),
        covariates=(Covariate(str(tmp_path / "dem.tif"), "dem"),),
        name_field="farm",
        exceedance=(Threshold("zinc", 300.0),),
        stock="equivalent_soil_mass",
        carbon=("soc_0_10", "soc_10_30"),
        bulk_density=("bd_0_10", "bd_10_30"),
        soil_mass=4000.0,
        expressions=(Expression("load", "", "zinc / 300"),),
        coverage=0.8,
        patches=str(patches),
        block_size=64,
        seed=3,
    )
    with pytest.raises(JobError, match="A stock needs the targets of carbon content"):
        job_of("summarizeareas", {**values, "STOCK": "organic_carbon"})


def test_assess_map_with_defaults_and_with_all_values(job_of, observations, raster, tmp_path) -> None:
    values = {"OBSERVATIONS": observations, "TARGET": "zinc", "MAP": raster("clay", bands=("a", "b"))}
    job = job_of("assessmap", values)
    assert job == AssessMap(job.observations, SoilProperty("zinc"), Covariate(str(tmp_path / "clay.tif"), "clay_a"))
    observations.setFieldAlias(0, "Zinc (mg/kg)")
    job = job_of(
        "assessmap",
        {
            **values,
            "BAND": 2,
            "LOWER": raster("low", bands=("a", "b")),
            "UPPER": raster("high", bands=("a", "b"), nodata=-1),
            "COVERAGE": 0.8,
            "SAMPLE": "stratified",
            "STRATUM": "site",
            "WEIGHT": "zinc",
            "REPORT": str(tmp_path / "r.html"),
            "METRICS": str(tmp_path / "m"),
            "RESIDUALS": str(tmp_path / "r.gpkg"),
        },
    )
    assert job == AssessMap(
        observations=job.observations,
        target=SoilProperty("zinc", "mg/kg"),
        map=Covariate(str(tmp_path / "clay.tif"), "clay_b", band=2),
        lower=Covariate(str(tmp_path / "low.tif"), "low_b", band=2),
        upper=Covariate(str(tmp_path / "high.tif"), "high_b", band=2),
        report=str(tmp_path / "r.html"),
        metrics=str(tmp_path / "m.json"),
        residuals=str(tmp_path / "r.gpkg"),
        coverage=0.8,
        sample="stratified",
        stratum="site",
        weight="zinc",
    )
    assert rows(job.observations)[1]["site"] == "b"


def test_assess_map_takes_classes_with_the_names_of_the_layers_legend(job_of, observations, raster) -> None:
    dem = QgsRasterLayer(raster("codes"), "codes")
    named = QgsPalettedRasterRenderer.Class
    classes = [named(1, QColor("red"), "Gley"), named(2, QColor("blue"), "Moor"), named(3, QColor("green"), "3")]
    dem.setRenderer(QgsPalettedRasterRenderer(dem.dataProvider(), 1, classes))
    values = {"OBSERVATIONS": observations, "TARGET": "site", "MAP": dem, "TARGET_TYPE": "class"}
    job = job_of("assessmap", {**values, "SAMPLE": "map_classes"})
    assert job.map.labels == ((1, "Gley"), (2, "Moor"))
    assert (job.target_type, job.sample, job.target) == ("class", "map_classes", SoilProperty("site"))
    job = job_of("assessmap", {**values, "TARGET": "zinc", "TARGET_TYPE": "auto", "DETECTION_LIMIT": "site"})
    assert (job.target_type, job.detection_limit) == ("auto", "site")
    with pytest.raises(JobError, match="zinc holds classes, which have no detection limit. Leave site out"):
        job_of("assessmap", {**values, "TARGET": "zinc", "DETECTION_LIMIT": "site"})


def test_assess_map_refuses_a_band_or_a_limit_that_is_missing(job_of, observations, raster) -> None:
    values = {"OBSERVATIONS": observations, "TARGET": "zinc", "MAP": raster("clay", bands=("a", "b"))}
    with pytest.raises(JobError, match="The raster of MAP has 2 bands, but band 3 is asked for"):
        job_of("assessmap", {**values, "BAND": 3})
    limits = {"LOWER": raster("low"), "UPPER": raster("high")}
    with pytest.raises(JobError, match="The raster of LOWER has one band, but band 2 is asked for"):
        job_of("assessmap", {**values, **limits, "BAND": 2})
    with pytest.raises(JobError, match="the upper one is missing. Choose both or neither"):
        job_of("assessmap", {**values, "LOWER": raster("low")})
    with pytest.raises(JobError, match=r"no field 'pit' \(STRATUM\)"):
        job_of("assessmap", {**values, "SAMPLE": "stratified", "STRATUM": "pit", "WEIGHT": "zinc"})


def test_assess_map_replaces_no_input(job_of, observations, raster) -> None:
    dem = raster("dem")
    values = {"OBSERVATIONS": observations, "TARGET": "zinc", "MAP": raster("clay"), "LOWER": dem, "UPPER": dem}
    with pytest.raises(JobError, match=r"METRICS would replace .*dem\.tif, which is an input"):
        check_outputs(job_of("assessmap", {**values, "METRICS": dem}), [])


def test_explain_network_with_defaults_and_with_all_values(job_of, raster, tmp_path) -> None:
    network, patches, report = (str(tmp_path / name) for name in ("n.safetensors", "p.h5", "r.html"))
    for path in (network, patches):
        Path(path).write_bytes(b"")
    values = {"NETWORK": network, "PATCHES": patches, "REPORT": report}
    assert job_of("explainnetwork", values) == ExplainNetwork(network, patches, report)
    job = job_of(
        "explainnetwork",
        {
            **values,
            "TARGET": " zinc ",
            "CLASS": "Moor",
            "COVARIATES": [raster("dem")],
            "EXTENT": "110,160,210,260 [EPSG:28992]",
            "DEVICE": "cpu",
            "FULL_GPU": "wait",
            "SEED": 3,
            "IMPORTANCE": str(tmp_path / "i.gpkg"),
            "ATTRIBUTION": str(tmp_path / "a.tif"),
            "METRICS": str(tmp_path / "m"),
        },
    )
    assert job == ExplainNetwork(
        network=network,
        patches=patches,
        report=report,
        importance=str(tmp_path / "i.gpkg"),
        attribution=str(tmp_path / "a.tif"),
        metrics=str(tmp_path / "m.json"),
        target="zinc",
        target_class="Moor",
        covariates=(Covariate(str(tmp_path / "dem.tif"), "dem"),),
        extent=(110.0, 210.0, 160.0, 260.0),
        extent_crs=job.extent_crs,
        device="cpu",
        full_gpu="wait",
        seed=3,
    )


def test_small_jobs(job_of, tmp_path) -> None:
    network = tmp_path / "n.safetensors"
    network.write_bytes(b"")
    report = str(tmp_path / "r.html")
    assert job_of("describenetwork", {"NETWORK": str(network), "REPORT": report}) == DescribeNetwork(
        str(network), report
    )
    assert job_of("checkenvironment", {"DEVICE": "cpu"}) == CheckEnvironment(device="cpu")
    with pytest.raises(JobError, match=r"gone\.safetensors does not exist \(NETWORK\)"):
        job_of("describenetwork", {"NETWORK": str(tmp_path / "gone.safetensors"), "REPORT": report})


def test_outputs_that_cannot_be_written_are_refused(extract, raster, tmp_path) -> None:
    with pytest.raises(JobError, match=f"The folder {tmp_path}/nowhere for PATCHES does not exist"):
        check_outputs(extract(PATCHES=str(tmp_path / "nowhere" / "p.h5")), [])
    with pytest.raises(JobError, match=r"PATCHES would replace .*dem\.tif, which is an input"):
        check_outputs(extract(COVARIATES=[raster("dem")], PATCHES=str(tmp_path / "dem.tif")), [])
    (tmp_path / "soils.gpkg").touch()
    with pytest.raises(JobError, match="DROPPED would replace"):
        check_outputs(extract(DROPPED=str(tmp_path / "soils.gpkg")), [str(tmp_path / "soils.gpkg")])
    with pytest.raises(JobError, match="PATCHES and DROPPED would be written to the same file"):
        check_outputs(extract(PATCHES=str(tmp_path / "a.gpkg"), DROPPED=str(tmp_path / "a.gpkg")), [])


def test_an_input_is_known_under_another_name_too(extract, raster, tmp_path) -> None:
    layer = QgsRasterLayer(raster("dem"), "dem")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32631"))  # so it is opened as vrt://...
    (tmp_path / "alias.h5").symlink_to(tmp_path / "dem.tif")
    with pytest.raises(JobError, match="PATCHES would replace"):
        check_outputs(extract(COVARIATES=[layer], PATCHES=str(tmp_path / "alias.h5")), [])


def test_layers_are_written_in_formats_that_their_names_tell(extract, job_of, tmp_path) -> None:
    (tmp_path / "n.safetensors").touch()
    network = {"NETWORK": str(tmp_path / "n.safetensors")}
    with pytest.raises(JobError, match=r"PREDICTION cannot be written as p\.png\. Choose .* ends in \.tif or \.tiff"):
        job_of("predictmap", {**network, "PREDICTION": str(tmp_path / "p.png")})
    with pytest.raises(JobError, match=r"DROPPED cannot be written as d\.shp\. Choose .* ends in \.gpkg"):
        extract(DROPPED=str(tmp_path / "d.shp"))
    patches = {"PATCHES": str(tmp_path / "p.h5"), "REPORT": str(tmp_path / "r.html")}
    (tmp_path / "p.h5").touch()
    for name in ("i.csv", "i.gpkg"):
        assert job_of("explainnetwork", {**network, **patches, "IMPORTANCE": str(tmp_path / name)}).importance
    assert job_of("predictmap", {**network, "PREDICTION": str(tmp_path / "p.TIFF")}).prediction.endswith("p.TIFF")


def test_an_output_that_batch_mode_skips_is_no_layer_to_load(job_of, context, tmp_path) -> None:
    (tmp_path / "n.safetensors").touch()
    skipped = QgsProcessingOutputLayerDefinition("", QgsProject.instance())
    prediction = QgsProcessingOutputLayerDefinition(str(tmp_path / "p.tif"), QgsProject.instance())
    job = job_of("predictmap", {"NETWORK": str(tmp_path / "n.safetensors"), "PREDICTION": prediction, "LOWER": skipped})
    assert (job.prediction, job.lower) == (str(tmp_path / "p.tif"), "")
    assert list(context.layersToLoadOnCompletion()) == [str(tmp_path / "p.tif")]


def test_explain_pixel_takes_its_point_with_the_crs(job_of, tmp_path) -> None:
    network = tmp_path / "n.safetensors"
    network.write_bytes(b"")
    values = {"NETWORK": str(network), "POINT": "181000,333000 [EPSG:28992]", "METRICS": str(tmp_path / "m.json")}
    job = job_of("explainpixel", values)
    assert (job.x, job.y, job.patches, job.neighbours) == (181000.0, 333000.0, "", 5)
    assert job.crs.startswith("PROJCRS") and job.metrics == str(tmp_path / "m.json")
