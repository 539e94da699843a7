"""Whether a map's covariates look like those of the training: other units, other landscapes and other classes show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.data.covariates import CovariateSummary
from soil_cnn_plugin.engine.report import Report

_SUSPICIOUS_SHARE = 0.5  # of the pixels outside the training range: another unit or scale is likely
_NOTEWORTHY_SHARE = 0.05
_CODES_IN_WORDS = 8


class RangeCheck:
    """Counts, block by block, the pixels whose covariate lies outside the training raster's range or classes.

    `names` are of the class codes of the map's rasters, a covariate each, empty where a raster tells none.
    """

    def __init__(self, trained: Sequence[CovariateSummary], names: Sequence[Mapping[int, str]] | None = None) -> None:
        self._trained = tuple(trained)
        self._names = [{}] * len(trained) if names is None else names
        self._outside = np.zeros(len(trained), np.int64)
        self._lowest = np.full(len(trained), np.inf)
        self._highest = np.full(len(trained), -np.inf)
        self._unknown: list[Counter[int]] = [Counter() for _ in trained]
        self._pixels = 0

    def add(self, raw: NDArray[np.float32]) -> None:
        """Take in the covariates (C, h, w) of pixels where all have data, NaN elsewhere."""
        for index, summary in enumerate(self._trained):
            values = raw[index][np.isfinite(raw[index])]
            if summary.categories:
                codes = values.astype(np.int64)
                codes, counts = np.unique(codes[~np.isin(codes, summary.categories)], return_counts=True)
                self._unknown[index].update(dict(zip(codes.tolist(), counts.tolist())))
                continue
            lowest, highest = np.float32(summary.quantiles[0]), np.float32(summary.quantiles[-1])
            self._outside[index] += np.count_nonzero((values < lowest) | (values > highest))
            self._lowest[index] = min(self._lowest[index], values.min(initial=np.inf))
            self._highest[index] = max(self._highest[index], values.max(initial=-np.inf))
        self._pixels += int(np.isfinite(raw[0]).sum())

    def tell(self, report: Report) -> None:
        """A warning for each covariate that often lies outside what the network has seen."""
        for index, summary in enumerate(self._trained):
            if summary.categories:
                self._tell_unknown_codes(index, report)
                self._tell_other_names(index, report)
            else:
                self._tell_range(index, report)

    def _tell_range(self, index: int, report: Report) -> None:
        summary, share = self._trained[index], self._outside[index] / max(self._pixels, 1)
        if share < _NOTEWORTHY_SHARE:
            return
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

    def _tell_unknown_codes(self, index: int, report: Report) -> None:
        unknown, names = self._unknown[index], self._names[index]
        if not unknown:
            return
        count = unknown.total()
        codes = [
            f"{code}{f' ({names[code]})' if code in names else ''} at {pixels}"
            for code, pixels in unknown.most_common(_CODES_IN_WORDS)
        ]
        more = len(unknown) - len(codes)
        report.warning(
            f"{self._trained[index].covariate.name}: {count} pixels, {100 * count / max(self._pixels, 1):.3g} % of"
            " those with data, have class codes that the training raster does not have, and count as missing: code"
            f" {', '.join(codes)}{f' and {more} more codes' if more else ''}. Nothing is predicted there. Reclassify"
            " them to codes of the training, or train with a raster that has them."
        )

    def _tell_other_names(self, index: int, report: Report) -> None:
        summary, names = self._trained[index], self._names[index]
        other = [
            f"{code} was {label!r} and is {names[code]!r}"
            for code, label in zip(summary.categories, summary.labels)
            if label != str(code) and names.get(code, label).casefold() != label.casefold()
        ]
        if other:
            report.warning(
                f"{summary.covariate.name}: {len(other)} class codes have other names than in training (code"
                f" {', '.join(other[:_CODES_IN_WORDS])}). The network knows codes only: if a code means another class"
                " here, reclassify the raster to the codes of the training."
            )
