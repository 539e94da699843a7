"""Measure patch extraction against one windowed read per observation, and against reading alone: time and memory.

Covariates are tiled, compressed GeoTIFFs of random relief; observations lie anywhere, in no order. Each way runs in its
own process. Ways take turns, so that a busy machine slows all alike. `make bench` runs this in the engine's Python.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from extraction_data import make_covariates, make_observations, patches, paths, points
from numpy.typing import NDArray
from rasterio.windows import Window

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report

NAIVE, SORTED, BLOCKS, OURS = "naive", "sorted", "blocks", "extract"
WARM = 2000  # observations
WAYS = {
    NAIVE: "one windowed read per observation and covariate, as they come",
    SORTED: "the same, tile by tile of the files",
    BLOCKS: "the blocks alone, each read once, on all cores",
    OURS: "Extract patches, file written",
}
QUICK = {"side": 600, "covariates": 3, "observations": 300, "repeats": 1, "naive": 100}


def main() -> None:
    options = parse()
    if options.way:
        print(json.dumps(measure(options, options.way)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="extraction_") as folder:
        options.folder = folder
        make_covariates(options)
        make_observations(options)
        runs = take_turns(options)
        check_patches(options)
    results = summarize(runs)
    text = "\n".join(in_markdown(results, options)) + "\n"
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "extraction.md").write_text(text, encoding="utf-8")
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    content = {"settings": settings, "cores": usable_cores(), "results": results, "figures": tell(runs, options)}
    (options.output / "extraction.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=10_000, help="pixels per side of the covariates")
    parser.add_argument("--covariates", type=int, default=10)
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--patch-size", type=int, default=15)
    parser.add_argument("--tile", type=int, default=256, help="pixels per side of the files' tiles; 0: strips")
    parser.add_argument("--compress", default="deflate")
    parser.add_argument("--type", default="float32", help="data type of the numbers in the files")
    parser.add_argument("--one-file", action="store_true", help="covariates as bands of one file, interleaved by pixel")
    parser.add_argument(
        "--naive", type=int, default=1000, help="observations to read one by one; time is scaled to all"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="folder for temporary files; --side 20000 takes about 25 GB")
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="folder for extraction.md and .json")
    parser.add_argument("--quick", action="store_true", help=f"small: {QUICK}")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    return options


def take_turns(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(options.repeats):
        for way in WAYS:
            runs[way].append(measure_alone(options, way))
            print(f"turn {turn + 1}, {WAYS[way]}: {runs[way][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    return runs


def measure_alone(options: argparse.Namespace, way: str) -> dict[str, float]:
    """Measure one way in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--folder", options.folder, "--way", way]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(found.stdout)
    return measured


def measure(options: argparse.Namespace, way: str) -> dict[str, float]:
    """Measure one way in this process. Seconds and CPU seconds of naive ways are scaled to all observations."""
    pixels = np.load(points(options).with_suffix(".npy"))
    scale = 1.0
    if way in (NAIVE, SORTED):
        count = min(options.naive, len(pixels))
        scale = len(pixels) / count
        some = pixels[:count]
        if way == SORTED:  # all observations of some tiles, as dense as in the rest
            down, right = (pixels // (options.tile or 256)).T
            some = pixels[np.lexsort((right, down))[:count]]
    if way == NAIVE:
        read_windows(options, pixels[-WARM:])  # fills GDAL's cache, as most reads find it
    started, cpu = time.perf_counter(), time.process_time()
    if way == OURS:
        extract(options)
    elif way == BLOCKS:
        read_blocks(options, pixels)
    else:
        read_windows(options, some)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds * scale, "cpu_seconds": cpu * scale, "peak_bytes": peak_bytes()}


