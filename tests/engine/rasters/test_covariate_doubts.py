"""Covariates that are probably not what they are taken for."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary, find_doubts, is_compass_name, read_summaries

RNG = np.random.default_rng(1)


def doubts(values: ArrayLike, name: str = "dem", kind: str = "continuous") -> list[str]:
    quantiles = np.quantile(np.asarray(values, float), np.linspace(0, 1, 129))
    return find_doubts([CovariateSummary(Covariate("/data/a.tif", name, kind=kind), tuple(quantiles.tolist()), (), ())])


def with_mark(mark: float, share: float, values: ArrayLike) -> np.ndarray:
    marked = np.array(values, float)
    marked[: round(share * len(marked))] = mark
    return marked


HEIGHTS = RNG.normal(300, 50, 10000)
NDVI = RNG.uniform(-0.2, 0.9, 10000)


@pytest.mark.parametrize(
    ("mark", "values"),
    [(-9999, HEIGHTS), (-32768, HEIGHTS), (-3.4028235e38, HEIGHTS), (1e20, HEIGHTS), (65535, HEIGHTS), (-99, NDVI),
     (255, NDVI), (-7777, HEIGHTS), (9.96921e36, NDVI), (-2147483648, HEIGHTS)],
)  # fmt: skip
def test_a_mark_of_missing_data_that_nobody_declared_is_told(mark: float, values: np.ndarray) -> None:
    (doubt,) = doubts(with_mark(mark, 0.12, values))
    words = str(mark) if isinstance(mark, int) else f"{mark:.7g}"
    assert doubt.startswith(f"dem: about 12 % of its pixels are {words}, far from all others (")
    assert "additional no data value" in doubt


@pytest.mark.parametrize(
    "values",
    [
        HEIGHTS,
        NDVI,
        with_mark(0, 0.9, RNG.lognormal(3, 2, 10000)),  # flow accumulation, mostly zero
        np.append(RNG.lognormal(3, 2, 10000), 1e9),  # one giant value
        RNG.integers(0, 2, 10000),  # a mask
        RNG.integers(0, 256, 10000),  # a grey image
        with_mark(255, 0.2, RNG.integers(0, 250, 10000)),  # saturated pixels
        with_mark(0, 0.5, RNG.normal(900, 5, 10000)),  # zero stands far away, and may be a value
    ],
)
def test_skewed_and_peculiar_values_are_no_marks(values: np.ndarray) -> None:
    found = doubts(values)
    assert not found or "are 0," in found[0]


@pytest.mark.parametrize(
    "name",
    ["aspect", "dem_aspect", "Aspect (deg)", "northness", "terrain_Eastness", "hill-shade", "hillshade_315", "cosasp",
     "sin_aspect", "potential_insolation", "solar radiation", "heat load index", "Exposition", "wind_effect"],
)  # fmt: skip
def test_names_of_the_compass_are_known(name: str) -> None:
    assert is_compass_name(name)


@pytest.mark.parametrize("name", ["slope", "prospect", "respect", "eastings", "ndvi", "temperature", "shale", "north"])
def test_other_names_are_not_taken_for_the_compass(name: str) -> None:
    assert not is_compass_name(name)


def test_a_compass_covariate_among_plain_ones_is_told_with_the_remedy() -> None:
    (doubt,) = doubts(RNG.uniform(-1, 1, 1000), "northness")
    assert "patches are turned and mirrored in training" in doubt and "DIRECTIONAL_COVARIATES" in doubt
    assert doubts(RNG.uniform(-1, 1, 1000), "northness", "directional") == []
    assert doubts(RNG.uniform(-1, 1, 1000), "slope") == []


@pytest.mark.parametrize("kind", ["continuous", "directional"])
@pytest.mark.parametrize(
    ("lowest", "highest", "formula"),
    [
        (0, 360, 'cos("aspect@1" * 3.14159265 / 180)'),
        (-1, 360, 'cos("aspect@1" * 3.14159265 / 180)'),
        (-180, 180, 'cos("aspect@1" * 3.14159265 / 180)'),
        (0, 6.2832, 'cos("aspect@1")'),
        (-3.1416, 3.1416, 'cos("aspect@1")'),
    ],
)
def test_directions_as_plain_numbers_are_told_with_the_formula(
    kind: str, lowest: float, highest: float, formula: str
) -> None:
    (doubt,) = doubts(np.linspace(lowest, highest, 1000), "aspect", kind)
    assert "Use northness and eastness instead" in doubt and formula in doubt


def test_northness_by_its_name_is_no_direction_in_degrees() -> None:
    assert doubts(np.linspace(0, 6.28, 1000), "cos_aspect", "directional") == []


@pytest.mark.parametrize("codes", [(1, 2, 3), tuple(range(10, 30)), (11, 21, 22, 31, 41, 90)])
def test_a_few_whole_numbers_may_be_codes_of_classes(codes: tuple[int, ...]) -> None:
    (doubt,) = doubts(RNG.choice(codes, 10000))
    assert f"nothing but {len(codes)} whole numbers ({codes[0]}, {codes[1]}" in doubt
    assert "list it under CATEGORICAL_COVARIATES" in doubt


@pytest.mark.parametrize("rows", range(1, 9))
def test_marks_are_found_in_a_raster(write_raster: Callable[..., str], rows: int) -> None:
    values = RNG.normal(300, 50, (11, 53)).astype(np.float32)
    values[:rows] = -9999
    path = write_raster("dem.tif", values, nodata=-1)
    with open_stack([Covariate(path, "dem")], reference_grid(path)) as stack:
        (doubt,) = find_doubts(read_summaries(stack))
    share = re.search(r"about (\d+) % of its pixels are -9999,", doubt)
    assert share and float(share[1]) == pytest.approx(100 * rows / 11, abs=1.5)
