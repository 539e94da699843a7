"""The layer of observations as a file: its features, and the GeoPackage of those that were dropped."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import tr, tr_n, whole
from soil_cnn_plugin.engine.arrays import Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.rasters.opening import as_pyogrio_reads, is_undefined, layer_name

GPKG_VERSION = "1.3"
"""The newest version that GDAL 3.6 knows, the GDAL of QGIS on Debian 12, which warns of every newer one."""
LARGEST_EXACT = 2.0**53
"""From here on, a floating-point number no longer tells neighbouring whole numbers apart."""
_ROLES = {
    "target": tr("target"),
    "value": tr("value"),
    "weight": tr("weight"),
    "detection limit": tr("detection limit"),
    "measurement error": tr("measurement error"),
    "inclusion probability": tr("inclusion probability"),
    "coordinate": tr("coordinate"),
    "group": tr("group"),
    "profile": tr("profile"),
    "stratum": tr("stratum"),
    "upper limit": tr("upper limit"),
    "lower limit": tr("lower limit"),
}


def role_in_words(role: str) -> str:
    """Return what a field is chosen as, in the user's language."""
    return _ROLES.get(role, role)


@dataclass(frozen=True)
class Layer:
    """The layer as it was read: attributes and geometries of all features, whatever becomes of them.

    `columns` have the types that the layer declares; whole numbers and booleans are masked where they are empty.
    """

    path: str
    meta: dict[str, Any]
    ids: Rows
    geometries: NDArray[np.object_]  # WKB; all None in a table without geometry
    columns: dict[str, NDArray[Any]]

    @property
    def name(self) -> str:
        """The layer's name as the user knows it: QGIS hands over a copy in a file of that name."""
        return layer_name(self.path)

    @property
    def has_geometry(self) -> bool:
        return self.meta["geometry_type"] is not None

    def column(self, name: str, role: str) -> NDArray[Any]:
        """Return a field's values; raise EngineError when there is no such field. `role` tells what it is chosen as."""
        if name not in self.columns:
            raise EngineError(
                tr("The observations '{}' have no field {!r}, which is chosen as {}. They have: {}.").format(
                    self.name, name, role_in_words(role), ", ".join(self.columns)
                )
            )
        return self.columns[name]

    @property
    def crs(self) -> str:
        """The layer's CRS, a code or WKT."""
        return str(self.meta["crs"])

    @property
    def crs_name(self) -> str:
        crs = pyproj.CRS.from_user_input(self.crs)
        return ":".join(crs.to_authority() or [crs.name])


@dataclass
class Dropped:
    """Features that are not used: feature id -> reason, in the order in which the reasons were found."""

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, ids: Rows, reasons: str | Sequence[str]) -> None:
        """Add features with their reasons; the first reason of a feature stands."""
        texts = [reasons] * len(ids) if isinstance(reasons, str) else reasons
        for identity, text in zip(ids.tolist(), texts):
            self.reasons.setdefault(identity, text)

    def counts(self) -> dict[str, int]:
        """Return reason -> number of features, the most frequent first."""
        return dict(Counter(self.reasons.values()).most_common())

    def in_words(self) -> str:
        """Return words such as `12 outside the covariates; 3 without geometry`, the most frequent first."""
        return _reasons_in_words(self.counts())


def dropped_in_words(counts: Mapping[str, int]) -> str:
    """Return a sentence such as `15 observations are dropped: 12 outside the covariates; 3 without geometry.`; `counts`
    tell how many there are of each reason."""
    total = sum(counts.values())
    sentence = tr_n("{} observation is dropped: {}.", "{} observations are dropped: {}.", total)
    return sentence.format(total, _reasons_in_words(counts))


def _reasons_in_words(counts: Mapping[str, int]) -> str:
    shown = [f"{whole(count)} {text}" for text, count in list(counts.items())[:8]]
    return "; ".join(shown + ([tr("and further reasons")] if len(counts) > 8 else []))


def read_layer(path: str) -> Layer:
    """Read a point layer; raise EngineError when it cannot be read, or has no features, no points or no CRS."""
    layer = read_table(path)
    if not layer.has_geometry:
        raise EngineError(
            tr("The observations '{}' are a table without points. Choose a point layer.").format(layer.name)
        )
    return layer


