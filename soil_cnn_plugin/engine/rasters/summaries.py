"""What each covariate looks like on its grid: quantiles, codes and names of classes, and what is doubtful."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import localized, tr, tr_n
from soil_cnn_plugin.engine.arrays import Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import gibibytes
from soil_cnn_plugin.engine.rasters.block_reading import cache_bytes
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, names_in_words
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
_COMPASS = re.compile(
    r"(^|[^a-z])aspect|(sin|cos)_?asp|northness|eastness|northerness|easterness|hillshad|shadedrelief|insolation|solarrad"
    r"|heatload|exposition|(^|[^a-z])exposure|windward|leeward|windeffect"
)
_COMPONENT = re.compile(r"sin|cos|north|east")
_MARKS = (-9999.0, -999.0, -99.0, -99999.0, -32768.0, -32767.0, -2147483648.0, 255.0, 9999.0, 32767.0, 65535.0, 99999.0)
_LARGEST_MARK = 1e19  # floating-point rasters mark missing data with larger ones: 1e20, 9.96921e36, 3.4e38
_FAR = 10.0  # a value other than these looks like a mark when it lies this many ranges of the others away
_MOST_CODES = 25
_FEW = 8  # files; where there are more, each has its share of what GDAL keeps


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
        tr(
            "{}, band {}, has no data on the grid of the map: all its pixels there are nodata. Check its nodata"
            " value, or leave it out."
        ).format(raster.covariate.path, raster.covariate.band)
    )


def find_doubts(summaries: Sequence[CovariateSummary]) -> list[str]:
    """Return warnings, each with its remedy."""
    found = []
    for summary in summaries:
        if summary.covariate.kind != "categorical":
            words = (_mark_in_words(summary), _compass_in_words(summary), _codes_in_words(summary))
            found += [doubt for doubt in words if doubt]
    return found


def is_compass_name(name: str) -> bool:
    """Check whether a covariate of this name is likely to depend on the compass."""
    return _COMPASS.search(name.lower()) is not None or _COMPASS.search(re.sub(r"[\W_]", "", name.lower())) is not None


def _mark_in_words(summary: CovariateSummary) -> str:
    """Return a warning of an extreme value that many pixels share and that lies far from all others."""
    quantiles = np.array(summary.quantiles)
    for mark in (quantiles[0], quantiles[-1]):
        is_mark = quantiles == mark
        # The quantile next to the marks may be interpolated between them and the values.
        others = quantiles[~is_mark][1:] if mark == quantiles[0] else quantiles[~is_mark][:-1]
        if is_mark.sum() < 2 or not len(others):
            continue
        gap, spread = float(np.abs(others - mark).min()), float(np.ptp(others))
        is_telling = any(np.isclose(mark, each, rtol=1e-6) for each in _MARKS) or abs(mark) > _LARGEST_MARK
        if gap > spread * (1.0 if is_telling else _FAR) and (is_telling or mark < others.min()):
            return tr(
                "{}: about {:.0f} % of its pixels are {}, far from all others ({:.4g} to {:.4g}). If"
                " that marks missing data, set it as the layer's additional no data value (properties,"
                " Transparency), and run again: as data it spoils the covariate."
            ).format(summary.covariate.name, 100 * is_mark.mean(), _typed(mark), others.min(), others.max())
    return ""


def _typed(mark: float) -> str:
    """Return a number as it is to be typed: whole ones with all of their digits."""
    is_whole = mark == round(mark) and abs(mark) < _LARGEST_MARK
    return str(round(mark)) if is_whole else localized(f"{mark:.7g}")


def _compass_in_words(summary: CovariateSummary) -> str:
    covariate = summary.covariate
    if not is_compass_name(covariate.name):
        return ""
    lowest, highest = summary.quantiles[0], summary.quantiles[-1]
    full_turn = _full_turn(lowest, highest)
    if full_turn and not _COMPONENT.search(covariate.name.lower()):
        angle = f'"{covariate.name}@{covariate.band}"' + (" * 3.14159265 / 180" if full_turn == 360 else "")
        return tr(
            "{}: it seems to hold compass directions ({:.4g} to {:.4g}). As plain numbers the two sides of"
            " north are farthest apart. Use northness and eastness instead, in the raster calculator"
            " cos({}) and sin({}), and list both under DIRECTIONAL_COVARIATES."
        ).format(covariate.name, lowest, highest, angle, angle)
    if covariate.kind == "continuous":
        return tr(
            "{}: by its name it depends on the compass, but it is listed under COVARIATES, so that patches"
            " are turned and mirrored in training as if it did not. List it under DIRECTIONAL_COVARIATES."
        ).format(covariate.name)
    return ""


def _codes_in_words(summary: CovariateSummary) -> str:
    """Return a warning of a covariate that holds a few whole numbers only, as codes of classes do."""
    found = sorted(set(summary.quantiles))
    wholes = [value for value in found if value == int(value)]
    # A quantile between two codes is interpolated, so some are no whole numbers.
    if not 3 <= len(wholes) <= _MOST_CODES or len(summary.quantiles) - _at(summary, wholes) > len(wholes):
        return ""
    shown = ", ".join(f"{value:.0f}" for value in wholes[:8]) + (", ..." if len(wholes) > 8 else "")
    return tr(
        "{}: it seems to hold nothing but {} whole numbers ({}). If they are codes of classes, list it"
        " under CATEGORICAL_COVARIATES: as numbers, class 2 would lie between 1 and 3."
    ).format(summary.covariate.name, len(wholes), shown)


def _at(summary: CovariateSummary, values: Sequence[float]) -> int:
    return sum(value in values for value in summary.quantiles)


def _full_turn(lowest: float, highest: float) -> float:
    """Return 360 or 2 pi where values span all directions in degrees or radians, also around 0; else 0."""
    for turn in (360.0, 2 * np.pi):
        for start, slack in ((0.0, 0.003 * turn), (-turn / 2, 0.003 * turn)):
            is_inside = start - slack <= lowest and highest <= start + turn + slack
            if is_inside and highest - lowest > 0.8 * turn:
                return float(turn)
    return 0.0


def doubt_large_blocks(stack: CovariateStack) -> str:
    """Return a warning where blocks are so large that GDAL cannot keep those of all files; empty where none is.

    GDAL holds the whole of each block while it unpacks it, and does so again for each block of the map.
    """
    files = {raster.covariate.path: raster.dataset for raster in stack.rasters}
    sizes = {path: _block_bytes(dataset) for path, dataset in files.items()}
    share = cache_bytes() // max(_FEW, len(files))
    large = sorted((path for path in files if sizes[path] > share), key=lambda path: -sizes[path])
    if not large:
        return ""
    height, width = files[large[0]].block_shapes[0]
    return tr_n(
        "{} is stored in blocks of up to {} x {} pixels, each of which has to be unpacked as a whole ({}), and again"
        " for each part of the map, as only {} a file stay unpacked: that takes time and memory. Save such rasters in"
        " tiles (in QGIS: Raster > Conversion > Translate, with the creation option TILED=YES) and use the results.",
        "{} are stored in blocks of up to {} x {} pixels, each of which has to be unpacked as a whole ({}), and again"
        " for each part of the map, as only {} a file stay unpacked: that takes time and memory. Save such rasters in"
        " tiles (in QGIS: Raster > Conversion > Translate, with the creation option TILED=YES) and use the results.",
        len(large),
    ).format(names_in_words(large), height, width, gibibytes(sizes[large[0]]), gibibytes(share))


def _block_bytes(dataset: rasterio.DatasetReader) -> int:
    """Return the bytes of an unpacked block; bands interleaved by pixel are all unpacked together."""
    together = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    (height, width), dtype = dataset.block_shapes[0], dataset.dtypes[0]
    return int(height * width * np.dtype(dtype).itemsize * together)
