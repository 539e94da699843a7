"""Which observations are held out together: random, spatial blocks, groups, or matched to the map (kNNDM)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.knndm import match_distances
from soil_cnn_plugin.engine.assessment.nearness import Nearness
from soil_cnn_plugin.engine.assessment.significance import p_words
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import metres_in_words

FOLD_KINDS = ("random", "spatial_blocks", "groups", "knndm")
BLOCKS_A_FOLD = 5
_SEEDS_APART = 1_000_003  # between repeats; members of ensembles draw inner folds with seeds near each other
FINEST_BLOCK, FINEST_INNER_BLOCK = 1 / 50, 1 / 2000
"""Side of the smallest block that is tried, as a share of the longer side of the observations' extent. What lies closer
is one cluster; cutting it would hold out neighbours under the name of spatial folds."""


@dataclass(frozen=True)
class Folds:
    """Folds: `fold` (N,) counts from 0 to `count` - 1; `block_size` is the side of blocks in metres."""

    fold: Rows
    count: int
    kind: str
    block_size: float | None
    sentence: str
    is_random: bool = False  # whether kNNDM came to random folds
    nearness: Nearness | None = None  # where the map's pixels are known


@dataclass(frozen=True)
class PlacedTargets:
    """N observations to deal to folds.

    `coordinates` (N, 2) are x, y in metres, so that blocks are square on the ground. `sites` (N,): observations with
    one number stay together. Folds are also balanced in whatever else is given: `targets` (N, T), NaN where missing,
    and `classes`: for each target that has classes, their numbers (N,) from 0, or below 0 where none is known. `fields`
    names the targets.
    """

    coordinates: Array
    sites: Rows
    targets: Array | None = None
    classes: tuple[Rows, ...] = ()
    fields: tuple[str, ...] = ()

    def take(self, rows: Rows) -> PlacedTargets:
        """The same for some of the observations."""
        targets = None if self.targets is None else self.targets[rows]
        classes = tuple(numbers[rows] for numbers in self.classes)
        return PlacedTargets(self.coordinates[rows], self.sites[rows], targets, classes, self.fields)


def make_folds(
    kind: str,
    placed: PlacedTargets,
    count: int,
    seed: int,
    *,
    domain: Array | None = None,
    inner: bool = False,
    repeat: int = 0,
) -> Folds:
    """Deal observations to folds; those of one site are never torn apart.

    Args:
        kind: one of FOLD_KINDS.
        domain: (M, 2) points of the map, for `knndm`.
        repeat: number of the repeat from 0; each draws other folds of the same kind, as far as there are any.
        inner: folds within the training part of another fold: accept fewer folds or finer blocks instead of an error.

    Raises:
        EngineError: the observations cannot be held out in this way.
    """
    sites = _number(placed.sites)
    seed += _SEEDS_APART * repeat
    if kind == "knndm":
        if domain is None:
            raise EngineError(tr("Folds matched to the map (knndm) need points of the map. Choose a domain."))
        folds = knndm_folds(placed, domain, count, seed, repeat)
    else:
        count = _check_sites(kind, sites, min(count, int(sites.max(initial=0)) + 1) if inner else count)
        folds = _dealt(kind, placed, sites, count, seed, FINEST_INNER_BLOCK if inner else FINEST_BLOCK)
    _check_targets(folds.fold, placed)
    if not inner:
        _check_training(folds.fold, sites)
    return folds


def _dealt(kind: str, placed: PlacedTargets, sites: Rows, count: int, seed: int, finest: float) -> Folds:
    """Deal sites, or square blocks of them, to folds in random order."""
    rng = np.random.default_rng(seed)
    amounts = _amounts(placed)
    units, block_size = sites, None
    if kind == "spatial_blocks":
        blocks, block_size = _choose_blocks(_centroids(placed.coordinates, sites), sites, count, rng, finest)
        units = blocks[sites]
    fold = _deal(units, amounts, count, rng)[units]
    found = int(units.max()) + 1
    how = {
        "random": tr("random folds of {} sites: a neighbour of a held-out observation may be trained on").format(found),
        "groups": tr("folds of whole groups: {} groups are dealt to folds, and none is torn apart").format(found),
        "spatial_blocks": tr(
            "folds of square blocks of {} ({} hold observations): all observations in a block are held out together"
        ).format(metres_in_words(block_size or 0), found),
    }
    return Folds(fold, count, kind, block_size, f"{count} {how[kind]}. {_sizes_in_words(fold, sites, count)}")


def knndm_folds(placed: PlacedTargets, domain: Array, count: int, seed: int, repeat: int = 0) -> Folds:
    """Folds whose held-out observations lie as far from the training ones as the map, points (M, 2), lies from all.

    This is nearest neighbour distance matching, Linnenbrink et al. 2024 (GMD 17:5897): random folds where the
    observations are not more clustered than the map, else clusters of observations. Folds are fewer than `count` where
    more would tear sites apart, or clusters far from each other. Repeats deal clusters in random order, and match anew.
    """
    sites, asked = _number(placed.sites), count
    count = _check_sites("knndm", sites, min(count, int(sites.max(initial=0)) + 1))
    centroids = _centroids(placed.coordinates, sites)
    match = match_distances(placed.coordinates, domain, sites, centroids, count, seed if repeat else None)
    if match.fold is None:
        fold = _deal(sites, _amounts(placed), count, np.random.default_rng(seed))[sites]
        how = tr(
            "{} random folds, because the observations are not more clustered than the map (one-sided"
            " Kolmogorov-Smirnov test of nearest neighbour distances, {})"
        ).format(count, p_words(match.p))
        if count < asked:
            how += tr("; {} folds would tear groups apart").format(asked)
    else:
        fold = match.fold
        how = tr(
            "{} folds of {} clusters, chosen so that held-out observations lie as far from those trained on"
            " as the map lies from the observations (distances differ by {} on average)"
        ).format(match.count, match.clusters, metres_in_words(match.difference))
        if match.count < asked:
            how += tr("; {} folds would tear clusters apart").format(asked)
    sentence = f"{how}. {_sizes_in_words(fold, sites, match.count)}"
    return Folds(fold, match.count, "knndm", None, sentence, match.fold is None)


def overlap_share(
    coordinates: Array,
    fold: Rows,
    patch_size: int,
    cell_size: tuple[float, float],
    origin: tuple[float, float] = (0.0, 0.0),
) -> float:
    """Percent of observations whose patch shares a pixel with the patch of an observation of another fold.

    `cell_size` is (dx, dy), positive; `origin` the upper left corner (west, north) of the grid.
    """
    pixels = np.floor((coordinates - origin) / cell_size * (1, -1))  # rows count southwards
    overlapping = 0
    for held_out in (fold == number for number in np.unique(fold)):
        if not held_out.all():
            nearest, _ = scipy.spatial.cKDTree(pixels[~held_out]).query(pixels[held_out], p=np.inf)
            overlapping += int((nearest < patch_size).sum())
    return 100.0 * overlapping / max(len(fold), 1)


def _number(sites: Rows) -> Rows:
    """The same sites, counted from 0 without gaps."""
    return np.unique(sites, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _check_sites(kind: str, sites: Rows, count: int) -> int:
    found = int(sites.max(initial=-1)) + 1
    if kind not in FOLD_KINDS:
        raise EngineError(
            tr("There are no folds of the kind {!r}. Choose one of: {}.").format(kind, ", ".join(FOLD_KINDS))
        )
    if found < 2:
        raise EngineError(
            tr(
                "All {} observations belong to one group or lie at one place, so none can be held out without"
                " all of them. Choose another group field, or none, and check the coordinates."
            ).format(len(sites))
        )
    if found < count:
        raise EngineError(
            tr(
                "The {} observations belong to {} groups or sites, too few for {} folds: a site is never torn"
                " apart. Ask for at most {} folds, or choose another group field."
            ).format(len(sites), found, count, found)
        )
    return max(count, 2)


def _check_training(fold: Rows, sites: Rows) -> None:
    """Raise EngineError where a fold leaves one site to train on, of which inner folds cannot hold out a part."""
    pairs = np.unique(np.stack([fold, sites]), axis=1)[0]
    for number, found in enumerate(np.bincount(pairs)):
        if len(pairs) - found < 2:
            told = tr(
                "While fold {} is held out, all {} observations that are left to train on belong to one group or lie at"
                " one place."
            ).format(number + 1, int((fold != number).sum()))
            remedy = tr("Ask for more folds, or choose another group field, and check the coordinates.")
            if len(pairs) == 2:  # more folds than sites would tear a site apart
                remedy = tr("Choose another group field, or none, and check the coordinates.")
            raise EngineError(f"{told} {remedy}")


def _check_targets(fold: Rows, placed: PlacedTargets) -> None:
    """Raise EngineError unless each target has values in two folds, or a network would be trained without any."""
    for column, values in enumerate(() if placed.targets is None else placed.targets.T):
        rows = np.isfinite(values)
        if len(np.unique(fold[rows])) < 2:
            name = repr(placed.fields[column]) if column < len(placed.fields) else tr("number {}").format(column + 1)
            raise EngineError(
                tr(
                    "All {} values of target {} fall into one fold, so none are left to train on. Leave this"
                    " target out, or choose other folds."
                ).format(rows.sum(), name)
            )


def _amounts(placed: PlacedTargets) -> Rows:
    """Amounts (N, 1 + T + K): 1 for each observation, for each of its targets that has a value, and for its classes."""
    amounts = [np.ones((len(placed.sites), 1), dtype=np.int64)]
    if placed.targets is not None:
        amounts.append(np.isfinite(placed.targets).astype(np.int64))
    amounts += [(numbers[:, None] == np.arange(numbers.max() + 1)).astype(np.int64) for numbers in placed.classes]
    return np.hstack(amounts)


def _centroids(coordinates: Array, sites: Rows) -> Array:
    """Mean coordinates of each site's observations, (number of sites, 2)."""
    amount = np.bincount(sites)
    return np.column_stack([np.bincount(sites, coordinates[:, axis]) / amount for axis in (0, 1)])


