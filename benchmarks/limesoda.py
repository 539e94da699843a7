"""Measure the components of a blend that need no raster on fields of LimeSoDa (Schmidinger et al. 2025), by its folds.

LimeSoDa's tables hold covariates at the points, but no rasters. So forests and Gaussian processes enter with these and
coordinates, and networks do not. Its ten folds are held out one after the other; weights of the blend and calibration
use inner folds. The published R2, of the same folds, is printed beside. Get the tables, then run it in the engine's
Python, where each field takes a few minutes and finished ones are kept:

    python -m pip install --no-deps --target build/limesoda LimeSoDa
    PYTHONPATH=$PWD:build/limesoda python benchmarks/limesoda.py --output build/limesoda_results
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtri

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS, PlacedTargets, make_folds
from soil_cnn_plugin.engine.forests.forest import fit_forests
from soil_cnn_plugin.engine.forests.trees import predict_forest
from soil_cnn_plugin.engine.kriging.fitted_process import fit_process
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, score
from soil_cnn_plugin.engine.targets.numbers import NumberKind
from soil_cnn_plugin.engine.training.predictor import mix

PUBLISHED = {
    ("BB.250", "SOC"): (0.891, 0.884, 0.751, 0.850),
    ("BB.250", "pH"): (0.652, 0.647, 0.656, 0.639),
    ("BB.250", "Clay"): (0.699, 0.704, 0.629, 0.641),
    ("B.204", "SOC"): (0.021, 0.041, -0.061, -0.007),
    ("B.204", "pH"): (0.240, 0.243, 0.133, 0.028),
    ("B.204", "Clay"): (0.446, 0.475, 0.611, 0.598),
    ("G.150", "SOC"): (0.401, 0.371, -0.144, 0.315),
    ("G.150", "pH"): (0.394, 0.402, 0.240, 0.468),
    ("G.150", "Clay"): (0.228, 0.188, -0.114, 0.195),
    ("MG.112", "SOC"): (0.605, 0.623, -0.462, 0.467),
    ("MG.112", "pH"): (-0.080, 0.122, -0.044, -0.060),
    ("MG.112", "Clay"): (0.855, 0.863, 0.275, 0.862),
    ("G.104", "SOC"): (0.101, 0.154, 0.188, 0.156),
    ("G.104", "pH"): (0.077, -0.006, 0.024, 0.168),
    ("G.104", "Clay"): (0.246, 0.177, 0.378, 0.342),
    ("MGS.101", "SOC"): (0.250, 0.235, 0.181, 0.266),
    ("MGS.101", "pH"): (0.038, 0.045, -0.116, -0.042),
    ("MGS.101", "Clay"): (0.737, 0.730, 0.640, 0.762),
}
"""R2 of random forest, CatBoost, linear regression and support vectors: all fields of 100 observations or more with
true coordinates and no spectra, from Results_bind.rds of github.com/JonasSchmidinger/LimeSoDa_benchmarking."""
FOREST, OBLIQUE, PROCESS = "forest", "forest with coordinates", "Gaussian process"
_COMPONENTS = (FOREST, OBLIQUE, PROCESS)
BLENDS = {
    "blend": (OBLIQUE, PROCESS),
    "blend, forest without coordinates": (FOREST, PROCESS),
}
FIELDS = tuple(dict.fromkeys(field for field, _ in PUBLISHED))
_COVERAGE = 0.9


@dataclass(frozen=True)
class Result:
    """Scores of a method over all folds of one property."""

    field: str
    property: str
    method: str
    r2: float
    crps: float
    picp: float
    seconds: float


@dataclass(frozen=True)
class Table:
    """One field: covariates (N, D), `places` (N, 2) in metres, values (N, T), and the official folds (N,)."""

    covariates: Array
    places: Array
    properties: tuple[str, ...]
    values: Array
    fold: Rows


def main() -> None:
    options = read_options()
    options.output.mkdir(parents=True, exist_ok=True)
    found: list[Result] = []
    for field in options.fields:
        path = options.output / f"{field}.json"
        if not path.exists():
            results = [asdict(result) for result in measure(field, read_table(field))]
            path.write_text(json.dumps(results, indent=1), encoding="utf-8")
        found += [Result(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
        (options.output / "limesoda.md").write_text(to_markdown(found), encoding="utf-8")
    print(to_markdown(found))


def read_table(field: str) -> Table:
    from LimeSoDa import load_dataset  # type: ignore[import-not-found]  # installed for this benchmark alone

    found = load_dataset(field)
    table = found["Dataset"]
    targets = [name for name in table.columns if name.endswith("_target")]
    return Table(
        covariates=table.drop(columns=targets).to_numpy(float),
        places=np.array(found["Coordinates"], float),
        properties=tuple(name.removesuffix("_target") for name in targets),
        values=table[targets].to_numpy(float),
        fold=np.unique(np.ravel(found["Folds"]), return_inverse=True)[1],
    )


def measure(field: str, table: Table) -> list[Result]:
    """Hold each fold out, each property by itself."""
    results = []
    for property_name, values in zip(table.properties, table.values.T):
        started = time.process_time()
        predicted = {name: np.full((len(values), 1 + len(QUANTILE_LEVELS)), np.nan) for name in (*_COMPONENTS, *BLENDS)}
        for number in np.unique(table.fold):
            train, test = np.flatnonzero(table.fold != number), np.flatnonzero(table.fold == number)
            for name, found in hold_out(table, values, property_name, train, test, int(number)).items():
                predicted[name][test] = found
        seconds = time.process_time() - started
        for name, found in predicted.items():
            mean, quantiles = found[:, 0], found[:, 1:]
            scores = score(values, mean, quantiles[:, 4], quantiles[:, 94], _COVERAGE, quantiles)
            results.append(Result(field, property_name, name, scores.mec, scores.crps, scores.picp, seconds))
    return results


def hold_out(table: Table, values: Array, property_name: str, train: Rows, test: Rows, seed: int) -> dict[str, Array]:
    """Means and quantiles (n, 1 + 99) of the test rows by each method."""
    features, layout = make_features(table, train)
    measured = _measured(values)
    kind = NumberKind(0, SoilProperty(property_name)).on_scale("auto", measured.take(train))
    scaled = kind.fit(measured, train)
    learned = scaled.learn(measured.take(train))
    placed = PlacedTargets(table.places[train], np.arange(len(train)), values[train, None])
    fold = make_folds("random", placed, INNER_FOLDS, seed, inner=True).fold
    inner, outer = [], []  # of each component: location and scale (2, n, 1)
    for width in (layout.context, layout.count):
        own = np.ascontiguousarray(features[:, :width])
        [forest] = fit_forests(own[train], learned, fold, seed)
        inner.append((forest.location, forest.scale))
        outer.append(predict_forest(forest.trees, own[test]))
    process = fit_process(features[train], layout, learned, fold, seed)
    inner.append((process.location, process.scale))
    outer.append(process.predict(features[test]))
    held_out, predicted = np.stack(inner, axis=1), np.stack(outer, axis=1)  # (2, M, n, 1)
    methods = {name: (name,) for name in _COMPONENTS} | BLENDS
    found = {}
    for name, parts in methods.items():
        chosen = [_COMPONENTS.index(part) for part in parts]
        weights = scaled.blend(held_out[0, chosen], learned.values, np.full(len(parts), 1 / len(parts)))
        spread = weights if name == PROCESS else _without_process(weights, parts)
        place = [(mix(part[0, chosen], weights), mix(part[1, chosen], spread)) for part in (held_out, predicted)]
        outcome = scaled.calibrate(learned, *place[0])
        location, scale = (part.T for part in place[1])
        described = outcome.describe(location, scale, list(QUANTILE_LEVELS))[:, 0]  # mean, deviation, quantiles
        found[name] = np.delete(described, 1, axis=0).T
    return found


def make_features(table: Table, train: Rows) -> tuple[Singles, FeatureLayout]:
    """Normal scores of the covariates by the training rows' quantiles, and oblique coordinates: what the engine sees
    of a raster at the point."""
    count = len(train)
    levels = ndtri((np.arange(count) + 0.5) / count)
    scores = [np.interp(column, np.sort(column[train]), levels) for column in table.covariates.T]
    middle = table.places[train].mean(axis=0)
    spread = float(table.places[train].std(axis=0).max())
    place = Location(*map(float, middle), (spread, spread))
    oblique = place.encode(torch.from_numpy(table.places)[:, :, None, None])[:, :, 0, 0].numpy()
    features = np.column_stack([*scores, oblique]).astype(np.float32)
    return features, FeatureLayout(len(scores), len(scores), has_place=True)


def _measured(values: Array) -> TargetValues:
    nothing = np.zeros((len(values), 1))
    return TargetValues(values[:, None], nothing.astype(bool), nothing, np.ones(len(values)))


def _without_process(weights: Array, parts: Sequence[str]) -> Array:
    """Weights of spreads: forests alone, as in the engine."""
    own = np.where([[part == PROCESS] for part in parts], 0.0, weights)
    shares: Array = own / own.sum(axis=0)
    return shares


def to_markdown(results: Sequence[Result]) -> str:
    """One line a property of a field, and the means over all."""
    methods = [*_COMPONENTS, *BLENDS]
    rows: dict[tuple[str, str], dict[str, Result]] = {}
    for each in results:
        rows.setdefault((each.field, each.property), {})[each.method] = each
    lines = ["field, property | best published R2 | " + " | ".join(methods), "|".join(["---"] * (2 + len(methods)))]
    best = {row: max(PUBLISHED[row]) for row in rows}
    for row, found in rows.items():
        cells = [f"{found[name].r2:.3f}" for name in methods]
        lines.append(" | ".join([f"{row[0]} {row[1]}", f"{best[row]:.3f}", *cells]))
    means = [float(np.mean([found[name].r2 for found in rows.values()])) for name in methods]
    lines.append(" | ".join(["mean", f"{np.mean(list(best.values())):.3f}", *(f"{mean:.3f}" for mean in means)]))
    covered = [f"{np.mean([found[name].picp for found in rows.values()]):.3f}" for name in methods]
    lines.append(" | ".join(["PICP90", "", *covered]))
    return "".join(f"| {line} |\n" for line in lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=FIELDS, help="default: all")
    parser.add_argument("--output", type=Path, default=Path("build/limesoda_results"), help="folder for the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
