"""Parts of a whole as isometric log-ratios, and back: all predictions give positive parts that sum to the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.arrays import Array

_SHARE_OF_SMALLEST = 0.65
"""Share of the smallest positive value that replaces 0 (Martin-Fernandez et al. 2003, 10.1023/A:1023866030544)."""
_SHARE_OF_MEDIAN = 0.01
"""A value below this share of a part's median counts as this share: what rounding leaves, such as 1e-6 of clay, has a
logarithm that would outweigh all others."""
_NO_SPREAD = 1e-12  # spread of logarithms that rounding leaves where a ratio never changes
_LARGEST_RATIO = 1000.0  # as a logarithm; a computer holds no two numbers with a larger ratio


@dataclass(frozen=True)
class CompositionScale:
    """D parts of `whole` as D - 1 isometric log-ratios (Egozcue et al. 2003, 10.1023/A:1023818214614), standardized by
    `centre` and `spread` (D - 1,). A part below its floor in `floors` (D,) counts as the floor."""

    whole: float
    floors: tuple[float, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (self.whole, *self.floors, *self.centre, *self.spread)
        is_number = all(map(math.isfinite, numbers)) and min((self.whole, *self.floors, *self.spread)) > 0
        is_ratio = max(map(abs, (*self.centre, *self.spread)), default=0) <= _LARGEST_RATIO
        has_parts = len(self.floors) >= 2 and len(self.centre) == len(self.spread) == len(self.floors) - 1
        if not is_number or not is_ratio or not has_parts:
            raise ValueError(f"no scale of a composition: {self}")

    @property
    def columns(self) -> int:
        return len(self.centre)

    def forward(self, parts: Array) -> Array:
        """Parts (n, D) that sum to the whole -> ratios (n, D - 1), standardized; NaN stays NaN."""
        raised = np.maximum(parts, self.floors)
        ratios: Array = np.log(raised) @ _basis(len(self.floors))
        return (ratios - self.centre) / self.spread

    def back(self, ratios: Array) -> Array:
        """Ratios (D - 1, ...) -> parts (D, ...) that sum to the whole."""
        factors, offsets = self.centred()
        logarithms = np.tensordot(factors, ratios, axes=1) + offsets.reshape(-1, *[1] * (ratios.ndim - 1))
        powers = np.exp(logarithms - logarithms.max(axis=0))
        parts: Array = powers / powers.sum(axis=0) * self.whole
        return parts

    def centred(self) -> tuple[Array, Array]:
        """Factors (D, D - 1) and offsets (D,) that turn the standardized columns into the parts' centred log-ratios."""
        basis = _basis(len(self.floors))
        return basis * self.spread, basis @ np.array(self.centre)


def fit_composition(parts: Array) -> CompositionScale:
    """Fit the scale to training observations (n, D), NaN where missing, each summing to one whole."""
    known = parts[np.isfinite(parts).all(axis=1)]
    whole = float(known[0].sum())
    floors = np.array([_floor(part[part > 0], whole, known.shape[1]) for part in known.T])
    unscaled = CompositionScale(
        whole, tuple(floors.tolist()), (0.0,) * (known.shape[1] - 1), (1.0,) * (known.shape[1] - 1)
    )
    ratios = unscaled.forward(known)
    spread = np.where(ratios.std(axis=0) > _NO_SPREAD, ratios.std(axis=0), 1.0)
    return CompositionScale(whole, unscaled.floors, tuple(ratios.mean(axis=0).tolist()), tuple(spread.tolist()))


def aitchison_distances(one: Array, other: Array, scale: CompositionScale) -> Array:
    """Distances (n,) between compositions (n, D): Euclidean distances of their centred log-ratios (Aitchison et al.
    2000, 10.1023/A:1007529726302)."""
    logs = [np.log(np.maximum(parts, scale.floors)) for parts in (one, other)]
    ratios = [each - each.mean(axis=1, keepdims=True) for each in logs]
    distances: Array = np.linalg.norm(ratios[0] - ratios[1], axis=1)
    return distances


def _floor(positive: Array, whole: float, parts: int) -> float:
    if not len(positive):
        return 0.001 * whole
    smallest = max(float(positive.min()), _SHARE_OF_MEDIAN * float(np.median(positive)))
    return min(_SHARE_OF_SMALLEST * smallest, 0.5 * whole / parts)


def _basis(parts: int) -> Array:
    """Basis (D, D - 1) of unit columns at right angles to each other and to 1 (Egozcue et al. 2003, eq. 18)."""
    basis = np.zeros((parts, parts - 1))
    for i in range(1, parts):
        basis[:i, i - 1] = math.sqrt(1 / (i * (i + 1)))
        basis[i, i - 1] = -math.sqrt(i / (i + 1))
    return basis
