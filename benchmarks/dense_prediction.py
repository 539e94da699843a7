"""Measure dense prediction of blocks, in single and half precision, against cutting a patch around each pixel.

Covariates are smooth noise; networks learn one relation with it, so that half precision errs as in use. Ways take
turns, so that a busy machine slows all alike. Blocks are predicted side by side, one per thread, as in a map, and
encoding them counts. On a GPU blocks are larger, come from the processor's memory, and go through as many streams as in
a map. The naive way uses threads and memory as PyTorch and the system provide them. `make bench` runs this in the
engine's Python.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from figures import Figure, devices, options, parse, ratios, spread, synchronize, take_turns, write
from landscape import teach
from patchwise import NAIVE_BATCH, best, flops, naive, plain_memory
from scipy.ndimage import gaussian_filter
from torch import Tensor

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.machine.threads import alone, work_ahead
from soil_cnn_plugin.engine.mapping.blocks import BLOCK_SIZES, BLOCKS_ON_GPU
from soil_cnn_plugin.engine.mapping.half_precision import LARGEST_ERROR, half_kinds
from soil_cnn_plugin.engine.mapping.one_block import own_stream
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, convolve, multiply
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from soil_cnn_plugin.engine.training.predictor import Predictor

SHAPES = {
    "padarian": (Shape("padarian", 15, 5), Shape("padarian", 31, 5), Shape("padarian", 11, 5)),
    "ring": (Shape("ring", 15, 10), Shape("ring", 31, 10), Shape("ring", 9, 10)),
}
QUICK = {"covariates": [2], "sizes": [11, 15], "block": 48, "patches": 64, "turns": 1, "lessons": 20, "repeats": 1}
GOALS = {15: 200.0, 31: 250.0}  # times as fast as the naive way, for padarian with ten covariates
DENSE, HALF, NAIVE, BEST = "dense", "half", "naive", "best"
PRODUCT, CONVOLUTION = "product", "convolution"  # the faster one sets the machine's peak
_CHANNELS = 128  # of the convolution
_BLOCK = 256  # pixels a side, on a processor
_FULL_STREAMS = 4  # blocks of each stream, because the first one waits for memory
_STREAMS = ThreadPoolExecutor(BLOCKS_ON_GPU)  # a thread keeps its stream, and the stream its memory


@dataclass(frozen=True)
class Peak:
    """The work that brings a device to its peak: the sides of a square matrix and of an image, and how many times, so
    that starting threads or the GPU's programs does not count; `--repeats` may ask for fewer."""

    matrix: int
    image: int
    repeats: int

    def operations(self, kind: str) -> int:
        """Operations of all repeats, in one thread."""
        return self.repeats * (2 * self.matrix**3 if kind == PRODUCT else 2 * 9 * _CHANNELS**2 * self.image**2)


_PEAK = {"cpu": Peak(2048, 128, 5), "cuda": Peak(8192, 1024, 10)}


@dataclass(frozen=True)
class Task:
    """A network on its device and its inputs: covariates (C, H, W) of blocks with their halo, in memory, one per thread
    or, on a GPU, several per stream, and the pixels of the first block that are predicted by their patches."""

    device: torch.device
    encoder: Encoder
    network: PackedNetwork
    blocks: tuple[Tensor, ...]
    side: int
    rows: np.ndarray
    cols: np.ndarray
    peak: Peak

    @property
    def predictor(self) -> Predictor:
        return Predictor((self.network,), (), np.ones((1, 1)), self.network.patch_size)

    @property
    def threads(self) -> int:
        """Threads that compute patches and the peak's work; a GPU needs only one."""
        return len(self.blocks) if self.device.type == "cpu" else 1

    @property
    def name(self) -> str:
        device = ", GPU" if self.device.type == "cuda" else ""
        count = len(self.encoder.covariates)
        return f"{self.network.NAME}, {count} covariates, patches of {self.network.patch_size} pixels{device}"


