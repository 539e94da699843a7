"""Draws of errors: block means vary as they must, whatever the cells; residuals and means at observations count."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from soil_cnn_plugin.engine.areas import area_store
from soil_cnn_plugin.engine.areas.area_layer import Area
from soil_cnn_plugin.engine.areas.area_store import AreaCells, AreaStore, PixelRows
from soil_cnn_plugin.engine.areas.error_draws import ErrorDraws, Observed, class_agreement
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel, Correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.targets.classes import ClassOutcome

MODEL = CorrelationModel(0.3, 120.0, 0.5)


def errors_of(
    model: CorrelationModel = MODEL, noise: float | None = None, between: float | None = None
) -> ErrorCorrelation:
    correlogram = Correlogram((model,) * 16, (), (), (), 0)
    if between is None:
        return ErrorCorrelation((("a",),), (correlogram,), ((1.0,),), (noise,))
    matrix = ((1.0, between), (between, 1.0))
    return ErrorCorrelation((("a",), ("b",)), (correlogram,) * 2, matrix, (None, None))


def cells_of(height: int, width: int, columns: int = 1, shares: Array | None = None) -> AreaCells:
    """The cells of a rectangle of pixels of 10 m, with zeros for all learned columns."""
    store = AreaStore(Area(0, shapely.box(0, 0, width, height), Block(0, 0, height, width), 1.0), columns, 1)
    rows, cols = (each.ravel() for each in np.mgrid[:height, :width])
    weights = np.ones(rows.size) if shares is None else shares
    nothing = np.zeros((columns, rows.size))
    places = 10.0 * np.column_stack([cols, rows])
    store.add(
        PixelRows(weights, rows, cols, places, nothing, nothing + 1, nothing[:1], weights > 0),
        np.random.default_rng(0),
    )
    return store.cells()


def mean_of(draws: ErrorDraws, cells: AreaCells, column: int = 0) -> Array:
    """Draws of the area's mean error."""
    return np.concatenate([cells.weights @ draw.common[column] for draw in draws.of(cells, [None, None])])


def exact_variance(height: int, width: int, model: CorrelationModel) -> float:
    """The mean of the correlations of all pairs of pixels."""
    down, right = np.abs(np.arange(1 - height, height)), np.abs(np.arange(1 - width, width))
    pairs = (height - down)[:, None] * (width - right)
    correlation = model.correlation(10.0 * np.hypot(down[:, None], right))
    correlation[height - 1, width - 1] = 1.0
    return float((pairs * correlation).sum() / (height * width) ** 2)


def test_pixels_keep_their_variance_whatever_the_sills_and_blocks_follow_them() -> None:
    """A long range with a large sill and a short one with a small sill are equally likely."""
    near, far = (CorrelationModel(0.1, range_m, 0.5, sill) for range_m, sill in ((60.0, 0.5), (600.0, 1.5)))
    errors = ErrorCorrelation((("a",),), (Correlogram((near, far) * 8, (), (), (), 0),), ((1.0,),), (None,))
    pixel, block = (cells_of(side, side) for side in (1, 8))
    each = [draw.common[0, 0] for draw in ErrorDraws(errors, [slice(0, 1)], None, 0).of(pixel, [None])]
    assert np.concatenate(each).var() == pytest.approx(1.0, rel=0.02)
    assert [np.concatenate(each[first::2]).var() for first in (0, 1)] == pytest.approx([0.5, 1.5], rel=0.1)
    variance = mean_of(ErrorDraws(errors, [slice(0, 1)], None, 0), block).var()
    wanted = (0.5 * exact_variance(8, 8, near) + 1.5 * exact_variance(8, 8, far)) / 2
    assert variance == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize(("height", "width", "most"), [(12, 15, 400), (24, 30, 400), (24, 30, 80), (60, 8, 60)])
def test_the_variance_of_a_block_mean_is_exact_whatever_the_cells(
    height: int, width: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(area_store, "MOST_CELLS", most)
    cells = cells_of(height, width)
    assert len(cells.weights) <= 1.3 * most
    found = mean_of(ErrorDraws(errors_of(), [slice(0, 1)], None, 1), cells)
    assert found.std() == pytest.approx(exact_variance(height, width, MODEL) ** 0.5, rel=0.08)
    assert found.mean() == pytest.approx(0, abs=1e-9)


def test_the_variance_of_one_pixel_is_one_and_slivers_count_by_their_shares() -> None:
    assert mean_of(ErrorDraws(errors_of(), [slice(0, 1)], None, 1), cells_of(1, 1)).std() == pytest.approx(1, rel=0.01)
    cells = cells_of(1, 3, shares=np.array([0.01, 0.98, 0.01]))
    assert mean_of(ErrorDraws(errors_of(), [slice(0, 1)], None, 1), cells).std() == pytest.approx(1, rel=0.03)


def test_errors_of_two_targets_go_together_in_the_mean_of_an_area() -> None:
    draws = ErrorDraws(errors_of(between=0.7), [slice(0, 1), slice(1, 2)], None, 2)
    cells = cells_of(8, 8, columns=2)
    assert np.corrcoef(mean_of(draws, cells), mean_of(draws, cells, 1))[0, 1] == pytest.approx(0.7, abs=0.07)


def test_the_mean_at_the_observations_is_taken_out() -> None:
    """Observations all over the area make its mean error small; a pixel stays as uncertain as the map says."""
    rng = np.random.default_rng(4)
    observed = Observed(rng.uniform(0, 160, (100, 2)), None)
    model = CorrelationModel(0.1, 900.0, 0.5)
    around = ErrorDraws(errors_of(model), [slice(0, 1)], observed, 1)
    alone = ErrorDraws(errors_of(model), [slice(0, 1)], None, 1)
    cells = cells_of(16, 16)
    assert mean_of(around, cells).std() < 0.3 * mean_of(alone, cells).std()
    assert mean_of(around, cells_of(1, 1)).std() == pytest.approx(1, rel=0.01)


def test_residuals_nearby_move_the_mean_where_they_were_shown_to() -> None:
    rng = np.random.default_rng(5)
    places = rng.uniform(0, 160, (80, 2))
    scores = np.where(places[:, :1] < 80, 1.0, -1.0) + 0.1 * rng.normal(size=(80, 1))
    model = CorrelationModel(0.1, 300.0, 0.5)
    cells = cells_of(16, 6)  # the western third
    given = mean_of(ErrorDraws(errors_of(model, noise=0.0), [slice(0, 1)], Observed(places, scores), 1), cells)
    assert given.mean() == pytest.approx(1.0, abs=0.15)
    assert given.std() < 0.2
    unused = ErrorDraws(errors_of(model), [slice(0, 1)], Observed(places, scores), 1)
    assert mean_of(unused, cells).mean() == pytest.approx(0, abs=1e-9)
    assert unused.given_fields == frozenset()


def test_classes_are_drawn_with_their_probabilities_and_agree_more_where_scores_do() -> None:
    outcome = ClassOutcome(("x", "y", "z"), 1.0)
    location, scale = np.array([0.6, 0.3, 0.1]), np.ones(3)
    scores = np.random.default_rng(6).standard_normal((3, 40_000))
    drawn = outcome.draw(location[:, None], scale[:, None], scores)
    assert (drawn.sum(axis=0) == 1).all()
    assert drawn.mean(axis=1) == pytest.approx([0.6, 0.3, 0.1], abs=0.01)
    alike, agreed = class_agreement(outcome, location, scale, 1)
    assert agreed[0] == 0 and agreed[-1] == 1 and (np.diff(agreed) >= 0).all()
    assert (agreed <= alike + 0.03).all()
