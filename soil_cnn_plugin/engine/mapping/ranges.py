"""The check that a map's covariates look like those of the training. It shows other units, landscapes and classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.report import Report

_SUSPICIOUS_SHARE = 0.5  # of the pixels outside the training range make another unit or scale likely
_NOTEWORTHY_SHARE = 0.05
_CODES_IN_WORDS = 8


@dataclass(frozen=True)
class Seen:
    """What some `pixels` showed. For each covariate (C,), `outside` counts the pixels outside the training raster's
    range, and `lowest` and `highest` are the extreme values; `unknown` counts the pixels of each class code that is not
    known."""

    pixels: int
    outside: Rows
    lowest: Array
    highest: Array
    unknown: tuple[Counter[int], ...]

    @classmethod
    def nothing(cls, covariates: int) -> Seen:
        ends = np.full(covariates, np.inf)
        return cls(0, np.zeros(covariates, np.int64), ends, -ends, tuple(Counter() for _ in range(covariates)))

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            self.pixels + other.pixels,
            self.outside + other.outside,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            tuple(one + two for one, two in zip(self.unknown, other.unknown)),
        )


def look(trained: Sequence[CovariateSummary], raw: Singles) -> Seen:
    """Look at the covariates (C, h, w), which are NaN except at pixels where all of them have data."""
    seen = Seen.nothing(len(trained))
    for index, summary in enumerate(trained):
        values = raw[index][np.isfinite(raw[index])]
        if summary.categories:
            codes = values.astype(np.int64)
            codes, counts = np.unique(codes[~np.isin(codes, summary.categories)], return_counts=True)
            seen.unknown[index].update(dict(zip(codes.tolist(), counts.tolist())))
            continue
        lowest, highest = np.float32(summary.quantiles[0]), np.float32(summary.quantiles[-1])
        seen.outside[index] = np.count_nonzero((values < lowest) | (values > highest))
        seen.lowest[index] = values.min(initial=np.inf)
        seen.highest[index] = values.max(initial=-np.inf)
    return replace(seen, pixels=int(np.isfinite(raw[0]).sum()))


class RangeCheck:
    """A sum, block by block, of how covariates differ from those of the training.

    `names` are the names of class codes in the map's rasters, one mapping a covariate, empty where a raster has none.
    """

    def __init__(self, trained: Sequence[CovariateSummary], names: Sequence[Mapping[int, str]] | None = None) -> None:
        self._trained = tuple(trained)
        self._names = [{}] * len(trained) if names is None else names
        self._seen = Seen.nothing(len(trained))

    def add(self, seen: Seen) -> None:
        self._seen += seen

    def tell(self, report: Report) -> None:
        """Warn of each covariate that often lies outside what the network has seen."""
        for index, summary in enumerate(self._trained):
            if summary.categories:
                self._tell_unknown_codes(index, report)
                self._tell_other_names(index, report)
            else:
                self._tell_range(index, report)

    def _tell_range(self, index: int, report: Report) -> None:
        summary, share = self._trained[index], self._seen.outside[index] / max(self._seen.pixels, 1)
        if share < _NOTEWORTHY_SHARE:
            return
        remedy = (
            tr("Check that it is the same quantity in the same unit")
            if share > _SUSPICIOUS_SHARE
            else tr("There the network knows only the end of its range: read the map with care")
        )
        report.warning(
            tr(
                "{}: {:.0f} % of the map's pixels lie outside the training range ({:.4g} to {:.4g}; here {:.4g}"
                " to {:.4g}). {}."
            ).format(
                summary.covariate.name,
                100 * share,
                summary.quantiles[0],
                summary.quantiles[-1],
                self._seen.lowest[index],
                self._seen.highest[index],
                remedy,
            )
        )

    def _tell_unknown_codes(self, index: int, report: Report) -> None:
        unknown, names = self._seen.unknown[index], self._names[index]
        if not unknown:
            return
        count = unknown.total()
        codes = [
            tr("{}{} at {}").format(str(code), f" ({names[code]})" if code in names else "", pixels)
            for code, pixels in unknown.most_common(_CODES_IN_WORDS)
        ]
        more = len(unknown) - len(codes)
        report.warning(
            tr(
                "{}: {} pixels, {:.3g} % of those with data, have class codes that the training raster does not"
                " have, and count as missing: code {}{}. Nothing is predicted there. Reclassify them to codes"
                " of the training, or train with a raster that has them."
            ).format(
                self._trained[index].covariate.name,
                count,
                100 * count / max(self._seen.pixels, 1),
                ", ".join(codes),
                tr(" and {} more codes").format(more) if more else "",
            )
        )

    def _tell_other_names(self, index: int, report: Report) -> None:
        summary, names = self._trained[index], self._names[index]
        other = [
            tr("{} was {!r} and is {!r}").format(str(code), label, names[code])
            for code, label in zip(summary.categories, summary.labels)
            if label != str(code) and names.get(code, label).casefold() != label.casefold()
        ]
        if other:
            report.warning(
                tr(
                    "{}: {} class codes have other names than in training (code {}). The network knows codes"
                    " only: if a code means another class here, reclassify the raster to the codes of the"
                    " training."
                ).format(summary.covariate.name, len(other), ", ".join(other[:_CODES_IN_WORDS]))
            )
