"""Raster layers of QGIS -> paths and covariates that the engine can open."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, Union

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsProviderRegistry,
    QgsRasterDataProvider,
    QgsRasterFileWriter,
    QgsRasterLayer,
    QgsRasterPipe,
    QgsRasterRange,
)

from ..contract.jobs import Covariate, JobError
from ..contract.language import tr
from ..contract.raster_formats import ENGINE_FORMATS
from .file_names import file_name
from .full_disk import full_disk
from .raster_names import chosen_bands, raster_name, tell_apart

_SUBDATASET = re.compile(r'^(?P<driver>[A-Za-z0-9_]{2,}):"?(?P<path>(?:[A-Za-z]:[\\/])?[^":]+)"?:(?P<layer>.+)$')
_ARCHIVE = re.compile(r"^(?P<prefix>/vsi(?:zip|tar|gzip|7z|rar)/|vrt://)(?P<path>(?!vsi|\w{2,}:)[^/{].*)$")


@dataclass(frozen=True)
class Raster:
    """A raster layer, noted in the main thread, where layers may be used; `pipe` holds a copy of its provider.

    The provider is copied only once, because a copy of a copy of a virtual raster reads random numbers (QGIS 3.40).
    """

    layer_name: str
    source: str
    provider_name: str
    crs: QgsCoordinateReferenceSystem
    pipe: QgsRasterPipe
    labels: dict[int, tuple[tuple[int, str], ...]]

    @classmethod
    def of(cls, layer: QgsRasterLayer) -> Raster:
        pipe = QgsRasterPipe()
        pipe.set(layer.dataProvider().clone())
        return cls(layer.name(), layer.source(), layer.providerType(), layer.crs(), pipe, _labels(layer))

    @property
    def provider(self) -> QgsRasterDataProvider:
        return self.pipe.provider()  # type: ignore[return-value]  # `of` has set it

    @property
    def name(self) -> str:
        """The name from the file: the same in any project, whatever the layer is called there, or without one."""
        if self.provider_name != "gdal":
            return self.layer_name
        return raster_name(self.source)

    def covariates(self, kind: str, folder: Path, context: QgsCoordinateTransformContext) -> list[Covariate]:
        """Return one covariate per band."""
        path = self.path(folder, context)
        return [
            Covariate(
                path=path,
                name=self.band_name(band, self.name),
                band=band,
                kind=kind,
                nodata=self._user_nodata(band),
                use_file_nodata=self._uses_file_nodata(band),
                labels=self.labels.get(band, ()) if kind == "categorical" else (),
            )
            for band in range(1, self.provider.bandCount() + 1)
        ]

    def path(self, folder: Path, context: QgsCoordinateTransformContext) -> str:
        """Return the path for the engine; export the raster into `folder` if GDAL alone cannot open it."""
        if self._needs_export():
            return self._export(folder, context)
        path = absolute(self.source)
        if not self.crs.isValid() or self.crs == self.provider.crs():
            return path
        # The user has set a CRS other than the file's. GDAL's "vrt://" carries it and stays valid after this run.
        return f"vrt://{path}?a_srs={_crs_text(self.crs)}"

    def _needs_export(self) -> bool:
        has_options = bool(QgsProviderRegistry.instance().decodeUri("gdal", self.source).get("openOptions"))
        is_unspeakable = self.crs != self.provider.crs() and ("?" in self.source or "&" in self.source)
        return self.provider_name != "gdal" or has_options or is_unspeakable or self._is_foreign_format()

    def _is_foreign_format(self) -> bool:
        """Whether only QGIS's GDAL opens the format, such as HDF4."""
        parts = QgsProviderRegistry.instance().querySublayers(self.source)
        formats = {part.driverName() for part in parts if part.providerKey() == "gdal"} - {""}
        return bool(formats) and not formats <= ENGINE_FORMATS

    def _export(self, folder: Path, context: QgsCoordinateTransformContext) -> str:
        width, height = self.provider.xSize(), self.provider.ySize()
        if width <= 0 or height <= 0:
            raise JobError(
                tr(
                    "{} comes from the provider {} and has no cells of its own. Save it as a GeoTIFF with the"
                    " cell size you need (Export, Save As), and use that file."
                ).format(self.layer_name, self.provider_name)
            )
        own_folder = folder / f"raster_{len(list(folder.iterdir()))}"  # two layers may have the same name
        own_folder.mkdir()
        path = own_folder / (re.sub(r"[^\w.-]+", "_", file_name(self.name)) + ".tif")
        writer = QgsRasterFileWriter(str(path))
        error = writer.writeRaster(self.pipe, width, height, self.provider.extent(), self.crs, context)
        if error != Qgis.RasterFileWriterResult.Success:
            raise JobError(
                full_disk(folder)
                or tr("{} could not be copied to a GeoTIFF ({}). Save it as a GeoTIFF and use that file.").format(
                    self.layer_name, path
                )
            )
        return str(path)

    def is_alpha(self, band: int) -> bool:
        """Whether a band only shows where the others have data."""
        return self.provider.colorInterpretation(band) == Qgis.RasterColorInterpretation.AlphaBand

    def band_name(self, band: int, name: str) -> str:
        """`name` is the raster's."""
        count, chosen = self.provider.bandCount(), chosen_bands(self.source)
        # QGIS turns a rotated raster upright and adds an alpha band to it.
        if sum(not self.is_alpha(number) for number in range(1, count + 1)) == 1 and not chosen:
            return name
        descriptions = [self.provider.bandDescription(number).strip() for number in range(1, count + 1)]
        own = descriptions[band - 1]
        number = chosen[band - 1] if chosen else band
        return f"{name}_{own if own and descriptions.count(own) == 1 else number}"

    def _user_nodata(self, band: int) -> tuple[tuple[float, float], ...]:
        return tuple(_closed(item) for item in self.provider.userNoDataValues(band))

    def _uses_file_nodata(self, band: int) -> bool:
        return not self.provider.sourceHasNoDataValue(band) or self.provider.useSourceNoDataValue(band)


