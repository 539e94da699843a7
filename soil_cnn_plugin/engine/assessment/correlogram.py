"""How alike the errors of a map are at two places: the correlogram of held-out errors, with what is not known of it.

Errors are normal scores: each held-out residual is brought to the standard normal distribution by the distribution that
was predicted there, so that errors of unlike spread and shape can be compared. Two places count together only where one
fit had seen neither of them: that is how two pixels of a map are to its network. A residual of one fold was predicted
by what had learned from the others, which makes the two look less alike than pixels are, by a factor that is fitted,
too: where it is near 1, pairs across folds count as much as pairs of one fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from soil_cnn_plugin.engine.arrays import Array, Rows

FEWEST_SCORES = 20
"""Observations below which nothing is said of how errors go together."""
MODELS = 16
"""Equally likely models that stand for all that the errors allow."""
SMOOTHNESSES = (0.5, 1.5)
"""Smoothness of Matern correlations: errors that jump from place to place (exponential), and smoother ones."""
_TO_RANGE = {0.5: 2.9957, 1.5: 4.7439}  # distance at which 5 % of the correlation is left, in units of the model
_NUGGETS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
_NUGGET_PRIOR = 1.25 - np.array(_NUGGETS)  # what errors share with neighbours is more often missed than imagined
_RANGES = 14
_SMALLEST_RANGE = 0.5  # of the typical distance between neighbours; a shorter range is a nugget
_LARGEST_RANGE = 1.5  # of the extent of the observations; a longer one cannot be told from it
_MOST_TOGETHER = 200  # observations whose errors are compared with each other
_ACROSS = (0.0, 0.5, 1.0)  # how alike errors of different folds may be, relative to errors of one fold
_MOST_TEMPERED = 900
_BINS = 10


@dataclass(frozen=True)
class CorrelationModel:
    """The correlation of errors at a distance of `range_m` metres or more is below 5 % of `1 - nugget`, their
    correlation at the shortest distances. `smoothness` is that of a Matern function. `sill` is the variance of errors
    under this model, relative to that of the scores: a long range makes observations alike, and the variance larger
    than they show."""

    nugget: float
    range_m: float
    smoothness: float
    sill: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.nugget <= 1 or not 0 < self.range_m < np.inf or self.smoothness not in SMOOTHNESSES:
            raise ValueError(f"no correlation of errors: {self}")
        if not 0 < self.sill < np.inf:
            raise ValueError(f"no correlation of errors: {self}")

    def continuous(self, distances: Array) -> Array:
        """The part that falls off with distance, 1 at distance 0; metres in any shape."""
        x = _TO_RANGE[self.smoothness] / self.range_m * distances
        falling: Array = np.exp(-x)
        return falling if self.smoothness == SMOOTHNESSES[0] else (1 + x) * falling

    def correlation(self, distances: Array) -> Array:
        """The correlation of errors at two places that differ, in metres of any shape."""
        return (1 - self.nugget) * self.continuous(distances)


@dataclass(frozen=True)
class Correlogram:
    """What held-out errors say of their correlation: MODELS equally likely models, from the least to the most alike,
    and what was seen. In each class of `distances` (metres, means) `pairs` of observations had the correlations
    `observed`. `count` observations were compared."""

    models: tuple[CorrelationModel, ...]
    distances: tuple[float, ...]
    observed: tuple[float, ...]
    pairs: tuple[int, ...]
    count: int

    def __post_init__(self) -> None:
        if not self.models or len(self.models) > MODELS:
            raise ValueError(f"a correlogram has {len(self.models)} models")
        if not len(self.distances) == len(self.observed) == len(self.pairs):
            raise ValueError("a correlogram has other classes of distance")
        if not np.isfinite([*self.distances, *self.observed]).all():
            raise ValueError("a correlogram is not finite")

    def correlation(self, distances: Array) -> Array:
        """The mean correlation over the models, at distances in metres."""
        mean: Array = np.mean([model.correlation(distances) for model in self.models], axis=0)
        return mean

    def limits(self, distances: Array, coverage: float = 0.9) -> tuple[Array, Array]:
        """The limits between which the correlation lies with that probability."""
        each = np.stack([model.correlation(distances) for model in self.models])
        tail = (1 - coverage) / 2
        return np.quantile(each, tail, axis=0), np.quantile(each, 1 - tail, axis=0)


def fit_correlogram(
    scores: Array, places: Array, together: Sequence[Rows], error_share: float = 0.0, seed: int = 0
) -> Correlogram | None:
    """Fit to scores (N, C) at places (N, 2) in metres; None where too few are known to say anything.

    `together` are the rows that one fit had not seen, fold by fold. Scores of several repeats stand below each other,
    (repeats x N, C), and their rows count on. The C columns are those of one target, or of parts
    or classes that share a correlogram. `error_share` is the part of the scores' variance that errors of measurement
    explain: these are no errors of the map, and are taken out of the nugget.

    The posterior is computed on a grid of nuggets, of which small ones are a little likelier beforehand, and of ranges,
    even over their logarithms from half the distance of neighbours to 1.5 times the extent. The scores' mean is
    unknown, as in restricted likelihood, and their variance is integrated out.
    Errors of different folds are as alike as those of one fold times a factor from 0 to 1, which is integrated out: a
    network that fills gaps from its neighbours makes it small, and then only pairs of one fold tell something. Of more
    than `_MOST_TOGETHER` observations these pairs are enough, and the factor is 0.
    Repeats count as if they were independent. They hold the same observations, and the likelihood is tempered by their
    number; where folds count as if they were independent, by what that costs (Ribatet et al. 2012,
    10.5705/ss.2009.248).
    """
    repeats = len(scores) // len(places)
    observation = np.tile(np.arange(len(places)), repeats)
    places = np.tile(places, (repeats, 1))
    blocks = [_some(rows[np.isfinite(scores[rows]).all(axis=1)], places, seed) for rows in together]
    blocks = [rows for rows in blocks if len(rows) > 1]
    known = np.unique(observation[np.concatenate(blocks)]) if blocks else np.empty(0, np.int64)
    extent = float(np.ptp(places[known], axis=0).max()) if len(known) else 0.0
    if len(known) < FEWEST_SCORES or extent <= 0:
        return None
    spacing = extent / np.sqrt(len(known))
    ranges = np.geomspace(_SMALLEST_RANGE * spacing, _LARGEST_RANGE * extent, _RANGES)
    candidates = [(smoothness, float(r)) for smoothness in SMOOTHNESSES for r in ranges]
    joint = _joined(blocks, len(places) // repeats)
    factors = _ACROSS if max(len(rows) for rows, _ in joint) <= _MOST_TOGETHER else _ACROSS[:1]
    found = [[_likelihood_parts(scores, places, joint, *each, across) for each in candidates] for across in factors]
    parts, count = np.moveaxis(np.array(found), 2, 0), sum(len(rows) for rows, _ in joint)  # (3, factors, S, nuggets)
    compared = scores[np.unique(np.concatenate(blocks))]
    temper = 1 / len(joint)
    if factors[-1] == 0:
        _, best, nugget = np.unravel_index(_log_likelihood(parts, count, 1.0).argmax(), parts.shape[1:])
        temper = _temper(places, observation, blocks, candidates[best], _NUGGETS[nugget])
    likelihood = _dimensions(compared) * _log_likelihood(parts, count, temper)
    weight = np.exp(likelihood - likelihood.max()) * _NUGGET_PRIOR
    sills = parts[2] / (count - 1 / temper) / max(float(compared.var(axis=0).sum()), 1e-12)
    free = [max(nugget - error_share, 0.0) / max(1 - error_share, nugget - error_share, 1e-9) for nugget in _NUGGETS]
    models = [
        CorrelationModel(min(nugget, 1.0), r, s, sill)
        for own in sills
        for (s, r), of_range in zip(candidates, own)
        for nugget, sill in zip(free, of_range.tolist())
    ]
    chosen = _stand_for_all(models, weight.ravel(), extent)
    return Correlogram(chosen, *_classes(scores, places, blocks, extent), count=len(known))


def _some(rows: Rows, places: Array, seed: int) -> Rows:
    """At most `_MOST_TOGETHER` of the rows: half drawn at random, and of each the nearest other one."""
    if len(rows) <= _MOST_TOGETHER:
        return rows
    drawn = np.random.default_rng(seed).permutation(rows)[: _MOST_TOGETHER // 2]
    _, nearest = scipy.spatial.cKDTree(places[rows]).query(places[drawn], 2)
    return np.unique(np.concatenate([drawn, rows[nearest[:, 1]]]))


def _joined(blocks: Sequence[Rows], count: int) -> list[tuple[Rows, Rows]]:
    """The rows of each repeat and their folds, numbered from 0; a repeat has `count` rows."""
    repeat = np.array([rows[0] // count for rows in blocks])
    joint = []
    for number in np.unique(repeat):
        own = [rows for rows, of in zip(blocks, repeat) if of == number]
        joint.append((np.concatenate(own), np.repeat(np.arange(len(own)), [len(rows) for rows in own])))
    return joint


def _likelihood_parts(
    scores: Array, places: Array, joint: Sequence[tuple[Rows, Rows]], smoothness: float, range_m: float, across: float
) -> Array:
    """The parts (3, nuggets) of the restricted likelihood for each nugget of a range, with that factor between folds:
    logarithm of the determinant, sum of the inverse, and squares of scores around their mean, weighed by the inverse.
    """
    nuggets = np.array(_NUGGETS)[:, None]
    squares, determinants, ones = (np.zeros(len(_NUGGETS)) for _ in range(3))
    shared = np.zeros((len(_NUGGETS), scores.shape[1]))
    model = CorrelationModel(0.0, range_m, smoothness)
    for rows, fold in joint if across else _apart(joint):
        falling = model.continuous(scipy.spatial.distance.cdist(places[rows], places[rows]))
        values, vectors = scipy.linalg.eigh(np.where(fold[:, None] == fold, falling, across * falling), driver="evd")
        spread = (1 - nuggets) * np.maximum(values, 0.0) + nuggets  # (nuggets, n)
        turned, one = vectors.T @ scores[rows], vectors.sum(axis=0)
        squares += ((turned**2).sum(axis=1) / spread).sum(axis=1)
        ones += (one**2 / spread).sum(axis=1)
        shared += (one / spread) @ turned
        determinants += np.log(spread).sum(axis=1)
    return np.stack([determinants, ones, squares - (shared**2).sum(axis=1) / ones])


def _log_likelihood(parts: Array, count: int, temper: float) -> Array:
    """The restricted log-likelihood (...) of `parts` (3, ...), tempered. The mean of the scores is estimated once,
    however often the same observations stand in them."""
    determinants, ones, squares = parts
    found: Array = -0.5 * (temper * determinants + np.log(ones) + (temper * count - 1) * np.log(squares))
    return found


def _apart(joint: Sequence[tuple[Rows, Rows]]) -> list[tuple[Rows, Rows]]:
    """Each fold by itself."""
    return [(rows[fold == number], fold[fold == number]) for rows, fold in joint for number in np.unique(fold)]


def _dimensions(scores: Array) -> float:
    """How many independent columns carry as much as these (n, C): the participation ratio of their covariance."""
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(scores.T, bias=True)))
    return float(values.sum() ** 2 / (values**2).sum()) if values.sum() > 0 else 1.0


def _temper(
    places: Array, observation: Rows, blocks: Sequence[Rows], candidate: tuple[float, float], nugget: float
) -> float:
    """The power of the likelihood at which its curvature tells its spread, with two parameters: nugget and logarithm of
    the range. Of many observations some stand for all."""
    if len(blocks) == 1:
        return 1.0
    step_over = 1 + sum(map(len, blocks)) // _MOST_TEMPERED
    blocks = [block[::step_over] for block in blocks]
    (smoothness, range_m), rows = candidate, np.concatenate(blocks)
    distances = scipy.spatial.distance.cdist(places[rows], places[rows])
    is_same = observation[rows][:, None] == observation[rows]

    def correlation(nugget: float, log_range: float) -> Array:
        model = CorrelationModel(nugget, float(np.exp(log_range)), smoothness)
        return np.where(is_same, 1.0, model.correlation(distances))

    step, at = 0.02, (nugget, np.log(range_m))
    full = correlation(*at)
    slopes = [
        (correlation(nugget + step / 2, at[1]) - correlation(nugget - step / 2, at[1])) / step,
        (correlation(nugget, at[1] + step / 2) - correlation(nugget, at[1] - step / 2)) / step,
    ]
    ends = np.cumsum([len(block) for block in blocks])
    own, weighed = np.zeros_like(full), [np.zeros_like(full) for _ in slopes]
    for start, end in zip([0, *ends[:-1]], ends):
        at_block = slice(start, end), slice(start, end)
        own[at_block] = full[at_block]
        for whole, slope in zip(weighed, slopes):
            inverse = np.linalg.inv(full[at_block])
            whole[at_block] = inverse @ slope[at_block] @ inverse

    def information(correlations: Array) -> Array:
        parts = [each @ correlations for each in weighed]
        return np.array([[0.5 * (one * other.T).sum() for other in parts] for one in parts])

    curvature, spread = information(own), information(full)
    lost = float(np.trace(np.linalg.solve(curvature + 1e-9 * np.eye(2), spread))) / 2
    return min(1.0, 1 / lost) if lost > 0 else 1.0


def _stand_for_all(models: Sequence[CorrelationModel], weights: Array, extent: float) -> tuple[CorrelationModel, ...]:
    """MODELS models that are equally likely, evenly drawn from all in the order of their mean correlation."""
    steps = np.geomspace(1e-3, 1, 40) * extent
    order = np.argsort([model.correlation(steps).mean() for model in models], kind="stable")
    upto = np.cumsum(weights[order]) / weights.sum()
    levels = (np.arange(MODELS) + 0.5) / MODELS
    return tuple(models[order[min(place, len(order) - 1)]] for place in np.searchsorted(upto, levels))


def _classes(
    scores: Array, places: Array, blocks: Sequence[Rows], extent: float
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """Mean distances, correlations and numbers of pairs, in classes of distance up to half the extent."""
    distances, products, squares, count = [], [], 0.0, 0
    for rows in blocks:
        own = scores[rows]
        distances.append(scipy.spatial.distance.pdist(places[rows]))
        upper = np.triu_indices(len(rows), 1)
        products.append((own @ own.T)[upper])
        squares, count = squares + float((own**2).sum()), count + len(rows)
    distance, product = np.concatenate(distances), np.concatenate(products)
    is_near = distance <= extent / 2
    distance, product = distance[is_near], product[is_near]
    if not len(distance) or squares == 0:
        return (), (), ()
    edges = np.quantile(distance, np.linspace(0, 1, _BINS + 1) ** 1.5)  # finer where distances are short
    place = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, _BINS - 1)
    pairs = np.bincount(place, minlength=_BINS)
    filled = pairs > 0
    means = np.bincount(place, distance, _BINS)[filled] / pairs[filled]
    found = np.bincount(place, product, _BINS)[filled] / pairs[filled] * count / squares
    return tuple(means.tolist()), tuple(found.tolist()), tuple(pairs[filled].tolist())
