"""Compare growing forests with scikit-learn's of the same settings, on the same observations, in turns.

Part of `make bench`. Both grow some trees on all observations; a forest has 500, and 500 more that each miss a fold.
"""

from __future__ import annotations

import argparse

import numpy as np
from figures import Figure, options, parse, ratios, spread, take_turns, write
from landscape import Floats, forest_of
from numpy.typing import NDArray

from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.forests.forest import fit_parts
from soil_cnn_plugin.engine.targets.learned import Learned, number_columns

QUICK = {"observations": [300], "turns": 1, "trees": 10}
_GOALS = {3_000: 5.0, 100_000: 10.0}


def main() -> None:
    asked = read_options()
    figures = [compare(count, asked) for count in asked.observations]
    write("forests", "Forests", vars(asked), figures, asked.output)


def compare(count: int, asked: argparse.Namespace) -> Figure:
    """Measure how many times as fast trees grow on `count` observations as scikit-learn's."""
    features, target = observe(count, asked.features)
    trees = max(asked.trees, min(200, 300_000 // count))
    values, nothing = target[:, None], np.zeros((count, 1))
    learned = Learned(values, nothing.astype(bool), nothing, np.ones(count), values, number_columns(1))
    forest.TREES = trees * forest.INNER_FOLDS  # of which a part has a fifth
    forest.ROWS_A_TREE = count
    nobody = np.where(np.arange(count) < 0, 1, 0) - 1  # no row is held out: one part of all rows
    nobody[0] = 0
    seconds = take_turns(
        {
            "own": lambda: fit_parts(features, learned, nobody, seed=0),
            "scikit-learn": lambda: forest_of(features, target, trees),
        },
        asked.turns,
    )
    found = ratios(seconds["scikit-learn"], seconds["own"])
    a_tree = spread([1000 * each / trees for each in seconds["own"]], "ms")
    return Figure(
        f"{count:,} observations, {asked.features} features, against scikit-learn", found, goal=_GOALS.get(count),
        detail=f"{a_tree} a tree",
    )  # fmt: skip


def observe(count: int, features: int) -> tuple[Floats, NDArray[np.float64]]:
    """Return features (N, F), every other one like its neighbour, and a target that follows some of them."""
    rng = np.random.default_rng(0)
    found = rng.normal(size=(count, features)).astype(np.float32)
    found[:, 1::2] = 0.7 * found[:, 1::2] + 0.7 * found[:, : 2 * (features // 2) : 2]
    signal = np.sin(2 * found[:, 0]) + found[:, 1] * found[:, 2] + 0.3 * found[:, 3:].sum(axis=1) / features**0.5
    return found, (signal + 0.5 * rng.normal(size=count)).astype(np.float64)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--observations", type=int, nargs="+", default=[500, 3_000, 100_000])
    parser.add_argument("--features", type=int, default=48)
    parser.add_argument("--trees", type=int, default=4, help="trees to grow, at least; more where they grow fast")
    parser.add_argument("--turns", type=int, default=3)
    return parse(parser, QUICK)


if __name__ == "__main__":
    main()
