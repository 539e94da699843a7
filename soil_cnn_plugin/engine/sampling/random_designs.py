"""Random designs with strata: how many points each stratum gets, and which places are drawn."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.sampling.candidates import Candidates

FEWEST_POINTS = 2


def draw_simple(candidates: Candidates, count: int, seed: int) -> tuple[Rows, Array]:
    """Return the rows of `count` candidates drawn without replacement, in the order drawn, and the inclusion
    probability (count,) of each."""
    check_enough(candidates, count)
    rows = np.random.default_rng([seed, 2]).choice(len(candidates), count, replace=False)
    return rows, np.full(count, candidates.chance * count / len(candidates))


def draw_stratified(candidates: Candidates, count: int, seed: int) -> tuple[Rows, Array]:
    """Return the rows of `count` candidates drawn at random in their strata, and the inclusion probability of each.

    Raises:
        EngineError: a stratum has fewer than two pixels, or would get fewer than two points.
    """
    check_enough(candidates, count)
    listed = np.bincount(candidates.stratum, minlength=len(candidates.strata))
    check_strata(candidates, listed, count)
    costs = np.bincount(candidates.stratum, candidates.cost, len(candidates.strata)) / np.maximum(1, listed)
    shares = allocate(candidates.stratum_hectares / np.sqrt(costs), count, listed)
    rng, rows, chances = np.random.default_rng([seed, 2]), [], []
    for number, share in enumerate(shares.tolist()):
        own = np.flatnonzero(candidates.stratum == number)
        rows.append(rng.choice(own, share, replace=False))
        chance = _chance_on_lattice(candidates) * share / candidates.stratum_listed[number]
        chances.append(np.full(share, chance))
    order = rng.permutation(count)
    return np.concatenate(rows)[order], np.concatenate(chances)[order]


def _chance_on_lattice(candidates: Candidates) -> float:
    return 1 / candidates.lattice.step**2 if candidates.lattice else 1.0


def allocate(sizes: Array, count: int, most: Rows) -> Rows:
    """Share `count` points out in proportion to `sizes` (H,), with two at least and `most` (H,) at most in each.

    With sizes divided by the root of the mean cost this is the best allocation for equal variances (Cochran 1977,
    eq. 5.23). Rounding follows the largest remainders.
    """
    shares = np.full(len(sizes), FEWEST_POINTS, np.int64)
    wanted = count * sizes / sizes.sum()
    for _ in range(count - int(shares.sum())):
        lag = np.where(shares < most, wanted - shares, -np.inf)
        shares[int(np.argmax(lag))] += 1
    return shares


def check_strata(candidates: Candidates, listed: Rows, count: int) -> None:
    """Raise EngineError when a stratum has too few pixels, or there are too few points for two in each."""
    names, few = candidates.strata, np.flatnonzero(listed < FEWEST_POINTS)
    if len(few):
        spaced = tr(" that keep the smallest spacing") if candidates.lattice else ""
        told = ", ".join(f"{names[each]} ({listed[each]})" for each in few[:10].tolist())
        remedy = tr("lower MIN_SPACING, ") if candidates.lattice else ""
        raise EngineError(
            tr(
                "{} of {} strata have fewer than two pixels{}: {}. One point tells nothing of the spread within"
                " its stratum: {}merge such strata with others, or exclude them from the area."
            ).format(len(few), len(names), spaced, told, remedy)
        )
    if count < FEWEST_POINTS * len(names):
        raise EngineError(
            tr(
                "{} points in {} strata are fewer than two in each, and one point tells nothing of the spread"
                " within its stratum. Ask for at least {} points, or merge strata to at most {}."
            ).format(count, len(names), FEWEST_POINTS * len(names), count // FEWEST_POINTS)
        )


def check_enough(candidates: Candidates, count: int, is_free: Flags | None = None) -> None:
    """Raise EngineError when more points are asked for than there are places."""
    able = len(candidates) if is_free is None else int(is_free.sum())
    if count <= able:
        return
    counts = candidates.counts
    why = f"{counts.in_words()}."
    if candidates.lattice:
        why += tr(" {} of them lie on a lattice of every {}th pixel, which keeps the smallest spacing.").format(
            counts.on_lattice, candidates.lattice.step
        )
    if is_free is not None and able < len(candidates):
        why += tr(" {} of them hold no existing point and are far enough from all of these.").format(able)
    raise EngineError(
        tr(
            "{} points are asked for, but there are only {} pixels to choose from: {} Ask for fewer points,"
            " enlarge the area, lower MIN_SPACING, or choose a raster with smaller pixels."
        ).format(count, able, why)
    )
