"""The engine's one invariant: a block with its halo gives at every pixel the number of that pixel's own patch."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.blocks import predict_blocks
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from tests.engine.landscape import (
    CELL,
    NORTH,
    SIDE,
    TARGETS,
    WEST,
    Landscape,
    cut,
    make_landscape,
    random_forests,
    random_network,
    write_raster,
)

CPU = torch.device("cpu")
RING, PADARIAN = (("ring", 15),), (("padarian", 15),)
BOTH = (("ring", 9), ("padarian", 13))


def dense(landscape: Landscape, trained: TrainedNetwork, size: int, inside=None) -> tuple[NDArray, NDArray]:  # type: ignore
    """Location and scale (T, 40, 40), put together from blocks."""
    maps = np.full((2, len(TARGETS), SIDE, SIDE), np.nan)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        for piece in predict_blocks(BlockPredictor(trained, stack.grid, CPU), stack, size, inside):
            if isinstance(piece, PredictedBlock):
                maps[0][(slice(None), *piece.block.slices)] = piece.location
                maps[1][(slice(None), *piece.block.slices)] = piece.scale
    return maps[0], maps[1]


def patch_by_patch(landscape: Landscape, trained: TrainedNetwork) -> tuple[NDArray, NDArray]:  # type: ignore
    """The same by cutting, encoding and predicting the patch of every pixel that has data."""
    rows, cols = np.nonzero(np.isfinite(landscape.values).all(0))
    x, y = WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL
    coordinates = torch.from_numpy(np.column_stack([x, y]))[:, :, None, None]
    parts = []
    with torch.no_grad():
        for network in trained.predictor.networks:
            patches = torch.from_numpy(cut(landscape.values, rows, cols, network.patch_size))
            inputs = network.inputs(trained.encoder(patches, coordinates))
            location, scale = network.predict(inputs.expand(network.members, *inputs.shape))
            parts.append((location.mean(0).double().numpy(), scale.mean(0).double().numpy()))
        if trained.predictor.forests:
            patches = torch.from_numpy(cut(landscape.values, rows, cols, trained.predictor.patch_size))
            seen = context_features(trained.encoder(patches, coordinates), trained.predictor.patch_size)
            features = seen.flatten(1).numpy()
            forests = random_forests(features.shape[1], seed=3)
            answers = np.array([[tree.predict(features) for tree in forest] for forest in forests])  # (T, trees, n)
            parts.append((answers.mean(1).T, np.maximum(answers.std(1), 0.05).T))
            assert trained.predictor.process
            centre = trained.predictor.process.locations(torch.from_numpy(features))
            parts.append((centre, np.zeros_like(centre)))
    weights = trained.predictor.weights
    spreads = weights.copy()  # the Gaussian process has no part in them
    if trained.predictor.forests:
        spreads[-1] = 0
    maps = np.full((2, len(TARGETS), SIDE, SIDE), np.nan)
    for which, own in enumerate((weights, spreads / spreads.sum(axis=0))):
        blended = sum(part[which] * weight for part, weight in zip(parts, own))
        maps[which][:, rows, cols] = np.asarray(blended).T
    return maps[0], maps[1]


@pytest.mark.parametrize("has_location", [False, True], ids=["", "location"])
@pytest.mark.parametrize("has_aspect", [False, True], ids=["", "directional"])
@pytest.mark.parametrize(
    ("architectures", "has_forest"),
    [(RING, False), (PADARIAN, False), (BOTH, False), (BOTH, True)],
    ids=["ring", "padarian", "both", "blend"],
)
def test_block_with_halo_equals_patch_by_patch_at_every_pixel(
    tmp_path: Path, architectures: tuple[tuple[str, int], ...], has_forest: bool, has_aspect: bool, has_location: bool
) -> None:
    landscape = make_landscape(tmp_path, has_aspect)
    trained = random_network(landscape, architectures, 15, has_forest, has_location)
    expected = patch_by_patch(landscape, trained)
    blind = ~np.isfinite(landscape.values).all(0)
    assert blind.sum() > 50 and expected[0][:, ~blind].std() > 0.2
    for size in (17, 64):  # with seams, and in one block; both reach the raster's borders
        for found, wanted in zip(dense(landscape, trained, size), expected):
            assert np.isnan(found[:, blind]).all()
            assert np.abs(found - wanted)[:, ~blind].max() < 1e-4  # of the target's standard deviation


def test_blocks_of_any_size_give_one_raster(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, BOTH, has_location=True)
    whole = dense(landscape, trained, SIDE)
    for size in (16, 23, 39):
        for found, wanted in zip(dense(landscape, trained, size), whole):
            np.testing.assert_allclose(found, wanted, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("threads", [2, 5])
def test_blocks_side_by_side_are_those_of_one_thread(tmp_path: Path, threads: int) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, BOTH)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = dense(landscape, trained, 9)
        torch.set_num_threads(threads)
        np.testing.assert_array_equal(dense(landscape, trained, 9), expected)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_seams_do_not_show_where_a_covariate_is_resampled(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    coarse = write_raster(tmp_path / "elevation.tif", landscape.values[0, 1::3, 1::3], 3 * CELL)
    fine = replace(landscape, covariates=landscape.covariates[1:] + landscape.covariates[:1])  # the grid of flow
    with open_stack(fine.covariates, fine.grid) as stack:
        assert coarse == fine.covariates[2].path and stack.rasters[2].resampling is not None
    trained = random_network(fine, BOTH)
    whole = dense(fine, trained, SIDE)
    assert np.isfinite(whole[0]).mean() > 0.9
    for found, wanted in zip(dense(fine, trained, 16), whole):
        np.testing.assert_allclose(found, wanted, atol=1e-5, equal_nan=True)


def test_forests_alone_do_not_notice_blocks_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, RING)
    trained.predictor.weights[:] = [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    monkeypatch.setattr(type(trained.predictor.networks[0]), "dense", None)  # networks without weight are not asked
    np.testing.assert_array_equal(dense(landscape, trained, 16), dense(landscape, trained, SIDE))


def test_pixels_outside_the_area_are_left_out_but_seen_by_their_neighbours(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)
    wanted = np.zeros((SIDE, SIDE), np.bool_)
    wanted[14:30, 18:25] = True
    location, _ = dense(landscape, trained, 16, lambda block: wanted[block.slices])
    whole, _ = dense(landscape, trained, 16)
    np.testing.assert_allclose(location[:, wanted], whole[:, wanted], atol=1e-5)
    assert np.isnan(location[:, ~wanted]).all()


class OutOfMemoryError(RuntimeError):
    """As PyTorch's backends raise it."""


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("Tried to allocate 2.00 GiB."),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=["allocator", "engine", "cudnn"],
)
def test_blocks_too_large_for_the_gpu_are_predicted_in_parts_and_told(tmp_path: Path, error: RuntimeError) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, BOTH)
    whole = dense(landscape, trained, SIDE)
    tried, told = [], []

    def predict_if_small(channels, wanted, watches, dtype):  # type: ignore
        tried.append(wanted.shape)
        if wanted.size > 450:
            raise error
        return predict_block(channels, wanted, watches, dtype)

    predict_block = trained.predictor.predict_block
    object.__setattr__(trained.predictor, "predict_block", predict_if_small)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        predictor = BlockPredictor(trained, stack.grid, CPU, tell=told.append)
        pieces = list(predict_blocks(predictor, stack, SIDE)) + list(predict_blocks(predictor, stack, SIDE))
    for piece in pieces:
        np.testing.assert_allclose(piece.location, whole[0], atol=1e-6)
        np.testing.assert_allclose(piece.scale, whole[1], atol=1e-6)
        assert piece.seen.pixels == np.isfinite(whole[0][0]).sum()
    assert tried == [(40, 40), (20, 40)] + 8 * [(20, 20)]
    assert [sentence.split(":")[0] for sentence in told] == [
        "The GPU's memory is too small for blocks of 40 x 40 pixels",
        "The GPU's memory is too small for blocks of 20 x 40 pixels",
    ]


