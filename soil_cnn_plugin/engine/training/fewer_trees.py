"""How much wider the residuals of held-out rows are because few trees predict them, where a forest of many predicts."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.arrays import Array

_TAILS = (0.05, 0.95)


def narrowing(target: Array, all_trees: tuple[Array, Array], half: tuple[Array, Array], steps: float) -> float:
    """The factor by which z = (target - location) / scale is narrower for a whole forest than for its parts.

    Locations and scales (n,), NaN where missing, are those of parts with all of their trees, and with half of them.
    Fewer trees lie farther from the truth by the variance between them, and their spread is too narrow and scatters:
    all of it widens z as 1 / (trees - 1) does. So the width of the central 90 % of z, measured with half of the trees
    and with all, is drawn out by so many `steps` of the same kind.
    """
    if steps == 0 or all(np.array_equal(one, other, equal_nan=True) for one, other in zip(all_trees, half)):
        return 1.0
    narrow, wide = (_width((target - location) / scale) for location, scale in (all_trees, half))
    return float((narrow / wide) ** steps) if narrow > 0 and wide > 0 else 1.0


def _width(z: Array) -> float:
    known = z[np.isfinite(z)]
    low, high = np.quantile(known, _TAILS) if len(known) else (0.0, 0.0)
    return float(high - low)
