"""The candidates among the places of a sampling frame: all of them, or a random part where there are many.

A large raster has more pixels than memory and time allow for. All of them are counted, and a simple random sample of
them, without replacement, is kept as candidates, so that inclusion probabilities stay known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.checks.places import Plane
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.sampling.frame import Counts, Frame, FrameBlock, Lattice, read_blocks

MOST_CANDIDATES = 100_000


@dataclass(frozen=True)
class Candidates:
    """Pixels among which points are chosen, all or a random part of the places.

    `rows` and `cols` (M,) are pixels of the grid, `xy` (M, 2) their centres in its CRS and `metres` (M, 2) on a plane.
    `values` (M, C) are the covariates. `cost` (M,) is that of a point relative to the cheapest kind, 1 where no cost
    counts. `stratum` (M,) counts from 0, and `strata` names them; `stratum_places` (H,) are their pixels in the whole
    frame, `stratum_listed` (H,) those on the lattice, and `stratum_hectares` (H,) their area.
    """

    rows: Rows
    cols: Rows
    xy: Array
    metres: Array
    values: Singles
    cost: Array
    stratum: Rows
    strata: tuple[str, ...]
    stratum_places: Rows
    stratum_listed: Rows
    stratum_hectares: Array
    counts: Counts
    lattice: Lattice | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def hectares(self) -> float:
        return float(self.stratum_hectares.sum())

    @property
    def is_part(self) -> bool:
        """Whether only a random part of the places is among the candidates."""
        return len(self) < self.counts.on_lattice

    @property
    def chance(self) -> float:
        """The chance of a place to be among the candidates, by the lattice and the random part together."""
        by_lattice = 1 / self.lattice.step**2 if self.lattice else 1.0
        return by_lattice * len(self) / self.counts.on_lattice

    def take(self, rows: Rows) -> Candidates:
        parts = {name: getattr(self, name)[rows] for name in ("rows", "cols", "xy", "metres", "values", "cost")}
        return replace(self, stratum=self.stratum[rows], **parts)


def read_candidates(
    frame: Frame, cost_weight: float, seed: int, progress: Callable[[float], None], most: int = MOST_CANDIDATES
) -> Candidates:
    """Count the places of the frame and keep at most `most` of them, drawn at random.

    Raises:
        EngineError: no pixel may be sampled, or the cost is 0 everywhere or below 0 somewhere.
    """
    pool, counter = _Pool(most, seed), _Counter()
    for found in read_blocks(frame, progress):
        counter.add(found)
        pool.add(found)
    if not counter.places:
        raise EngineError(
            tr(
                "No pixel may be sampled: {}. Check that the area overlaps the rasters, that these have data"
                " there, and that not all of it is excluded."
            ).format(counter.counts().in_words())
        )
    _check_cost(frame.cost, counter)
    rows, cols, values, cost, codes = pool.content()
    xy = np.column_stack(frame.grid.xy(rows, cols))
    plane = Plane.around(xy, frame.grid.crs)
    names = sorted(counter.by_code)
    weighed = np.ones(len(rows))
    if frame.cost is not None and cost_weight > 0:
        weighed = 1 + cost_weight * cost / counter.mean_cost
    return Candidates(
        rows=rows,
        cols=cols,
        xy=xy,
        metres=plane.place(xy),
        values=values,
        cost=weighed,
        stratum=np.searchsorted(names, codes),
        strata=tuple(map(str, names)),
        stratum_places=np.array([counter.by_code[name][0] for name in names], np.int64),
        stratum_listed=np.array([counter.by_code[name][1] for name in names], np.int64),
        stratum_hectares=np.array([counter.by_code[name][2] for name in names]) / 10_000,
        counts=counter.counts(),
        lattice=frame.lattice,
    )


def with_made_strata(
    frame: Frame, candidates: Candidates, number: Callable[[Array], Rows], count: int, progress: Callable[[float], None]
) -> Candidates:
    """Return the candidates in strata that `number` gives to places (n, 2) in metres, each counted over the frame."""
    places, listed, metres2 = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count)
    plane = Plane.around(candidates.xy, frame.grid.crs)
    for found in read_blocks(frame, progress):
        rows, cols = found.pixels(found.is_place)
        if not len(rows):
            continue
        own = number(plane.place(np.column_stack(frame.grid.xy(rows, cols))))
        places += np.bincount(own, minlength=count)
        metres2 += np.bincount(own, found.pixel_areas(found.is_place), count)
        listed += np.bincount(own[found.is_listed[found.is_place]], minlength=count)
    return replace(
        candidates,
        stratum=number(candidates.metres),
        strata=tuple(str(each + 1) for each in range(count)),
        stratum_places=places,
        stratum_listed=listed,
        stratum_hectares=metres2 / 10_000,
    )


class _Counter:
    """Counts of the frame, added up block by block."""

    def __init__(self) -> None:
        self._lost: dict[str, int] = {}
        self.places = self._listed = 0
        self._cost = 0.0
        self.lowest_cost = math.inf
        self.by_code: dict[int, tuple[int, int, float]] = {}

    @property
    def mean_cost(self) -> float:
        return self._cost / max(1, self.places)

    def add(self, found: FrameBlock) -> None:
        for name, count in found.lost.items():
            self._lost[name] = self._lost.get(name, 0) + count
        costs = found.cost[found.is_place]
        self.places += len(costs)
        self._listed += int(found.is_listed.sum())
        self._cost += float(costs.sum())
        self.lowest_cost = min(self.lowest_cost, float(costs.min(initial=math.inf)))
        codes, which = np.unique(found.codes[found.is_place], return_inverse=True)
        areas = np.bincount(which, found.pixel_areas(found.is_place), len(codes))
        counts = np.bincount(which, minlength=len(codes))
        on_lattice = np.bincount(which, found.is_listed[found.is_place], len(codes))
        for code, *numbers in zip(codes.tolist(), counts.tolist(), on_lattice.astype(int).tolist(), areas.tolist()):
            before = self.by_code.get(code, (0, 0, 0.0))
            self.by_code[code] = (before[0] + numbers[0], before[1] + numbers[1], before[2] + numbers[2])

    def counts(self) -> Counts:
        names = ("pixels", "without_data", "outside", "excluded", "without_cost", "without_stratum")
        lost = {name: self._lost.get(name, 0) for name in names}
        return Counts(**lost, places=self.places, on_lattice=self._listed)


class _Pool:
    """A simple random sample without replacement of all pixels on the lattice, gathered in one pass: each gets a
    random number, and those with the smallest numbers stay."""

    def __init__(self, most: int, seed: int) -> None:
        self._most, self._rng, self._below = most, np.random.default_rng([seed, 0]), 1.0
        self._parts: list[tuple[Array, Rows, Rows, Singles, Array, Rows]] = []
        self._held = 0

    def add(self, found: FrameBlock) -> None:
        keys = self._rng.random(int(found.is_listed.sum()))
        chosen = found.is_listed.copy()
        chosen[found.is_listed] = keys < self._below
        rows, cols = found.pixels(chosen)
        self._parts.append(
            (keys[keys < self._below], rows, cols, found.values[:, chosen].T, found.cost[chosen], found.codes[chosen])
        )
        self._held += len(rows)
        if self._held > 2 * self._most:
            self._cut()

    def content(self) -> tuple[Rows, Rows, Singles, Array, Rows]:
        """Return rows, columns, values, costs and codes of the sample, in the order of the grid."""
        self._cut()
        _, rows, cols, values, cost, codes = self._parts[0]
        order = np.lexsort((cols, rows))
        return rows[order], cols[order], values[order], cost[order], codes[order]

    def _cut(self) -> None:
        joined = [np.concatenate(parts) for parts in zip(*self._parts)]
        if len(joined[0]) > self._most:
            self._below = float(np.partition(joined[0], self._most)[self._most])
            kept = joined[0] < self._below
            joined = [part[kept] for part in joined]
        self._parts, self._held = [tuple(joined)], len(joined[0])  # type: ignore[list-item]


def _check_cost(cost: Covariate | None, counter: _Counter) -> None:
    if cost is None:
        return
    if counter.lowest_cost < 0:
        raise EngineError(
            tr(
                "{}, the cost of reaching a place, is {:g} somewhere, but no place costs less than nothing."
                " Mark such values as nodata, or set them to 0."
            ).format(cost.path, counter.lowest_cost)
        )
    if counter.mean_cost == 0:
        raise EngineError(
            tr(
                "{}, the cost of reaching a place, is 0 in all {} pixels that may be sampled, so that it makes"
                " no difference. Choose a raster with the distance to roads or the time of the way, or leave"
                " COST empty."
            ).format(cost.path, counter.places)
        )


def names_of(codes: Sequence[str], labels: dict[int, str]) -> tuple[str, ...]:
    """Return the strata's names: a code's label where the raster or the polygons give one."""
    return tuple(labels.get(int(code), code) for code in codes)
