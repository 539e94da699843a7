"""The index of a map equals its definition at every pixel, in both spaces, and survives a network file.

In covariate space the definition is the published algorithm, written here in plain numpy after Meyer & Pebesma 2021
(10.1111/2041-210X.13650): also beyond the range of the training, where networks see nothing new.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.assessment import applicability
from soil_cnn_plugin.engine.assessment.applicability import fit_dissimilarity
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.mapping.blocks import predict_blocks
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.training import dissimilarity
from soil_cnn_plugin.engine.training.dissimilarity import (
    BlockIndex,
    Space,
    beyond_range,
    covariate_rows,
    fit_covariate_space,
    fit_embedding_space,
    flag_beyond,
    in_columns,
)
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, read_network, write_network
from soil_cnn_plugin.engine.training.projection import fit_projection
from tests.engine.landscape import (
    CELL,
    NORTH,
    SIDE,
    WEST,
    Landscape,
    cut,
    make_landscape,
    random_network,
    rows_of,
    write_raster,
)

SIZE, COUNT = 15, 25
CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=[False, True], ids=["", "location"])
def fitted(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Landscape, TrainedNetwork, np.ndarray]:
    """With the pixels (25, 2) of its observations."""
    landscape = make_landscape(tmp_path_factory.mktemp("landscape"))
    return landscape, *with_spaces(landscape, request.param)


def with_spaces(landscape: Landscape, has_location: bool) -> tuple[TrainedNetwork, np.ndarray]:
    """A network with both spaces, and the pixels (25, 2) of its observations."""
    trained = random_network(landscape, patch_size=SIZE, has_location=has_location)
    rng = np.random.default_rng(4)
    pixels = rng.permutation(np.argwhere(np.isfinite(landscape.values).all(0)))[:COUNT]
    views = see(trained, encode(trained, cut(landscape.values, *pixels.T, SIZE), places(pixels)))
    rows = covariate_rows(landscape.values[:, *pixels.T].T, views.context[:, -6:] if has_location else None)
    importance = np.array([2.0, 0.5, 1.0, 0.3][: 3 + has_location])
    fold = np.arange(COUNT) % 5
    spaces = (
        fit_covariate_space(rows, trained.encoder, importance, fold, 0),
        fit_embedding_space(trained.predictor.networks, tuple(map(rows_of, views.inputs)), fold, 0),
    )
    description = replace(trained.description, spaces=tuple(space.words for space in spaces))
    return replace(trained, description=description, spaces=spaces), pixels


def places(pixels: np.ndarray) -> np.ndarray:
    return np.column_stack([WEST + (pixels[:, 1] + 0.5) * CELL, NORTH - (pixels[:, 0] + 0.5) * CELL])


def mapped(landscape: Landscape, trained: TrainedNetwork, space: Space, size: int) -> np.ndarray:
    result = np.full((SIDE, SIDE), np.nan)
    index = BlockIndex(space, trained.encoder, CPU)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        for piece in predict_blocks(BlockPredictor(trained, stack.grid, CPU, index), stack, size):
            if isinstance(piece, PredictedBlock):
                result[piece.block.slices] = piece.dissimilarity
    return result


def published_index(
    training: np.ndarray, is_class: list[bool], weights: list[float], fold: np.ndarray, new: np.ndarray
) -> tuple[np.ndarray, float]:
    """The published index of new rows (m, C) and its threshold, from training rows (n, C). Class codes become a column
    of 0 and 1 for each code of the training, with the weight of the covariate."""

    def columns(rows: np.ndarray) -> np.ndarray:
        parts = []
        for c, classes in enumerate(is_class):
            codes = sorted(set(training[:, c])) if classes else []
            parts += [(rows[:, c] == code).astype(float) for code in codes] if classes else [rows[:, c].astype(float)]
        return np.column_stack(parts)

    of_column = [weights[c] for c, classes in enumerate(is_class)
                 for _ in (set(training[:, c]) if classes else [0])]  # fmt: skip
    known = columns(training)
    mean, deviation = known.mean(axis=0), known.std(axis=0, ddof=1)
    weight = np.maximum(of_column, 0)
    train, others = ((rows - mean) / deviation * weight for rows in (known, columns(new)))
    distance = np.array([[np.sqrt(((a - b) ** 2).sum()) for b in train] for a in train])
    count = len(train)
    mean_distance = np.mean([distance[i][np.arange(count) != i].mean() for i in range(count)])
    own = np.array([distance[i][fold != fold[i]].min() for i in range(count)]) / mean_distance
    low, high = np.percentile(own, (25, 75))
    index = np.array([np.sqrt(((train - row) ** 2).sum(axis=1)).min() for row in others]) / mean_distance
    return index, min(high + 1.5 * (high - low), own.max())


def shifted(landscape: Landscape, folder: Path, **shifts: float) -> Landscape:
    """The landscape with numbers added to its covariates."""
    folder.mkdir()
    values = landscape.values.copy()
    covariates = []
    for index, covariate in enumerate(landscape.covariates):
        values[index] += np.float32(shifts.get(covariate.name, 0.0))
        covariates.append(replace(covariate, path=write_raster(folder / f"{covariate.name}.tif", values[index])))
    return replace(landscape, covariates=tuple(covariates), values=values)


@pytest.mark.parametrize("shifts", [{}, {"elevation": 3000.0}, {"flow": -50.0, "elevation": 20.0}, {"flow": 1e6}])
def test_covariate_space_is_the_published_algorithm_also_out_of_range(fitted, tmp_path: Path, shifts) -> None:
    landscape, trained, pixels = fitted
    there = shifted(landscape, tmp_path / "there", **shifts)
    valid = np.argwhere(np.isfinite(there.values).all(0))
    training, new = landscape.values[:, *pixels.T].T, there.values[:, *valid.T].T
    weights = [2.0, 0.5, 1.0]
    if trained.encoder.location:
        location = trained.encoder.location
        training, new = (np.column_stack([rows, *((places(at) - (location.x, location.y)) / location.spread).T])
                         for rows, at in ((training, pixels), (new, valid)))  # fmt: skip
        weights += [0.3, 0.3]
    is_class = [False, False, True, False, False][: len(weights)]
    found, threshold = published_index(training, is_class, weights, np.arange(COUNT) % 5, new)
    expected = np.full((SIDE, SIDE), np.nan)
    expected[tuple(valid.T)] = found
    for size in (16, 64):
        np.testing.assert_allclose(mapped(there, trained, trained.spaces[0], size), expected, rtol=1e-6, atol=1e-6)
    assert trained.spaces[0].words.threshold == pytest.approx(threshold, rel=1e-6)
    if shifts.get("elevation") == 3000.0:
        assert np.nanmin(expected) > 10 * threshold  # normal scores that end at the range's end would hide this


def test_one_covariate_with_nearly_all_the_weight_costs_no_precision(fitted) -> None:
    """Distances in the other covariates are small beside this one, and decide which observation is the nearest."""
    _, trained, _ = fitted
    rng = np.random.default_rng(8)
    has_location = trained.encoder.location is not None
    width = 3 + 2 * has_location
    rows = rng.normal(size=(150, width)).astype(np.float32)
    rows[:, 0] = 1000 + 0.01 * np.round(rows[:, 0] * 3)
    rows[:, 2] = 1 + rng.integers(0, 3, 150)
    importance, fold = np.array([0.94, 0.04, 0.01, 0.01][: 3 + has_location]), np.arange(150) % 5
    space = fit_covariate_space(rows, trained.encoder, importance, fold, 0)
    new = rows[rng.integers(0, 150, 400)] + np.float32(0.3) * rng.normal(size=(400, width)).astype(np.float32)
    new[:, 0], new[:, 2] = rng.choice(rows[:, 0], 400) + np.float32(200), 1 + rng.integers(0, 3, 400)
    weights = [0.94, 0.04, 0.01, *[0.01] * (2 * has_location)]
    expected, _ = published_index(rows, [False, False, True, False, False][:width], weights, fold, new)
    found = space.dissimilarity.index(in_columns(new, trained.encoder))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    for few in (0, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(applicability, "FEW_OBSERVATIONS", few)
            np.testing.assert_allclose(space.dissimilarity.index(in_columns(new, trained.encoder)), expected, rtol=1e-9)


def test_a_class_that_no_observation_has_and_one_value_of_a_covariate_have_no_weight(fitted) -> None:
    _, trained, _ = fitted
    width = 3 + 2 * (trained.encoder.location is not None)
    rows = np.random.default_rng(1).normal(size=(30, width)).astype(np.float32)
    rows[:, 0], rows[:, 2] = np.float32(0.1), 1 + np.arange(30) % 2  # no soil 3, and one elevation
    space = fit_covariate_space(rows, trained.encoder, np.array([5.0, 0.0, -1.0, 0.0]), np.arange(30) % 5, 0)
    assert space.words.weights["elevation"] == 0 and sum(space.words.weights.values()) == pytest.approx(1)
    new = rows[:4].copy()
    new[:, 0] = 99.0
    assert space.dissimilarity.index(in_columns(new, trained.encoder)) == pytest.approx(np.zeros(4))
    new[:, 2] = 3.0  # as a code that the published algorithm does not know: 0 in all columns
    assert (space.dissimilarity.index(in_columns(new, trained.encoder)) > 0).all()


def test_embedding_space_flags_what_lies_beyond_the_range_of_a_covariate(fitted, tmp_path: Path) -> None:
    landscape, trained, _ = fitted
    low, high = np.nanmin(landscape.values[0]), np.nanmax(landscape.values[0])
    there = shifted(landscape, tmp_path / "there", elevation=0.25 * (high - low))
    for space, kind in zip(trained.spaces, ("covariates", "embedding")):
        index, plain = mapped(there, trained, space, 16), mapped(landscape, trained, space, 16)
        is_beyond = there.values[0] > high
        assert 20 < is_beyond.sum() < 1200 and not (index[is_beyond] == 0).any()
        known = np.isfinite(index)
        if kind == "embedding":
            assert (index[is_beyond & known].astype(np.float32) > space.words.threshold).all()
            assert (plain[known] <= space.words.threshold).any()  # nothing is flagged where nothing lies beyond
    threshold = trained.spaces[1].words.threshold
    far = mapped(shifted(landscape, tmp_path / "far", elevation=10 * (high - low)), trained, trained.spaces[1], 16)
    assert np.nanmin(far) > 9.9 * threshold


def test_the_index_beyond_the_range_grows_with_its_widths_and_counts_what_it_flags(fitted) -> None:
    landscape, trained, _ = fitted
    low, high = (float(np.float32(trained.encoder.covariates[0].quantiles[end])) for end in (0, -1))
    middle = np.array([[[(low + high) / 2]], [[1.0]], [[2.0]]], np.float32)
    raw = np.repeat(middle, 4, axis=2)
    raw[0, 0] = [(low + high) / 2, np.nextafter(np.float32(high), np.float32(np.inf)), high + (high - low), low]
    rows = raw[:, 0].T
    found = beyond_range(rows, trained.encoder)
    assert found[0] == found[3] == 0 and 0 < found[1] < 1e-5 and found[2] == pytest.approx(1, rel=1e-5)
    flagged = flag_beyond(np.array([0.1, 0.1, 0.1, 0.1]), found, 0.4)
    assert flagged[[0, 3]].tolist() == [0.1, 0.1] and flagged[2] == pytest.approx(0.8, rel=1e-5)
    assert np.float32(flagged[1]) > 0.4 and np.float32(flagged[1]) < 0.40001


def test_weights_in_the_file_are_shares_of_the_importance(fitted) -> None:
    _, trained, _ = fitted
    weights = trained.spaces[0].words.weights
    expected = {"elevation": 2.0, "flow": 0.5, "soil": 1.0} | ({"location": 0.3} if len(weights) == 4 else {})
    assert weights == pytest.approx({name: value / sum(expected.values()) for name, value in expected.items()})


def test_embedding_space_is_that_of_the_pixels_own_patch(fitted) -> None:
    landscape, trained, pixels = fitted
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    views = see(trained, encode(trained, cut(landscape.values, *valid.T, SIZE), places(valid)))
    parts = []
    own = [int(np.flatnonzero((valid == pixel).all(1))[0]) for pixel in pixels]
    for network, inputs in zip(trained.predictor.networks, views.inputs):
        with torch.no_grad():
            hidden = network.hidden(inputs).transpose(0, 1).flatten(1).double().numpy()  # (n, K * W)
        centred = hidden - hidden[own].mean(0)
        axes = np.linalg.svd(centred[own], full_matrices=False)[2][:16].T
        off = np.sqrt(np.maximum((centred**2).sum(1) - ((centred @ axes) ** 2).sum(1), 0))
        spread = np.sqrt((centred[own] ** 2).sum() / (COUNT - 1))
        parts.append(np.column_stack([centred @ axes, off]) / spread)
    points = np.concatenate(parts, axis=1)
    distances = np.sqrt(((points[:, None] - points[own]) ** 2).sum(2))
    expected = np.full((SIDE, SIDE), np.nan)
    expected[tuple(valid.T)] = distances.min(1) / (distances[own].sum() / (COUNT * (COUNT - 1)))
    for size in (16, 64):
        np.testing.assert_allclose(mapped(landscape, trained, trained.spaces[1], size), expected, atol=2e-3)


def test_what_is_new_off_the_axes_counts_as_distance() -> None:
    hidden = torch.zeros(1, 50, 30)
    hidden[0, :, 0] = torch.linspace(-1, 1, 50)
    projection = fit_projection(hidden)
    beyond = torch.zeros(1, 1, 30)
    beyond[0, 0, 29] = 5.0  # a direction in which no observation varies
    found = projection(beyond)[0]
    assert float(found[-1] * projection.spread) == pytest.approx(5.0, rel=1e-4) or float(
        found.norm() * projection.spread
    ) == pytest.approx(5.0, rel=1e-4)


def test_a_network_file_keeps_the_spaces(fitted, tmp_path: Path) -> None:
    landscape, trained, _ = fitted
    path = str(tmp_path / "n.safetensors")
    write_network(path, trained)
    found = read_network(path, CPU)
    assert found.description.spaces == trained.description.spaces
    for space, other in zip(trained.spaces, found.spaces):
        np.testing.assert_array_equal(
            mapped(landscape, trained, space, 64), mapped(landscape, found, other, 64)
        )  # fmt: skip


def test_damaged_spaces_are_refused(fitted) -> None:
    _, trained, _ = fitted
    for space in trained.spaces:
        tensors, words, hidden = space.tensors(), space.words, [(2, 96), (2, 96)]
        assert Space.of(words, tensors, trained.encoder, hidden).words == words
        name = f"{words.space}.training"
        for damaged in (
            {key: value for key, value in tensors.items() if key != name},
            {**tensors, name: tensors[name][:-1]},
            {**tensors, name: tensors[name] * torch.nan},
            {**tensors, f"{words.space}.factor": tensors[f"{words.space}.factor"][:-1]},
        ):
            with pytest.raises(ValueError, match=words.space):
                Space.of(words, damaged, trained.encoder, hidden)
    with pytest.raises(ValueError, match="embedding"):
        Space.of(trained.spaces[1].words, trained.spaces[1].tensors(), trained.encoder, [(2, 96), (2, 96), (2, 96)])


def test_of_many_observations_a_part_is_kept(fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    _, trained, _ = fitted
    monkeypatch.setattr(dissimilarity, "MOST_OBSERVATIONS", 40)
    width = 3 + 2 * (trained.encoder.location is not None)
    rows = np.random.default_rng(0).normal(size=(100, width)).astype(np.float32)
    importance = np.ones(3 + (trained.encoder.location is not None))
    space = fit_covariate_space(rows, trained.encoder, importance, np.arange(100) % 5, 0)
    assert (space.words.observations, space.words.drawn_from, len(space.dissimilarity.training)) == (40, 100, 40)


def test_observations_without_difference_have_no_space(fitted) -> None:
    _, trained, _ = fitted
    width = 3 + 2 * (trained.encoder.location is not None)
    with pytest.raises(EngineError, match="same covariates"):
        fit_covariate_space(np.ones((9, width), np.float32), trained.encoder, np.ones(4), np.arange(9) % 3, 0)
    assert fit_dissimilarity(np.arange(4.0)[:, None], np.ones(1), np.arange(4)).threshold > 0
