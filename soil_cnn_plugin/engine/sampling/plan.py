"""A plan of sampling: the chosen points with what is known of each, and what the design achieves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.sampling.candidates import Candidates
from soil_cnn_plugin.engine.sampling.how_many import ErrorCurve


@dataclass(frozen=True)
class Criterion:
    """What the design makes small, beside the same of random points: `name` says what it is, `random` (k,) holds it for
    `k` simple random samples of as many points; lower is better."""

    name: str
    value: float
    random: Array
    unit: str = ""

    @property
    def gain(self) -> float:
        """The share by which it is below the mean of random samples."""
        mean = float(self.random.mean())
        return 1 - self.value / mean if mean > 0 else 0.0


@dataclass(frozen=True)
class Chosen:
    """Rows of the candidates in the order in which they matter, and for random designs the inclusion probability of
    each."""

    rows: Rows
    inclusion: Array | None = None
    criterion: Criterion | None = None
    course: tuple[str, Array] | None = None  # what falls with each point or step, in words


@dataclass(frozen=True)
class Legacy:
    """Existing points: `metres` (L, 2) and `xy` (L, 2) in the CRS of the grid."""

    metres: Array
    xy: Array

    def __len__(self) -> int:
        return len(self.metres)


@dataclass(frozen=True)
class SamplingPlan:
    """The plan as reports need it. `walk` (n,) numbers the points along the way, from 1, which is `walk_metres` long.
    `hectares` is the area of all places, `square_metres` that of a pixel."""

    design: str
    points: Candidates
    chosen: Chosen
    walk: Rows
    walk_metres: float
    legacy: Legacy
    frame: Candidates
    crs_name: str
    crs_wkt: str
    curve: ErrorCurve | None
    settings: dict[str, str]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.points)

    @property
    def nearest(self) -> float:
        """The smallest distance between two of the new points, in metres; infinite for a single one."""
        metres = self.points.metres
        if len(metres) < 2:
            return float("inf")
        away, _ = cKDTree(metres).query(metres, k=2)
        return float(np.min(away[:, 1]))
