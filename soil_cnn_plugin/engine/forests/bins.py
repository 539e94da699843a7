"""Features as small whole numbers: bins in which observations lie, so that trees grow by counting, not by sorting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array, Flags, Singles

MOST_BINS = 1024
"""The most bins of a feature; 4096 at most. Up to so many distinct values have a bin each: splits are then exact."""
_ROUNDING = 2.0**-20
"""Values nearer to each other than this, as a share of the largest, lie in one bin: means over windows are added up in
float32, and another order of adding would change them as much."""
_ROWS_FOR_BINS = 2**18  # from which bins are learned; of more observations every second, third, ...


@dataclass(frozen=True)
class Binned:
    """Features (N, F) in bins: `codes` (F, N), and the lowest and the highest value of each bin, (F, bins) each.

    No bin lies between the values of another; those of a feature are numbered from 0 in the order of their values.
    """

    codes: NDArray[np.uint16]
    lowest: Singles
    highest: Singles


def bin_features(features: Singles, threads: int) -> Binned:
    """Put each feature of rows (N, F), finite, into bins."""
    rows, count = features.shape
    width = min(rows, MOST_BINS)
    binned = Binned(
        np.empty((count, rows), np.uint16), np.zeros((count, width), np.float32), np.zeros((count, width), np.float32)
    )

    def put(feature: int) -> None:
        column = np.ascontiguousarray(features[:, feature])
        starts = _starts_of_bins(column[:: -(-rows // _ROWS_FOR_BINS)])
        codes = np.searchsorted(starts[1:], column, side="right")
        lowest, highest = np.full(len(starts), np.inf, np.float32), np.full(len(starts), -np.inf, np.float32)
        np.minimum.at(lowest, codes, column)
        np.maximum.at(highest, codes, column)
        binned.codes[feature] = codes
        binned.lowest[feature, : len(starts)], binned.highest[feature, : len(starts)] = lowest, highest

    _in_threads(put, range(count), threads)
    return binned


def _starts_of_bins(values: Singles) -> Singles:
    """The lowest value of each bin. Half of the bins follow the observations and half the distinct values, so that one
    frequent value takes no bins from the others."""
    distinct: Singles
    distinct, counts = np.unique(values, return_counts=True)
    apart = _are_apart(distinct.astype(np.float64), _ROUNDING * float(np.abs(distinct).max()))
    counts = np.add.reduceat(counts, np.flatnonzero(apart))
    distinct = distinct[apart]
    if len(distinct) <= MOST_BINS:
        return distinct
    share = (counts / counts.sum() + 1 / len(distinct)) / 2
    bins = np.floor((np.cumsum(share) - share / 2) * MOST_BINS)
    starts: Singles = distinct[np.flatnonzero(np.diff(bins, prepend=-1))]
    return starts


def _are_apart(distinct: Array, near: float) -> Flags:
    """Which of distinct values (n,), ascending, begin a bin: those not `near` the one before. Of many observations,
    each may be near the next, all the way from one end to the other: then every `near` begins another."""
    apart = np.diff(distinct, prepend=-np.inf) > near
    first = distinct[np.maximum.accumulate(np.where(apart, np.arange(len(distinct)), 0))]
    steps = np.floor((distinct - first) / (near or 1.0))
    begins: Flags = apart | (np.diff(steps, prepend=0.0) != 0)
    return begins


def _in_threads(function: Callable[[int], None], items: Iterable[int], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(function, items):
            pass
