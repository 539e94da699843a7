"""Whether predicted distributions hold: coverage of intervals, of single quantiles, and the PIT histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from soil_cnn_plugin.engine.assessment.assessment import QUANTILE_LEVELS, HeldOut
from soil_cnn_plugin.engine.assessment.metrics import coverage_curve, pit, qcp

Array = NDArray[np.float64]

PIT_BINS = 10
NARROWEST = 0.5
"""Nominal coverage of the narrowest interval in the PICP curve; the outermost quantiles enclose the widest, 98 %."""


@dataclass(frozen=True)
class Reliability:
    """Of one method's distributions beside `n` observations, as shares.

    `below` and `above` are the observations outside the prediction interval; `picp` (26,) belongs to the `nominal`
    coverages, `qcp` (99,) to QUANTILE_LEVELS; `pit` (10,) are the observations in equal steps of PIT.
    """

    n: int
    below: float
    above: float
    nominal: Array
    picp: Array
    qcp: Array
    pit: Array


def reliability(observed: Array, held_out: HeldOut) -> Reliability | None:
    """None where the method predicts no distribution, or nothing was observed."""
    quantiles = held_out.quantiles
    if len(observed) == 0 or quantiles.shape != (len(observed), len(QUANTILE_LEVELS)):
        return None
    if not np.isfinite(quantiles).all():
        return None
    nominal, inside = coverage_curve(observed, quantiles, QUANTILE_LEVELS)
    shown = nominal > NARROWEST - 1e-9
    # rounding keeps 0.30000000000000004 in its bin
    counts, _ = np.histogram(np.round(pit(observed, quantiles, QUANTILE_LEVELS), 9), bins=PIT_BINS, range=(0, 1))
    return Reliability(
        n=len(observed),
        below=float(np.mean(observed < held_out.lower)),
        above=float(np.mean(observed > held_out.upper)),
        nominal=nominal[shown],
        picp=inside[shown],
        qcp=qcp(observed, quantiles),
        pit=counts / len(observed),
    )


def chance_band(n: int, shares: Array) -> tuple[Array, Array]:
    """Between which 95 % of the shares of `n` independent observations lie, where `shares` are the true ones."""
    low, high = binom.interval(0.95, n, shares)
    return np.asarray(low / n, dtype=np.float64), np.asarray(high / n, dtype=np.float64)
