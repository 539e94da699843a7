"""Fixtures: QGIS with the provider, and small layers as inputs for algorithms."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qgis.utils
from osgeo import gdal, osr
from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsVectorLayer,
)

from soil_cnn_plugin.contract.jobs import Job
from soil_cnn_plugin.processing import settings
from soil_cnn_plugin.processing.inputs import Inputs
from soil_cnn_plugin.processing.provider import SoilCnnProvider

gdal.UseExceptions()


@pytest.fixture(scope="session")
def provider(qgis_app, qgis_processing) -> SoilCnnProvider:
    registry = QgsApplication.processingRegistry()
    if registry.providerById("soilcnn") is None:
        registry.addProvider(SoilCnnProvider())
        registry.providerById("soilcnn").refreshAlgorithms()
    return registry.providerById("soilcnn")


@pytest.fixture(autouse=True)
def documents(monkeypatch, tmp_path_factory) -> Path:
    """Return the folder that stands in for the one among the user's documents."""
    folder = tmp_path_factory.mktemp("documents") / "Soil CNN"
    monkeypatch.setattr(settings, "proposed_folder", lambda: str(folder))
    return folder


@pytest.fixture
def headless(monkeypatch) -> None:
    """Without a window, as in qgis_process."""
    monkeypatch.setattr(qgis.utils, "iface", None)


@pytest.fixture
def project(qgis_app):
    """Return an empty project and empty it again afterwards."""
    QgsProject.instance().clear()
    yield QgsProject.instance()
    QgsProject.instance().clear()


@pytest.fixture
def context(project):
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project)
    context.setFeedback(feedback)
    yield context  # which does not keep the feedback alive
    context.temporaryLayerStore().removeAllMapLayers()  # pytest may hold the context until QGIS is gone
    del feedback


@pytest.fixture
def job_of(provider, context) -> Callable[..., Job]:
    """Return a function that makes an algorithm's job from parameter values; its exports live as long as the test."""
    folders = []

    def make(algorithm_id: str, parameters: dict[str, Any]) -> Job:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"soilcnn:{algorithm_id}")
        folders.append(tempfile.mkdtemp())
        assert algorithm.prepareAlgorithm(parameters, context, context.feedback())
        place = algorithm._place(parameters, context)
        inputs = Inputs(algorithm, parameters, context, algorithm._rasters, Path(folders[-1]), place)
        return algorithm.job(inputs)

    yield make
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture
def raster(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes an 8 x 8 GeoTIFF with the values 0 to 63 in each band, by default in RD New."""

    def write(name: str, bands: tuple[str, ...] = ("",), epsg: int | None = 28992, nodata: float | None = None) -> str:
        path = tmp_path / f"{name}.tif"
        dataset = gdal.GetDriverByName("GTiff").Create(str(path), 8, 8, len(bands), gdal.GDT_Float32)
        dataset.SetGeoTransform((100, 10, 0, 280, 0, -10))
        if epsg:
            system = osr.SpatialReference()
            system.ImportFromEPSG(epsg)
            dataset.SetProjection(system.ExportToWkt())
        for number, description in enumerate(bands, 1):
            band = dataset.GetRasterBand(number)
            band.WriteArray(np.arange(64, dtype="float32").reshape(8, 8))
            if description:
                band.SetDescription(description)
            if nodata is not None:
                band.SetNoDataValue(nodata)
        dataset = None
        return str(path)

    return write


@pytest.fixture
def observations(project) -> QgsVectorLayer:
    """Return five points in memory: zinc 0, 10, 20, 30 and missing; numbers as text; two sites."""
    fields = "field=zinc:double&field=note:string&field=site:string"
    layer = QgsVectorLayer(f"Point?crs=EPSG:28992&{fields}", "Observed soils", "memory")
    features = []
    for number in range(5):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([10.0 * number if number < 4 else None, f"{number}.5", "ab"[number % 2]])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(105 + 10 * number, 275)))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    project.addMapLayer(layer)
    return layer
