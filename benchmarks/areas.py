"""Measures whether intervals of areas hold: simulated errors with known truth, blocks from one pixel to the whole area.

    python benchmarks/areas.py [--n 50 150 500] [--fields 8] [--ranges 0.1 0.5] [--nuggets 0.3] [--smoothness 0.5]
        [--designs random clustered] [--seed 0]

A field of errors of 64 x 64 pixels is simulated by FFT, for each range (share of the side), nugget and design (random,
or clustered around one point for each twelve observations). The calibration and the correlogram are fitted to the
errors at n observations, in five folds dealt three times, and blocks are summarized as the product does it. Three more
answers stand beside: with the true covariance, as if errors were independent, and as if they were all alike. Each line
is one configuration, as JSON, with what each field gave; the table at the end joins them, and takes the field as the
unit where it tells how uncertain a coverage is. `--table FILE ...` joins lines of earlier runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import shapely
from scipy.spatial.distance import cdist
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.areas.area_layer import Area
from soil_cnn_plugin.engine.areas.area_store import AreaStore, PixelRows
from soil_cnn_plugin.engine.areas.error_draws import ErrorDraws, Observed
from soil_cnn_plugin.engine.areas.quantities import Quantities
from soil_cnn_plugin.engine.areas.summaries import estimates_of
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel, fit_correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation, FoldErrors, noise_of_residuals
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.targets.numbers import NumberKind, NumberOutcome, ScaledNumber
from soil_cnn_plugin.engine.targets.scales import TargetScale
from tests.engine.landscape import learned_of

SIDE, CELL, FOLDS, REPEATS, COVERAGE = 64, 10.0, 5, 3, 0.9
BLOCKS = {1: 8, 4: 8, 16: 3, 32: 1, 64: 1}  # side in pixels -> how many a field
WAYS = ("fitted", "true", "independent", "alike")
PROPERTY = SoilProperty("error")


def simulate(model: CorrelationModel, rng: np.random.Generator) -> Array:
    """A field (SIDE, SIDE) of errors, by circulant embedding (Dietrich & Newsam 1993, 10.1029/93WR01070)."""
    size = 4 * SIDE
    steps = CELL * np.minimum(np.arange(size), size - np.arange(size))
    spectrum = np.maximum(np.fft.fft2(model.continuous(np.hypot(steps[:, None], steps))).real, 0)
    noise = rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size))
    falling = np.fft.fft2(np.sqrt(spectrum / size**2) * noise).real[:SIDE, :SIDE]
    field: Array = np.sqrt(1 - model.nugget) * falling + np.sqrt(model.nugget) * rng.standard_normal((SIDE, SIDE))
    return field


def choose(design: str, count: int, rng: np.random.Generator) -> Rows:
    """Pixels (count,) of the observations."""
    if design == "random":
        return rng.choice(SIDE**2, count, replace=False)
    centres = rng.integers(0, SIDE, (max(4, count // 12), 2))
    pixels = centres[rng.integers(0, len(centres), 20 * count)] + np.rint(rng.normal(0, 2.5, (20 * count, 2))).astype(
        int
    )
    pixels = pixels[((pixels >= 0) & (pixels < SIDE)).all(axis=1)]
    return rng.permutation(np.unique(pixels[:, 0] * SIDE + pixels[:, 1]))[:count]


def places_of(rows: Rows, cols: Rows, cell: float = CELL) -> Array:
    return cell * np.column_stack([cols, rows])


def fit(errors: Sequence[Array], places: Array, folds: Sequence[Rows]) -> tuple[NumberOutcome, ErrorCorrelation, Array]:
    """What a training keeps: outcome, correlation of errors, and their scores (n, 1). `errors` (n,) are those of each
    repeat, with its folds."""
    nothing, scaled = np.zeros((len(places), 1)), ScaledNumber(TargetScale("none", 0.0, 1.0))
    outcomes = [scaled.calibrate(learned_of(each[:, None]), nothing, nothing + 1) for each in errors]
    of_repeats = [
        outcome.scores(learned_of(each[:, None]), nothing, nothing + 1)[0] for outcome, each in zip(outcomes, errors)
    ]
    outcome, scores = outcomes[0], of_repeats[0]
    together = [
        np.flatnonzero(fold == number) + repeat * len(places)
        for repeat, fold in enumerate(folds)
        for number in range(FOLDS)
    ]
    correlogram = fit_correlogram(np.concatenate(of_repeats), places, together)
    assert correlogram is not None
    held_out = [
        FoldErrors(places[fold != number], own[fold != number], places[fold == number], own[fold == number])
        for fold, own in zip(folds, of_repeats)
        for number in range(FOLDS)
    ]
    noise = noise_of_residuals(held_out, correlogram)
    return outcome, ErrorCorrelation((("error",),), (correlogram,), ((1.0,),), (noise,)), scores


def summarize(
    outcome: NumberOutcome, errors: ErrorCorrelation, observed: Observed | None, block: Block, cell: float = CELL
) -> tuple[float, float]:
    """The interval of the mean error of a block, by the product's own code."""
    row, col = block.row, block.col
    description: Any = SimpleNamespace(
        kinds=(NumberKind(0, PROPERTY, "none"),),
        outcomes=(outcome,),
        targets=(PROPERTY,),
        compositions=(),
        columns=1,
        layout=number_columns(1),
        error_correlation=errors,
    )
    quantities = Quantities(description, (), ())
    polygon = shapely.box(col, row, col + block.width, row + block.height)
    store = AreaStore(Area(0, polygon, block, 1.0), 1, 1)
    rows, cols = (each.ravel() for each in np.mgrid[row : row + block.height, col : col + block.width])
    nothing = np.zeros((1, len(rows)))
    expected = quantities.expected(nothing, nothing + 1)
    ones = np.ones(len(rows))
    pixels = PixelRows(
        ones, rows, cols, places_of(rows, cols, cell), nothing, nothing + 1, expected, ones.astype(np.bool_)
    )
    store.add(pixels, np.random.default_rng([row, col]))
    draws = ErrorDraws(errors, [slice(0, 1)], observed, 1)
    (estimate,) = estimates_of(store, quantities, draws, COVERAGE, 1)
    return estimate.lower, estimate.upper


