"""Measures the same as benchmarks/areas.py on many more fields: blocks in closed form instead of draws.

    python benchmarks/areas_closed_form.py [--n 50 150 500] [--fields 8] [--ranges 0.1 0.5] [--nuggets 0.3]
        [--smoothness 0.5] [--designs random clustered] [--seed 0] [--draws]

Calibration, correlogram and the choice whether residuals nearby are used are the product's. Errors are normal here, so
that the interval of a block is one of a mixture of normal distributions, one a model, whose variances are sums over
pairs of pixels: exact, written apart from the product, and some ten times faster than its draws. `--draws` also asks
the product, as a check. Lines and table are those of benchmarks/areas.py, whose `--table` joins them.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import areas
from benchmarks.areas import CELL, COVERAGE, SIDE
from soil_cnn_plugin.engine.areas.error_draws import Observed
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.targets.numbers import NumberOutcome

_MOST_SHARED = 0.9
_LEVELS = (np.arange(400) + 0.5) / 400


@lru_cache(maxsize=200)  # of 250 KB each: those of one field, whose blocks ask for them again and again
def _lags(smoothness: float, range_m: float) -> tuple[Array, Array]:
    """Correlations (127, 127) of pixels by rows and columns between them, and their sums up to each lag."""
    apart = CELL * np.arange(1 - SIDE, SIDE)
    falling = CorrelationModel(0.0, range_m, smoothness).continuous(np.hypot(apart[:, None], apart))
    return falling, np.pad(falling.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


class BlockErrors:
    """The errors of one block as scores, beside observations at pixels (n,) of a field."""

    def __init__(self, block: Block, pixels: Rows) -> None:
        self._side, self._pixels = block.height, pixels
        self._rows, self._cols = pixels // SIDE, pixels % SIDE
        self._top, self._left = block.row - self._rows + SIDE - 1, block.col - self._cols + SIDE - 1

    def _parts(self, model: CorrelationModel) -> tuple[float, Array, Array]:
        """Variance of the block's mean error, its correlations (n,) with the observations, and theirs (n, n)."""
        falling, upto = _lags(model.smoothness, model.range_m)
        side, top, left = self._side, self._top, self._left
        near = slice(SIDE - side, SIDE + side - 1)
        pairs = side - np.abs(np.arange(1 - side, side))
        within = float((pairs[:, None] * pairs * falling[near, near]).sum()) / side**4
        corners = upto[top + side, left + side] - upto[top, left + side] - upto[top + side, left] + upto[top, left]
        rows, cols = (each[:, None] - each + SIDE - 1 for each in (self._rows, self._cols))
        free = 1 - model.nugget
        among = free * falling[rows, cols]
        np.fill_diagonal(among, 1.0)
        return free * within + model.nugget / side**2, free * corners / side**2, among

    def around_mean(self, models: tuple[CorrelationModel, ...]) -> tuple[Array, Array]:
        """Means and variances (M,) under each model of errors less their mean at the observations."""
        variances, pixels = [], []
        for model in models:
            within, across, among = self._parts(model)
            shared, to_mean = min(float(among.mean()), _MOST_SHARED), float(across.mean())
            variances.append(model.sill * (within - 2 * to_mean + shared))
            pixels.append(model.sill * max(1 - 2 * to_mean + shared, 1 - _MOST_SHARED))
        return np.zeros(len(models)), np.array(variances) / min(float(np.mean(pixels)), 1.0)

    def given(self, models: tuple[CorrelationModel, ...], scores: Array, noise: float) -> tuple[Array, Array]:
        """Means and variances (M,) under each model of errors given scores (n,), by ordinary kriging."""
        found = []
        for model in models:
            within, across, among = self._parts(model)
            np.fill_diagonal(among, 1 + noise + 1e-6)
            solved = np.linalg.solve(among, np.column_stack([across, np.ones(len(scores))]))
            weights = solved[:, 0] + (1 - solved[:, 0].sum()) / solved[:, 1].sum() * solved[:, 1]
            variance = within - 2 * weights @ across + weights @ among @ weights
            found.append((weights @ scores, model.sill * variance))
        means, variances = np.array(found).T
        return means, variances


def interval(means: Array, variances: Array) -> tuple[float, float]:
    """The central interval of equal parts of normal distributions, by bisection."""
    spread, found = np.sqrt(np.maximum(variances, 1e-12)), []
    for level in ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2):
        low, high = float((means - 9 * spread).min()), float((means + 9 * spread).max())
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if ndtr((middle - means) / spread).mean() < level else (low, middle)
        found.append((low + high) / 2)
    return found[0], found[1]


def summarize(
    outcome: NumberOutcome, errors: ErrorCorrelation, observed: Observed, block: Block
) -> tuple[float, float]:
    """The interval of the mean error of a block."""
    (correlogram,), (noise,) = errors.correlograms, errors.noise
    assert correlogram is not None and observed.scores is not None
    cols, rows = np.rint(observed.places / CELL).astype(np.int64).T
    block_errors = BlockErrors(block, rows * SIDE + cols)
    if noise is None:
        means, variances = block_errors.around_mean(correlogram.models)
    else:
        means, variances = block_errors.given(correlogram.models, observed.scores[:, 0], noise)
    normal, nothing = ndtri(_LEVELS), np.zeros((1, len(_LEVELS)))
    drawn = outcome.draw(nothing, nothing + 1, normal[None])[0]
    slope = float((drawn * normal).mean() / (normal**2).mean())
    low, high = interval(means, variances)
    return float(drawn.mean()) + slope * low, float(drawn.mean()) + slope * high


def _checked(outcome: NumberOutcome, errors: ErrorCorrelation, observed: Observed, block: Block) -> tuple[float, float]:
    """The same, with the product's answer beside it on the error stream."""
    own, drawn = summarize(outcome, errors, observed, block), _BY_DRAWS(outcome, errors, observed, block)
    print(block.height, *(f"{each:.4f}" for each in (*own, *drawn)), file=sys.stderr)
    return own


_BY_DRAWS = areas.summarize

if __name__ == "__main__":
    areas.summarize = _checked if "--draws" in sys.argv else summarize  # type: ignore[assignment]
    areas.main([argument for argument in sys.argv[1:] if argument != "--draws"])
