"""The area that observations are compared with: where all covariates have data, or what the observations enclose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import shapely

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.checks.coverage import Coverage
from soil_cnn_plugin.engine.checks.places import Places

_FLATTEST = 1e-3
"""Area of the places' outline, over that of a square around them, below which they lie on a line."""
_LARGEST = 2.0
"""Most times the area of the outline that the estimated area may be, where there are few places."""


class Region(Protocol):
    """An area that places are compared with; `square_metres` and `words` describe it."""

    @property
    def square_metres(self) -> float: ...

    @property
    def words(self) -> str: ...

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return random places (count, 2) in metres."""
        ...


@dataclass(frozen=True)
class CoveredRegion:
    """The pixels where all covariates have data."""

    coverage: Coverage
    places: Places
    words: str = "the area where the covariates have data"

    @property
    def square_metres(self) -> float:
        cells, (width, height) = self.coverage.cells, self.coverage.grid.metres_per_cell()
        return float((cells.share * cells.height * cells.width).sum() * width * height)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        cells, grid = self.coverage.cells, self.coverage.grid
        weights = cells.share * cells.height * cells.width
        chosen = rng.choice(len(weights), count, p=weights / weights.sum())
        rows = cells.row[chosen] + rng.random(count) * cells.height[chosen] - 0.5
        cols = cells.col[chosen] + rng.random(count) * cells.width[chosen] - 0.5
        xy = np.column_stack(grid.xy(rows, cols, self.places.crs.to_wkt()))
        return self.places.plane.place(xy)


@dataclass(frozen=True)
class EnclosedRegion:
    """The convex outline of the places, enlarged because random places do not reach the edge of their area."""

    outline: shapely.Polygon
    words: str = "the area that the observations enclose"

    @property
    def square_metres(self) -> float:
        return float(self.outline.area)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        west, south, east, north = self.outline.bounds
        found = np.empty((0, 2))
        while len(found) < count:
            some = rng.uniform((west, south), (east, north), (2 * count, 2))
            found = np.concatenate([found, some[shapely.contains_xy(self.outline, *some.T)]])
        return found[:count]


def enclose(metres: Array) -> EnclosedRegion | None:
    """Return the enlarged outline of places (N, 2); None where they lie on a line.

    The enlargement is that of Ripley & Rasson (1977), 10.2307/3213451.
    """
    outline = shapely.MultiPoint(metres).convex_hull
    extent = float(np.ptp(metres, axis=0).max()) if len(metres) else 0.0
    if outline.geom_type != "Polygon" or outline.area < _FLATTEST * extent**2:
        return None
    corners = len(outline.exterior.coords) - 1
    growth = min(_LARGEST, 1 / max(1e-9, 1 - corners / len(metres)))
    factor = math.sqrt(growth)
    grown = shapely.affinity.scale(outline, factor, factor, origin="centroid")
    shapely.prepare(grown)
    return EnclosedRegion(grown)
