"""Candidates in memory, as a frame of square pixels would give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from soil_cnn_plugin.engine.sampling.candidates import Candidates
from soil_cnn_plugin.engine.sampling.frame import Counts


def candidates_of(height: int, width: int, cell: float = 10.0, stratum: Any = None, values: Any = None) -> Candidates:
    """All pixels of a grid; `stratum` (height * width,) counts from 0, `values` (height * width, C) are covariates."""
    rows, cols = np.divmod(np.arange(height * width), width)
    xy = np.column_stack([(cols + 0.5) * cell, -(rows + 0.5) * cell])
    codes = np.zeros(len(rows), np.int64) if stratum is None else np.asarray(stratum, np.int64)
    sizes = np.bincount(codes)
    own = np.zeros((len(rows), 0), np.float32) if values is None else np.asarray(values, np.float32)
    counts = Counts(len(rows), 0, 0, 0, 0, 0, len(rows), len(rows))
    names = tuple(f"s{number}" for number in range(len(sizes)))
    hectares = sizes * cell**2 / 10_000
    return Candidates(
        rows, cols, xy, xy, own, np.ones(len(rows)), codes, names, sizes, sizes, hectares, counts, lattice=None
    )