def test_a_block_whose_numbers_half_precision_cannot_hold_is_predicted_in_float32(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, PADARIAN)
    network = trained.predictor.networks[0]
    with torch.no_grad():
        network.last_weight *= 1e36  # type: ignore[operator]  # with the next, as large as before
        network.last_bias *= 1e36  # type: ignore[operator]
        network.output_weight *= 1e-36  # type: ignore[operator]
    whole = dense(landscape, trained, SIDE)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        predictor = BlockPredictor(trained, stack.grid, CPU, dtype=torch.float16)
        (piece,) = predict_blocks(predictor, stack, SIDE)
    assert np.isfinite(whole[0]).any()
    np.testing.assert_array_equal(piece.location, whole[0])
    np.testing.assert_array_equal(piece.scale, whole[1])


def test_a_gpu_without_room_for_the_smallest_block_ends_the_map(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)

    def fail(*arguments):  # type: ignore
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    object.__setattr__(trained.predictor, "predict_block", fail)
    words = r"no room even for blocks of 20 x 20 pixels: CUDA out .* 20\.00 MiB\. Close other .* device to cpu\."
    with open_stack(landscape.covariates, landscape.grid) as stack, pytest.raises(EngineError, match=words):
        list(predict_blocks(BlockPredictor(trained, stack.grid, CPU), stack, SIDE))


