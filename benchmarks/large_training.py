"""Measure a whole run with many observations: time by stage, memory from outside, sizes of files, honesty of progress.

It runs `Extract patches`, `Train network` and `Predict map` as the plugin does, with a preset's own settings, on
simulated covariates and a target that follows them, their surroundings and the place. It is not part of `make bench`:
a hundred thousand observations take half an hour, a million hours. With `--keep`, files stay in the folder, and a run
that was interrupted goes on from its checkpoints. Run it in the engine's Python:
`benchmarks/large_training.py --help`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from figures import Figure, options, parse, write
from landscape import CELL, NORTH, TARGET, WEST, write_covariates
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from stage_clock import STAGES
from worker import Run, run_job

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, PredictMap, TrainNetwork

QUICK = {"observations": 300, "side": 300, "covariates": 3}
_EDGE = 0.1  # of the time at either end, in which progress is not judged: it is rounded there


def main() -> None:
    asked = read_options()
    with _folder(asked) as name:
        folder = Path(name)
        covariates = write_covariates(folder, asked.side, asked.covariates)
        points, patches = str(folder / "points.gpkg"), str(folder / "patches.h5")
        if not Path(points).exists():
            write_observations(points, covariates, asked)
        extract = ExtractPatches(points, (TARGET,), covariates, patches, patch_size=asked.patch_size)
        extraction = None if Path(patches).exists() else _measured(extract)
        job = TrainNetwork(
            patches, str(folder / "network.safetensors"), str(folder / "report.html"), str(folder / "held_out.gpkg"),
            str(folder / "metrics.json"), preset=asked.preset, members=asked.members, epochs=asked.epochs,
            folds=asked.folds, resume=asked.keep, device="cpu",
        )  # fmt: skip
        training = _measured(job)
        keep(folder / "training.json", training)
        width, metres = asked.map_side, asked.map_side * CELL
        middle = WEST + asked.side * CELL / 2, NORTH - asked.side * CELL / 2
        extent = (middle[0], middle[1], middle[0] + metres, middle[1] + metres)
        mapping = _measured(PredictMap(
            job.network, str(folder / "map.tif"), lower=str(folder / "lower.tif"), upper=str(folder / "upper.tif"),
            dissimilarity=str(folder / "dissimilarity.tif"), extent=extent, device="cpu",
        ))  # fmt: skip
        outputs = {"patches": patches, **job.output_paths(), "map": str(folder / "map.tif")}
        sizes = {path: Path(path).stat().st_size / 2**20 for path in outputs.values()}
    print("\n".join(training.log))
    figures = [
        *([] if extraction is None else figures_of("extraction", extraction)),
        *figures_of("training", training),
        *stages_of(training),
        *progress_of(training),
        *figures_of(f"map of {width} x {width} pixels", mapping),
        *(Figure(f"size of {Path(path).name}", (size,), "MiB") for path, size in sizes.items()),
    ]
    write("large_training", "A whole run with many observations", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--covariates", type=int, default=10)
    parser.add_argument("--side", type=int, default=4000, help="pixels per side of the covariates")
    parser.add_argument("--patch-size", type=int, default=9)
    parser.add_argument("--preset", choices=TrainNetwork.PRESETS, default="fast")
    parser.add_argument("--members", type=int, help="of each network; else the preset decides")
    parser.add_argument("--epochs", type=int, help="else the preset decides")
    parser.add_argument("--folds", type=int, default=TrainNetwork.folds)
    parser.add_argument("--map-side", type=int, default=200, help="pixels per side of the map")
    parser.add_argument("--folder", help="folder for files")
    parser.add_argument("--keep", action="store_true", help="keep files and checkpoints in --folder, and go on there")
    return parse(parser, QUICK)


def _folder(asked: argparse.Namespace) -> AbstractContextManager[str]:
    if not asked.keep:
        return tempfile.TemporaryDirectory(prefix="soilcnn-bench-", dir=asked.folder)
    if not asked.folder:
        raise SystemExit("--keep keeps the files in a folder: name it with --folder.")
    Path(asked.folder).mkdir(parents=True, exist_ok=True)
    return nullcontext(asked.folder)


def _measured(job: ExtractPatches | TrainNetwork | PredictMap) -> Run:
    return run_job(job, staged=True)


def write_observations(path: str, covariates: tuple[Covariate, ...], asked: argparse.Namespace) -> None:
    """Write observations that lie anywhere. The logarithm of their target follows two covariates at the point, the mean
    of a third around it, a product, and a trend in space, plus noise of 0.2."""
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(0, asked.side, (2, asked.observations))
    first, second, third = (_standard(covariates[number % len(covariates)].path) for number in range(3))
    around = uniform_filter(third, 9)[rows, cols]
    signal = 0.3 * np.sin(2 * first[rows, cols]) + 0.2 * second[rows, cols] * (around > 0) + 0.4 * around
    signal += 0.3 * np.sin(6 * rows / asked.side) * np.cos(4 * cols / asked.side)
    signal += 0.2 * rng.normal(size=asked.observations)
    geometry = geopandas.points_from_xy(WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL)
    geopandas.GeoDataFrame({TARGET.field: np.exp(3 + signal)}, geometry=geometry, crs="EPSG:32631").to_file(path)


def _standard(path: str) -> NDArray[np.float32]:
    with rasterio.open(path) as raster:
        values = raster.read(1)
    standard: NDArray[np.float32] = np.where(values == raster.nodata, 0, (values - 300) / 100).astype(np.float32)
    return standard


def figures_of(name: str, run: Run) -> list[Figure]:
    """Wall time, processor time and peak of memory of a job."""
    return [
        Figure(f"{name}: wall time", (run.seconds,), "s"),
        Figure(f"{name}: processor time", (run.times["processor"],), "s"),
        Figure(f"{name}: peak memory", (run.peak_bytes / 2**30,), "GiB"),
    ]


def stages_of(run: Run) -> list[Figure]:
    """Processor time and share of each stage of a training."""
    whole = run.times["processor"]
    found = []
    for name, words in STAGES.items():
        seconds = run.times["stages"].get(name, 0.0)
        peak = run.times["peaks"].get(name, 0) / 2**30
        detail = f"{100 * seconds / whole:.1f} %, at most {peak:.2f} GiB"
        found += [Figure(words, (seconds,), "s", detail=detail)] if seconds else []
    return found


def progress_of(run: Run) -> list[Figure]:
    """How far the told share was from the true one, as a factor, but for the first and last tenth of the time."""
    told = [(seconds / run.seconds, percent / 100) for seconds, percent in run.progress]
    factors = [farther(true, share) for true, share in told if _EDGE <= true <= 1 - _EDGE and share > 0]
    at = {part: share_at(told, part) for part in (0.1, 0.25, 0.5, 0.75, 0.9)}
    detail = ", ".join(f"{100 * part:.0f} %: {100 * share:.0f} %" for part, share in at.items())
    return [Figure("progress: farthest from the truth", (max(factors, default=1.0),), "x", 2.0, True, detail)]


def farther(true: float, told: float) -> float:
    """The factor between what is told and what is true, of the share done or of the share left."""
    return max(true / told, told / true, (1 - true) / max(1 - told, 1e-3), (1 - told) / (1 - true))


def share_at(told: Sequence[tuple[float, float]], part: float) -> float:
    return max((share for true, share in told if true <= part), default=0.0)


def keep(path: Path, run: Run) -> None:
    """Write everything that was measured, in case a later step fails."""
    path.write_text(json.dumps(asdict(run)), encoding="utf-8")


if __name__ == "__main__":
    main()
