"""A raster's grid (its CRS, affine transform, height and width) and blocks of its pixels: arithmetic, no files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import ArrayLike

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.crs import are_equal, full_turn, nearest_turn, parse_crs, transform

Bounds = tuple[float, float, float, float]
Transform = tuple[float, float, float, float, float, float]
LARGEST_PATCH = 1025
"""The most pixels a side of a patch."""

_TOLERANCE = 1e-3
"""Share of a pixel by which two grids may differ and still count as one: coordinates in files are rounded."""
_ROUNDING = 1e-6
"""Share of a pixel by which a point on the edge of a grid may be computed to lie beside it."""


@dataclass(frozen=True)
class Block:
    """A rectangle of pixels; `row` and `col` are those of its upper left pixel, negative where it lies off the grid."""

    row: int
    col: int
    height: int
    width: int

    def with_halo(self, halo: int) -> Block:
        """Return this block with `halo` more pixels on each side."""
        return Block(self.row - halo, self.col - halo, self.height + 2 * halo, self.width + 2 * halo)

    def within(self, other: Block) -> tuple[slice, slice]:
        """Return where the block lies in an array of another one that holds it."""
        top, left = self.row - other.row, self.col - other.col
        return slice(top, top + self.height), slice(left, left + self.width)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the block lies in an array of the whole grid; only for blocks inside the grid."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)


@dataclass(frozen=True)
class Grid:
    """A CRS, a shape and a `transform` (a, b, c, d, e, f): x = a * col + b * row + c, y = d * col + e * row + f."""

    crs_wkt: str
    transform: Transform
    height: int
    width: int

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.transform
        if not all(map(math.isfinite, self.transform)) or a * e - b * d == 0 or self.height < 1 or self.width < 1:
            raise ValueError(f"no grid: {self.height} x {self.width} pixels, transform {self.transform}")
        try:
            parse_crs(self.crs_wkt)
        except pyproj.exceptions.CRSError as error:
            raise ValueError(f"no grid, because of its CRS: {error}") from error

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a pixel in CRS units, positive."""
        a, b, _, d, e, _ = self.transform
        return math.hypot(a, d), math.hypot(b, e)

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north of the rectangle that holds all pixels."""
        x, y = self._edges([0, 0, self.height, self.height], [0, self.width, 0, self.width])
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    @property
    def crs(self) -> pyproj.CRS:
        return parse_crs(self.crs_wkt)

    @property
    def is_geographic(self) -> bool:
        return bool(self.crs.is_geographic)

    @property
    def full_turn(self) -> float:
        """The full turn after which longitudes begin again, 360 in degrees; 0 where the CRS is not geographic."""
        return full_turn(self.crs)

    @property
    def columns_around(self) -> int:
        """Columns in a full turn of longitude; 0 where they are not a whole number, and in CRSs without longitudes."""
        a, b, _, d, _, _ = self.transform
        columns = self.full_turn / abs(a) if b == d == 0 else 0.0
        return round(columns) if abs(columns - round(columns)) < 1e-2 else 0

    @property
    def crs_name(self) -> str:
        """The authority's code, `EPSG:28992`, or the name when there is none."""
        authority = self.crs.to_authority()
        return ":".join(authority) if authority else str(self.crs.name)

    @property
    def unit(self) -> str:
        """The unit of the coordinates: `metre`, `degree`, `US survey foot`."""
        axes = self.crs.axis_info
        return str(axes[0].unit_name) if axes else tr("unknown unit")

    def rows_cols(self, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
        """Return fractional rows and columns: the floor is the pixel that holds the point, .5 is its centre."""
        a, b, c, d, e, f = self.transform
        east, south = np.asarray(x, np.float64) - c, np.asarray(y, np.float64) - f
        determinant = a * e - b * d
        return (a * south - d * east) / determinant, (e * east - b * south) / determinant

    def contains(self, x: ArrayLike, y: ArrayLike) -> Flags:
        """Return True where the point lies in a pixel of the grid or on one of its edges."""
        rows, cols = self.rows_cols(x, y)
        is_inside = (rows >= -_ROUNDING) & (rows <= self.height + _ROUNDING)
        return np.asarray(is_inside & (cols >= -_ROUNDING) & (cols <= self.width + _ROUNDING))

    def pixels(self, x: ArrayLike, y: ArrayLike) -> tuple[Rows, Rows]:
        """Return the rows and columns of the pixels that hold points of the grid.

        As GDAL counts, a pixel has its upper and left edges; the last pixels also have the grid's lower and right edge.
        """
        rows, cols = (np.floor(each).astype(np.int64) for each in self.rows_cols(x, y))
        return np.clip(rows, 0, self.height - 1), np.clip(cols, 0, self.width - 1)

    def place(self, x: ArrayLike, y: ArrayLike, crs: str) -> tuple[Array, Array]:
        """Transform coordinates of another CRS, a code or WKT, to the grid's; infinite where there is no place.

        Longitudes come in the turn that is nearest to the grid.

        Raises:
            pyproj.exceptions.ProjError: there is no way from that CRS to the grid's.
        """
        x, y = transform(x, y, crs, self.crs_wkt)
        return nearest_turn(x, self.middle_x, self.full_turn), y

    @property
    def middle_x(self) -> float:
        west, _, east, _ = self.bounds
        return (west + east) / 2

    def xy(self, rows: ArrayLike, cols: ArrayLike, crs_wkt: str | None = None) -> tuple[Array, Array]:
        """Return the coordinates of the centres of pixels, in another CRS where one is given."""
        x, y = self._edges(np.asarray(rows, np.float64) + 0.5, np.asarray(cols, np.float64) + 0.5)
        return (x, y) if crs_wkt is None else transform(x, y, self.crs_wkt, crs_wkt)

    def blocks(self, size: int) -> Iterator[Block]:
        """Yield blocks of `size` x `size` pixels, row by row, smaller at the right and lower edges."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield Block(row, col, min(size, self.height - row), min(size, self.width - col))

    def at(self, block: Block) -> Grid:
        """Return the grid of a block alone, also beyond this grid."""
        x, y = self._edges(block.row, block.col)
        a, b, _, d, e, _ = self.transform
        return Grid(self.crs_wkt, (a, b, float(x), d, e, float(y)), block.height, block.width)

    def with_cell_size(self, width: float, height: float | None = None) -> Grid:
        """Return the same area, from the same upper left corner, in pixels of `width` x `height` CRS units.

        The pixels are square without `height`.
        """
        a, b, c, d, e, f = self.transform
        own_width, own_height = self.cell_size
        wider, higher = width / own_width, (height or width) / own_height
        return Grid(
            self.crs_wkt,
            (a * wider, b * higher, c, d * wider, e * higher, f),
            max(1, math.ceil(self.height / higher - _TOLERANCE)),
            max(1, math.ceil(self.width / wider - _TOLERANCE)),
        )

    def upright(self) -> Grid:
        """Return the same pixels with north up and east to the right; a rotated grid stays as it is."""
        a, b, c, d, e, f = self.transform
        if b or d:
            return self
        west, north = min(c, c + a * self.width), max(f, f + e * self.height)
        return Grid(self.crs_wkt, (abs(a), 0.0, west, 0.0, -abs(e), north), self.height, self.width)

    def from_minus_180(self) -> Grid:
        """Return the same pixels in longitudes from about -180 to 180 degrees.

        A grid across 180 degrees stays as it is if it does not go round the globe.
        """
        a, b, c, d, e, f = self.transform
        half = self.full_turn / 2
        if not half or a < 0 or self.bounds[2] <= half + a:
            return self
        if self.bounds[0] >= half:
            return Grid(self.crs_wkt, (a, b, c - 2 * half, d, e, f), self.height, self.width)
        if not self.columns_around or self.width < self.columns_around:
            return self
        west = c - a * math.floor((c + half) / a + _TOLERANCE)
        return Grid(self.crs_wkt, (a, b, west, d, e, f), self.height, self.columns_around)

    def turned(self, bounds: Bounds) -> Bounds:
        """Move a rectangle of the grid's CRS to the turn of longitudes in which it shares most with the grid."""
        west, south, east, north = bounds
        turn, (own_west, _, own_east, _) = self.full_turn, self.bounds
        if not turn or max(abs(west), abs(east)) > 2 * turn:
            return bounds

        def shared(shift: float) -> float:
            return min(east + shift, own_east) - max(west + shift, own_west)

        shift = max((0.0, turn, -turn), key=shared)
        return west + shift, south, east + shift, north

    def clip(self, bounds: Bounds) -> Grid:
        """Return the part of the grid that holds the rectangle `bounds` (its CRS), snapped outward to whole pixels.

        Raises:
            EngineError: the rectangle lies beside the grid.
        """
        west, south, east, north = bounds
        rows, cols = self.rows_cols([west, west, east, east], [south, north, south, north])
        top, bottom = _snap(rows.min(), rows.max(), self.height)
        left, right = self._snap_columns(float(cols.min()), float(cols.max()))
        if top >= bottom or left >= right:
            raise EngineError(
                tr(
                    "The extent {} lies outside the covariates, which reach over {} ({}). Choose an extent that"
                    " overlaps them."
                ).format(bounds_in_words(bounds), bounds_in_words(self.bounds), self.crs_name)
            )
        return self.at(Block(top, left, bottom - top, right - left))

    def _snap_columns(self, lowest: float, highest: float) -> tuple[int, int]:
        """Snap as `_snap` does, but a grid all round the globe goes on at its other end."""
        around = self.columns_around
        if not 0 < around <= self.width or highest - lowest > around - 1:
            return _snap(lowest, highest, self.width)
        return math.floor(lowest + _TOLERANCE), math.ceil(highest - _TOLERANCE)

    def offset_of(self, other: Grid) -> tuple[int, int] | None:
        """Return row and column of the other's upper left pixel in this grid; None when the pixels do not coincide."""
        step = np.array(other.transform)[[0, 1, 3, 4]] - np.array(self.transform)[[0, 1, 3, 4]]
        longest = max(other.height, other.width)
        if np.abs(step).max() * longest > _TOLERANCE * min(self.cell_size) or not self.has_same_crs(other.crs_wkt):
            return None
        row, col = self.rows_cols(other.transform[2], other.transform[5])
        if max(abs(row - np.rint(row)), abs(col - np.rint(col))) > _TOLERANCE:
            return None
        return int(np.rint(row)), int(np.rint(col))

    def has_same_crs(self, crs_wkt: str) -> bool:
        """Check whether the CRS is the grid's; the axis order is ignored, because GDAL's x is always east."""
        return are_equal(crs_wkt, self.crs_wkt)

    def metres_per_cell(self) -> tuple[float, float]:
        """Return the metres across a pixel, along its row and its column; the middle pixel's in a CRS of degrees."""
        if not self.is_geographic:
            axes = self.crs.axis_info
            metres = float(axes[0].unit_conversion_factor) if axes else 1.0
            return self.cell_size[0] * metres, self.cell_size[1] * metres
        rows, cols = np.array([0.0, 0.0, 1.0]) + self.height // 2, np.array([0.0, 1.0, 0.0]) + self.width // 2
        x, y = self.xy(rows, cols)
        globe = self.crs.get_geod() or pyproj.Geod(ellps="WGS84")
        _, _, metres_to = globe.inv(x[[0, 0]], y[[0, 0]], x[1:], y[1:])
        return float(metres_to[0]), float(metres_to[1])

    def _edges(self, rows: ArrayLike, cols: ArrayLike) -> tuple[Array, Array]:
        a, b, c, d, e, f = self.transform
        row, col = np.asarray(rows, np.float64), np.asarray(cols, np.float64)
        return a * col + b * row + c, d * col + e * row + f


def bounds_in_words(bounds: Bounds) -> str:
    """Return words such as `west 178440, south 329600, east 181560, north 333760`."""
    decimals = 0 if max(map(abs, bounds)) >= 1000 else 5
    west, south, east, north = (round(value, decimals) for value in bounds)
    return tr("west {:.10g}, south {:.10g}, east {:.10g}, north {:.10g}").format(west, south, east, north)


def _snap(lowest: float, highest: float, size: int) -> tuple[int, int]:
    """Return the first pixel that [lowest, highest] touches and the one past the last, kept inside 0 to size."""
    return max(0, math.floor(lowest + _TOLERANCE)), min(size, math.ceil(highest - _TOLERANCE))