def test_an_error_that_has_nothing_to_do_with_memory_ends_the_map_at_once(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)
    tried = []

    def fail(*arguments):  # type: ignore
        tried.append(arguments)
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    object.__setattr__(trained.predictor, "predict_block", fail)
    with open_stack(landscape.covariates, landscape.grid) as stack, pytest.raises(RuntimeError, match="illegal"):
        list(predict_blocks(BlockPredictor(trained, stack.grid, CPU), stack, SIDE))
    assert len(tried) == 1


def test_blocks_without_a_pixel_to_predict_come_bare_and_are_not_read(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)
    read: list[Block] = []
    with open_stack(landscape.covariates, landscape.grid) as stack:
        reading = stack.read
        stack.read = lambda block: (read.append(block), reading(block))[1]  # type: ignore
        blocks = list(
            predict_blocks(
                BlockPredictor(trained, stack.grid, CPU),
                stack,
                20,
                lambda block: np.full((block.height, block.width), block.row == 0),
            )
        )
    assert [isinstance(piece, PredictedBlock) for piece in blocks] == [True, True, False, False]
    assert read == [Block(-7, -7, 34, 34), Block(-7, 13, 34, 34)]


def test_a_class_that_training_did_not_know_is_left_out(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)
    values = landscape.values.copy()
    values[2, 20:22, 30:33] = 7
    (tmp_path / "other").mkdir()
    other = make_landscape(tmp_path / "other")
    write_raster(tmp_path / "other" / "soil.tif", values[2])
    location, _ = dense(other, trained, SIDE)
    unknown = np.isnan(location[0]) & np.isfinite(landscape.values).all(0)
    assert np.argwhere(unknown).tolist() == [[row, col] for row in (20, 21) for col in (30, 31, 32)]
    missing = values.copy()
    missing[2][values[2] == 7] = np.nan
    expected, _ = patch_by_patch(Landscape(tmp_path, landscape.covariates, missing), trained)
    np.testing.assert_allclose(location, expected, atol=1e-4)


def test_the_reader_ends_before_the_rasters_are_closed(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        blocks = predict_blocks(BlockPredictor(random_network(landscape), stack.grid, CPU), stack, 16)
        next(blocks)
        blocks.close()  # type: ignore


def test_a_block_from_another_machine_brings_no_covariates(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        (block,) = predict_blocks(BlockPredictor(random_network(landscape), stack.grid, CPU), stack, SIDE)
    assert isinstance(block, PredictedBlock)
    assert len(pickle.dumps(block)) < block.location.nbytes + block.scale.nbytes + 4096
