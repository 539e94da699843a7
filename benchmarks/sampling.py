"""Measures designs of samples: where next against random samples, and each design against its published formula.

`PYTHONPATH=. python benchmarks/sampling.py --output FOLDER [--repeats 100] [--data FOLDER] [--quick]`

where next: on simulated truth (a linear effect of two covariates, errors with an exponential correlogram), a model that
knows this structure starts from random points and gets more, either at random or by *where next*; what counts is the
RMSE over all pixels. With `--data FOLDER` (points.gpkg and covariates as GeoTIFF) the same is done on real points:
those that are not yet chosen are the candidates, and a fifth, held out, is the truth. The structure is fitted to the
points of the start alone. The share is the number of points with which *where next* reaches the RMSE of all random
points, over their number: of the mean course of all repeats, and its distribution over repeats.

inclusion: how often 20,000 draws choose each place, beside the inclusion probability, with the error of such a count.
hypercube: the objective of the Latin hypercube beside a plain reading of the paper, at equal numbers of steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sampling_kriging import Kriging, fitted
from scipy.spatial.distance import cdist

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.sampling.hypercube import draw_hypercube
from soil_cnn_plugin.engine.sampling.next_points import MOST_PLACES, MOST_TARGETS
from soil_cnn_plugin.engine.sampling.pivotal import draw_pivotal, probabilities_of
from soil_cnn_plugin.engine.sampling.spacing import Spacing
from soil_cnn_plugin.engine.sampling.where_next import ErrorProcess, choose_next

START, MORE, STEP = 30, 60, 5
SIDE, CELL = 30, 100.0
MOST_CLASSES = 20
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--data", type=Path, help="folder with points.gpkg and covariates, for a real data set")
    parser.add_argument("--target", default="SNDMHT_A", help="field of points.gpkg")
    parser.add_argument("--quick", action="store_true", help="few repeats, to see that it runs")
    options = parser.parse_args()
    repeats = 2 if options.quick else options.repeats
    found = {"simulated": [simulated(seed) for seed in range(repeats)]}
    if options.data:
        found["real"] = real(options.data, options.target, repeats)
    results = {
        "where_next": {name: summary(runs) for name, runs in found.items()},
        "inclusion": inclusion(300 if options.quick else 20_000),
        "hypercube": hypercube(1 if options.quick else 10, 100 if options.quick else 2000),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "sampling.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    text = "\n".join(table(results))
    (options.output / "sampling.md").write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{text}\n")


def race(
    model: Kriging | None,
    values: np.ndarray,
    candidates: np.ndarray,
    tested: np.ndarray,
    seed: int,
    at: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[list[float], list[float]]:
    """RMSE at the `tested` rows after START, START + STEP, ... points: at random, and by where next. Without a model,
    its structure is fitted to the first START points, of features and places `at`."""
    rng = np.random.default_rng(seed)
    start = rng.choice(candidates, START, replace=False)
    model = model or fitted(*at, values, start)
    others = np.setdiff1d(candidates, start)
    random = np.concatenate([start, rng.permutation(others)[:MORE]])
    places = rng.permutation(others)[:MOST_PLACES]
    targets = rng.permutation(tested)[:MOST_TARGETS]
    process = ErrorProcess(
        model.uncertainty(start, targets, seed),
        model.uncertainty(start, places, seed),
        model.places[start],
        np.full(len(targets), 1 / len(targets)),
        model.correlation,
    )
    chosen = choose_next(
        process,
        MORE,
        cost=np.ones(len(places)),
        is_free=np.ones(len(places), bool),
        spacing=Spacing(model.places[places], 0.0, np.empty((0, 2))),
    )
    planned = np.concatenate([start, places[chosen.rows]])

    def errors(order: np.ndarray) -> list[float]:
        sizes = range(START, START + MORE + 1, STEP)
        differences = (model.predict(order[:n], values[order[:n]], tested) - values[tested] for n in sizes)
        return [float(np.sqrt((each**2).mean())) for each in differences]

    return errors(random), errors(planned)


@dataclass(frozen=True)
class Landscape:
    """Pixels at `places` (n, 2) with two covariates (n, 2), their true values and what a sample there would tell."""

    places: np.ndarray
    features: np.ndarray
    truth: np.ndarray
    measured: np.ndarray
    model: Kriging


def draw_landscape(seed: int) -> Landscape:
    rng = np.random.default_rng(seed)
    rows, cols = np.divmod(np.arange(SIDE * SIDE), SIDE)
    places = np.column_stack([cols, rows]) * CELL
    smooth = np.linalg.cholesky(np.exp(-cdist(places, places) / 500) + 1e-9 * np.eye(len(places)))
    features = (smooth @ rng.normal(0, 1, (len(places), 2))) ** 3 / 3
    model = Kriging(features, places, reach=float(rng.choice([600, 1200, 2400])), nugget=0.3, effect=1.0)
    spatial = model.correlation(cdist(places, places)) + 1e-9 * np.eye(len(places))
    truth = features @ rng.normal(0, 1, 2) + np.linalg.cholesky(spatial) @ rng.normal(0, 1, len(places))
    return Landscape(places, features, truth, truth + rng.normal(0, np.sqrt(0.3), len(places)), model)


def simulated(seed: int) -> tuple[list[float], list[float]]:
    drawn = draw_landscape(seed)
    everywhere = np.arange(len(drawn.places))
    return race(drawn.model, drawn.measured, everywhere, everywhere, seed)


def real(folder: Path, target: str, repeats: int) -> list[tuple[list[float], list[float]]]:
    """A fifth of the points is held out in each repeat. Rasters of at most MOST_CLASSES whole numbers are classes."""
    import geopandas
    import rasterio

    points = geopandas.read_file(next(folder.rglob("points.gpkg")))
    points = points[np.isfinite(points[target])].drop_duplicates("geometry")
    xy = np.column_stack([points.geometry.x, points.geometry.y])
    columns = []
    for path in sorted(folder.rglob("covariates25/*.tif")) or sorted(folder.rglob("*.tif")):
        with rasterio.open(path) as dataset:
            values = np.array([value[0] for value in dataset.sample(xy)], float)
            values = np.where(values == dataset.nodata, np.nan, values)
        codes = np.unique(values[np.isfinite(values)])
        is_classes = len(codes) <= MOST_CLASSES and (codes == np.rint(codes)).all()
        columns += [np.where(np.isnan(values), np.nan, values == code) for code in codes] if is_classes else [values]
    features = np.column_stack(columns)
    known = np.isfinite(features).all(axis=1)
    features, xy, values = features[known], xy[known], points[target].to_numpy(float)[known]
    features = features[:, features.std(axis=0) > 0]
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    values = (values - values.mean()) / values.std()
    found = []
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(values))
        held_out = order[: len(values) // 5]
        found.append(race(None, values, order[len(values) // 5 :], held_out, seed, (features, xy)))
    return found


def summary(runs: list[tuple[list[float], list[float]]]) -> dict[str, object]:
    """Mean RMSEs by number of points, and the share of points with which where next is as good as all random ones."""
    random, planned = (np.array([run[index] for run in runs]) for index in (0, 1))
    sizes = np.arange(START, START + MORE + 1, STEP)
    return {
        "repeats": len(runs),
        "points": sizes.tolist(),
        "random": random.mean(axis=0).tolist(),
        "where_next": planned.mean(axis=0).tolist(),
        "share_of_all_points": share(random.mean(axis=0), planned.mean(axis=0), sizes),
        "share_of_new_points": share(random.mean(axis=0), planned.mean(axis=0), sizes - START),
        "won": float((planned[:, -1] < random[:, -1]).mean()),
        "ratio_of_rmse": np.quantile(planned[:, -1] / random[:, -1], LEVELS).tolist(),
        "shares_of_all_points": np.quantile(
            [min(share(*run, sizes), 1.0) for run in zip(random, planned)], LEVELS
        ).tolist(),  # 1: not reached, or with the last point
    }


def share(random: np.ndarray, planned: np.ndarray, sizes: np.ndarray) -> float:
    """Linear between steps; above 1 where all points planned do not reach it."""
    reached = np.flatnonzero(planned <= random[-1])
    if not len(reached):
        return float("inf")
    at = int(reached[0])
    if at == 0:
        return float(sizes[0] / sizes[-1])
    part = (planned[at - 1] - random[-1]) / (planned[at - 1] - planned[at])
    return float((sizes[at - 1] + part * (sizes[at] - sizes[at - 1])) / sizes[-1])


def inclusion(draws: int) -> dict[str, float]:
    places = np.argwhere(np.ones((5, 6))) * 10.0
    wanted = probabilities_of(np.random.default_rng(0).uniform(0.5, 3, 30), 8)
    hits = np.zeros(30)
    for seed in np.random.default_rng(1).integers(2**31, size=draws).tolist():
        hits[draw_pivotal(places, wanted, seed)] += 1
    errors = (hits / draws - wanted) / np.sqrt(wanted * (1 - wanted) / draws)
    return {
        "draws": draws,
        "largest_difference": float(np.abs(hits / draws - wanted).max()),
        "root_mean_square_of_standardized_differences": float(np.sqrt((errors**2).mean())),
    }


CUBES = {"20 points, 3 covariates": (20, 2, 10), "50 points, 7 covariates": (50, 6, 4)}
"""Points, numeric covariates beside one of classes, and seeds."""


def hypercube(seeds: int, steps: int) -> dict[str, dict[str, object]]:
    return {name: cube(points, numbers, min(seeds, most), steps) for name, (points, numbers, most) in CUBES.items()}


def cube(points: int, numbers: int, seeds: int, steps: int) -> dict[str, object]:
    from tests.engine.sampling.plain_hypercube import objective, plain_hypercube

    rng = np.random.default_rng(1)
    mixed = rng.gamma(2, 1, (1000, numbers)) @ rng.normal(0, 1, (numbers, numbers))
    values = np.column_stack([mixed, rng.integers(0, 3, 1000)]).astype(np.float32)
    covariates = [*(Covariate(f"c{n}", f"c{n}") for n in range(numbers)), Covariate("k", "k", kind="categorical")]
    nothing, numeric, classes = values[:0], tuple(range(numbers)), (numbers,)
    spacing = Spacing(np.zeros((1000, 2)), 0.0, np.empty((0, 2)))

    def own(seed: int) -> np.ndarray:
        return draw_hypercube(
            values, covariates, points, legacy=nothing, cost=np.ones(1000), is_free=np.ones(1000, bool),
            spacing=spacing, iterations=steps, seed=seed,
        ).rows  # fmt: skip

    def measure(draw: Callable[[int], np.ndarray]) -> dict[str, object]:
        begun = time.perf_counter()
        reached = [objective(values, draw(seed), numeric, classes) for seed in range(seeds)]
        return {"objectives": reached, "seconds": (time.perf_counter() - begun) / seeds}

    return {
        "steps": steps,
        "own": measure(own),
        "plain": measure(lambda seed: plain_hypercube(values, points, steps, seed, numeric, classes)),
    }


def table(results: dict[str, dict]) -> list[str]:
    lines = ["| where next | repeats | RMSE random | RMSE where next | share of new points | of all points | won |"]
    lines[0] += " ratio of RMSE, 5 to 95 % | share of all points, 5 to 95 % |"
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for name, each in results["where_next"].items():
        lines.append(
            f"| {name} | {each['repeats']} | {each['random'][-1]:.3f} | {each['where_next'][-1]:.3f}"
            f" | {each['share_of_new_points']:.2f} | {each['share_of_all_points']:.2f} | {each['won']:.2f}"
            f" | {', '.join(f'{one:.2f}' for one in each['ratio_of_rmse'])}"
            f" | {', '.join(f'{one:.2f}' for one in each['shares_of_all_points'])} |"
        )
    counted = results["inclusion"]
    lines += [
        "",
        f"Inclusion probabilities, {counted['draws']} draws: largest difference {counted['largest_difference']:.4f};"
        f" in standard errors, root mean square {counted['root_mean_square_of_standardized_differences']:.2f}.",
    ]
    for name, each in results["hypercube"].items():
        lines.append(
            f"Latin hypercube, {name}, {each['steps']} steps: objective {np.mean(each['own']['objectives']):.2f}"
            f" ({each['own']['seconds']:.2f} s), plain {np.mean(each['plain']['objectives']):.2f}"
            f" ({each['plain']['seconds']:.2f} s)."
        )
    return lines


if __name__ == "__main__":
    main()
