"""Compare growing forests with scikit-learn's of the same settings, on the same observations, in turns.

Part of `make bench`. Both grow some trees on all observations; a forest has 500, and 500 more that each miss a fold.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from figures import Figure, options, parse, ratios, spread, take_turns, write
from landscape import Floats, forest_of
from numpy.typing import NDArray

from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.forests.bins import bin_features
from soil_cnn_plugin.engine.forests.forest import TREES, grow_parts
from soil_cnn_plugin.engine.targets.learned import ForestLesson

QUICK = {"observations": [300], "turns": 1, "trees": 10}
_TREES = 2 * TREES  # with those that each miss a fold
_GOALS = {3_000: 5.0, 100_000: 10.0}


def main() -> None:
    asked = read_options()
    torch.set_num_threads(1)
    figures = [compare(count, asked) for count in asked.observations]
    write("forests", "Forests", vars(asked), figures, asked.output)


def compare(count: int, asked: argparse.Namespace) -> Figure:
    """Measure how many times as fast a forest with its parts grows on `count` observations as scikit-learn's, each on
    one core: bins once, and each of the 1,000 trees as long as those that are grown here."""
    features, target = observe(count, asked.features)
    trees = max(asked.trees, min(100, 150_000 // count))
    lesson = ForestLesson(target[:, None], np.ones(count), is_choice=False)
    forest.TREES = trees * INNER_FOLDS  # of which a part has a fifth
    forest.ROWS_A_TREE = count
    binned, fold = bin_features(features, 1), np.where(np.arange(count) == 0, 0, -1)  # one part, without one row
    seconds = take_turns(
        {
            "bins": lambda: bin_features(features, 1),
            "own": lambda: grow_parts(binned, lesson, fold, seed=0),
            "scikit-learn": lambda: forest_of(features, target, trees, jobs=1),
        },
        asked.turns,
    )
    own = [bins / _TREES + growing / trees for bins, growing in zip(seconds["bins"], seconds["own"])]
    rival = [growing / trees for growing in seconds["scikit-learn"]]
    times = spread([1000 * each for each in own], "ms"), spread([1000 * each for each in rival], "ms")
    name = f"{count:,} observations, {asked.features} features"
    return Figure(
        name, ratios(rival, own), goal=_GOALS.get(count), detail=f"a tree {times[0]}, scikit-learn's {times[1]}"
    )


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
