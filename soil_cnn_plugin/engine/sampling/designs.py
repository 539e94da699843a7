"""The designs: from candidates to chosen points, each with what it achieves beside random samples of the same size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from soil_cnn_plugin.contract.jobs import Covariate, PlanSampling
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.sampling.candidates import Candidates
from soil_cnn_plugin.engine.sampling.coverage import (
    farthest_first,
    in_covariate_space,
    mean_squared_distance,
    pick_places,
    place_centres,
)
from soil_cnn_plugin.engine.sampling.hypercube import Marginals, draw_hypercube
from soil_cnn_plugin.engine.sampling.pivotal import away_from_legacy, draw_pivotal, probabilities_of
from soil_cnn_plugin.engine.sampling.plan import Chosen, Criterion
from soil_cnn_plugin.engine.sampling.random_designs import check_enough, draw_simple, draw_stratified
from soil_cnn_plugin.engine.sampling.spacing import Spacing

RANDOM_SAMPLES = 20
"""Simple random samples of the same size that a design is set beside."""


@dataclass(frozen=True)
class Task:
    """What a design chooses from: the candidates, existing points at `legacy` (L, 2) in metres with covariates
    `legacy_values` (L, C), NaN where unknown, and the pixels that these points lie in, `taken` (M,)."""

    job: PlanSampling
    covariates: Sequence[Covariate]
    candidates: Candidates
    legacy: Array
    legacy_values: Singles
    taken: Flags

    @property
    def spacing(self) -> Spacing:
        return Spacing(self.candidates.metres, self.job.min_spacing, self.legacy)

    @property
    def free(self) -> Flags:
        return ~self.taken & self.spacing.free()

    @property
    def known_legacy(self) -> Singles:
        """Covariates of the existing points where all are known."""
        found: Singles = self.legacy_values[np.isfinite(self.legacy_values).all(axis=1)]
        return found


def choose_points(task: Task, progress: Callable[[float], None]) -> Chosen:
    """Choose the points of any design but where_next.

    Raises:
        EngineError: there are too few places, or not enough of them far enough apart.
    """
    choose = {
        "spatial_coverage": _cover_space,
        "feature_coverage": _cover_covariates,
        "latin_hypercube": _hypercube,
        "simple_random": _simple,
        "stratified_random": _stratified,
        "balanced": _balanced,
    }[task.job.design]
    return choose(task, progress)


def check_all_found(task: Task, found: int) -> None:
    """Raise EngineError when the smallest spacing leaves too few places."""
    if found < task.job.points:
        metres2 = 10_000 * task.candidates.hectares
        fitting = 0.7 * (metres2 / task.job.points) ** 0.5
        raise EngineError(
            tr(
                "Only {} of {} points find a place at least {:g} m from each other and from {} existing points,"
                " in {:.2f} ha. Lower MIN_SPACING, to about {:.3g} m for so many points, or ask for fewer"
                " points."
            ).format(found, task.job.points, task.job.min_spacing, len(task.legacy), task.candidates.hectares, fitting)
        )


def _cover_space(task: Task, progress: Callable[[float], None]) -> Chosen:
    metres = task.candidates.metres
    rows = _cover(task, metres, task.legacy)

    def distance(chosen: Rows) -> float:
        return math.sqrt(mean_squared_distance(metres, np.concatenate([task.legacy, metres[chosen]])))

    name = tr("Distance of a pixel to the nearest point, existing points included (root of the mean square)")
    return Chosen(rows, criterion=Criterion(name, distance(rows), _of_random(task, distance), "m"))


def _cover_covariates(task: Task, progress: Callable[[float], None]) -> Chosen:
    values = task.candidates.values
    space = in_covariate_space(values, task.covariates, values)
    legacy = in_covariate_space(task.known_legacy, task.covariates, values)
    rows = _cover(task, space, legacy)

    def distance(chosen: Rows) -> float:
        return math.sqrt(mean_squared_distance(space, np.concatenate([legacy, space[chosen]])))

    name = tr(
        "Distance of a pixel to the most similar point, existing points included (root of the mean square,"
        " in standard deviations of the covariates)"
    )
    return Chosen(rows, criterion=Criterion(name, distance(rows), _of_random(task, distance)))


def _cover(task: Task, places: Array, legacy: Array) -> Rows:
    check_enough(task.candidates, task.job.points, task.free)
    cost = task.candidates.cost
    centres = place_centres(places, 1 / cost, task.job.points, legacy, task.job.seed)
    rows, _ = pick_places(places, centres, legacy, cost, task.spacing, task.taken)
    check_all_found(task, len(rows))
    return farthest_first(places, rows, legacy)


def _hypercube(task: Task, progress: Callable[[float], None]) -> Chosen:
    check_enough(task.candidates, task.job.points, task.free)
    values, legacy = task.candidates.values, task.known_legacy
    found = draw_hypercube(
        values,
        task.covariates,
        task.job.points,
        legacy=legacy,
        cost=task.candidates.cost,
        is_free=task.free,
        spacing=task.spacing,
        iterations=task.job.iterations,
        seed=task.job.seed,
        progress=progress,
    )
    check_all_found(task, len(found.rows))
    marginals = Marginals.of(values, task.covariates, task.job.points + len(legacy))

    def objective(chosen: Rows) -> float:
        return marginals.objective(np.concatenate([values[chosen], legacy]))

    name = tr("Objective of the Latin hypercube, existing points included")
    space = in_covariate_space(values, task.covariates, values)
    rows = farthest_first(space, found.rows, in_covariate_space(legacy, task.covariates, values))
    criterion = Criterion(name, found.objective, _of_random(task, objective))
    return Chosen(rows, criterion=criterion, course=(tr("Objective of the Latin hypercube"), found.course))


def _simple(task: Task, progress: Callable[[float], None]) -> Chosen:
    return Chosen(*draw_simple(task.candidates, task.job.points, task.job.seed))


def _stratified(task: Task, progress: Callable[[float], None]) -> Chosen:
    return Chosen(*draw_stratified(task.candidates, task.job.points, task.job.seed))


def _balanced(task: Task, progress: Callable[[float], None]) -> Chosen:
    """Chances are equal, but for costs, whose root they fall with, and near existing points."""
    candidates, count = task.candidates, task.job.points
    check_enough(candidates, count)
    weights = 1 / np.sqrt(candidates.cost)
    if len(task.legacy):
        weights *= away_from_legacy(candidates.metres, task.legacy, candidates.hectares, count)
    probabilities = probabilities_of(weights, count)
    rows = draw_pivotal(candidates.metres, probabilities, task.job.seed)
    rows = np.random.default_rng([task.job.seed, 4]).permutation(rows)
    metres = candidates.metres

    def distance(chosen: Rows) -> float:
        return math.sqrt(mean_squared_distance(metres, metres[chosen]))

    name = tr("Distance of a pixel to the nearest new point (root of the mean square)")
    return Chosen(
        rows,
        candidates.chance * probabilities[rows],
        Criterion(name, distance(rows), _of_random(task, distance), "m"),
    )


def _of_random(task: Task, criterion: Callable[[Rows], float]) -> Array:
    rng = np.random.default_rng([task.job.seed, 5])
    count, free = task.job.points, np.flatnonzero(~task.taken)
    return np.array([criterion(rng.choice(free, min(count, len(free)), replace=False)) for _ in range(RANDOM_SAMPLES)])


def strata_by_place(metres: Array, count: int, seed: int) -> Callable[[Array], Rows]:
    """Return a function that numbers places (n, 2) by compact strata, those of k-means on the candidates at `metres`
    (M, 2): each place belongs to the nearest of `count` centres (Walvoort et al. 2010).

    Raises:
        EngineError: there are fewer candidates than strata.
    """
    if len(metres) < count:
        raise EngineError(
            tr("{} strata are to be made of {} pixels. Ask for fewer points or strata, or enlarge the area.").format(
                count, len(metres)
            )
        )
    tree = cKDTree(place_centres(metres, np.ones(len(metres)), count, np.empty((0, 2)), seed))

    def number(places: Array) -> Rows:
        found: Rows = tree.query(places)[1].astype(np.int64)
        return found

    return number
