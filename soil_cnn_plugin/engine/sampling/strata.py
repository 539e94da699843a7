"""Given strata: the codes of a raster, or polygons by their names, as numbers of the pixels of a block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rasterio.features import rasterize
from rasterio.transform import Affine

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import comma_separated
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, open_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.opening import layer_name
from soil_cnn_plugin.engine.rasters.polygons import read_polygon_layer
from soil_cnn_plugin.engine.report import Report

MOST_STRATA = 1000
NONE = -1
"""The number of a pixel in no stratum."""
Numbers = Callable[[Block], Rows]


def read_strata(path: str, field: str, grid: Grid, report: Report) -> tuple[Numbers, dict[int, str]]:
    """Return a function from a block to the numbers (h, w) of its pixels' strata, and the strata's names by number.

    Polygons are named by `field`, or by their place in the layer where it is empty; those of one name are one stratum.
    A pixel belongs to the polygon that holds its centre, to the last one where several do.

    Raises:
        EngineError: the file holds neither codes nor polygons, lacks the field, or has too many strata.
    """
    layer = read_polygon_layer(path, tr("the strata"), grid, report)
    if layer is None:
        return _codes_of_raster(path, grid)
    if field and field not in layer.columns:
        raise EngineError(
            tr("The polygons of the strata, {}, have no field {!r}. They have: {}.").format(
                layer_name(path),
                field,
                comma_separated(str(name) for name in layer.columns if name != layer.geometry.name),
            )
        )
    given = layer[field] if field else layer.index.to_series() + 1
    if given.isna().any():
        raise EngineError(
            tr(
                "{} of {} polygons of the strata have no name in {}. Fill the field, or leave these polygons out."
            ).format(int(given.isna().sum()), len(layer), field)
        )
    names = [_name(value) for value in given.tolist()]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    _check_count(len(numbers), path)
    pairs = [(shape, numbers[name]) for shape, name in zip(layer.geometry, names)]
    index = layer.sindex

    def read(block: Block) -> Rows:
        part = grid.at(block)
        shape = (block.height, block.width)
        near = sorted(index.intersection(part.bounds))
        if not near:
            return np.full(shape, NONE, np.int64)
        shapes = [pairs[each] for each in near]
        found = rasterize(shapes, out_shape=shape, transform=Affine(*part.transform), fill=NONE, dtype="int32")
        return np.asarray(found, np.int64)

    return read, {number: name for name, number in numbers.items()}


def _codes_of_raster(path: str, grid: Grid) -> tuple[Numbers, dict[int, str]]:
    stack = open_stack([Covariate(path, "strata", kind="categorical")], grid)
    names = stack.class_names()[0]
    return _Codes(stack, path).read, {code: f"{code} {name}" for code, name in names.items()}


class _Codes:
    """The codes of an open raster, checked as they are read."""

    def __init__(self, stack: CovariateStack, path: str) -> None:
        self._stack, self._path = stack, path
        self._seen: set[int] = set()

    def read(self, block: Block) -> Rows:
        values = self._stack.read(block)[0]
        known = np.isfinite(values)
        found = np.unique(values[known])
        wrong = found[(found != np.rint(found)) | (found < 0)]
        if wrong.size:
            raise EngineError(
                tr(
                    "{}, the strata, holds {:g}, which is no code: codes are whole numbers from 0 on."
                    " Reclassify the raster, or choose polygons."
                ).format(self._path, wrong[0])
            )
        self._seen |= set(found.astype(int).tolist())
        _check_count(len(self._seen), self._path)
        return np.where(known, np.nan_to_num(values, nan=NONE), NONE).astype(np.int64)


def _check_count(count: int, path: str) -> None:
    if count > MOST_STRATA:
        raise EngineError(
            tr(
                "{} has more than {} strata, at least {}. Merge its classes or polygons, or choose the field"
                " that names the strata."
            ).format(path, MOST_STRATA, count)
        )


def _name(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