def true_interval(model: CorrelationModel, block: Block, places: Array, middle: float) -> tuple[float, float]:
    """The interval of a block's mean error for who knows the covariance: around the mean of the observed errors."""
    rows, cols = (each.ravel() for each in np.indices((block.height, block.width)))
    here, known = places_of(block.row + rows, block.col + cols), len(places)
    down, right = np.abs(np.arange(1 - block.height, block.height)), np.abs(np.arange(1 - block.width, block.width))
    pairs = (block.height - down)[:, None] * (block.width - right)  # of pixels, by what lies between them
    apart = model.correlation(CELL * np.hypot(down[:, None], right))
    apart[block.height - 1, block.width - 1] = 1.0
    within = (pairs * apart).sum() / len(here) ** 2
    shared = model.correlation(cdist(places, places)).mean() + model.nugget / known
    variance = within - 2 * model.correlation(cdist(here, places)).mean() + shared
    half = float(norm.ppf((1 + COVERAGE) / 2) * np.sqrt(variance))
    return middle - half, middle + half


def measure(
    count: int, design: str, share: float, nugget: float, fields: int, seed: int, smoothness: float
) -> dict[str, dict[int, list[list[float]]]]:
    """By way and side of the block, the share of blocks covered in each field, and the mean width there."""
    rng = np.random.default_rng([seed, count, int(1000 * share), int(1000 * nugget), design == "random"])
    true = CorrelationModel(nugget, share * SIDE * CELL, smoothness)
    found: dict[str, dict[int, list[list[float]]]] = {way: {side: [[], []] for side in BLOCKS} for way in WAYS}
    for _ in range(fields):
        field = simulate(true, rng)
        pixels = choose(design, count, rng)
        places, errors = places_of(pixels // SIDE, pixels % SIDE), field.ravel()[pixels]
        folds = [rng.permutation(np.arange(len(pixels)) % FOLDS) for _ in range(REPEATS)]
        outcome, fitted, scores = fit([errors] * REPEATS, places, folds)
        observed = Observed(places, scores)
        tail, nothing = (1 - COVERAGE) / 2, np.zeros((1, 1))
        one_pixel = outcome.quantiles(nothing, nothing + 1, [tail, 1 - tail])[:, 0, 0]
        middle = float(outcome.values(nothing, nothing + 1)[0, 0])
        for side, times in BLOCKS.items():
            answers: dict[str, list[tuple[bool, float]]] = {way: [] for way in WAYS}
            for row, col in rng.integers(0, SIDE - side + 1, (times, 2)):
                truth = field[row : row + side, col : col + side].mean()
                block = Block(int(row), int(col), side, side)
                limits = (
                    summarize(outcome, fitted, observed, block),
                    true_interval(true, block, places, float(errors.mean())),
                    tuple(middle + (one_pixel - middle) / side),
                    tuple(one_pixel),
                )
                for way, (low, high) in zip(WAYS, limits):
                    answers[way].append((bool(low <= truth <= high), float(high - low)))
            for way, own in answers.items():
                for kept, values in zip(found[way][side], np.mean(own, axis=0)):
                    kept.append(round(float(values), 5))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[50, 150, 500])
    parser.add_argument("--fields", type=int, default=8)
    parser.add_argument("--ranges", type=float, nargs="+", default=[0.1, 0.5])
    parser.add_argument("--nuggets", type=float, nargs="+", default=[0.3])
    parser.add_argument("--smoothness", type=float, default=0.5)
    parser.add_argument("--designs", nargs="+", default=["random", "clustered"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", nargs="+", default=[])
    chosen = parser.parse_args(arguments)
    if chosen.table:
        lines = [line for path in chosen.table for line in Path(path).read_text().splitlines() if line.startswith("{")]
        print(table([json.loads(line) for line in lines]))
        return
    found = []
    for count, design in product(chosen.n, chosen.designs):
        for share, nugget in product(chosen.ranges, chosen.nuggets):
            result = measure(count, design, share, nugget, chosen.fields, chosen.seed, chosen.smoothness)
            line = {"n": count, "design": design, "range": share, "nugget": nugget}
            line |= {"smoothness": chosen.smoothness, "fields": chosen.fields, "blocks": result}
            print(json.dumps(line), flush=True)
            found.append(json.loads(json.dumps(line)))
    print(table(found))


def table(lines: Sequence[dict[str, Any]]) -> str:
    """By side of the block: coverage with the half-width of its 95 % interval, of which the field is the unit, and
    width beside that of the true covariance; for each number and design of observations, range and nugget."""
    sides = [str(side) for side in BLOCKS]
    rows = ["| fields | number | " + " | ".join(sides) + " |", "|---" * (len(sides) + 2) + "|"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for names in (("n", "design"), ("range",), ("nugget",), ("smoothness",), ()):
        for line in lines:
            groups.setdefault(" ".join(f"{name} {line[name]}" for name in names) or "all", []).append(line)
    for name, own in groups.items():
        for way in WAYS if name == "all" else WAYS[:1]:
            cells = [_cell(own, way, side) for side in sides]
            rows.append(f"| {name}, {way} | {sum(line['fields'] for line in own)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(lines: Sequence[dict[str, Any]], way: str, side: str) -> str:
    covered, widths = np.concatenate([np.array(line["blocks"][way][side]) for line in lines], axis=1)
    of_true = np.concatenate([line["blocks"]["true"][side][1] for line in lines])
    return f"{share_with_limits(covered)}, {widths.mean() / of_true.mean():.2f}"


def share_with_limits(covered: Array) -> str:
    """A share in percent, from that (n,) of each field, with half the width of the 95 % interval of their mean; where
    all fields agree, of n blocks (Agresti & Coull 1998, 10.1080/00031305.1998.10480550)."""
    error, count = covered.std() / np.sqrt(len(covered)), len(covered) + 4
    if error == 0:
        near = (covered.sum() + 2) / count
        error = np.sqrt(near * (1 - near) / count)
    return f"{100 * covered.mean():.0f} ± {196 * error:.0f} %"


if __name__ == "__main__":
    main()
