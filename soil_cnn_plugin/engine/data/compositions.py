"""Parts of a whole, such as sand, silt and clay: checked, and closed so that they sum to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.errors import EngineError

Floats = NDArray[np.float64]

_WHOLES = (1.0, 100.0, 1000.0)
_FARTHEST = 0.3  # of the median sum from the nearest whole, as a share of it


def whole_of(values: Floats, parts: Sequence[str], layer: str) -> float:
    """What parts (N, D), NaN where missing, sum to: 1, 100 or 1000.

    Raises:
        EngineError: some are negative, or most sums are far from each of these.
    """
    if (values < 0).any():
        negative = [f"{part} {(column < 0).sum()}" for part, column in zip(parts, values.T) if (column < 0).any()]
        raise EngineError(
            f"Parts of a composition of '{layer}' are negative: {', '.join(negative)} values. Correct them, or leave"
            " them empty where nothing was measured."
        )
    sums = values.sum(axis=1)
    sums = sums[np.isfinite(sums) & (sums > 0)]
    if not len(sums):
        raise EngineError(
            f"No observation of '{layer}' has values of all parts of the composition: {', '.join(parts)}. Choose fields"
            " that were measured together."
        )
    middle = float(np.median(sums))
    whole = min(_WHOLES, key=lambda each: abs(np.log(middle / each)))
    if abs(middle / whole - 1) > _FARTHEST:
        raise EngineError(
            f"The parts {', '.join(parts)} of '{layer}' sum to {middle:g} in the middle (from {sums.min():g} to"
            f" {sums.max():g}), which is far from 1, 100 or 1000. Is a part missing, or a unit different?"
        )
    return whole


def close_composition(values: Floats, parts: Sequence[str], layer: str, notes: list[str]) -> Floats:
    """Parts (N, D) that sum to the whole; NaN in all of an observation's parts when one is missing."""
    whole = whole_of(values, parts, layer)
    is_known = np.isfinite(values)
    is_complete = is_known.all(axis=1)
    is_torn = is_known.any(axis=1) & ~is_complete
    names = ", ".join(parts)
    if is_torn.any():
        notes.append(
            f"{is_torn.sum()} observations lack some of the parts {names}; all their parts are left out there."
        )
    sums = values.sum(axis=1)
    is_empty = is_complete & (sums == 0)
    if is_empty.any():
        notes.append(f"{is_empty.sum()} observations have 0 in all parts {names}; they are left out.")
    known = is_complete & ~is_empty
    shares = sums[known] / whole
    off = np.abs(shares - 1)
    if (off > 0.01).any():
        notes.append(
            f"The parts {names} sum to {whole:g} within 1 % at {(off <= 0.01).sum()} of {len(off)} observations, within"
            f" 5 % at {(off <= 0.05).sum()}; sums go from {sums[known].min():g} to {sums[known].max():g}. All are"
            f" rescaled to {whole:g}. Check the {(off > 0.05).sum()} that are farther off."
        )
    zeros = dict(zip(parts, (values[known] == 0).sum(axis=0).tolist()))
    if any(zeros.values()):
        words = ", ".join(f"{part} {count}" for part, count in zeros.items() if count)
        notes.append(f"Parts that are 0, which count as very small: {words} observations.")
    closed = np.full_like(values, np.nan)
    closed[known] = values[known] / sums[known, None] * whole
    return closed
