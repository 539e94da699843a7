"""Speed of predicting a block densely against cutting a patch around each of its pixels, in one run.

Random covariates and untrained networks: neither changes the work. Ways take turns, so that a busy machine slows all.
Run by `make bench`, in the engine's Python.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.data.covariates import CovariateSummary
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.plan import Shape, build_network
from soil_cnn_plugin.engine.networks.predictor import Predictor

SHAPES = (Shape("ring", 31, 10), Shape("ring", 15, 10), Shape("padarian", 15, 5))
BATCH = 1024  # patches at once; more is not faster on a processor
NO_FOREST = np.empty((0, 0), np.float32)
Prediction = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--covariates", type=int, default=10)
    parser.add_argument("--block", type=int, default=256, help="pixels a side")
    parser.add_argument("--patches", type=int, default=4096, help="pixels that are predicted by their patches")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{arguments.covariates} covariates, block of {arguments.block} x {arguments.block} pixels, 1 target,")
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}; pixels per second, median (lowest to highest)\n"
    )
    for shape in SHAPES:
        compare(shape, arguments)


def compare(shape: Shape, arguments: argparse.Namespace) -> None:
    """Print one network's speed by each way, and how far the ways' predictions differ."""
    encoder, predictor = make_predictor(shape, arguments.covariates)
    size, halo = arguments.block, predictor.halo
    raw = torch.randn(1, arguments.covariates, size + 2 * halo, size + 2 * halo)
    everywhere = np.ones((size, size), np.bool_)
    pixels = np.random.default_rng(0).choice(size * size, min(arguments.patches, size * size), replace=False)
    rows, cols = np.divmod(pixels, size)
    ways: dict[str, tuple[Callable[[], Prediction], int]] = {
        "dense": (lambda: predictor.predict_block(encoder(raw), everywhere)[0][0], size * size),
        "patches, encoded once": (lambda: by_patches(encoder(raw), predictor, rows, cols), len(pixels)),
        "patches, each encoded": (lambda: by_raw_patches(raw, encoder, predictor, rows, cols), len(pixels)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    predictions: dict[str, Prediction] = {}
    for turn in range(arguments.repeats + 1):
        for name, (predict, count) in ways.items():
            started = time.perf_counter()
            predictions[name] = predict()
            if turn:  # the first turn warms up
                speeds[name].append(count / (time.perf_counter() - started))
    print(f"{shape.name}, patches of {shape.patch_size} pixels, {shape.members} members")
    for name, values in speeds.items():
        ratio = statistics.median(speeds["dense"]) / statistics.median(values)
        spread = f"{statistics.median(values):12,.0f} ({min(values):,.0f} to {max(values):,.0f})"
        print(f"  {name:24}{spread:44}{f'dense is {ratio:,.1f} times as fast' if ratio != 1 else ''}")
    dense = predictions.pop("dense")[rows, cols]
    difference = max(np.abs(dense - other).max() for other in predictions.values()) / dense.std()
    print(f"  largest difference {difference:.1e} of the predictions' standard deviation\n")


def make_predictor(shape: Shape, covariates: int) -> tuple[Encoder, Predictor]:
    quantiles = tuple(np.linspace(-3, 3, 129))
    encoder = Encoder([CovariateSummary(Covariate("", f"c{i}"), quantiles, (), ()) for i in range(covariates)])
    network = build_network(shape, encoder, 1, dropout=0.0).eval()
    network.draw_parameters(torch.Generator().manual_seed(0))
    for parameter in network.parameters():
        if not parameter.any():  # the last layer begins with zeros
            torch.nn.init.normal_(parameter, std=0.1)
    return encoder, Predictor((network,), (), np.ones((1, 1)), shape.patch_size)


@torch.inference_mode()
def by_patches(
    channels: Channels, predictor: Predictor, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> Prediction:
    """Cut patches from the encoded block."""
    width = 2 * predictor.halo + 1
    parts = []
    for batch in np.array_split(np.arange(len(rows)), -(-len(rows) // BATCH)):
        cut = [windows(part[0], width)[:, rows[batch], cols[batch]] for part in (channels.values, channels.known)]
        patches = Channels(*(part.transpose(0, 1) for part in cut), channels.covariate_of_channel, channels.continuous)
        parts.append(predictor.predict([predictor.networks[0].inputs(patches)], NO_FOREST)[0][:, 0])
    return np.concatenate(parts)


@torch.inference_mode()
def by_raw_patches(
    raw: Tensor, encoder: Encoder, predictor: Predictor, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> Prediction:
    """Cut patches from the covariates, as when the pixels were observations."""
    width = 2 * predictor.halo + 1
    parts = []
    for batch in np.array_split(np.arange(len(rows)), -(-len(rows) // BATCH)):
        patches = windows(raw[0], width)[:, rows[batch], cols[batch]].transpose(0, 1)
        parts.append(predictor.predict([predictor.networks[0].inputs(encoder(patches))], NO_FOREST)[0][:, 0])
    return np.concatenate(parts)


def windows(layers: Tensor, width: int) -> Tensor:
    """(C, H, W) -> (C, H - width + 1, W - width + 1, width, width), a view."""
    return layers.unfold(1, width, 1).unfold(2, width, 1)


if __name__ == "__main__":
    main()
