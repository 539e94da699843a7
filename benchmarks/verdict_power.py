"""Simulate how often the verdict's test calls equal methods different, and how often it finds a true difference.

Two methods predict a target at sites of a landscape: linear regressions that share most of their covariates, but each
has one that the other lacks. All covariates are smooth random fields, standardized and uncorrelated over the area, so
that without a difference the two are equally good in it. Both are held out on the same folds, random ones or spatial
blocks, with new folds in each repeat. Compared are the corrected resampled t-test over the folds of 1, 3, 5 and 10
repeats; a t-test on the observations' own differences of squared errors, averaged over 3 repeats; and the same on their
sums over 25 squares of the area. `python benchmarks/verdict_power.py` takes about an hour; `--quick` shows that it
runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from soil_cnn_plugin.engine.assessment.folds import PlacedTargets, make_folds
from soil_cnn_plugin.engine.assessment.significance import SIGNIFICANT, PairedTest, paired_test

OUTPUT = Path(__file__).resolve().parents[1] / "build" / "bench"
FOLDS, REPEATS = 5, (1, 3, 5, 10)
SHARED, WAVES, RANGE = 6, 40, 0.15  # covariates of both methods, cosines in a field, its range as a share of the area
GRID = 30  # points along a side of the area
OWN = 0.2  # variance of a covariate that one method lacks; noise has variance 1
Array = NDArray[np.float64]


def main() -> None:
    options = _options()
    lines = [
        "| folds | n | true difference | " + " | ".join(_names()) + " | smallest difference found, 3 repeats |",
        "|---" * (4 + len(_names())) + "|",
    ]
    found = []
    for kind in options.kinds:
        for count in options.observations:
            for percent in options.differences:
                result = measure(kind, count, percent, options.data_sets, options.seed)
                found.append({"folds": kind, "n": count, "percent": percent, **result})
                shares = " | ".join(f"{100 * result[name]:.0f} %" for name in _names())
                lines.append(f"| {kind} | {count} | {percent:g} % | {shares} | {result['detectable']:.0f} % |")
                print(lines[-1], flush=True)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdict_power.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = {"data_sets": options.data_sets, "results": found}
    (folder / "verdict_power.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def measure(kind: str, count: int, percent: float, data_sets: int, seed: int) -> dict[str, float]:
    """The share of data sets in which each test claims a difference, and the median of the smallest difference in
    percent that the test over 3 repeats says it finds."""
    claims = dict.fromkeys(_names(), 0)
    detectable = []
    for number in range(data_sets):
        rng = np.random.default_rng([seed, number, count])
        xy, columns, target = _data_set(rng, count, percent)
        errors, fold_errors = [], []
        for fold in _folds(kind, xy, max(REPEATS), seed=number):
            squares = np.stack([_held_out_squares(columns[which], target, fold) for which in (0, 1)])  # (2, n)
            errors.append(squares)
            by_fold = [np.sqrt(squares[:, fold == each].mean(axis=1)) for each in range(FOLDS)]
            fold_errors.append((np.array(by_fold), np.bincount(fold)))
        for name, p in _tests(xy, errors, fold_errors).items():
            claims[name] += p < SIGNIFICANT
        three = _over_folds(fold_errors[:3])
        level = np.mean([by_fold[:, 1].mean() for by_fold, _ in fold_errors[:3]])
        detectable.append(100 * three.detectable() / level)
    shares = {name: each / data_sets for name, each in claims.items()}
    return {**shares, "detectable": float(np.median(detectable))}


def _names() -> list[str]:
    return [*(f"folds, {each} x" for each in REPEATS), "observations", "squares"]


def _data_set(rng: np.random.Generator, count: int, percent: float) -> tuple[Array, list[Array], Array]:
    """Sites (n, 2), what each method sees (n, columns), and the target (n,). The error of the first method is lower by
    `percent` than that of the second."""
    xy = rng.random((count, 2))
    area = np.stack(np.meshgrid(*[(np.arange(GRID) + 0.5) / GRID] * 2), axis=-1).reshape(-1, 2)
    fields = np.column_stack([_field(rng, np.vstack([xy, area])) for _ in range(SHARED + 2)])
    fields -= fields[count:].mean(axis=0)
    fields = fields[:count] @ np.linalg.inv(np.linalg.cholesky(np.cov(fields[count:].T))).T
    more = (1 + OWN) / (1 - percent / 100) ** 2 - 1  # variance of what the second method lacks
    target = fields[:, :SHARED].sum(axis=1) + np.sqrt(more) * fields[:, -2] + np.sqrt(OWN) * fields[:, -1]
    target += rng.normal(size=count)
    ones = np.ones((count, 1))
    seen = [np.hstack([ones, fields[:, :SHARED], fields[:, [own]]]) for own in (SHARED, SHARED + 1)]
    return xy, seen, target


def _field(rng: np.random.Generator, xy: Array) -> Array:
    """A random field with a Gaussian correlation (Rahimi & Recht 2007)."""
    waves = rng.normal(0, 1 / RANGE, (2, WAVES))
    return np.asarray(np.cos(xy @ waves + rng.uniform(0, 2 * np.pi, WAVES)).sum(axis=1))


def _folds(kind: str, xy: Array, repeats: int, seed: int) -> Iterator[NDArray[np.int64]]:
    placed = PlacedTargets(xy, np.arange(len(xy)))
    for repeat in range(repeats):
        yield make_folds(kind, placed, FOLDS, seed + 1_000_003 * repeat).fold


def _held_out_squares(seen: Array, target: Array, fold: NDArray[np.int64]) -> Array:
    """Squared errors (n,) of a linear regression that had not seen the fold."""
    squares = np.empty(len(target))
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        slopes = np.linalg.solve(seen[train].T @ seen[train], seen[train].T @ target[train])
        squares[test] = (target[test] - seen[test] @ slopes) ** 2
    return squares


def _tests(xy: Array, errors: list[Array], fold_errors: list[tuple[Array, NDArray[np.int64]]]) -> dict[str, float]:
    found = {f"folds, {each} x": _over_folds(fold_errors[:each]).p for each in REPEATS}
    squares = np.mean(errors[:3], axis=0)
    own = squares[0] - squares[1]
    found["observations"] = float(stats.ttest_1samp(own, 0).pvalue)
    square = np.unique((xy * 5).astype(int) @ [5, 1], return_inverse=True)[1].reshape(-1)
    sums = np.bincount(square, own)
    # The sums' mean is 0 where the mean of the observations is; sums allow for squares of unequal numbers.
    found["squares"] = float(stats.ttest_1samp(sums, 0).pvalue)
    return found


def _over_folds(fold_errors: list[tuple[Array, NDArray[np.int64]]]) -> PairedTest:
    differences = np.concatenate([by_fold[:, 0] - by_fold[:, 1] for by_fold, _ in fold_errors])
    sizes = np.concatenate([sizes for _, sizes in fold_errors]).astype(float)
    total = fold_errors[0][1].sum()
    test = paired_test(differences, float(np.mean(sizes / (total - sizes))))
    assert test is not None
    return test


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=1000)
    parser.add_argument("--observations", type=int, nargs="+", default=[150, 435])
    parser.add_argument("--differences", type=float, nargs="+", default=[0.0, 5.0, 10.0])
    parser.add_argument("--kinds", nargs="+", default=["random", "spatial_blocks"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few small data sets, to see that it runs")
    parser.add_argument("--output", default=str(OUTPUT), help="folder of verdict_power.md and .json")
    options = parser.parse_args()
    if options.quick:
        options.data_sets, options.observations, options.differences = 4, [60], [0.0, 20.0]
    return options


if __name__ == "__main__":
    main()
