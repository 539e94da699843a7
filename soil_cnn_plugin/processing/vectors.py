"""Feature sources of QGIS (memory, filtered, selected, edited) -> a GeoPackage that the engine can open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from qgis.core import (  # type: ignore[attr-defined]  # the stubs lack QgsCsException
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsFeature,
    QgsFeatureSink,
    QgsField,
    QgsFields,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingFeatureSource,
    QgsVectorFileWriter,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QMetaType

from ..contract.jobs import JobError
from ..contract.language import tr
from .full_disk import full_disk
from .rasters import Raster, has_code

FID = "fid"
_TYPES = QMetaType.Type
_WRITABLE = {
    *(_TYPES.Bool, _TYPES.Int, _TYPES.UInt, _TYPES.LongLong, _TYPES.ULongLong, _TYPES.Double, _TYPES.QString),
    *(_TYPES.QDate, _TYPES.QTime, _TYPES.QDateTime, _TYPES.QByteArray, _TYPES.QStringList, _TYPES.QVariantList),
}


class Transform:
    """The operation that brings a layer into another CRS: the project's choice, or else QGIS's. `note` names it."""

    def __init__(
        self,
        source: QgsProcessingFeatureSource,
        crs: QgsCoordinateReferenceSystem,
        context: QgsCoordinateTransformContext,
    ) -> None:
        self.layer_name, self.crs = source.sourceName(), crs
        self.operation = QgsCoordinateTransform(source.sourceCrs(), crs, context)

    @property
    def note(self) -> str:
        details = self.operation.instantiatedCoordinateOperationDetails()
        accuracy = tr("accuracy {:g} m").format(details.accuracy) if details.accuracy >= 0 else tr("accuracy unknown")
        return tr(
            "{} is transformed from {} to {} by the operation {} ({}). To use another one, choose it in the"
            " project's properties (Transformations)."
        ).format(
            self.layer_name,
            _crs_name(self.operation.sourceCrs()),
            _crs_name(self.crs),
            details.name or details.proj,
            accuracy,
        )


def transform_into(
    raster: Raster, source: QgsProcessingFeatureSource, context: QgsCoordinateTransformContext, notes: list[str]
) -> Optional[Transform]:
    """Return the operation into a raster's CRS and note it; None if the CRS is the same, unknown or without a code.

    The engine knows neither the project's choice of operations nor QGIS's grids of shifts, so QGIS transforms. A
    GeoPackage keeps only a CRS with a code as it is.
    """
    crs = source.sourceCrs()
    if not crs.isValid() or not raster.crs.isValid() or crs == raster.crs:
        return None
    if not has_code(raster.crs):
        notes.append(
            tr(
                "The CRS of {} has no code, so PROJ and not the project chooses the operation that transforms"
                " {} into it."
            ).format(raster.layer_name, source.sourceName())
        )
        return None
    transform = Transform(source, raster.crs, context)
    notes.append(transform.note)
    return transform


def write_points(
    source: QgsProcessingFeatureSource,
    path: Path,
    context: QgsCoordinateTransformContext,
    transform: Optional[Transform] = None,
) -> str:
    """Write observations, one point per row; the row's id is the feature's id in the source. Return the path.

    A multipoint of one point becomes a point. A multipoint of several is refused, because one value cannot lie at two
    places. Heights are left out, because a height that is not a number makes a point empty in a GeoPackage.
    """
    if source.wkbType() == QgsWkbTypes.Type.NoGeometry:
        raise JobError(
            tr(
                "The layer of observations {} is a table without points. If it has coordinate columns, add it"
                " as a Delimited Text Layer, or use the algorithm Create points layer from table."
            ).format(source.sourceName())
        )
    kind = QgsWkbTypes.singleType(source.wkbType())
    return _write(source, path, context, kind, tr("The layer of observations"), transform)


def write_any_points(source: QgsProcessingFeatureSource, path: Path, context: QgsCoordinateTransformContext) -> str:
    """Write observations as `write_points` does, but keep multipoints, so that a check can find problems."""
    return _write(source, path, context, QgsWkbTypes.multiType(source.wkbType()), tr("The layer of observations"))


def write_table(source: QgsProcessingFeatureSource, path: Path, context: QgsCoordinateTransformContext) -> str:
    """Write rows with single geometries or with none; rows without geometry need no CRS."""
    return _write(source, path, context, QgsWkbTypes.singleType(source.wkbType()), tr("The layer"))


def write_polygons(
    source: QgsProcessingFeatureSource,
    path: Path,
    context: QgsCoordinateTransformContext,
    transform: Optional[Transform] = None,
) -> str:
    return _write(
        source, path, context, QgsWkbTypes.multiType(source.wkbType()), tr("The layer of polygons"), transform
    )


def _write(
    source: QgsProcessingFeatureSource,
    path: Path,
    context: QgsCoordinateTransformContext,
    kind: Qgis.WkbType,
    what: str,
    transform: Optional[Transform] = None,
) -> str:
    crs = source.sourceCrs()
    is_placeholder = crs.description().startswith("Undefined")  # GeoPackage's text for an unknown CRS
    if kind != QgsWkbTypes.Type.NoGeometry and (is_placeholder or not crs.isValid()):
        raise JobError(
            tr(
                "{} {} has no CRS. Set it in the layer's properties (Source, Assigned CRS), or with the"
                " algorithm Assign projection, and run again."
            ).format(what, source.sourceName())
        )
    kind = QgsWkbTypes.dropZ(QgsWkbTypes.dropM(kind))
    own = _writable_fields(source, what)
    fields = QgsFields()
    fields.append(QgsField(FID, QMetaType.Type.LongLong))
    for index in own:
        fields.append(source.fields().at(index))
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName, options.fileEncoding = "GPKG", "layer", "UTF-8"
    options.layerOptions = [f"FID={FID}", "GEOMETRY_NAME=soilcnn_geometry"]
    writer = QgsVectorFileWriter.create(str(path), fields, kind, transform.crs if transform else crs, context, options)
    _check(writer, source, path)
    for number, feature in _numbered(source):
        row = QgsFeature(fields)
        row.setAttributes([number, *(feature.attributes()[index] for index in own)])
        geometry = _geometry(feature, kind, source)
        row.setGeometry(_transformed(feature, geometry, transform) if transform else geometry)
        if not writer.addFeature(row, QgsFeatureSink.Flag.FastInsert):
            _check(writer, source, path)
    writer.flushBuffer()
    _check(writer, source, path)
    return str(path)


def _writable_fields(source: QgsProcessingFeatureSource, what: str) -> list[int]:
    """Return the indices of the fields that a GeoPackage can hold: not those of dictionaries or geometries."""
    names: dict[str, str] = {}
    found = []
    for index, field in enumerate(source.fields().toList()):
        lower = field.name().lower()
        if lower == FID or field.type() not in _WRITABLE:
            continue
        if lower in names:
            raise JobError(
                tr(
                    "{} {} has fields {} and {}, which differ in upper and lower case only, so files cannot"
                    " tell them apart. Rename one, for example with Refactor fields."
                ).format(what, source.sourceName(), names[lower], field.name())
            )
        names[lower] = field.name()
        found.append(index)
    return found


def _numbered(source: QgsProcessingFeatureSource) -> Iterator[tuple[Optional[int], QgsFeature]]:
    """Yield features with their ids, each id once. Features without an own id, such as unsaved ones, come last."""
    seen: set[int] = set()
    others = []
    for feature in source.getFeatures():
        number = feature.id()
        if number < 0 or number in seen:
            others.append(feature)
        else:
            seen.add(number)
            yield number, feature
    for feature in others:
        yield None, feature


def _geometry(feature: QgsFeature, kind: Qgis.WkbType, source: QgsProcessingFeatureSource) -> QgsGeometry:
    geometry = feature.geometry()
    if geometry.isNull() or geometry.isEmpty():
        return geometry
    geometry.get().dropZValue()
    geometry.get().dropMValue()
    if QgsWkbTypes.isMultiType(kind):
        geometry.convertToMultiType()
    elif geometry.isMultipart() and not geometry.convertToSingleType():
        raise JobError(tr("Feature {} of {} is not a single point.").format(str(feature.id()), source.sourceName()))
    elif geometry.isMultipart() or _part_count(feature) > 1:
        raise JobError(
            tr(
                "Feature {} of {} is a multipoint of {} points. An observation has one place: split it with the"
                " algorithm Multipart to singleparts, and run again."
            ).format(str(feature.id()), source.sourceName(), _part_count(feature))
        )
    return geometry


def _transformed(feature: QgsFeature, geometry: QgsGeometry, transform: Transform) -> QgsGeometry:
    """Move a geometry into the other CRS. A point without a place there goes to infinity, and the engine drops it."""
    try:
        geometry.transform(transform.operation)
    except QgsCsException as error:
        if geometry.type() == Qgis.GeometryType.Point:
            return QgsGeometry.fromPointXY(QgsPointXY(math.inf, math.inf))
        raise JobError(
            tr("Feature {} of {} has no place in {}, the CRS of the rasters. Check the CRS of the layer.").format(
                str(feature.id()), transform.layer_name, _crs_name(transform.crs)
            )
        ) from error
    return geometry


def _crs_name(crs: QgsCoordinateReferenceSystem) -> str:
    return crs.authid() or crs.description() or tr("a CRS of its own")


def _part_count(feature: QgsFeature) -> int:
    return sum(1 for _ in feature.geometry().constParts())


def _check(writer: QgsVectorFileWriter, source: QgsProcessingFeatureSource, path: Path) -> None:
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise JobError(
            full_disk(path.parent)
            or tr("{} could not be copied to a GeoPackage ({}): {}.").format(
                source.sourceName(), path, writer.errorMessage()
            )
        )
