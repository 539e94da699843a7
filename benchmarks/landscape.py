"""Data for measuring maps: compressed rasters of random relief, and networks that learned a relation with them, so that
half precision errs as in use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
import torch
from figures import check_room
from numpy.typing import NDArray
from patchwise import windows
from rasterio.windows import Window
from sklearn.ensemble import RandomForestRegressor
from torch import Tensor

from benchmarks.scikit_trees import to_trees
from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import BLEND, NETWORK
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.kriging.fitted_process import fit_process
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.rasters.summaries import read_summaries
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.targets.learned import Learned, number_columns
from soil_cnn_plugin.engine.targets.numbers import NumberOutcome
from soil_cnn_plugin.engine.targets.scales import TargetScale
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from soil_cnn_plugin.engine.training.predictor import Predictor

Floats = NDArray[np.float32]
CELL, WEST, NORTH = 10.0, 300_000.0, 5_000_000.0
STANDARD = (Shape("ring", 31, 5), Shape("padarian", 15, 3))  # the ensembles of the standard preset
TARGET = SoilProperty("clay_5_15", "%")
_HILL = 40  # pixels from one to the next
_REGIONS = 16  # squares of the rasters that hold observations
_STEPS = 60  # of training


@dataclass(frozen=True)
class Observations:
    """What forests see of observations: covariates at the point (N, C), with context (N, F), and target (N,)."""

    point: Floats
    context: Floats
    target: NDArray[np.float64]


def write_covariates(folder: Path, side: int, count: int, seed: int = 0) -> tuple[Covariate, ...]:
    """Write `count` rasters of float32 in deflated tiles, with a corner without data."""
    check_room(folder, 0.7 * 4 * side * side * count)
    paths = [folder / f"covariate_{side}_{index:02d}.tif" for index in range(count)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(lambda part: _write_one(part[1], side, seed + part[0]), enumerate(paths)))
    return tuple(Covariate(str(path), path.stem) for path in paths)


def _write_one(path: Path, side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hills = rng.normal(size=(side // _HILL + 2, side // _HILL + 2)).astype(np.float32)
    across, right = _between(np.arange(side))
    with rasterio.open(
        path, "w", driver="GTiff", height=side, width=side, count=1, dtype="float32", crs="EPSG:32631", nodata=-9999,
        transform=rasterio.Affine(CELL, 0, WEST, 0, -CELL, NORTH), tiled=True, blockxsize=256, blockysize=256,
        compress="deflate", predictor=3, bigtiff="if_safer",
    ) as dataset:  # fmt: skip
        for top in range(0, side, 256):
            rows = np.arange(top, min(top + 256, side))
            down, below = _between(rows)
            strip = hills[down] * (1 - below[:, None]) + hills[down + 1] * below[:, None]
            strip = strip[:, across] * (1 - right) + strip[:, across + 1] * right
            strip += 0.05 * rng.standard_normal(strip.shape, np.float32)
            values = np.round(300 + 100 * strip, 1)
            values[rows[:, None] + np.arange(side) < side // 10] = -9999
            dataset.write(values.astype(np.float32), 1, window=Window(0, top, side, len(rows)))


def _between(pixels: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """Return the hill before each pixel, and the share of the way to the next hill."""
    return pixels // _HILL, (pixels % _HILL / _HILL).astype(np.float32)


def make_network(
    covariates: Sequence[Covariate], shapes: tuple[Shape, ...] = STANDARD, observations: int = 1000
) -> tuple[TrainedNetwork, TrainedNetwork, Observations, RandomForestRegressor]:
    """Return the networks alone, their blend with a forest, its observations, and scikit-learn's own forest of them."""
    grid = reference_grid(covariates[0].path)
    with open_stack(covariates, grid) as stack:
        summaries = read_summaries(stack)
        encoder = Encoder(summaries)
        size = max(shape.patch_size for shape in shapes)
        regions = [stack.read(block) for block in _regions(grid.height, grid.width, size)]
        seen, lesson = _observe(regions, encoder, size), torch.from_numpy(regions[len(regions) // 2])
    rng = np.random.default_rng(1)
    rows = rng.choice(len(seen[0]), min(observations, len(seen[0])), replace=False)
    point, context = seen[0][rows], seen[1][rows]
    target = np.sin(context[:, 0]) + context[:, -1] * context[:, 1] + 0.3 * context[:, 2:].sum(1) / context.shape[1]
    target = (target - target.mean()) / target.std() + 0.5 * rng.normal(size=len(rows))
    rival = forest_of(context, target)
    description = NetworkDescription(
        targets=(TARGET,), covariates=summaries, grid=grid, patch_size=size, shapes=shapes, predictor=NETWORK,
        weights=tuple((1 / len(shapes),) for _ in shapes), location=None,
        outcomes=(NumberOutcome(TargetScale("log", 3.0, 0.5), calibrate(rng.normal(size=len(rows)), *_certain(rows))),),
        coverage=0.9, observation_count=len(rows), folds_sentence="", scores={}, verdicts={TARGET.field: ""},
        settings={}, versions={}, provenance={},
    )  # fmt: skip
    networks = tuple(
        teach(build_network(shape, encoder, number_columns(1), 0.0), encoder, lesson, _STEPS) for shape in shapes
    )
    alone = TrainedNetwork(description, encoder, Predictor(networks, (), np.array(description.weights), size))
    count, nothing = len(shapes) + 2, np.zeros((len(rows), 1))
    learned = Learned(
        target[:, None], nothing.astype(bool), nothing, np.ones(len(rows)), target[:, None], number_columns(1)
    )
    layout = FeatureLayout(encoder.channel_count, context.shape[1], has_place=False)
    process = fit_process(context.astype(np.float32), layout, learned, np.arange(len(rows)) % 5, seed=0).process
    blended = replace(description, predictor=BLEND, weights=tuple((1 / count,) for _ in range(count)))
    predictor = Predictor(networks, (to_trees(rival.estimators_),), np.array(blended.weights), size, process)
    return alone, TrainedNetwork(blended, encoder, predictor), Observations(point, context, target), rival


def forest_of(
    features: Floats, target: NDArray[np.float64], trees: int | None = None, seed: int = 0, jobs: int | None = None
) -> RandomForestRegressor:
    """Return scikit-learn's forest with the settings of the forests beside the networks (forests/forest.py)."""
    return RandomForestRegressor(
        trees or forest.TREES, min_samples_leaf=3, max_features=1 / 3, n_jobs=jobs or usable_cores(), random_state=seed
    ).fit(features, target)


def _regions(height: int, width: int, size: int) -> list[Block]:
    side = min(64, height - size, width - size) + size - 1
    steps = math.isqrt(_REGIONS)
    return [
        Block(row * (height - side) // steps, col * (width - side) // steps, side, side)
        for row in range(1, steps + 1)
        for col in range(1, steps + 1)
    ]


@torch.inference_mode()
def _observe(regions: Sequence[Floats], encoder: Encoder, size: int) -> tuple[Floats, Floats]:
    """Observe all pixels with data in some regions: point (N, C) and context (N, F)."""
    points, contexts = [], []
    for raw in regions:
        features = context_features(encoder(torch.from_numpy(raw[None])), size)[0].flatten(1).T.numpy()
        centre = raw[:, size // 2 : -(size // 2), size // 2 : -(size // 2)].reshape(len(raw), -1).T
        known = np.isfinite(centre).all(1)
        points.append(centre[known])
        contexts.append(features[known])
    return np.concatenate(points), np.concatenate(contexts)


def _certain(rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return outputs with location 0 and scale 1."""
    return np.zeros(len(rows)), np.ones(len(rows))


def teach(network: PackedNetwork, encoder: Encoder, raw: Tensor, steps: int) -> PackedNetwork:
    """Teach a relation with the first covariates of (C, H, W), so that members agree as trained ones do."""
    generator = torch.Generator().manual_seed(0)
    network.draw_parameters(generator)
    cut = windows(raw, network.patch_size)
    rows, cols = (torch.randint(0, cut.shape[dim], (400,), generator=generator) for dim in (1, 2))
    channels = encoder(cut[:, rows, cols].transpose(0, 1))
    middle = network.patch_size // 2
    target = (channels.values[:, 0, middle, middle] + channels.values[:, -1].mean((1, 2)).sin())[:, None]
    target = (target - target.mean()) / target.std()
    inputs = network.inputs(channels)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(steps):
        batch = torch.randint(0, len(target), (network.members, 64), generator=generator)
        location, scale = network.heads.location_scale(network(inputs[batch]))
        loss = (((target[batch] - location) / scale) ** 2 / 2 + scale.log()).mean(dim=(1, 2)).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()
