"""Sets the designs of samples beside the reference packages of R: clhs, spcosa, spsurvey and BalancedSampling.

`PYTHONPATH=. python benchmarks/sampling_in_r.py --output FOLDER [--r Rscript] [--quick]`

One frame of 1,100 pixels, an ellipse with a lake, goes to both. R (`sampling_in_r.R`) draws its samples, the engine its
own, and all of them are measured here, by one formula each: the objective of the Latin hypercube at equal numbers of
steps, without and with existing points and costs; the mean squared distance to the nearest point at equal numbers of
starts; how often random designs choose each pixel, how evenly they spread (Stevens & Olsen 2004: the variance of the
sums of chances of the pixels nearest to each point) and how they err; and the estimates from one stratified sample.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from soil_cnn_plugin.contract.jobs import Covariate, PlanSampling
from soil_cnn_plugin.engine.assessment.design_based import estimate_from_sample, estimate_mean
from soil_cnn_plugin.engine.sampling.candidates import Candidates
from soil_cnn_plugin.engine.sampling.coverage import mean_squared_distance
from soil_cnn_plugin.engine.sampling.designs import Task, choose_points, strata_by_place
from soil_cnn_plugin.engine.sampling.frame import Counts
from soil_cnn_plugin.engine.sampling.pivotal import draw_pivotal, probabilities_of
from tests.engine.sampling.plain_hypercube import objective

CELL, NUMBERS, OLD, STRATA, EACH, TRIES = 20.0, 4, 8, 10, 3, 5
COVARIATES = (*(Covariate(f"c{n}", f"c{n}") for n in range(NUMBERS)), Covariate("k", "k", kind="categorical"))
SETTINGS = {
    "points": 30, "steps": 10_000, "cubes": 10, "coverages": 10, "tries": TRIES, "strata": STRATA, "each": EACH,
    "draws": 4000, "grts": 300,
}  # fmt: skip
QUICK = {"steps": 300, "cubes": 2, "coverages": 2, "draws": 60, "grts": 4}
WEIGHT = 1.0  # of the cost, as in Plan sampling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--r", default="Rscript", help="the program that runs R; it needs the packages named above")
    parser.add_argument("--quick", action="store_true", help="few steps and draws, to see that it runs")
    options = parser.parse_args()
    settings = {**SETTINGS, **(QUICK if options.quick else {})}
    options.output.mkdir(parents=True, exist_ok=True)
    frame, existing = make_frame(settings["points"])
    write(options.output, frame, existing, settings)
    script = Path(__file__).with_suffix(".R")
    subprocess.run([options.r, "--vanilla", script, str(options.output)], check=True)
    results = compare(Drawn(frame, existing, settings, options.output))
    (options.output / "sampling_in_r.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    text = "\n".join(table(results))
    (options.output / "sampling_in_r.md").write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{text}\n")


def make_frame(points: int) -> tuple[pandas.DataFrame, np.ndarray]:
    """Pixels with covariates, costs, inclusion probabilities and a property; and the rows of existing points."""
    rng = np.random.default_rng(3)
    rows, cols = np.divmod(np.arange(40 * 50), 50)
    away = ((rows - 19.5) / 19) ** 2 + ((cols - 24.5) / 24) ** 2
    lake = (rows - 14) ** 2 + (cols - 34) ** 2
    is_place = (away < 1) & (lake > 30)
    rows, cols = rows[is_place], cols[is_place]
    places = np.column_stack([cols + 0.5, 40 - rows - 0.5]) * CELL
    smooth = np.linalg.cholesky(np.exp(-cdist(places, places) / 200) + 1e-9 * np.eye(len(places)))
    fields = smooth @ rng.normal(0, 1, (len(places), NUMBERS + 1))
    numbers = np.column_stack([np.exp(fields[:, 0]), fields[:, 1] + fields[:, 0], fields[:, 2] ** 3, fields[:, 3]])
    frame = pandas.DataFrame({"x": 500_000 + places[:, 0], "y": 5_000_000 + places[:, 1]})
    frame[[f"c{n + 1}" for n in range(NUMBERS)]] = numbers.astype(np.float32)
    frame["k"] = np.digitize(fields[:, 4], [-1.0, 0.5]) + 1
    frame["cost"] = np.abs(places[:, 0] - places[:, 1]) / 2**0.5  # metres to a straight road
    frame["chance"] = probabilities_of(rng.uniform(0.5, 2.0, len(frame)), points)
    frame["z"] = 20 + 3 * numbers[:, 1] + 0.01 * places[:, 0] + rng.normal(0, 1, len(frame))
    return frame, np.sort(rng.choice(np.flatnonzero(places[:, 0] < 400), OLD, replace=False))


def write(folder: Path, frame: pandas.DataFrame, existing: np.ndarray, settings: dict[str, int]) -> None:
    frame.to_csv(folder / "frame.csv", index=False)
    pandas.DataFrame({"row": existing + 1}).to_csv(folder / "existing.csv", index=False)
    pandas.DataFrame({"name": settings.keys(), "value": settings.values()}).to_csv(folder / "settings.csv", index=False)


class Drawn:
    """The samples of both sides, and what each of them took."""

    def __init__(self, frame: pandas.DataFrame, existing: np.ndarray, settings: dict[str, int], folder: Path) -> None:
        self.frame, self.existing, self.settings, self._folder = frame, existing, settings, folder
        self.places = frame[["x", "y"]].to_numpy()
        self.values = frame[[f"c{n + 1}" for n in range(NUMBERS)] + ["k"]].to_numpy(np.float32)
        self._seconds = self.table("seconds").set_index("design")["seconds"]

    def table(self, name: str) -> pandas.DataFrame:
        return pandas.read_csv(self._folder / f"{name}.csv")

    def of_r(self, name: str) -> tuple[list[np.ndarray], float]:
        """Rows of each sample, or its x and y, and the seconds of one."""
        found = self.table(name)
        samples = [
            part["row"].to_numpy() - 1 if "row" in part else part[["x", "y"]].to_numpy()
            for _, part in found.groupby("sample")
        ]
        return samples, float(self._seconds[name])

    def own(self, count: int, draw: Callable[[int], np.ndarray]) -> tuple[list[np.ndarray], float]:
        begun = time.perf_counter()
        samples = [draw(seed) for seed in range(1, count + 1)]
        return samples, (time.perf_counter() - begun) / count

    def planned(self, design: str, with_existing: bool = False, with_cost: bool = False) -> Callable[[int], np.ndarray]:
        """Return what chooses points by a design of the product with a seed."""
        count, old = len(self.frame), self.existing if with_existing else self.existing[:0]
        cost = 1 + WEIGHT * self.frame["cost"].to_numpy() / self.frame["cost"].mean() if with_cost else np.ones(count)
        one = np.zeros(count, np.int64)
        sizes = np.array([count])
        candidates = Candidates(
            one, np.arange(count), self.places, self.places, self.values, cost, one, ("all",), sizes, sizes,
            sizes * CELL**2 / 10_000, Counts(count, 0, 0, 0, 0, 0, count, count), lattice=None,
        )  # fmt: skip
        job = PlanSampling(
            "", design, self.settings["points"], covariates=COVARIATES, iterations=self.settings["steps"]
        )

        def draw(seed: int) -> np.ndarray:
            task = Task(
                replace(job, seed=seed), COVARIATES, candidates, self.places[old], self.values[old],
                np.isin(np.arange(count), old),
            )  # fmt: skip
            return choose_points(task, lambda share: None).rows

        return draw


def compare(drawn: Drawn) -> dict[str, dict[str, dict[str, float]]]:
    return {
        "hypercube": hypercubes(drawn),
        "coverage": coverages(drawn),
        "random": random_designs(drawn),
        "strata": strata(drawn),
    }


def hypercubes(drawn: Drawn) -> dict[str, dict[str, float]]:
    frame, found = drawn.frame, {}
    cost = frame["cost"].to_numpy()
    numeric, classes = tuple(range(NUMBERS)), (NUMBERS,)
    for name, options in (("plain", {}), ("existing", {"with_existing": True}), ("cost", {"with_cost": True})):
        own = drawn.own(drawn.settings["cubes"], drawn.planned("latin_hypercube", **options))
        for side, (samples, seconds) in (("own", own), ("clhs", drawn.of_r(f"clhs_{name}"))):
            old = drawn.existing if name == "existing" else drawn.existing[:0]
            reached = [objective(drawn.values, np.concatenate([rows, old]), numeric, classes) for rows in samples]
            assert all(len(set(rows) | set(old)) == drawn.settings["points"] + len(old) for rows in samples)
            found[f"{name}, {side}"] = {
                "objective": float(np.mean(reached)),
                "worst": max(reached),
                "mean_cost": float(np.mean([cost[rows].mean() for rows in samples])),
                "seconds": seconds,
            }
    return found


def coverages(drawn: Drawn) -> dict[str, dict[str, float]]:
    found = {}
    for name, with_existing in (("plain", False), ("existing", True)):
        own = drawn.own(drawn.settings["coverages"], drawn.planned("spatial_coverage", with_existing))
        old = drawn.places[drawn.existing] if with_existing else drawn.places[:0]
        for side, (samples, seconds) in (("own", own), ("spcosa", drawn.of_r(f"spcosa_{name}"))):
            points = [drawn.places[each] if each.ndim == 1 else each for each in samples]
            nearest = [drawn.places[cKDTree(drawn.places).query(each)[1]] for each in points]
            distances, at_pixels = (
                [mean_squared_distance(drawn.places, np.concatenate([old, each])) for each in ways]
                for ways in (points, nearest)
            )
            found[f"{name}, {side}"] = {
                "mean_squared_distance": float(np.mean(distances)),
                "worst": max(distances),
                "at_centres_of_pixels": float(np.mean(at_pixels)),
                "points": float(np.mean([len(each) for each in points])) - (len(old) if side == "spcosa" else 0),
                "seconds": seconds,
            }
    return found


def random_designs(drawn: Drawn) -> dict[str, dict[str, float]]:
    frame, chance = drawn.frame, drawn.frame["chance"].to_numpy()
    own = drawn.own(drawn.settings["draws"], lambda seed: draw_pivotal(drawn.places, chance, seed))
    found = {}
    equal = np.full(len(frame), drawn.settings["points"] / len(frame))
    for name, (samples, seconds), wanted in (
        ("own", own, chance),
        ("lpm2", drawn.of_r("lpm2"), chance),
        ("grts", drawn.of_r("grts"), chance),
        ("simple random", drawn.of_r("srswor"), equal),
    ):
        hits = np.bincount(np.concatenate(samples), minlength=len(frame)) / len(samples)
        errors = (hits - wanted) / np.sqrt(wanted * (1 - wanted) / len(samples))
        sums = [np.bincount(cKDTree(drawn.places[rows]).query(drawn.places)[1], wanted) for rows in samples]
        means = [estimate_mean(frame["z"].to_numpy()[rows], inclusion=wanted[rows]) for rows in samples]
        truth = float(frame["z"].mean())
        found[name] = {
            "draws": len(samples),
            "inclusion_in_standard_errors": float(np.sqrt((errors**2).mean())),
            "balance": float(np.mean([((each - 1) ** 2).mean() for each in sums])),
            "error_of_mean": float(np.sqrt(np.mean([(each.value - truth) ** 2 for each in means]))),
            "stated_error": float(np.sqrt(np.mean([each.standard_error**2 for each in means]))),
            "coverage_of_95": float(np.mean([each.low <= truth <= each.high for each in means])),
            "seconds": seconds,
        }
    local = drawn.table("local_variance")
    found["lpm2 with spsurvey's local variance"] = {
        "draws": len(local),
        "error_of_mean": float(np.sqrt(((local["mean"] - truth) ** 2).mean())),
        "stated_error": float(np.sqrt((local["error"] ** 2).mean())),
        "coverage_of_95": float(((local["low"] <= truth) & (truth <= local["high"])).mean()),
    }
    return found


def strata(drawn: Drawn) -> dict[str, dict[str, float]]:
    """Estimates from spcosa's stratified sample, and how well the strata of both sides part the property."""
    z = drawn.frame["z"].to_numpy()
    by_r = drawn.table("spcosa_strata")["stratum"].to_numpy()
    rows = drawn.table("spcosa_sample")["row"].to_numpy() - 1
    told = drawn.table("spcosa_estimate").iloc[0]
    areas = {number: int(count) for number, count in zip(*np.unique(by_r, return_counts=True))}
    found = estimate_from_sample(z[rows], np.zeros(len(rows)), strata=by_r[rows].tolist(), areas=areas).me
    own = strata_by_place(drawn.places, STRATA, 1)(drawn.places)
    return {
        "estimate, own": {"mean": -found.value, "variance": found.standard_error**2},
        "estimate, spcosa": {"mean": float(told["mean"]), "variance": float(told["variance"])},
        "strata, own": {"variance_of_mean": _variance(z, own)},
        "strata, spcosa": {"variance_of_mean": _variance(z, by_r)},
        "no strata": {"variance_of_mean": _variance(z, np.zeros(len(z), np.int64), STRATA * EACH)},
    }


def _variance(z: np.ndarray, stratum: np.ndarray, each: int = EACH) -> float:
    """Variance of the mean from so many random points in each stratum (Cochran 1977, eq. 5.7, with replacement)."""
    parts = [z[stratum == number] for number in np.unique(stratum)]
    return float(sum((len(part) / len(z)) ** 2 * part.var(ddof=1) / each for part in parts))


def table(results: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    lines = []
    for part, found in results.items():
        names = list(dict.fromkeys(key for each in found.values() for key in each))
        lines += ["", f"| {part} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
        for name, each in found.items():
            lines.append(f"| {name} | {' | '.join(f'{each[key]:.4g}' if key in each else '' for key in names)} |")
    return lines[1:]


if __name__ == "__main__":
    main()
