"""Values far from the others, on the scale on which they are more symmetric; they are named, never dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.checks.findings import Finding, brief, examples
from soil_cnn_plugin.engine.checks.measured import Measured
from soil_cnn_plugin.engine.observations.target_values import find_wild

FENCE = 3.0
"""A value is an outlier beyond this many times the distance from the median to the outermost tenth on its side. In a
normal distribution one value in ten thousand is one; a skewed distribution has a longer fence on its longer side."""
FEWEST_VALUES = 20
"""Fewest values that tell how far the others reach."""


@dataclass(frozen=True)
class Fence:
    """The limits where outliers begin, in the values' own unit; with `is_log` they are symmetric in logarithms."""

    median: float
    low: float
    high: float
    is_log: bool


def fence(values: Array, is_bounded: bool = False) -> Fence | None:
    """Return the fence of values (N,), NaN where missing; None where there are too few, or nearly all are one value.

    The scale is the one on which the quantiles 0.1 and 0.9 lie more evenly around the median; bounded values, such as
    percentages and pH, keep their own. Zeros, which have no logarithm, are left out on the scale of logarithms.
    """
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    if len(known) < FEWEST_VALUES:
        return None
    may_be_log = not is_bounded and known.min() >= 0 and len(positive) >= FEWEST_VALUES
    is_log = bool(may_be_log) and _asymmetry(np.log(positive)) < _asymmetry(known)
    scaled = np.log(positive) if is_log else known
    lowest, median, highest = (float(value) for value in np.quantile(scaled, (0.1, 0.5, 0.9)))
    below, above = median - lowest, highest - median
    if below + above == 0:
        return None
    shorter = 0.25 * (below + above)  # one side may be a heap of equal values, zeros for example
    low, high = median - FENCE * max(below, shorter), median + FENCE * max(above, shorter)
    if is_log:
        median, low, high = (float(np.exp(value)) for value in (median, low, high))
    elif known.min() >= 0:
        low = max(low, 0.0)
    return Fence(median, low, high, is_log)


def _asymmetry(values: Array) -> float:
    lowest, median, highest = np.quantile(values, (0.1, 0.5, 0.9))
    if lowest == highest:
        return 0.0
    return float(abs(highest + lowest - 2 * median) / (highest - lowest))


def spread(values: Array) -> tuple[float, bool]:
    """Return how far the middle 80 % of the values reach on the scale of `fence`, and whether that is logarithmic.

    The spread is NaN where it cannot be told.
    """
    found = fence(values)
    if found is None:
        return float("nan"), False
    known = values[np.isfinite(values)]
    low, high = np.quantile(np.log(known[known > 0]) if found.is_log else known, (0.1, 0.9))
    return float(high - low), found.is_log


def check_outliers(measured: Measured, usable: Flags, is_bounded: bool) -> tuple[Flags, list[Finding]]:
    """Return True where a usable value is far from all others, and findings; outliers stay usable."""
    values = np.where(usable, measured.values, np.nan)
    wild = find_wild(values)
    found = _far_values(measured, wild) if wild.any() else []
    tame = np.where(wild | measured.is_below, np.nan, values)
    limits = fence(tame, is_bounded)
    if limits is not None:
        margin = 1e-9 * max(abs(limits.low), abs(limits.high))
        out = ((tame < limits.low - margin) & (tame != 0)) | (tame > limits.high + margin)
        if out.any():
            found.append(_outliers(measured, out, limits, int(np.isfinite(tame).sum())))
    return wild, found


def _far_values(measured: Measured, wild: Flags) -> list[Finding]:
    values, field = measured.values, measured.field
    rows = np.flatnonzero(wild)
    others = values[np.isfinite(values) & ~wild & (np.abs(values) < 1e19)]
    low, high = np.quantile(others, (0.25, 0.75))
    sentence = tr(
        "{} is far from all others at {} of {} observations ({}; half of the values lie between {:g} and {:g})."
    ).format(field, len(rows), len(values), examples(values[rows]), low, high)
    remedy = tr(
        "Compare with the laboratory's sheet: a slipped comma, another unit, or a code for missing values?"
        " Correct it. If such values stay, they distort network and map."
    )
    texts = [tr("{} is {:g}, far from all other values.").format(field, value) for value in values[rows].tolist()]
    return [Finding("far_value", field, sentence, remedy, rows, texts, [f"{each:g}" for each in values[rows].tolist()])]


def _outliers(measured: Measured, out: Flags, limits: Fence, count: int) -> Finding:
    values, field = measured.values, measured.field
    rows = np.flatnonzero(out)
    order = np.argsort(-np.abs(values[rows] - limits.median), kind="stable")
    scale = tr(" on the scale of logarithms") if limits.is_log else ""
    usual = tr("{} to {}").format(brief(limits.low), brief(limits.high))
    sentence = tr_n(
        "{} of {} values of {} is an outlier{}: {}. Usual would be {}.",
        "{} of {} values of {} are outliers{}: {}. Usual would be {}.",
        len(rows),
    ).format(len(rows), count, field, scale, examples(values[rows][order]), usual)
    texts = [
        tr("{} is {:g}, an outlier{}: usual would be {} around the median {}.").format(
            field, value, scale, usual, brief(limits.median)
        )
        for value in values[rows].tolist()
    ]
    remedy = tr(
        "Compare with the field book and the laboratory's sheet. Keep what is right: an outlier may be the soil."
    )
    return Finding("outlier", field, sentence, remedy, rows, texts, [f"{each:g}" for each in values[rows].tolist()])
