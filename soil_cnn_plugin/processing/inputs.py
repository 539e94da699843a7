"""Parameter values -> the parts of a job: paths that the engine can open, numbers, texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsFields,
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVariantUtils,
)

from ..contract.jobs import Covariate, JobError
from ..contract.language import tr
from ..contract.soil_property import SoilProperty
from .choices import with_values
from .field_aliases import add_aliases
from .fields import check_field, no_field, parse_units, refuse_row_numbers, unit_of
from .file_names import file_name
from .outputs import check_extension, is_skipped
from .rasters import Raster, covariates, why_no_raster
from .results_folder import ResultsFolder
from .vectors import Transform, transform_into, write_any_points, write_points, write_polygons, write_table

COVARIATE_PARAMETERS = {
    "continuous": "COVARIATES",
    "categorical": "CATEGORICAL_COVARIATES",
    "directional": "DIRECTIONAL_COVARIATES",
}


def note_rasters(
    algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> dict[str, list[Raster]]:
    """Note the layers of all raster parameters. Call it in prepareAlgorithm, where layers may be used."""
    noted = {}
    for definition in algorithm.parameterDefinitions():
        name = definition.name()
        if isinstance(definition, QgsProcessingParameterMultipleLayers):
            layers: Sequence[Optional[QgsMapLayer]] = algorithm.parameterAsLayerList(parameters, name, context)
        elif isinstance(definition, (QgsProcessingParameterRasterLayer, QgsProcessingParameterMapLayer)):
            layers = [algorithm.parameterAsLayer(parameters, name, context)]
        else:
            continue
        noted[name] = [Raster.of(layer) for layer in layers if isinstance(layer, QgsRasterLayer) and layer.isValid()]
    return noted


def check_rasters(names: Iterable[str], parameters: dict[str, Any], context: QgsProcessingContext) -> None:
    """Raise JobError for a raster that cannot be opened.

    Processing does not name such a raster, and in a model silently leaves it out. It always leaves out vector layers.
    """
    for name in names:
        value: Any = parameters.get(name)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            layer: Any = (
                QgsProcessingUtils.mapLayerFromString(item, context) if isinstance(item, str) and item else item
            )
            is_other = isinstance(layer, QgsMapLayer) and not (isinstance(layer, QgsRasterLayer) and layer.isValid())
            if is_other or (item and layer is None):
                raise JobError(why_no_raster(item, layer, name, context.project()))


class Inputs:
    """The parameter values of one run. `folder` receives exported files and is deleted after the run.

    Destinations are evaluated once, because each evaluation makes a new temporary name and a new layer to load.
    """

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        rasters: dict[str, list[Raster]],
        folder: Path,
        place: ResultsFolder,
    ) -> None:
        self._algorithm, self._context = algorithm, context
        self._parameters = with_values(algorithm.parameterDefinitions(), parameters)
        self._rasters, self.folder, self._place = rasters, folder, place
        self.destinations: dict[str, str] = {}
        self.used: list[str] = []
        self.notes: list[str] = []
        self.unnamed = place.unnamed

    def is_given(self, name: str) -> bool:
        given = self._parameters.get(name)
        value = self._algorithm.parameterDefinition(name).defaultValue() if given is None else given
        return not QgsVariantUtils.isNull(value) and value != ""  # an empty box for a file gives a null of QGIS

    def text(self, name: str) -> str:
        return self._algorithm.parameterAsString(self._parameters, name, self._context).strip()

    def choice(self, name: str) -> str:
        return self._algorithm.parameterAsEnumString(self._parameters, name, self._context)

    def boolean(self, name: str) -> bool:
        return self._algorithm.parameterAsBool(self._parameters, name, self._context)

    def integer(self, name: str) -> int:
        return self._algorithm.parameterAsInt(self._parameters, name, self._context)

    def number(self, name: str) -> float:
        return self._algorithm.parameterAsDouble(self._parameters, name, self._context)

    def integer_or_none(self, name: str) -> Optional[int]:
        return self.integer(name) if self.is_given(name) else None

    def number_or_none(self, name: str) -> Optional[float]:
        return self.number(name) if self.is_given(name) else None

    def file(self, name: str, what: str) -> str:
        """Return an input file's absolute path; raise JobError if it does not exist."""
        path = self._algorithm.parameterAsFile(self._parameters, name, self._context)
        if not path:
            raise JobError(tr("No {} is chosen ({}).").format(what, name))
        if not os.path.isfile(path):
            raise JobError(tr("The {} {} does not exist ({}).").format(what, path, name))
        return os.path.abspath(path)

    def observations(self, name: str) -> tuple[str, QgsFields]:
        """Return the path of the exported observations, and their fields."""
        source = self._source(name)
        transform = self._transform(source)
        path = write_points(source, self._copy(name, source), self._context.transformContext(), transform)
        return path, self._fields(name, source)

    def any_observations(self, name: str) -> tuple[str, QgsFields]:
        """Return the path and fields of exported observations, which may be multipoints of several points."""
        source = self._source(name)
        path = write_any_points(source, self._copy(name, source), self._context.transformContext())
        return path, self._fields(name, source)

    def table(self, name: str) -> tuple[str, QgsFields]:
        """Return the path of the exported rows, with or without geometry, and their fields."""
        source = self._source(name)
        path = write_table(source, self._copy(name, source), self._context.transformContext())
        return path, self._fields(name, source)

    def area(self, name: str) -> str:
        if not self.is_given(name):
            return ""
        source = self._source(name)
        transform = self._transform(source)
        return write_polygons(source, self._copy(name, source), self._context.transformContext(), transform)

    def targets(self, name: str, units: str, fields: QgsFields, also: Sequence[str] = ()) -> tuple[SoilProperty, ...]:
        """Return the fields of `name` and those of `also` that are not among them; at least one field."""
        chosen = [field for each in (name, *also) for field in self.fields(each, fields)]
        names = list(dict.fromkeys(chosen))
        if not names:
            raise JobError(no_field(name, *also))
        refuse_row_numbers(names)
        given = parse_units(self.text(units), names, name)
        return tuple(SoilProperty(field, given.get(field, unit_of(field, fields))) for field in names)

    def target(self, name: str, fields: QgsFields) -> SoilProperty:
        field = self.field(name, fields)
        if not field:
            raise JobError(tr("No field is chosen ({}). Choose the field with the measured values.").format(name))
        refuse_row_numbers([field])
        return SoilProperty(field, unit_of(field, fields))

    def units(self, name: str, chosen: tuple[str, ...], fields: QgsFields) -> tuple[SoilProperty, ...]:
        """Return the fields with a known unit. One unit for all is for the `chosen` fields, else for every field."""
        text = self.text(name)
        given = parse_units(text, list(chosen) if chosen and "=" not in text else fields.names(), "FIELDS")
        known = {field: given.get(field, unit_of(field, fields)) for field in fields.names()}
        return tuple(SoilProperty(field, unit) for field, unit in known.items() if unit)

    def fields(self, name: str, fields: QgsFields) -> tuple[str, ...]:
        names = self._algorithm.parameterAsStrings(self._parameters, name, self._context)
        for field in names:
            check_field(field, fields, name)
        return tuple(names)

    def field(self, name: str, fields: QgsFields) -> str:
        field = self._algorithm.parameterAsString(self._parameters, name, self._context)
        if fields.indexFromName(field) < 0:  # blanks may be part of a field's name
            field = field.strip()
        if field:
            check_field(field, fields, name)
        return field

    def covariates(self) -> tuple[Covariate, ...]:
        groups: dict[str, Sequence[Raster]] = {}
        for kind, name in COVARIATE_PARAMETERS.items():
            if self._algorithm.parameterDefinition(name) is not None:
                check_rasters([name], self._parameters, self._context)
                groups[kind] = self._rasters[name]
        return covariates(groups, self.folder, self._context.transformContext())

    def raster(self, name: str) -> str:
        """Return a raster's path, empty if none is given."""
        raster = self._raster(name)
        return raster.path(self.folder, self._context.transformContext()) if raster else ""

    def domain(self, name: str) -> str:
        """Return the path of a raster or of exported polygons, empty if neither is given."""
        if self.is_given(name) and not self._rasters[name]:
            return self.area(name)
        return self.raster(name)

    def band(self, name: str, number: int) -> Optional[Covariate]:
        """Return one band of a raster as QGIS has it, with the user's nodata, CRS and legend; None if none is given."""
        raster = self._raster(name)
        if raster is None:
            return None
        bands = raster.covariates("continuous", self.folder, self._context.transformContext())
        if not 1 <= number <= len(bands):
            one = tr("The raster of {name} has one band, but band {band} is asked for. Choose a band that exists.")
            many = tr("The raster of {name} has {all} bands, but band {band} is asked for. Choose a band that exists.")
            raise JobError((one if len(bands) == 1 else many).format(name=name, band=number, all=len(bands)))
        return replace(bands[number - 1], labels=raster.labels.get(number, ()))

    def extent(self, name: str) -> tuple[Optional[tuple[float, float, float, float]], str]:
        """Return west, south, east, north and the CRS as WKT; None and "" if no extent is given."""
        if not self.is_given(name):
            return None, ""
        box = self._algorithm.parameterAsExtent(self._parameters, name, self._context)
        crs = self._algorithm.parameterAsExtentCrs(self._parameters, name, self._context)
        return (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()), _wkt(crs)

    def crs(self, name: str) -> str:
        """Return the CRS as WKT, empty if none is given."""
        return _wkt(self._algorithm.parameterAsCrs(self._parameters, name, self._context))

    def destination(self, name: str) -> str:
        """Return an output's absolute path with its extension; empty if the output is not wanted."""
        if name not in self.destinations:
            definition: Any = self._algorithm.parameterDefinition(name)
            self._parameters[name] = self._place.place(self._parameters.get(name), definition)
            if is_skipped(self._parameters[name]):
                path = ""
            elif isinstance(definition, QgsProcessingParameterFileDestination):
                path = self._algorithm.parameterAsFileOutput(self._parameters, name, self._context)
                if path and not Path(path).suffix:
                    path = f"{path}.{definition.defaultFileExtension()}"
            else:
                path = self._algorithm.parameterAsOutputLayer(self._parameters, name, self._context)
                check_extension(definition, path)
            self.destinations[name] = os.path.abspath(path) if path else ""
        return self.destinations[name]

    def _source(self, name: str) -> QgsProcessingFeatureSource:
        source = self._algorithm.parameterAsSource(self._parameters, name, self._context)
        if source is None:
            raise JobError(tr("The layer of {} cannot be opened: {}.").format(name, self._parameters.get(name)))
        layer = self._algorithm.parameterAsVectorLayer(self._parameters, name, self._context)
        if layer is not None:
            self.used.append(QgsProviderRegistry.instance().decodeUri("ogr", layer.source()).get("path") or "")
        return source

    def _transform(self, source: QgsProcessingFeatureSource) -> Optional[Transform]:
        """Return the operation into the CRS of the rasters; None if there is nothing to transform."""
        names = ("REFERENCE", "MAP", *COVARIATE_PARAMETERS.values())
        raster = next((raster for name in names for raster in self._rasters.get(name, [])), None)
        return transform_into(raster, source, self._context.transformContext(), self.notes) if raster else None

    def _fields(self, name: str, source: QgsProcessingFeatureSource) -> QgsFields:
        layer = self._algorithm.parameterAsVectorLayer(self._parameters, name, self._context)
        place = QgsProviderRegistry.instance().decodeUri("ogr", layer.source()) if layer is not None else {}
        return add_aliases(source.fields(), place.get("path"), place.get("layerName"))

    def _copy(self, name: str, source: QgsProcessingFeatureSource) -> Path:
        """Return the path to export a layer to. The file has the layer's name, which the engine's messages use."""
        folder = self.folder / name.lower()
        folder.mkdir()
        return folder / f"{file_name(source.sourceName()) or name.lower()}.gpkg"

    def _raster(self, name: str) -> Optional[Raster]:
        """Return the raster; None if none is given."""
        if not self.is_given(name):
            return None
        check_rasters([name], self._parameters, self._context)
        if not self._rasters[name]:
            raise JobError(tr("The raster of {} cannot be opened: {}.").format(name, self._parameters.get(name)))
        return self._rasters[name][0]


def _wkt(crs: QgsCoordinateReferenceSystem) -> str:
    return crs.toWkt(Qgis.CrsWktVariant.PreferredGdal) if crs.isValid() else ""
