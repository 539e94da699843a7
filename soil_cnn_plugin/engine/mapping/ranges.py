"""Whether a map's covariates look like those of the training: other units and other landscapes show in their ranges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.data.covariates import CovariateSummary
from soil_cnn_plugin.engine.report import Report

_SUSPICIOUS_SHARE = 0.5  # of the pixels outside the training range: another unit or scale is likely
_NOTEWORTHY_SHARE = 0.05


class RangeCheck:
    """Counts, block by block, the pixels whose covariate lies outside the training raster's range."""

    def __init__(self, trained: Sequence[CovariateSummary]) -> None:
        self._trained = [(i, summary) for i, summary in enumerate(trained) if summary.quantiles]
        self._outside = np.zeros(len(trained), np.int64)
        self._lowest = np.full(len(trained), np.inf)
        self._highest = np.full(len(trained), -np.inf)
        self._pixels = 0

    def add(self, raw: NDArray[np.float32]) -> None:
        """Take in the covariates (C, h, w) of predicted pixels, NaN elsewhere."""
        for index, summary in self._trained:
            values = raw[index][np.isfinite(raw[index])]
            lowest, highest = np.float32(summary.quantiles[0]), np.float32(summary.quantiles[-1])
            self._outside[index] += np.count_nonzero((values < lowest) | (values > highest))
            self._lowest[index] = min(self._lowest[index], values.min(initial=np.inf))
            self._highest[index] = max(self._highest[index], values.max(initial=-np.inf))
        self._pixels += int(np.isfinite(raw[0]).sum())

    def tell(self, report: Report) -> None:
        """A warning for each covariate that often lies outside what the network has seen."""
        for index, summary in self._trained:
            share = self._outside[index] / max(self._pixels, 1)
            if share < _NOTEWORTHY_SHARE:
                continue
            remedy = (
                "Check that it is the same quantity in the same unit"
                if share > _SUSPICIOUS_SHARE
                else "There the network knows only the end of its range: read the map with care"
            )
            report.warning(
                f"{summary.covariate.name}: {100 * share:.0f} % of the map's pixels lie outside the training range"
                f" ({summary.quantiles[0]:.4g} to {summary.quantiles[-1]:.4g}; here {self._lowest[index]:.4g} to"
                f" {self._highest[index]:.4g}). {remedy}."
            )
