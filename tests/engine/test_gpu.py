"""A map from a GPU is that of the processor, on a pretended GPU where there is no real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.jobs import predict_map
from soil_cnn_plugin.engine.mapping import half_precision
from soil_cnn_plugin.engine.mapping.blocks import predict_blocks, read_trial_block
from soil_cnn_plugin.engine.mapping.half_precision import choose_half, half_precision_error
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.training.dissimilarity import BlockIndex, Space
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, read_network, write_network
from tests.engine import pretended_gpu
from tests.engine.jobs.test_predict_map import read
from tests.engine.landscape import (
    Landscape,
    Log,
    make_landscape,
    random_network,
    write_raster,
)
from tests.engine.mapping.test_blocks import patch_by_patch
from tests.engine.training import test_dissimilarity

SIDE = 400  # pixels of a map whose block takes a few hundred MiB

device = pretended_gpu.device
fitted = test_dissimilarity.fitted  # a landscape and a network with both spaces of dissimilarity


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"))


@dataclass(frozen=True)
class Map:
    """Location and scale (T, h, w), dissimilarity (h, w), and what was told meanwhile."""

    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    dissimilarity: NDArray[np.float64]
    told: list[str]


def on(device: torch.device, trained: TrainedNetwork, folder: Path) -> TrainedNetwork:
    """The network as a job reads it."""
    write_network(str(folder / "network.safetensors"), trained)
    return read_network(str(folder / "network.safetensors"), device)


def mapped(
    landscape: Landscape,
    trained: TrainedNetwork,
    device: torch.device,
    size: int,
    space: Space | None = None,
    dtype: torch.dtype = torch.float32,
) -> Map:
    told: list[str] = []
    index = BlockIndex(space, trained.encoder, device) if space else None
    with open_stack(landscape.covariates, landscape.grid) as stack:
        shape = stack.grid.height, stack.grid.width
        found = Map(*np.full((2, 2, *shape), np.nan), np.full(shape, np.nan), told)
        predictor = BlockPredictor(trained, stack.grid, device, index, dtype, told.append)
        for piece in predict_blocks(predictor, stack, size):
            if isinstance(piece, PredictedBlock):
                found.location[(slice(None), *piece.block.slices)] = piece.location
                found.scale[(slice(None), *piece.block.slices)] = piece.scale
                if piece.dissimilarity is not None:
                    found.dissimilarity[piece.block.slices] = piece.dissimilarity
    return found


@pytest.mark.parametrize(
    ("architectures", "has_forest", "has_location"),
    [
        ((("ring", 15),), False, False),
        ((("padarian", 15),), False, False),
        ((("ring", 9), ("padarian", 13)), True, True),
    ],
    ids=["ring", "padarian", "blend"],
)
def test_a_map_is_that_of_patches_on_the_processor(
    landscape: Landscape,
    device: torch.device,
    architectures: tuple[tuple[str, int], ...],
    has_forest: bool,
    has_location: bool,
    tmp_path: Path,
) -> None:
    trained = random_network(landscape, architectures, 15, has_forest, has_location)
    expected = patch_by_patch(landscape, trained)
    found = mapped(landscape, on(device, trained, tmp_path), device, 23)
    for one, wanted in zip((found.location, found.scale), expected):
        assert (np.isnan(one) == np.isnan(wanted)).all() and np.nanstd(wanted) > 0
        error = np.abs(one - wanted)[np.isfinite(wanted)]
        # A last bit may take a pixel over the threshold of a tree, which only forests have.
        assert (error > 1e-4).mean() <= (0.002 if has_forest else 0.0)


@pytest.mark.parametrize(("place", "tolerance"), [(0, 2e-5), (1, 4e-3)], ids=["covariates", "embedding"])
def test_the_dissimilarity_of_a_map_is_that_of_the_processor(
    fitted: tuple[Landscape, TrainedNetwork, NDArray[np.int64]],
    device: torch.device,
    place: int,
    tolerance: float,
    tmp_path: Path,
) -> None:
    landscape, trained, _ = fitted
    expected = test_dissimilarity.mapped(landscape, trained, trained.spaces[place], 64)
    there = on(device, trained, tmp_path)
    assert np.nanstd(expected) > 0.05
    for size in (24, 64)[: 1 + (device.type == "cuda")]:
        found = mapped(landscape, there, device, size, there.spaces[place])
        np.testing.assert_allclose(found.dissimilarity, expected, atol=tolerance, equal_nan=True)


def test_the_whole_job_writes_the_map_of_the_processor(
    landscape: Landscape, device: torch.device, tmp_path: Path
) -> None:
    write_network(str(tmp_path / "network.safetensors"), random_network(landscape, has_forest=False))
    maps = {}
    for name in ("cpu", "cuda"):
        job = PredictMap(str(tmp_path / "network.safetensors"), prediction=str(tmp_path / f"{name}.tif"), device=name)
        log = Log()
        predict_map.run(replace(job, block_size=32), log)
        assert [line.startswith("Device: CPU") for line in log.infos if line.startswith("Device")] == [name == "cpu"]
        maps[name] = read(job.prediction)
    assert np.isfinite(maps["cpu"]).any()
    np.testing.assert_allclose(maps["cuda"], maps["cpu"], rtol=1e-3, equal_nan=True)


def test_half_precision_changes_the_map_as_little_as_was_measured(
    landscape: Landscape, device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(half_precision._KINDS, device.type, half_precision._KINDS["cuda"])
    trained = on(device, random_network(landscape, has_forest=False), tmp_path)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        sample = read_trial_block(trained, stack, device)
    assert sample is not None
    assert choose_half(trained.predictor, sample, is_forced=True).dtype == half_precision.half_kinds(device)[0]
    exact = mapped(landscape, trained, device, 40).location
    for dtype in half_precision.half_kinds(device):
        half = mapped(landscape, trained, device, 40, dtype=dtype).location
        error, _ = half_precision_error(trained.predictor, sample, dtype)
        assert 0 < np.nanmax(np.abs(half - exact)) < 0.1 * np.nanstd(exact)
        assert np.sqrt(np.nanmean((half - exact) ** 2, axis=(1, 2))) == pytest.approx(error, rel=0.3)


@contextmanager
def short_of_memory(device: torch.device, share: float) -> Iterator[None]:
    """A GPU gives only a share of what the largest block so far took besides the networks."""
    torch.cuda.empty_cache()
    kept, most = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
    # A new thread multiplies with working memory of its own, which its library keeps.
    allowed = kept + 2**26 + share * (most - kept)
    torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.get_device_properties(device).total_memory, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only a real GPU knows its memory")
def test_a_gpu_that_is_short_of_memory_predicts_the_same_map_in_parts(
    landscape: Landscape, device: torch.device, tmp_path: Path
) -> None:
    times = SIDE // landscape.values.shape[1]
    large = replace(
        landscape,
        covariates=tuple(
            replace(
                covariate, path=write_raster(tmp_path / f"large {covariate.name}.tif", np.tile(values, 2 * [times]))
            )
            for covariate, values in zip(landscape.covariates, landscape.values)
        ),
    )
    trained = on(device, random_network(landscape, has_forest=False), tmp_path)
    torch.cuda.reset_peak_memory_stats(device)
    whole = mapped(large, trained, device, SIDE)
    with short_of_memory(device, 0.5):
        parts = mapped(large, trained, device, SIDE)
    assert whole.location.shape == (2, SIDE, SIDE) and np.isfinite(whole.location).mean() > 0.9 and not whole.told
    for one, wanted in ((parts.location, whole.location), (parts.scale, whole.scale)):
        np.testing.assert_allclose(one, wanted, atol=1e-4, equal_nan=True)
    assert parts.told[0].startswith(f"The GPU's memory is too small for blocks of {SIDE} x {SIDE} pixels:")
