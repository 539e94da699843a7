"""The clustering of places: distances to the nearest neighbour against those of places at random in one region."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import shapely
from scipy.spatial import cKDTree

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.checks.coverage import Coverage
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.places import Places

FEWEST_PLACES = 10
_MOST_RUNS, _FEWEST_RUNS, _PLACES_IN_RUNS = 39, 5, 60_000
_AREA_POINTS = 4000
CURVE = 101
CLUSTERED, REGULAR = 0.8, 1.2
GAPS = 0.2
"""Share of the area far from all observations from which on it is reported; for places at random it is about 0.05."""
_FLATTEST = 1e-3
"""Area of the places' outline, over that of a square around them, below which they lie on a line."""
_LARGEST = 2.0
"""Most times the area of the outline that the estimated area may be, where there are few places."""
_KINDS = {
    "strongly clustered": tr("strongly clustered"),
    "clustered": tr("clustered"),
    "slightly clustered": tr("slightly clustered"),
    "like places at random": tr("like places at random"),
    "slightly regular": tr("slightly regular"),
    "regular": tr("regular"),
}
"""Kind of clustering -> how it is shown."""


@dataclass(frozen=True)
class Clustering:
    """The clustering of places in a region.

    `ratio` (Clark & Evans 1954) is the mean distance to the nearest neighbour over that of places at random in the
    region; the ratios of the random runs go from `low` to `high`. Distances are in metres at `CURVE` equal steps of
    probability: `nearest` between observations, `random_low` and `random_high` in the runs, `of_area` from places of
    the region to the nearest observation. `far_share` of the region lies farther from any observation than 95 % of the
    observations from their nearest neighbour.
    """

    places: int
    square_metres: float
    region: str
    mean: float
    expected: float
    ratio: float
    low: float
    high: float
    nearest: Array
    random_low: Array
    random_high: Array
    of_area: Array
    far_share: float

    @property
    def kind(self) -> str:
        if self.ratio < self.low:
            return (
                "strongly clustered"
                if self.ratio < 0.5
                else "clustered"
                if self.ratio < CLUSTERED
                else "slightly clustered"
            )
        if self.ratio > self.high:
            return "regular" if self.ratio > REGULAR else "slightly regular"
        return "like places at random"

    @property
    def kind_in_words(self) -> str:
        return _KINDS[self.kind]


def measure_places(places: Places, numbers: Rows, coverage: Coverage | None) -> Clustering | None:
    """Measure the clustering of one observation per place, in the area of the covariates where they are given."""
    is_used = places.is_placed if coverage is None else coverage.pixels >= 0
    rows = np.flatnonzero(is_used)
    _, first = np.unique(numbers[rows], return_index=True)
    metres = places.metres[rows[np.sort(first)]]
    region: Region | None = enclose(metres)
    if coverage is not None and len(coverage.cells.share):
        region = CoveredRegion(coverage, places)
    return measure_clustering(metres, region) if region else None


def measure_clustering(metres: Array, region: Region, seed: int = 0) -> Clustering | None:
    """Measure the clustering of different places (N, 2) in the region; None where there are too few.

    The ratio is simulated in the region itself, so that the region's shape and edges do not bias it.
    """
    count = len(metres)
    if count < FEWEST_PLACES:
        return None
    rng = np.random.default_rng(seed)
    steps = np.linspace(0, 1, CURVE)
    distances = _to_neighbour(metres)
    runs = int(np.clip(_PLACES_IN_RUNS // count, _FEWEST_RUNS, _MOST_RUNS))
    simulated = [_to_neighbour(region.sample(rng, count)) for _ in range(runs)]
    means = np.array([each.mean() for each in simulated])
    curves = np.array([np.quantile(each, steps) for each in simulated])
    of_area, _ = cKDTree(metres).query(region.sample(rng, _AREA_POINTS))
    of_area = of_area[np.isfinite(of_area)]
    expected, mean = float(means.mean()), float(distances.mean())
    return Clustering(
        places=count,
        square_metres=region.square_metres,
        region=region.words,
        mean=mean,
        expected=expected,
        ratio=mean / expected,
        low=float(means.min() / expected),
        high=float(means.max() / expected),
        nearest=np.quantile(distances, steps),
        random_low=curves.min(axis=0),
        random_high=curves.max(axis=0),
        of_area=np.quantile(of_area, steps),
        far_share=float((of_area > np.quantile(distances, 0.95)).mean()),
    )


def check_clustering(found: Clustering) -> list[Finding]:
    if found.ratio >= min(CLUSTERED, found.low) and found.far_share <= GAPS:
        return []
    sentence = tr(
        "The places are {} (Clark-Evans ratio {:.2f}; places at random have 1), and {:.0f} % of {} lies"
        " farther from any observation than 95 % of the observations from their nearest neighbour."
    ).format(found.kind_in_words, found.ratio, 100 * found.far_share, found.region)
    remedy = tr(
        "Leave Validation of Train network at knndm: random folds would promise too much. To know what the"
        " map is worth in the gaps, sample there at random and use Assess map."
    )
    return [Finding("clustered", "", sentence, remedy)]


def _to_neighbour(metres: Array) -> Array:
    distances, _ = cKDTree(metres).query(metres, k=2)
    nearest: Array = distances[:, 1]
    return nearest[np.isfinite(nearest)]


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
    words: str = tr("the area where the covariates have data")

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
    words: str = tr("the area that the observations enclose")

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
