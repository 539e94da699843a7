"""Measures where next by the product itself: train, plan, sample, train again, beside random samples of all sizes.

`PYTHONPATH=. python benchmarks/sampling_network.py --output FOLDER [--repeats 20] [--data FOLDER] [--quick]`

The blend of the preset *fast* is trained on START random points; *Plan sampling* asks its network file for MORE points.
These in their order, or as many random ones, are added, and the blend is trained again after every STEP of them. What
counts is the RMSE: on simulated truth (that of `sampling.py`) over all pixels; with `--data FOLDER` (points.gpkg and
covariates) over a fifth of the points, where the others are the candidates. Each repeat is kept in FOLDER when it ends,
so that runs can share the work by `--first`, and go on where they stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import torch
from sampling import CELL, LEVELS, SIDE, START, draw_landscape, share
from scipy.spatial import cKDTree

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, PlanSampling, TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST_CONTEXT
from soil_cnn_plugin.engine.jobs import extract_patches, plan_sampling, train_network
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.designs import make_designs
from soil_cnn_plugin.engine.training.fit import predict_all
from soil_cnn_plugin.engine.training.fitting import fit_design
from soil_cnn_plugin.engine.training.predictor import mix, predict_forests, spread_weights

MORE, STEP, PATCH_SIZE = 60, 15, 15
SIZES = np.arange(START, START + MORE + 1, STEP)
CRS, WEST, NORTH = "EPSG:32631", 300_000.0, 5_000_000.0
QUIET = Report(lambda event: None)


@dataclass(frozen=True)
class Ground:
    """Where samples can be taken: `candidates` are rows of `points` (geometry, value), `tested` rows have the `truth`
    (n,) that maps are held against."""

    points: geopandas.GeoDataFrame
    covariates: tuple[Covariate, ...]
    candidates: np.ndarray
    tested: np.ndarray
    truth: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first repeat")
    parser.add_argument("--data", type=Path, help="folder with points.gpkg and covariates, for a real data set")
    parser.add_argument("--target", default="SNDMHT_A", help="field of points.gpkg")
    parser.add_argument("--epochs", type=int, help="of each training; default: the product's")
    parser.add_argument("--quick", action="store_true", help="one repeat of few epochs, to see that it runs")
    options = parser.parse_args()
    name = "real" if options.data else "simulated"
    options.output.mkdir(parents=True, exist_ok=True)
    for seed in range(options.first, options.first + (1 if options.quick else options.repeats)):
        kept = options.output / f"{name}_{seed}.json"
        if kept.exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            ground = real(options.data, options.target, seed) if options.data else simulated(Path(folder), seed)
            found = race(ground, Path(folder), seed, 2 if options.quick else options.epochs)
        kept.write_text(json.dumps(found), encoding="utf-8")
        sys.stdout.write(f"{name} {seed}: {found}\n")
        sys.stdout.flush()
    text = "\n".join(table(options.output))
    (options.output / "sampling_network.md").write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{text}\n")


def simulated(folder: Path, seed: int) -> Ground:
    drawn, covariates = draw_landscape(seed), []
    for number, column in enumerate(drawn.features.T):
        covariates.append(Covariate(_write(folder / f"c{number}.tif", column.reshape(SIDE, SIDE)), f"c{number}"))
    xy = drawn.places * [1, -1] + [WEST + CELL / 2, NORTH - CELL / 2]
    points = geopandas.GeoDataFrame({"value": drawn.measured}, geometry=geopandas.points_from_xy(*xy.T), crs=CRS)
    everywhere = np.arange(len(points))
    return Ground(points, tuple(covariates), everywhere, everywhere, drawn.truth)


def _write(path: Path, values: np.ndarray) -> str:
    transform = rasterio.Affine(CELL, 0, WEST, 0, -CELL, NORTH)
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype="float32", crs=CRS, transform=transform
    ) as dataset:
        dataset.write(values.astype(np.float32), 1)
    return str(path)


def real(folder: Path, target: str, seed: int) -> Ground:
    """One point a pixel, with data of all covariates; rasters of whole numbers are classes."""
    points = geopandas.read_file(next(folder.rglob("points.gpkg")))
    points = points[np.isfinite(points[target])].rename(columns={target: "value"})[["value", "geometry"]]
    covariates, known, pixels = [], np.ones(len(points), bool), None
    for path in sorted(folder.rglob("covariates25/*.tif")) or sorted(folder.rglob("*.tif")):
        with rasterio.open(path) as dataset:
            points = points.to_crs(dataset.crs)
            rows, cols = rasterio.transform.rowcol(dataset.transform, points.geometry.x, points.geometry.y)
            pixels = np.stack([rows, cols])
            values = np.array([value[0] for value in dataset.sample(zip(points.geometry.x, points.geometry.y))], float)
            known &= np.isfinite(values) & (values != dataset.nodata)
            inside = (pixels >= 0) & (pixels < np.array([[dataset.height], [dataset.width]]))
            known &= inside.all(axis=0)
            is_classes = np.issubdtype(dataset.dtypes[0], np.integer)
        covariates.append(Covariate(str(path), path.stem, kind="categorical" if is_classes else "continuous"))
    _, first = np.unique(pixels, axis=1, return_index=True)
    points = points.iloc[np.sort(first[known[first]])].reset_index(drop=True)
    order = np.random.default_rng(seed).permutation(len(points))
    held_out = order[: len(points) // 5]
    return Ground(points, tuple(covariates), order[len(points) // 5 :], held_out, points["value"].to_numpy()[held_out])


def race(ground: Ground, folder: Path, seed: int, epochs: int | None) -> dict[str, list[float]]:
    """RMSE after SIZES points, at random and by where next."""
    rng = np.random.default_rng(seed)
    start = rng.choice(ground.candidates, START, replace=False)
    others = np.setdiff1d(ground.candidates, start)
    random = np.concatenate([start, rng.permutation(others)[:MORE]])
    job = TrainNetwork(
        "", "", preset="fast", validation="random", transform="none", epochs=epochs, device="cpu", seed=seed
    )
    planned = np.concatenate([start, ask_network(ground, start, others, folder, job)])
    everything = extract(ground, np.arange(len(ground.points)), folder / "all.h5")
    with PatchFile(everything) as file:
        design = make_designs(replace(job, patches=everything), file, folder, torch.device("cpu"), QUIET).first
        rows = cKDTree(file.coordinates).query(ground.points.geometry.get_coordinates().to_numpy())[1]
    tested = rows[ground.tested]
    orders = {"random": rows[random], "where_next": rows[planned]}
    return {
        name: [error(design, order[:size], tested, ground.truth) for size in SIZES] for name, order in orders.items()
    }


def ask_network(ground: Ground, start: np.ndarray, others: np.ndarray, folder: Path, job: TrainNetwork) -> np.ndarray:
    """Return MORE rows of the points, in the order in which the network trained on `start` gains from them."""
    patches = extract(ground, start, folder / "start.h5")
    trained = replace(job, patches=patches, network=str(folder / "start.safetensors"))
    train_network.run(trained, QUIET)
    plan = PlanSampling(
        str(folder / "plan.gpkg"),
        design="where_next",
        points=MORE,
        reference=mark(ground, others, folder / "candidates.tif"),
        covariates=ground.covariates,
        network=trained.network,
        device="cpu",
        seed=job.seed,
    )
    plan_sampling.run(plan, QUIET)
    planned = geopandas.read_file(plan.plan).sort_values("order").geometry.get_coordinates().to_numpy()
    found: np.ndarray = others[cKDTree(ground.points.geometry.get_coordinates().to_numpy()[others]).query(planned)[1]]
    assert len(set(found.tolist())) == MORE
    return found


def mark(ground: Ground, rows: np.ndarray, path: Path) -> str:
    """Write a raster on the covariates' grid that has data only in the pixels of some points."""
    with rasterio.open(ground.covariates[0].path) as dataset:
        profile = dataset.profile | {"dtype": "uint8", "count": 1, "nodata": 0, "driver": "GTiff"}
        some = ground.points.geometry.iloc[rows]
        pixels = rasterio.transform.rowcol(dataset.transform, some.x, some.y)
        marked = np.zeros(dataset.shape, np.uint8)
    marked[tuple(np.asarray(each, int) for each in pixels)] = 1
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(marked, 1)
    return str(path)