def covariates(
    rasters: dict[str, Sequence[Raster]], folder: Path, context: QgsCoordinateTransformContext
) -> tuple[Covariate, ...]:
    """Return the bands of rasters by kind, "continuous" first. A raster also given as another kind is used only so."""
    special = {absolute(raster.source) for kind, group in rasters.items() if kind != "continuous" for raster in group}
    read = [
        (raster, covariate)
        for kind, group in rasters.items()
        for raster in group
        if kind != "continuous" or absolute(raster.source) not in special
        for covariate in raster.covariates(kind, folder, context)
        if not raster.is_alpha(covariate.band)
    ]
    found: dict[str, tuple[Raster, Covariate]] = {}
    for raster, covariate in _told_apart(read):
        if covariate.name in found:
            raise _same_name(covariate.name, found[covariate.name][0], raster)
        found[covariate.name] = raster, covariate
    return tuple(covariate for _, covariate in found.values())


def _told_apart(read: Sequence[tuple[Raster, Covariate]]) -> list[tuple[Raster, Covariate]]:
    """With other names for different files that would give covariates one name."""
    owners: dict[str, set[str]] = {}
    for raster, covariate in read:
        if raster.provider_name == "gdal":
            owners.setdefault(covariate.name, set()).add(absolute(raster.source))
    names = tell_apart(sorted({source for sources in owners.values() if len(sources) > 1 for source in sources}))
    renamed = []
    for raster, covariate in read:
        name = names.get(absolute(raster.source))
        renamed.append((raster, replace(covariate, name=raster.band_name(covariate.band, name)) if name else covariate))
    return renamed


def why_no_raster(
    item: Union[str, QgsMapLayer], layer: Optional[QgsMapLayer], parameter: str, project: Optional[QgsProject]
) -> str:
    """Return the message for a parameter's value that is not a working raster layer."""
    layer = layer or (project.mapLayer(item) if project and isinstance(item, str) else None)
    source = layer.source() if layer else str(item)
    called = tr("The layer {}, {},").format(layer.name(), source) if layer else source
    parts = QgsProviderRegistry.instance().querySublayers(source)
    rasters = [part.uri() for part in parts if part.type() == Qgis.LayerType.Raster]
    if len(rasters) > 1:
        return tr("{} holds {} rasters, so it cannot be opened as one raster ({}). Choose one of them: {}.").format(
            called, len(rasters), parameter, ", ".join(rasters[:20])
        )
    if layer and layer.type() != Qgis.LayerType.Raster and layer.isValid():
        return tr("{} is not a raster and cannot be opened as a raster ({}). Choose a raster.").format(
            called, parameter
        )
    return tr("{} cannot be opened as a raster ({}). Check that it exists and is complete.").format(called, parameter)


def absolute(source: str) -> str:
    """Return a GDAL source that stays valid in another working folder."""
    if os.path.exists(source):
        return os.path.abspath(source)
    archive = _ARCHIVE.match(source)
    if archive:
        return archive["prefix"] + os.path.abspath(archive["path"])
    subdataset = _SUBDATASET.match(source)
    if subdataset and os.path.exists(subdataset["path"]):
        return source.replace(subdataset["path"], os.path.abspath(subdataset["path"]), 1)
    return source


def _same_name(name: str, one: Raster, other: Raster) -> JobError:
    first, second = absolute(one.source), absolute(other.source)
    if first == second:
        return JobError(tr("{} is chosen twice as a covariate. Remove one of them.").format(first))
    return JobError(
        tr(
            "{} and {} would both be the covariate {!r}, but the names of files and folders tell covariates"
            " apart, also when a map is made later. Rename one of the files or leave it out."
        ).format(first, second, name)
    )


def _labels(layer: QgsRasterLayer) -> dict[int, tuple[tuple[int, str], ...]]:
    """Return band -> names of class codes in the layer's legend."""
    renderer = layer.renderer()
    if not isinstance(renderer, QgsPalettedRasterRenderer):
        return {}
    labels = {item.value: item.label.strip() for item in renderer.classes()}
    return {
        renderer.inputBand(): tuple(
            (int(value), label)
            for value, label in labels.items()
            if value == int(value) and label not in ("", f"{value:g}")
        )
    }


def has_code(crs: QgsCoordinateReferenceSystem) -> bool:
    """Whether a CRS has a code in a register that PROJ knows."""
    return re.match(r"^(EPSG|ESRI|IAU_\d+|IGNF|OGC):\w+$", crs.authid() or "") is not None


def _crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    return str(crs.authid()) if has_code(crs) else crs.toWkt(Qgis.CrsWktVariant.PreferredGdal)


def _closed(item: QgsRasterRange) -> tuple[float, float]:
    """Return a user's nodata range with both limits included; an open limit moves to the next number."""
    lowest, highest = item.min(), item.max()
    kinds = QgsRasterRange.BoundsType
    if item.bounds() in (kinds.IncludeMax, kinds.Exclusive):
        lowest = _next(lowest, up=True)
    if item.bounds() in (kinds.IncludeMin, kinds.Exclusive):
        highest = _next(highest, up=False)
    return lowest, highest


def _next(value: float, up: bool) -> float:
    """Return a neighbouring number that also differs in float32, the type in which most rasters are stored."""
    step = max(abs(value) * 2.0**-22, 2.0**-126)
    return value + step if up else value - step
