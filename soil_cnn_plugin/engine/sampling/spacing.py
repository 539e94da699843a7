"""The smallest distance between points: which candidates are still far enough from chosen and existing points."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows


class Spacing:
    """Candidates at `metres` (M, 2) that keep the `least` distance to the points at `legacy` (L, 2)."""

    def __init__(self, metres: Array, least: float, legacy: Array) -> None:
        self._metres, self._least, self._legacy = metres, least, legacy
        self._tree = cKDTree(metres) if least > 0 else None

    def free(self) -> Flags:
        """Return True (M,) where no existing point is too near."""
        found = np.ones(len(self._metres), np.bool_)
        if self._tree is not None and len(self._legacy):
            away, _ = cKDTree(self._legacy).query(self._metres)
            found &= away >= self._least
        return found

    def take(self, row: int) -> Flags:
        """Return True (M,) where the candidate in `row` is not too near; itself is."""
        found = np.ones(len(self._metres), np.bool_)
        found[row] = False
        if self._tree is not None:
            near = np.array(self._tree.query_ball_point(self._metres[row], self._least), np.int64)
            away = np.linalg.norm(self._metres[near] - self._metres[row], axis=1)
            found[near[away < self._least * (1 - 1e-9)]] = False
        return found

    def allows(self, rows: Rows) -> bool:
        """Check whether the candidates in these rows keep their distances."""
        if self._tree is None or len(rows) < 2:
            return True
        away, _ = cKDTree(self._metres[rows]).query(self._metres[rows], k=2)
        return bool(away[:, 1].min() >= self._least * (1 - 1e-9))

    def allows_beside(self, row: int, others: Rows) -> bool:
        """Check whether the candidate keeps its distance to others."""
        if self._tree is None or not len(others):
            return True
        away = np.linalg.norm(self._metres[others] - self._metres[row], axis=1)
        return bool(away.min() >= self._least * (1 - 1e-9))
