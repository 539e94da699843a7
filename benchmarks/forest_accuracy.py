"""Compare the forests beside the networks with scikit-learn's of the same settings: held-out errors and spreads.

Both learn the same observations and see the same covariates with context. It takes the arguments of `accuracy.py`:
`python benchmarks/forest_accuracy.py data/meuse --targets zinc --log`. Each repeat deals the observations to new folds
and grows both forests anew; what two forests of one kind differ by is in the last column but one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from accuracy import designer, find_covariates, read_options, write_observations
from landscape import forest_of
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.forests.forest import fit_forests
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import learn_all

Scores = dict[str, list[float]]


def main() -> None:
    options = read_options()
    report = Report(lambda event: None)
    with tempfile.TemporaryDirectory() as scratch:
        points = write_observations(options, Path(scratch) / "observations.gpkg")
        patches = str(Path(scratch) / "patches.h5")
        targets = tuple(SoilProperty(name) for name in options.targets)
        extract_patches.run(
            ExtractPatches(
                str(points), targets, find_covariates(options), patches, patch_size=options.patch_size,
                group=options.group,
            ),
            report,
        )  # fmt: skip
        design, _ = designer(options, patches, report)
        print("| data, target, folds | RMSE scikit-learn | own | another seed | spread |\n|---|---|---|---|---|")
        for kind in options.kinds:
            found: list[Scores] = [{} for _ in targets]
            for seed in range(options.seed, options.seed + options.repeats):
                compare(design(kind, seed), seed, found)
            for target, scores in zip(targets, found):
                print(f"| {options.name or options.folder.name} {target.name}, {kind} | {_row(scores)} |", flush=True)


def compare(design: object, seed: int, found: list[Scores]) -> None:
    """Add the held-out errors of one repeat to `found`, one entry a target."""
    features, rows = design.data.context, np.arange(len(design.fold))
    predictions: dict[str, NDArray[np.float64]] = {}
    scaled = tuple(kind.fit(design.measured.of(kind.targets), rows) for kind in design.kinds)
    learned = learn_all(design.kinds, scaled, design.measured)
    for name in ("rival", "own", "other", "rival spread", "own spread"):
        predictions[name] = np.full(learned.values.shape, np.nan)
    for fold in range(int(design.fold.max()) + 1):
        test = design.fold == fold
        for t, target in enumerate(learned.values.T):
            train = ~test & np.isfinite(target)
            forest = forest_of(features[train], target[train], seed=seed)
            trees = np.stack([tree.predict(features[test]) for tree in forest.estimators_])
            predictions["rival"][test, t] = trees.mean(axis=0)
            predictions["rival spread"][test, t] = trees.std(axis=0)
        inner = np.arange(int((~test).sum())) % 2
        train_learned = learn_all(design.kinds, scaled, design.measured.take(np.flatnonzero(~test)))
        for name, its_seed in (("own", seed), ("other", seed + 1000)):
            fitted = fit_forests(features[~test], train_learned, inner, its_seed)
            for t, each in enumerate(fitted):
                mean, spread = each.trees.mean_and_spread(features[test])
                predictions[name][test, t] = mean[:, 0]
                if name == "own":
                    predictions["own spread"][test, t] = spread[:, 0]
    for t, target in enumerate(learned.values.T):
        for name, values in predictions.items():
            error = values[:, t] if "spread" in name else (values[:, t] - target) ** 2
            found[t].setdefault(name, []).append(float(np.nanmean(error)))


def _row(scores: Scores) -> str:
    rmse = {name: np.sqrt(values) for name, values in scores.items() if "spread" not in name}
    own, other = (100 * (rmse[name] / rmse["rival"] - 1) for name in ("own", "other"))
    spread = 100 * (np.mean(scores["own spread"]) / np.mean(scores["rival spread"]) - 1)
    error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else np.nan
    return f"{rmse['rival'].mean():.4f} | {own.mean():+.2f} % (± {error:.2f}) | {other.mean():+.2f} % | {spread:+.2f} %"


if __name__ == "__main__":
    main()
