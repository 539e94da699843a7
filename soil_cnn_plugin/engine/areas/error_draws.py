"""Joint draws of the errors of an area's cells, as scores, after Wadoux & Heuvelink 2023 (10.1111/2041-210X.14106).

The errors of a cell are the mean error of its pixels, which is drawn jointly with those of all cells, and what a pixel
differs from it. What calibration took out of the errors, their mean at the observations, is taken out of the draws.
Where residuals nearby were shown to tell errors, the draws are those given these residuals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import ndtri

from soil_cnn_plugin.engine.areas.area_store import AreaCells
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.targets.kinds import Outcome

DRAWS_A_MODEL = 60
_MOST_OBSERVATIONS = 240  # that the errors of an area of few cells are compared with
_MOST_OF_LARGE = 800  # and those of a larger one, whose mean all observations tell
_FEW_CELLS = 64
_LAGS = np.polynomial.legendre.leggauss(8)
_MOST_SHARED = 0.9  # of the errors' variance that may be that of their mean at the observations
_AGREEMENTS = 4000  # simulated pairs of classes


@dataclass(frozen=True)
class Observed:
    """Where the observations lie, (n, 2) in metres, and their scores (n, R), NaN where missing, or None."""

    places: Array
    scores: Array | None


@dataclass(frozen=True)
class Draw:
    """Errors under one model: `common` (R, B, draws) of the cells, and the standard deviations (R, B) of what a pixel
    differs from its cell."""

    common: Array
    own: Array


class ErrorDraws:
    """Draws errors of cells; `slices` are the columns of each outcome. `observed` is None where it is not known where
    the observations lie."""

    def __init__(self, errors: ErrorCorrelation, slices: Sequence[slice], observed: Observed | None, seed: int) -> None:
        self._errors, self._slices, self._observed, self._seed = errors, slices, observed, seed
        self._mixed = np.linalg.cholesky(np.array(errors.between))

    @property
    def given_fields(self) -> frozenset[str]:
        """The fields of targets whose errors are drawn given residuals nearby, so that their means move."""
        if self._observed is None or self._observed.scores is None:
            return frozenset()
        groups = zip(self._errors.groups, self._errors.noise)
        return frozenset(field for fields, noise in groups if noise is not None for field in fields)

    def of(self, cells: AreaCells, agreements: Sequence[tuple[Array, Array] | None]) -> Iterator[Draw]:
        """Yield the draws of each model of the correlograms. `agreements` tells, for outcomes of classes, how likely
        classes agree at correlations of scores (see `class_agreement`)."""
        generator = np.random.default_rng(self._seed)
        near = self._nearest(cells)
        models = [correlogram.models for correlogram in self._errors.correlograms if correlogram]
        columns = len(self._mixed)
        known: dict[tuple[int, CorrelationModel], tuple[Array, Array, Array]] = {}
        around: dict[int, dict[CorrelationModel, _AroundMean]] = {}
        count = max(map(len, models))
        # A Latin hypercube: over all models, each cell alone has the quantiles of a normal distribution.
        levels = (np.arange(count * DRAWS_A_MODEL) + 0.5) / (count * DRAWS_A_MODEL)
        everywhere = np.broadcast_to(ndtri(levels), (columns, len(cells.weights), len(levels)))
        normal = generator.permuted(everywhere, axis=2)
        for number in range(count):
            free = normal[:, :, number * DRAWS_A_MODEL : (number + 1) * DRAWS_A_MODEL]
            free = np.einsum("rs,sbd->rbd", self._mixed, free)
            common, own = np.empty_like(free), np.empty(free.shape[:2])
            for group, (at, correlogram) in enumerate(zip(self._slices, self._errors.correlograms)):
                if correlogram is None:
                    raise ValueError(f"group {group} of targets has no correlogram")
                key = group, correlogram.models[number % len(correlogram.models)]
                if key not in known:
                    known[key] = self._factor(cells, near, group, key[1], agreements[group], around)
                mean, root, left = known[key]
                common[at] = mean[:, :, None] + np.einsum("bc,rcd->rbd", root, free[at])
                own[at] = left
            yield Draw(common, own)

    def _nearest(self, cells: AreaCells) -> Rows:
        """The observations that count: half those nearest to the area, half evenly drawn from the others."""
        if self._observed is None:
            return np.empty(0, np.int64)
        count = len(self._observed.places)
        most = _MOST_OBSERVATIONS if len(cells.weights) <= _FEW_CELLS else _MOST_OF_LARGE
        if count <= most:
            return np.arange(count)
        order = np.argsort(cdist(self._observed.places, cells.centres[:: max(1, len(cells.centres) // 50)]).min(axis=1))
        half = most // 2
        others = order[half:][:: max(1, (count - half) // half)][:half]
        return np.concatenate([order[:half], others])

    def _around(self, cells: AreaCells, near: Rows, group: int) -> dict[CorrelationModel, _AroundMean]:
        """What each model of a group says of errors around their mean at the observations. A pixel's variance is 1 on
        average over the models, as on the map, or more where the models say so: observations that are alike show less
        than the whole variance. Under one model it is larger where its sill is."""
        correlogram = self._errors.correlograms[group]
        models = set(correlogram.models) if correlogram else set()
        places = self._observed.places[near] if self._observed is not None and len(near) else None
        found = {model: _AroundMean.of(cells, places, model) for model in models}
        if correlogram is None:
            return found
        mean = np.mean([model.sill * found[model].pixel for model in correlogram.models], axis=0)
        return {
            model: replace(each, variance=model.sill * each.pixel / np.minimum(mean, 1.0))
            for model, each in found.items()
        }

    def _factor(
        self,
        cells: AreaCells,
        near: Rows,
        group: int,
        model: CorrelationModel,
        agreement: tuple[Array, Array] | None,
        around: dict[int, dict[CorrelationModel, _AroundMean]],
    ) -> tuple[Array, Array, Array]:
        """Means (C, B) of the errors of one group, a root of their covariance (B, B), and standard deviations (B,) of
        what a pixel differs. `around` keeps what `_around` tells of a group that needs it."""
        among = cell_correlations(cells, model)
        at = self._slices[group]
        mean, given = np.zeros((at.stop - at.start, len(among))), None
        noise = self._errors.noise[group]
        if noise is not None and self._observed is not None and self._observed.scores is not None:
            scores = self._observed.scores[near][:, at]
            is_known = np.isfinite(scores).all(axis=1)
            if is_known.sum() > 2:
                places = self._observed.places[near]
                given = _given(cells, among, places[is_known], scores[is_known], model, noise)
        if given:
            mean, among, whole = given
            among, whole = among * model.sill, whole * model.sill
            among = _as_scores(among, agreement) if agreement else among
        else:
            if group not in around:
                around[group] = self._around(cells, near, group)
            about = around[group][model]
            among, whole = about.correlations(among), about.variance
            among = _as_scores(among, agreement) if agreement else among
            among = among * np.sqrt(whole[:, None] * whole)
        own = np.sqrt(np.maximum(whole - np.diag(among), 0.0))
        return mean, _root(among), own


@dataclass(frozen=True)
class _AroundMean:
    """Errors less their mean at the observations, under one model of sill 1: the covariance `to_mean` (B,) of cells
    with that mean, its variance `shared`, and the variance (B,) of a `pixel` of each cell. `variance` (B,) is the one
    that a pixel counts with."""

    to_mean: Array
    shared: float
    pixel: Array
    variance: Array

    @classmethod
    def of(cls, cells: AreaCells, places: Array | None, model: CorrelationModel) -> _AroundMean:
        """Where no places are known, errors are taken as they are."""
        ones = np.ones(len(cells.weights))
        if places is None:
            return cls(0 * ones, 0.0, ones, ones)
        to_mean = _with_observations(cells, places, model).mean(axis=1)
        pairs = model.correlation(cdist(places, places))
        np.fill_diagonal(pairs, 1.0)
        shared = min(float(pairs.mean()), _MOST_SHARED)
        return cls(to_mean, shared, np.maximum(1 - 2 * to_mean + shared, 1 - _MOST_SHARED), ones)

    def correlations(self, among: Array) -> Array:
        """Correlations (B, B) of these errors, from those of errors as they are; on the diagonal the variance of a cell
        relative to that of a pixel."""
        covariance = among - self.to_mean[:, None] - self.to_mean + self.shared
        found: Array = covariance / np.sqrt(self.pixel[:, None] * self.pixel)
        return found


def cell_correlations(cells: AreaCells, model: CorrelationModel) -> Array:
    """Correlations (B, B) of the mean errors of cells; on the diagonal their variances, 1 for a pixel."""
    points = _points(cells)  # (B, P, 2)
    count, each, _ = points.shape
    flat = points.reshape(-1, 2)
    falling = model.continuous(cdist(flat, flat))
    if not cells.is_single:
        falling = falling.reshape(count, each, count, each).mean(axis=(1, 3))
        np.fill_diagonal(falling, _within(cells, model))
    among = (1 - model.nugget) * falling
    among[np.diag_indices(count)] += model.nugget / cells.effective
    return among


def _points(cells: AreaCells) -> Array:
    """Points (B, P, 2) that stand for each cell: a pixel's centre, or four with the moments of the cell, those of Gauss
    in a rectangle with these moments."""
    if cells.is_single:
        return cells.centres[:, None, :]
    values, vectors = np.linalg.eigh(cells.spreads)
    axes = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]  # (B, 2, axis)
    steps = [axes[:, :, 0] * one + axes[:, :, 1] * other for one in (-1, 1) for other in (-1, 1)]
    found: Array = cells.centres[:, None, :] + np.stack(steps, axis=1)
    return found


def _within(cells: AreaCells, model: CorrelationModel) -> Array:
    """Mean of the continuous part (B,) over two places in a cell: the rectangle with its moments."""
    sides = np.sqrt(12 * np.maximum(np.linalg.eigvalsh(cells.spreads), 0.0))  # (B, 2)
    nodes, weights = _LAGS
    lags = 0.5 * (nodes + 1)  # of a side; two places differ by lag u with density 2 (1 - u)
    density = weights * (1 - lags)
    u, v = np.meshgrid(lags, lags, indexing="ij")
    distances = np.hypot(sides[:, :1, None] * u, sides[:, 1:, None] * v)
    found: Array = np.einsum("bij,i,j->b", model.continuous(distances), density, density)
    return found


def _given(
    cells: AreaCells, among: Array, places: Array, scores: Array, model: CorrelationModel, noise: float
) -> tuple[Array, Array, Array]:
    """Means (C, B) and covariance (B, B) of errors given residuals, by ordinary kriging, and the variances (B,) of a
    pixel."""
    across = _with_observations(cells, places, model)
    pairs = model.correlation(cdist(places, places))
    np.fill_diagonal(pairs, 1 + noise + 1e-6)
    solved = np.linalg.solve(pairs, np.column_stack([across.T, np.ones(len(places))]))
    weights, ones = solved[:, :-1].T, solved[:, -1]
    weights = weights + np.outer((1 - weights.sum(axis=1)) / ones.sum(), ones)  # they sum to 1
    shared = weights @ across.T
    both = weights @ pairs @ weights.T
    covariance = among - shared - shared.T + both
    pixel = 1 - 2 * np.diag(shared) + np.diag(both)
    found: Array = (covariance + covariance.T) / 2
    return (weights @ scores).T, found, np.maximum(pixel, np.diag(found))


def _with_observations(cells: AreaCells, places: Array, model: CorrelationModel) -> Array:
    """Correlations (B, n) of the mean errors of cells with those at places."""
    points = _points(cells)
    each = model.correlation(cdist(points.reshape(-1, 2), places)).reshape(*points.shape[:2], -1)
    found: Array = each.mean(axis=1)
    return found


def _root(covariance: Array) -> Array:
    """A root (B, B) of a covariance that rounding may have left with small negative eigenvalues."""
    jitter = 1e-9 * max(float(np.trace(covariance)) / len(covariance), 1e-9)
    try:
        root: Array = np.asarray(np.linalg.cholesky(covariance + jitter * np.eye(len(covariance))), np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def class_agreement(outcome: Outcome, location: Array, scale: Array, seed: int) -> tuple[Array, Array]:
    """How correlated indicators of classes are at correlations of scores: both ascending, for pixels with these mean
    probabilities (C,)."""
    generator = np.random.default_rng(seed)
    columns = len(location)
    one, other = generator.standard_normal((2, columns, _AGREEMENTS))
    place = np.repeat(location[:, None], _AGREEMENTS, 1), np.repeat(scale[:, None], _AGREEMENTS, 1)
    first = outcome.draw(*place, one)
    likely = outcome.values(location[:, None], scale[:, None])[:, 0]
    by_chance = float((likely**2).sum())
    alike = np.linspace(0, 1, 11)
    agreed = []
    for rho in alike:
        second = outcome.draw(*place, rho * one + np.sqrt(1 - rho**2) * other)
        agreed.append(float((first * second).sum(axis=0).mean()))
    found = (np.array(agreed) - by_chance) / max(1 - by_chance, 1e-6)
    found[0], found[-1] = 0.0, 1.0
    return alike, np.maximum.accumulate(np.clip(found, 0, 1))


def _as_scores(among: Array, agreement: tuple[Array, Array]) -> Array:
    """Correlations of scores at which indicators of classes have these correlations."""
    alike, indicators = agreement
    size = np.sign(among) * np.interp(np.abs(among), indicators, alike)
    found: Array = np.where(np.abs(among) > 1, among, size)
    return found