def extract(options: argparse.Namespace) -> None:
    covariates = tuple(
        Covariate(str(path), f"c{number}_{band}", band=band)
        for number, path in enumerate(paths(options))
        for band in range(1, 1 + options.covariates // len(paths(options)))
    )
    targets, size = (SoilProperty("ph"),), options.patch_size
    job = ExtractPatches(str(points(options)), targets, covariates, str(patches(options)), patch_size=size)
    extract_patches.run(job, Report(lambda event: None))


@cache
def opened(files: tuple[Path, ...]) -> list[rasterio.DatasetReader]:
    return [rasterio.open(path) for path in files]


def read_windows(options: argparse.Namespace, pixels: NDArray[np.int64]) -> None:
    size, halo = options.patch_size, options.patch_size // 2
    files = opened(tuple(paths(options)))
    found = np.empty((len(pixels), options.covariates, size, size), np.float32)
    for patch, (row, col) in zip(found, pixels.tolist()):
        window = Window(col - halo, row - halo, size, size)
        layers = ((file, band) for file in files for band in file.indexes)
        for layer, (file, band) in zip(patch, layers):
            layer[:] = file.read(band, window=window)


def read_blocks(options: argparse.Namespace, pixels: NDArray[np.int64]) -> None:
    """Read every block of the files that a patch touches, with all bands at once."""
    cores, halo = usable_cores(), options.patch_size // 2

    def read(part: tuple[Path, int]) -> None:
        path, number = part
        with rasterio.open(path) as file:
            height, width = file.block_shapes[0]
            reach = np.array([-halo, halo])
            ends = [(pixels[:, [0]] + reach) // height, (pixels[:, [1]] + reach) // width]
            touched = {
                (row, col)
                for rows, cols in zip(*(each.tolist() for each in ends))
                for row in range(rows[0], rows[1] + 1)
                for col in range(cols[0], cols[1] + 1)
            }
            for row, first, last in list(runs(sorted(touched)))[number::shares]:
                top, left = row * height, first * width
                right, bottom = min((last + 1) * width, file.width), min(top + height, file.height)
                file.read(window=Window(left, top, right - left, bottom - top))

    shares = -(-cores // len(paths(options)))
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(read, [(path, number) for path in paths(options) for number in range(shares)]))


def runs(places: list[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield the row, first and last column of neighbouring blocks: one read of several is faster."""
    row, first, last = places[0][0], places[0][1], places[0][1] - 1
    for down, right in places:
        if (down, right) != (row, last + 1):
            yield row, first, last
            row, first = down, right
        last = right
    yield row, first, last


def check_patches(options: argparse.Namespace) -> None:
    """Check a hundred patches of the file, bit by bit."""
    size, halo = options.patch_size, options.patch_size // 2
    with PatchFile(str(patches(options))) as file:
        for number in np.linspace(0, file.count - 1, 100).astype(int):
            row, col = file.rows_cols[number]
            window = Window(col - halo, row - halo, size, size)
            expected = []
            for path in paths(options):
                with rasterio.open(path) as dataset:
                    expected.extend(dataset.read(window=window).astype(np.float32))
            if not np.array_equal(file.read(number, number + 1)[0], np.stack(expected)):
                raise SystemExit(f"Observation {number} has a patch that differs from the covariates there.")


def summarize(runs: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    results = {}
    ours = statistics.median(run["seconds"] for run in runs[OURS])
    for way, found in runs.items():
        seconds = [run["seconds"] for run in found]
        results[way] = {
            "seconds": statistics.median(seconds),
            "lowest": min(seconds),
            "highest": max(seconds),
            "cpu_seconds": statistics.median(run["cpu_seconds"] for run in found),
            "peak_bytes": max(run["peak_bytes"] for run in found),
            "times_extraction": statistics.median(seconds) / ours,
        }
    return results


def tell(runs: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return figures with their goals for the table of all benchmarks."""
    from figures import Figure, ratios, spread  # imports torch, which must not count in the memory of the ways

    seconds = {way: [run["seconds"] for run in found] for way, found in runs.items()}
    told = f"{options.observations:,} patches of {options.covariates} x {options.patch_size} x {options.patch_size}"
    ours = f"{told}, rasters of {options.side:,} x {options.side:,}: {spread(seconds[OURS])} s"
    peak = tuple(run["peak_bytes"] / 2**30 for run in runs[OURS])
    figures = [
        Figure("against windowed reads, in no order", ratios(seconds[NAIVE], seconds[OURS]), "x", 20, detail=ours),
        Figure("against windowed reads, tile by tile", ratios(seconds[SORTED], seconds[OURS])),
        Figure("time against reading the blocks alone", ratios(seconds[OURS], seconds[BLOCKS]), "x", 2, True),
        Figure("peak memory", peak, "GiB", 4, True),
    ]
    return [asdict(each) for each in figures]


def in_markdown(results: dict[str, dict[str, float]], options: argparse.Namespace) -> Iterator[str]:
    stored = f"tiles of {options.tile} x {options.tile}" if options.tile else "strips"
    where = "bands of one file" if options.one_file else "a file each"
    scaled = min(options.naive, options.observations)
    yield f"## Extraction of {options.observations:,} patches of {options.patch_size} x {options.patch_size} pixels\n"
    yield (
        f"{options.covariates} covariates of {options.side:,} x {options.side:,} pixels, {options.type}, {where},"
        f" {stored}, {options.compress}; {usable_cores()} cores, GDAL {rasterio.__gdal_version__}. Median of"
        f" {options.repeats} turns, lowest to highest; single reads are of {scaled:,} observations, scaled to all, and"
        " write nothing.\n"
    )
    yield "| way | seconds | CPU seconds | peak memory, MiB | times as long as extraction |"
    yield "|---|---|---|---|---|"
    for way, row in results.items():
        spread = f"{row['seconds']:,.1f} ({row['lowest']:,.1f} to {row['highest']:,.1f})"
        memory = f"{row['peak_bytes'] / 2**20:,.0f}"
        yield f"| {WAYS[way]} | {spread} | {row['cpu_seconds']:,.1f} | {memory} | {row['times_extraction']:.2f} |"
    yield f"\nExtraction takes {1 / results[BLOCKS]['times_extraction']:.2f} times as long as reading the blocks alone."


def peak_bytes() -> int:
    """Return the peak of this process; the kernel's count for a child starts from its parent's memory."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
