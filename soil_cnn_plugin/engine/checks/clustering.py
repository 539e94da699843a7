"""The clustering of places: distances to the nearest neighbour against those of places at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.checks.coverage import Coverage
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.places import Places
from soil_cnn_plugin.engine.checks.region import CoveredRegion, Region, enclose

FEWEST_PLACES = 10
_MOST_RUNS, _FEWEST_RUNS, _PLACES_IN_RUNS = 39, 5, 60_000
_AREA_POINTS = 4000
CURVE = 101
CLUSTERED, REGULAR = 0.8, 1.2
GAPS = 0.2
"""Share of the area far from all observations from which on it is reported; for places at random it is about 0.05."""


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
    sentence = (
        f"The places are {found.kind} (Clark-Evans ratio {found.ratio:.2f}; places at random have 1), and"
        f" {100 * found.far_share:.0f} % of {found.region} lies farther from any observation than 95 % of the"
        " observations from their nearest neighbour."
    )
    remedy = (
        "Leave Validation of Train network at knndm: random folds would promise too much. To know what the map is worth"
        " in the gaps, sample there at random and use Assess map."
    )
    return [Finding("clustered", "", sentence, remedy)]


def _to_neighbour(metres: Array) -> Array:
    distances, _ = cKDTree(metres).query(metres, k=2)
    nearest: Array = distances[:, 1]
    return nearest[np.isfinite(nearest)]