def main() -> None:
    asked = read_options()
    figures = []
    for device in map(torch.device, devices()):
        for count in asked.covariates:
            for shapes in SHAPES.values():
                for shape in shapes:
                    if shape.patch_size in asked.sizes:
                        figures += compare(make_task(shape, count, device, asked), asked)
                        print(f"{figures[-1].name}: measured", file=sys.stderr, flush=True)
    write("dense_prediction", "Dense prediction against patch by patch", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--covariates", type=int, nargs="+", default=[10, 30])
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[9, 11, 15, 31], help="patch sizes; padarian needs 11 pixels"
    )
    parser.add_argument(
        "--block",
        type=int,
        help=f"pixels per side; empty: {_BLOCK} on a processor, {BLOCK_SIZES[0]} on a GPU, as in a map",
    )
    parser.add_argument("--patches", type=int, default=NAIVE_BATCH, help="number of pixels predicted by their patches")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--lessons", type=int, default=60, help="training steps")
    parser.add_argument("--repeats", type=int, help="times that the peak's work is done; empty: enough to reach it")
    return parse(parser, QUICK)


def make_task(shape: Shape, covariates: int, device: torch.device, asked: argparse.Namespace) -> Task:
    rng = np.random.default_rng(0)
    is_gpu = device.type == "cuda"
    block = asked.block or (BLOCK_SIZES[0] if is_gpu else _BLOCK)
    count, side = 1 if is_gpu else torch.get_num_threads(), block + shape.patch_size - 1
    fields = gaussian_filter(rng.normal(size=(count, covariates, side, side)), (0, 0, 3, 3), mode="wrap")
    fields = (fields / fields.std()).astype(np.float32)
    quantiles = tuple(np.linspace(-3, 3, 129).tolist())
    encoder = Encoder([CovariateSummary(Covariate("", f"c{i}"), quantiles, (), ()) for i in range(covariates)])
    network = build_network(shape, encoder, number_columns(1), dropout=0.0)
    teach(network, encoder, torch.from_numpy(fields[0]), asked.lessons)
    pixels = rng.choice(block**2, min(asked.patches, block**2), replace=False)
    blocks = tuple(map(torch.from_numpy, fields)) * (BLOCKS_ON_GPU * _FULL_STREAMS if is_gpu else 1)
    peak = _PEAK[device.type]
    peak = replace(peak, repeats=asked.repeats or peak.repeats)
    return Task(device, encoder.to(device), network.to(device), blocks, block, *np.divmod(pixels, block), peak)


def compare(task: Task, asked: argparse.Namespace) -> list[Figure]:
    device, threads = task.device, task.threads
    kinds = half_kinds(device)
    found: dict[str, np.ndarray] = {}
    raw = task.blocks[0].to(device)
    channels = task.encoder(raw[None])  # for the best way by patches, where encoding does not count

    def keep(name: str, predict: Callable[[], np.ndarray | Tensor]) -> Callable[[], None]:
        def run() -> None:
            prediction = predict()
            synchronize(device.type)
            found[name] = prediction.cpu().numpy() if isinstance(prediction, Tensor) else prediction

        return run

    ways = {
        DENSE: keep(DENSE, lambda: by_blocks(task, torch.float32)),
        NAIVE: keep(NAIVE, lambda: naively(task, raw)),
        BEST: keep(BEST, lambda: best(channels, task.network, task.rows, task.cols, threads)),
    }
    if kinds:
        ways[HALF] = keep(HALF, lambda: by_blocks(task, kinds[0]))
    for dtype in (torch.float32, *kinds[:1]):
        for kind in (PRODUCT, CONVOLUTION):
            name = f"{kind}, {dtype}"
            ways[name] = keep(name, work_at_peak(kind, task, dtype))
    seconds = take_turns(ways, asked.turns)
    return tell(task, seconds, found, kinds[0] if kinds else None)