def _deal(units: Rows, amounts: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Deal units, shuffled, the largest first, each to the fold that has least of what it brings; the fold of each."""
    weights = np.zeros((units.max() + 1, amounts.shape[1]))
    np.add.at(weights, units, amounts)
    order = rng.permutation(len(weights))
    order = order[np.argsort(-weights[order, 0], kind="stable")]
    scale = 1 / np.maximum(weights.sum(axis=0), 1) ** 2
    load = np.zeros((count, weights.shape[1]))
    fold = np.empty(len(weights), dtype=np.int64)
    for unit in order:
        fold[unit] = np.argmin(load @ (weights[unit] * scale))
        load[fold[unit]] += weights[unit]
    return fold


def _choose_blocks(
    centroids: Array, sites: Rows, count: int, rng: np.random.Generator, finest: float
) -> tuple[Rows, float]:
    """Choose the block of each site, and the blocks' side.

    The side is the largest (two significant digits) with which at least 5 blocks a fold hold sites, and no block holds
    one and a half times a fold's share of the observations. Where no side does, the limit on the share is given up
    first, then one block a fold at a time. The grid's origin is random.
    """
    shift = rng.random(2)
    south_west = centroids.min(axis=0)
    extent = float(np.ptp(centroids, axis=0).max())
    sides = dict.fromkeys(float(f"{side:.2g}") for side in np.geomspace(extent, extent * finest, 80) if side > 0)
    candidates = []
    for side in sides:
        cells = np.floor((centroids - south_west) / side + shift).astype(np.int64)
        blocks = _number(cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1])
        candidates.append((side, blocks, int(blocks.max()) + 1, np.bincount(blocks[sites]).max()))
    limit = 1.5 * len(sites) / count
    for wanted, most in ((BLOCKS_A_FOLD, limit), *((wanted, np.inf) for wanted in range(BLOCKS_A_FOLD, 0, -1))):
        for side, blocks, found, largest in candidates:
            if found >= wanted * count and largest <= most:
                return blocks, side
    found = max((candidate[2] for candidate in candidates), default=1)
    raise EngineError(
        tr_n(
            "The observations lie in {} cluster: even blocks of {} leave only {} with observations, too few for"
            " {} spatial folds. Ask for fewer folds, or hold out observations at random or by groups.",
            "The observations lie in {} clusters: even blocks of {} leave only {} with observations, too few for"
            " {} spatial folds. Ask for fewer folds, or hold out observations at random or by groups.",
            found,
        ).format(found, metres_in_words(extent * finest), found, count)
    )


def _sizes_in_words(fold: Rows, sites: Rows, count: int) -> str:
    sizes = np.bincount(fold, minlength=count)
    size = f"{sizes.min()}" if sizes.min() == sizes.max() else tr("{} to {}").format(sizes.min(), sizes.max())
    total, places = len(fold), int(sites.max()) + 1
    together = "" if places == total else tr(" Observations of one site stay together ({} sites).").format(places)
    return tr("{} of {} observations are held out at a time.{}").format(size, total, together)


INNER_FOLDS = 5