def extract(ground: Ground, rows: np.ndarray, path: Path) -> str:
    observations = path.with_suffix(".gpkg")
    ground.points.iloc[rows].to_file(observations)
    job = ExtractPatches(
        str(observations), (SoilProperty("value"),), ground.covariates, str(path), patch_size=PATCH_SIZE
    )
    extract_patches.run(job, QUIET)
    return str(path)


def error(design: Design, known: np.ndarray, tested: np.ndarray, truth: np.ndarray) -> float:
    """RMSE at the `tested` rows of the blend that the product would train on the `known` ones."""
    fitted = fit_design(design, known, design.seed, (FOREST_CONTEXT,))
    inputs = [part.chosen(torch.from_numpy(tested)) for part in design.data.inputs]
    parts = [predict_all(network, rows) for network, rows in zip(fitted.networks, inputs)]
    location, scale = ([part[i].cpu().numpy().astype(np.float64) for part in parts] for i in (0, 1))
    features = design.data.context[tested]
    for centre, spread in (predict_forests(fitted.forests[FOREST_CONTEXT], features), fitted.process.predict(features)):
        location.append(centre)
        scale.append(spread)
    mixture = fitted.mixture(BLEND)
    spreads = spread_weights(mixture.weights, fitted.components)
    mixed, spread = mix(np.stack(location), mixture.weights), mix(np.stack(scale), spreads)
    mapped = mixture.outcomes[0].values(mixed.T, spread.T)[0]
    return float(np.sqrt(((mapped - truth) ** 2).mean()))


def table(folder: Path) -> list[str]:
    lines = ["| truth | repeats | RMSE, random points | where next | share of all points | of the new ones | won |"]
    lines[0] += " ratio of RMSE, 5 to 95 % |"
    lines.append("|---|---|---|---|---|---|---|---|")
    for name in ("simulated", "real"):
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"{name}_*.json"))]
        if not runs:
            continue
        random, planned = (np.array([run[way] for run in runs]) for way in ("random", "where_next"))
        means = random.mean(axis=0), planned.mean(axis=0)
        ratios = np.quantile(planned[:, -1] / random[:, -1], LEVELS)
        lines.append(
            f"| {name} | {len(runs)} | {means[0][-1]:.3f} | {means[1][-1]:.3f} | {share(*means, SIZES):.2f}"
            f" | {share(*means, SIZES - START):.2f} | {(planned[:, -1] < random[:, -1]).mean():.2f}"
            f" | {', '.join(f'{each:.2f}' for each in ratios)} |"
        )
        for way, course in zip(("random", "where next"), means):
            told = ", ".join(f"{size}: {value:.3f}" for size, value in zip(SIZES.tolist(), course))
            lines.append(f"\n{name}, {way}, mean RMSE by points: {told}")
    return lines


if __name__ == "__main__":
    main()
