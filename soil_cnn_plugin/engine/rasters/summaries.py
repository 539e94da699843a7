"""Summaries of covariates on their grid: quantiles of numbers, codes and names of classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.arrays import Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster
from soil_cnn_plugin.engine.rasters.sampling import (
    LARGEST_CODE,
    MOST_CATEGORIES,
    CovariateSample,
    read_codes,
    read_sample,
    read_valid,
)

SUMMARY_QUANTILES = 129


@dataclass(frozen=True)
class CovariateSummary:
    """The summary of a covariate on its grid.

    `quantiles` are `SUMMARY_QUANTILES` values at equal steps of probability from 0 to 1 over its valid pixels (a sample
    of at most a million); there are none when it is categorical. `categories` are its class codes, ascending; there are
    none when it is not categorical. `labels` are the names of the classes, or their codes as text.
    """

    covariate: Covariate
    quantiles: tuple[float, ...]
    categories: tuple[int, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        codes, numbers = self.categories, self.quantiles
        if self.covariate.kind == "categorical":
            is_right = not numbers and 1 <= len(codes) <= MOST_CATEGORIES and len(self.labels) == len(codes)
            is_right = is_right and max(map(abs, codes)) <= LARGEST_CODE and list(codes) == sorted(set(codes))
        else:
            is_right = not codes and not self.labels and len(numbers) == SUMMARY_QUANTILES
            is_right = is_right and all(map(math.isfinite, numbers)) and list(numbers) == sorted(numbers)
        if not is_right or self.covariate.band < 1:
            raise ValueError(f"covariate {self.covariate.name!r}: its band, quantiles or categories make no sense")

    @property
    def is_constant(self) -> bool:
        """Whether the covariate has one value everywhere, so that it tells nothing."""
        return len(self.categories) == 1 or (bool(self.quantiles) and self.quantiles[0] == self.quantiles[-1])


def read_summaries(
    stack: CovariateStack, progress: Callable[[float], None] | None = None
) -> tuple[CovariateSummary, ...]:
    """Read summaries, and nothing else, in the order of the covariates.

    Raises:
        EngineError: a covariate has no data on the grid, or a categorical one holds no class codes.
    """
    return summarize(stack, read_codes(stack), read_sample(stack, True, progress))


def summarize(
    stack: CovariateStack, codes: Mapping[int, Singles], sample: CovariateSample
) -> tuple[CovariateSummary, ...]:
    """Return summaries in the order of the covariates, from a sample of the continuous ones and `codes` of the others.

    `codes`: number of a categorical covariate -> its class codes, as `read_codes` gives them.

    Raises:
        EngineError: a covariate has no data on the grid.
    """
    return tuple(
        _summarize_classes(raster, codes[number]) if number in codes else _summarize_numbers(raster, values)
        for number, (raster, values) in enumerate(zip(stack.rasters, sample.values))
    )


def _summarize_numbers(raster: CovariateRaster, values: Singles) -> CovariateSummary:
    if not values.size or values.min() == values.max():
        values = np.concatenate([values, *_until_it_varies(raster, values)])
    if not values.size:
        raise _all_nodata(raster)
    quantiles = np.quantile(values.astype(np.float64), np.linspace(0, 1, SUMMARY_QUANTILES))
    return CovariateSummary(raster.covariate, tuple(quantiles.tolist()), (), ())


def _until_it_varies(raster: CovariateRaster, sampled: Singles) -> Iterator[Singles]:
    """Yield all pixels of the raster, block by block, up to the first block that differs from the sample."""
    for block in raster.grid.blocks(512):
        values = read_valid(raster, block)
        if values.size:
            varies = values.min() != values.max() or (sampled.size > 0 and values[0] != sampled[0])
            yield values if varies else values[:1]
            if varies:
                return


def _summarize_classes(raster: CovariateRaster, codes: Singles) -> CovariateSummary:
    if not codes.size:
        raise _all_nodata(raster)
    names = raster.class_names()
    categories = tuple(int(code) for code in codes)
    labels = tuple(names.get(code, str(code)) for code in categories)
    return CovariateSummary(replace(raster.covariate, labels=()), (), categories, labels)


def _all_nodata(raster: CovariateRaster) -> EngineError:
    return EngineError(
        f"{raster.covariate.path}, band {raster.covariate.band}, has no data on the grid of the map: all its pixels"
        " there are nodata. Check its nodata value, or leave it out."
    )