def read_table(path: str) -> Layer:
    """Read a layer with or without geometry.

    Raises:
        EngineError: it cannot be read, has no features, or has geometry but no CRS.
    """
    source, _, layer = path.partition("|layername=")
    name = layer_name(path)
    if os.path.isabs(source) and not source.startswith("/vsi") and not os.path.exists(source):
        raise EngineError(tr("The observations {} do not exist. Check where the file lies and run again.").format(path))
    from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError  # takes long to load
    from pyogrio.raw import read

    try:
        with warnings.catch_warnings(), as_pyogrio_reads(source) as readable:
            warnings.simplefilter("ignore")  # a file of several layers means the first
            meta, ids, geometries, columns = read(readable, layer=layer or None, return_fids=True)
    except (DataSourceError, DataLayerError, FieldError, GeometryError, ValueError) as error:
        raise EngineError(
            tr(
                "The observations '{}' cannot be read: {}. Export the layer from QGIS as GeoPackage and use that."
            ).format(name, error)
        ) from error
    if not len(ids):
        raise EngineError(
            tr(
                "The observations '{}' hold no features. Choose a layer with points, or check filter and selection."
            ).format(name)
        )
    if geometries is None:
        geometries = np.full(len(ids), None, object)
    elif meta["crs"] is None or is_undefined(meta["crs"]):
        raise EngineError(
            tr("The observations '{}' have no CRS. Set it in the layer's properties and run again.").format(name)
        )
    fields = dict(zip(map(str, meta["fields"]), columns))
    for field_name, dtype in zip(fields, map(str, meta["dtypes"])):
        if fields[field_name].dtype.kind == "f" and dtype.startswith(("int", "uint", "bool")):
            fields[field_name] = _as_declared(fields[field_name], dtype, field_name, ids, source, layer)
    return Layer(path, meta, ids.astype(np.int64), geometries, fields)


def write_dropped(path: str, layer: Layer, dropped: Dropped) -> None:
    """Write the dropped features with their attributes and the reason as a GeoPackage, also when there are none."""
    chosen = np.isin(layer.ids, list(dropped.reasons))
    names: list[str] = []
    columns, masks = [], []
    for name, values in layer.columns.items():
        column, mask = as_in_layer(values[chosen])
        names.append(free_name(name, [*names, "fid", "geom", "geometry"]))
        columns.append(column)
        masks.append(mask)
    names.append(free_name("reason", names))
    from pyogrio.raw import write  # takes long to load

    columns.append(np.array([dropped.reasons[identity] for identity in layer.ids[chosen].tolist()], object))
    masks.append(None)
    content = BytesIO()
    has_geometry = layer.has_geometry
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(
            content, layer.geometries[chosen] if has_geometry else None, columns, names, field_mask=masks,
            layer="dropped", driver="GPKG", geometry_type=layer.meta["geometry_type"],
            crs=layer.crs if has_geometry else None, VERSION=GPKG_VERSION,
        )  # fmt: skip
    write_whole(path, content.getvalue())


def as_in_layer(values: NDArray[Any]) -> tuple[NDArray[Any], Flags | None]:
    """Return a column as it can be written, and True where it is null."""
    if isinstance(values, np.ma.MaskedArray):
        return values.filled(0), np.ma.getmaskarray(values)
    if values.dtype.kind == "O":
        texts = [value if value is None or isinstance(value, str) else str(value) for value in values]
        return np.array(texts, object), None
    return values, None


def _as_declared(
    values: NDArray[Any], dtype: str, name: str, ids: Rows, source: str, layer: str
) -> np.ma.MaskedArray[Any, Any]:
    """Return whole numbers or booleans (N,) that came as floating-point ones because some are empty, masked there."""
    is_empty = np.isnan(values)
    whole = np.where(is_empty, 0, values)
    if (np.abs(whole) < LARGEST_EXACT).all():
        return np.ma.MaskedArray(whole.astype(dtype), is_empty)
    from pyogrio.raw import read  # takes long to load

    exact = np.zeros(len(values), dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, _, _, columns = read(source, layer=layer or None, columns=[name], fids=ids[~is_empty], read_geometry=False)
    exact[~is_empty] = columns[0]
    return np.ma.MaskedArray(exact, is_empty)


def free_name(name: str, taken: list[str]) -> str:
    """Return `name`, or `name_1` and so on where it is taken; GeoPackage does not tell upper from lower case."""
    lower = {other.lower() for other in taken}
    numbers = (f"{name}_{number}" for number in range(1, len(taken) + 2))
    return name if name.lower() not in lower else next(other for other in numbers if other.lower() not in lower)