def tell(
    task: Task, seconds: dict[str, list[float]], found: dict[str, np.ndarray], half: torch.dtype | None
) -> list[Figure]:
    """Return the figures. Goals are those of padarian with ten covariates."""
    by_patches, work = len(task.rows), flops(task.network)
    dense = len(task.blocks) * task.side**2
    speed = {
        name: [(dense if name in (DENSE, HALF) else by_patches) / each for each in seconds[name]]
        for name in (DENSE, NAIVE, BEST, HALF)
        if name in seconds
    }

    def peak(dtype: torch.dtype) -> list[float]:
        """Operations per second of the way with the higher median."""
        each = [
            [task.threads * task.peak.operations(kind) / one for one in seconds[f"{kind}, {dtype}"]]
            for kind in (PRODUCT, CONVOLUTION)
        ]
        return max(each, key=statistics.median)

    judged = task.network.NAME == "padarian" and len(task.encoder.covariates) == 10
    goal_of_peak = 55.0 if judged else None
    size = task.network.patch_size
    pixels = f"{spread(speed[DENSE])} pixels/s, {work:,} operations each"
    at_pixels = found[DENSE][task.rows, task.cols]
    figures = [
        Figure(
            f"{task.name}: dense against naive patches", ratios(speed[DENSE], speed[NAIVE]),
            goal=GOALS.get(size) if judged else None, detail=f"{pixels}, against {spread(speed[NAIVE])}",
        ),
        Figure(
            f"{task.name}: dense against the best way by patches", ratios(speed[DENSE], speed[BEST]),
            goal=35.0 if judged and size in GOALS else None, detail=f"against {spread(speed[BEST])} pixels/s",
        ),
        share(f"{task.name}: dense, share of the peak", speed[DENSE], work, peak(torch.float32), goal_of_peak),
        Figure(
            f"{task.name}: largest difference from naive patches",
            (float(np.abs(at_pixels - found[NAIVE][:, 0]).max()),), "sd of the target", 1e-4, True,
        ),
    ]  # fmt: skip
    if half is None:
        return figures
    name = str(half).removeprefix("torch.")
    error = float(np.sqrt(((found[HALF] - found[DENSE]) ** 2).mean()))
    return [
        *figures,
        Figure(f"{task.name}: {name} against float32", ratios(speed[HALF], speed[DENSE]), goal=2.0 if judged else None),
        share(f"{task.name}: {name}, share of its peak", speed[HALF], work, peak(half), None),
        Figure(f"{task.name}: error of {name}", (100 * error,), "% of the target's sd", 100 * LARGEST_ERROR, True),
    ]  # fmt: skip


def share(name: str, speed: list[float], work: int, peak: list[float], goal: float | None) -> Figure:
    achieved = [each * work for each in speed]
    detail = f"{spread([each / 1e9 for each in achieved])} of {spread([each / 1e9 for each in peak])} GFLOP/s"
    return Figure(name, tuple(100 * each for each in ratios(achieved, peak)), "%", goal, detail=detail)


def by_blocks(task: Task, dtype: torch.dtype) -> np.ndarray:
    """Return the locations (h, w) of the first block; all are predicted."""
    everywhere = np.ones((task.side, task.side), np.bool_)

    @torch.inference_mode()
    def predict(raw: Tensor) -> np.ndarray:
        with own_stream(task.device):
            brought = raw.pin_memory().to(task.device, non_blocking=True) if task.device.type == "cuda" else raw
            return task.predictor.predict_block(task.encoder(brought[None]), everywhere, dtype=dtype)[0][0]

    if task.device.type == "cuda":
        return list(_STREAMS.map(predict, task.blocks))[0]
    return side_by_side(predict, task.blocks)[0]


def naively(task: Task, raw: Tensor) -> Tensor:
    with plain_memory():
        return naive(raw, task.encoder, task.network, task.rows, task.cols)


def work_at_peak(kind: str, task: Task, dtype: torch.dtype) -> Callable[[], np.ndarray]:
    """Return a large product or convolution, as the engine has them, to be done several times in each thread. Its
    inputs are made now."""
    size, device = task.peak, task.device
    matrix = torch.ones(size.matrix, size.matrix, dtype=dtype, device=device)
    image = torch.ones(1, _CHANNELS, size.image + 2, size.image + 2, dtype=dtype, device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    kernel = torch.ones(_CHANNELS, _CHANNELS, 3, 3, dtype=dtype, device=device)
    bias = torch.ones(_CHANNELS, dtype=dtype, device=device)

    @torch.inference_mode()
    def work(matrix: Tensor) -> Tensor:
        for _ in range(size.repeats):
            made = multiply(matrix, matrix, matrix[0]) if kind == PRODUCT else convolve(image, kernel, bias)
        return made

    return lambda: side_by_side(work, (matrix,) * task.threads)[0].flatten()[:1].float().cpu().numpy()


def side_by_side(work: Callable[[Tensor], object], items: tuple[Tensor, ...]) -> list:  # type: ignore[type-arg]
    if len(items) == 1:
        return [work(items[0])]
    threads = torch.get_num_threads()
    try:
        return list(work_ahead(alone(work), items, len(items)))
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
