"""What the scenes of the guide's pictures work on: layers of the sample project, and simulated ones."""

from __future__ import annotations

import processing
from osgeo import ogr, osr
from qgis.core import QgsProject, QgsRasterLayer, QgsVectorLayer
from stage import RUNS, Scene, Stage


def open_project(stage: Stage, is_shown: bool = True) -> Scene:
    """Open the sample project without its dialog."""
    yield from stage.open_sample()
    stage.dialog.close()
    root = QgsProject.instance().layerTreeRoot()
    for node in root.findLayers():
        node.setItemVisibilityChecked(is_shown and node.itemVisibilityChecked())
    for group in root.findGroups():
        group.setExpanded(False)


def layer(name: str) -> str:
    return str(QgsProject.instance().mapLayersByName(name)[0].id())


def covariates(group: str = "Covariates") -> list[str]:
    nodes = QgsProject.instance().layerTreeRoot().findGroup(group).findLayers()
    return [node.layerId() for node in nodes]


def stacks() -> dict[str, list[str]]:
    return {"COVARIATES": covariates(), "CATEGORICAL_COVARIATES": covariates("Categorical covariates")}


def part_of_observations(name: str, condition: str) -> str:
    """Add a part of the sample's observations as a layer of its own. Their order in the file is none in space."""
    source = QgsProject.instance().mapLayersByName("Observations (zinc, mg/kg)")[0]
    part = QgsVectorLayer(source.source(), name, "ogr")
    part.setSubsetString(condition)
    return str(QgsProject.instance().addMapLayer(part).id())


def show_alone(*files: str) -> None:
    """Show some layers, by their files, with their legends."""
    for node in QgsProject.instance().layerTreeRoot().findLayers():
        is_shown = any(file in node.layer().source() for file in files)
        node.setItemVisibilityChecked(is_shown)
        node.setExpanded(is_shown)
        if is_shown:
            node.parent().setExpanded(True)


def interpolate(observations: str) -> str:
    """Map zinc by inverse distances on the grid of the network's map, and return the raster."""
    points, path = QgsProject.instance().mapLayer(observations), str(RUNS / "inverse_distances.tif")
    grid = QgsRasterLayer(str(RUNS / "prediction.tif"))
    values = {
        "INTERPOLATION_DATA": f"{points.source()}::~::0::~::{points.fields().indexFromName('zinc')}::~::0",
        "DISTANCE_COEFFICIENT": 2,
        "EXTENT": grid.extent(),
        "PIXEL_SIZE": grid.rasterUnitsPerPixelX(),
        "OUTPUT": path,
    }
    processing.run("qgis:idwinterpolation", values)
    return path


def write_horizons() -> str:
    """Write simulated horizons: clay that grows with depth, in profiles of unlike horizons."""
    path, dataset = _new_layer("horizons", ogr.wkbPoint)
    table = dataset.GetLayer(0)
    table.CreateField(ogr.FieldDefn("profile", ogr.OFTString))
    for name in ("top", "bottom", "clay"):
        table.CreateField(ogr.FieldDefn(name, ogr.OFTReal))
    for number in range(24):
        depths = (0, 12 + number % 9, 38 + 3 * (number % 5), 75 + 2 * (number % 11), 110 + 10 * (number % 7))
        for index, (top, bottom) in enumerate(zip(depths, depths[1:])):
            row = ogr.Feature(table.GetLayerDefn())
            place = (180000 + 137 * (number % 6), 331000 + 211 * (number // 6))
            row.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({place[0]} {place[1]})"))
            row.SetField("profile", f"P{number + 1:02}")
            row.SetField("top", top)
            row.SetField("bottom", bottom)
            row.SetField("clay", 14 + 6 * index + (number * 7 + index * 3) % 5)
            table.CreateFeature(row)
    return path


def write_quarters() -> str:
    """Write four polygons that share the extent of the sample's observations."""
    path, dataset = _new_layer("quarters", ogr.wkbPolygon)
    table = dataset.GetLayer(0)
    table.CreateField(ogr.FieldDefn("name", ogr.OFTString))
    west, middle, east = 178600, 180000, 181400
    south, centre, north = 329700, 331700, 333700
    sides = {"South-west": (west, middle, south, centre), "South-east": (middle, east, south, centre)}
    sides.update({"North-west": (west, middle, centre, north), "North-east": (middle, east, centre, north)})
    for name, (left, right, bottom, top) in sides.items():
        row = ogr.Feature(table.GetLayerDefn())
        ring = f"{left} {bottom}, {right} {bottom}, {right} {top}, {left} {top}, {left} {bottom}"
        row.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({ring}))"))
        row.SetField("name", name)
        table.CreateFeature(row)
    return path


def _new_layer(name: str, kind: int) -> tuple[str, ogr.DataSource]:
    """Return the path of a new file, and the file itself, with one layer in the CRS of the sample."""
    path = RUNS / f"{name}.gpkg"
    path.unlink(missing_ok=True)
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(28992)
    dataset.CreateLayer(name, crs, kind)
    return str(path), dataset
