"""Whether predicted distributions hold: coverage of intervals, of single quantiles, and the PIT histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, coverage_curve, pit, qcp
from soil_cnn_plugin.engine.targets.reported import below_shares

PIT_BINS = 10
NARROWEST = 0.5
"""Nominal coverage of the narrowest interval in the PICP curve; the outermost quantiles enclose the widest, 98 %."""


@dataclass(frozen=True)
class Reliability:
    """Reliability of one method's distributions beside `n` observations, as shares.

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


def reliability(observed: Array, held_out: HeldOut, is_censored: Flags | None = None) -> Reliability | None:
    """Compute reliability; None where the method predicts no distribution, or nothing was observed.

    Where `is_censored`, the observed value lies below, and counts with its probability of lying there.
    """
    quantiles = held_out.quantiles
    if len(observed) == 0 or quantiles.shape != (len(observed), len(QUANTILE_LEVELS)):
        return None
    if not np.isfinite(quantiles).all():
        return None
    measured = _of_measured(observed, held_out.lower, held_out.upper, quantiles)
    if is_censored is None or not is_censored.any():
        return measured
    limits, own = observed[is_censored], quantiles[is_censored]
    censored = _of_censored(limits, held_out.lower[is_censored], held_out.upper[is_censored], own)
    if is_censored.all():
        return censored
    rest = ~is_censored
    measured = _of_measured(observed[rest], held_out.lower[rest], held_out.upper[rest], quantiles[rest])
    return _together(measured, censored)


def _of_measured(observed: Array, lower: Array, upper: Array, quantiles: Array) -> Reliability:
    nominal, inside = coverage_curve(observed, quantiles, QUANTILE_LEVELS)
    shown = nominal > NARROWEST - 1e-9
    # Rounding keeps 0.30000000000000004 in its bin.
    counts, _ = np.histogram(np.round(pit(observed, quantiles, QUANTILE_LEVELS), 9), bins=PIT_BINS, range=(0, 1))
    return Reliability(
        n=len(observed),
        below=float(np.mean(observed < lower)),
        above=float(np.mean(observed > upper)),
        nominal=nominal[shown],
        picp=inside[shown],
        qcp=qcp(observed, quantiles),
        pit=counts / len(observed),
    )


def _of_censored(limits: Array, lower: Array, upper: Array, quantiles: Array) -> Reliability:
    """Expected shares for censored values: the PIT of a value below a limit is uniform up to that of the limit (Czado
    et al. 2009, section 2, 10.1111/j.1541-0420.2009.01191.x)."""
    reached = pit(limits, quantiles, QUANTILE_LEVELS)[:, None]
    qcp_ = np.minimum(QUANTILE_LEVELS / reached, 1.0).mean(axis=0)
    below = np.flatnonzero(QUANTILE_LEVELS < 0.5 - 1e-9)[::-1]
    nominal = 1 - 2 * QUANTILE_LEVELS[below]
    shown = nominal > NARROWEST - 1e-9
    edges = np.linspace(0, 1, PIT_BINS + 1)
    return Reliability(
        n=len(limits),
        below=float(below_shares(limits, quantiles, lower).mean()),
        above=float(1 - below_shares(limits, quantiles, upper).mean()),
        nominal=nominal[shown],
        picp=(qcp_[::-1][below] - qcp_[below])[shown],
        qcp=qcp_,
        pit=np.diff(np.minimum(edges / reached, 1.0), axis=1).mean(axis=0),
    )


def _together(a: Reliability, b: Reliability) -> Reliability:
    """Join the shares of two groups of observations."""
    n = a.n + b.n
    mixed = {
        name: (a.n * getattr(a, name) + b.n * getattr(b, name)) / n for name in ("below", "above", "picp", "qcp", "pit")
    }
    return Reliability(n=n, nominal=a.nominal, **mixed)


def chance_band(n: int, shares: Array) -> tuple[Array, Array]:
    """Limits between which 95 % of the shares of `n` independent observations lie, where `shares` are the true ones."""
    low, high = binom.interval(0.95, n, shares)
    return np.asarray(low / n, dtype=np.float64), np.asarray(high / n, dtype=np.float64)
