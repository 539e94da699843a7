"""Measures whether intervals of areas hold: simulated errors with known truth, blocks from one pixel to the whole area.

    python benchmarks/areas.py [--n 50 150 500] [--fields 8] [--ranges 0.1 0.5] [--nuggets 0.3] [--seed 0]

A field of errors of 64 x 64 pixels is simulated by FFT, for each range (share of the side), nugget and design (random,
or clustered around one point for each twelve observations). The calibration and the correlogram are fitted to the
errors at n observations in five folds, and blocks are summarized as the product does it. Three more answers stand
beside: with the true correlogram, as if errors were independent, and as if they were all alike. Each line is one
configuration, as JSON; the table at the end joins them. About five minutes for one n with the defaults.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.areas.area_layer import Area
from soil_cnn_plugin.engine.areas.area_store import AreaStore, PixelRows
from soil_cnn_plugin.engine.areas.error_draws import ErrorDraws, Observed
from soil_cnn_plugin.engine.areas.quantities import Quantities
from soil_cnn_plugin.engine.areas.summaries import estimates_of
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel, Correlogram, fit_correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation, FoldErrors, noise_of_residuals
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.targets.numbers import NumberKind, NumberOutcome, ScaledNumber
from soil_cnn_plugin.engine.targets.scales import TargetScale
from tests.engine.landscape import learned_of

SIDE, CELL, FOLDS, COVERAGE = 64, 10.0, 5, 0.9
BLOCKS = {1: 4, 4: 4, 16: 3, 32: 2, 64: 1}  # side in pixels -> how many a field
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


def places_of(pixels: Rows) -> Array:
    return CELL * np.column_stack([pixels % SIDE, pixels // SIDE])


def fit(errors: Array, places: Array, fold: Rows) -> tuple[NumberOutcome, ErrorCorrelation, Array]:
    """What a training keeps: outcome, correlation of errors, and their scores (n, 1)."""
    learned, nothing = learned_of(errors[:, None]), np.zeros((len(errors), 1))
    outcome = ScaledNumber(TargetScale("none", 0.0, 1.0)).calibrate(learned, nothing, nothing + 1)
    scores, _ = outcome.scores(learned, nothing, nothing + 1)
    together = [np.flatnonzero(fold == number) for number in range(FOLDS)]
    correlogram = fit_correlogram(scores, places, together)
    assert correlogram is not None
    folds = [
        FoldErrors(places[fold != number], scores[fold != number], places[fold == number], scores[fold == number])
        for number in range(FOLDS)
    ]
    noise = noise_of_residuals(folds, correlogram)
    return outcome, ErrorCorrelation((("error",),), (correlogram,), ((1.0,),), (noise,)), scores


def summarize(
    outcome: NumberOutcome, errors: ErrorCorrelation, observed: Observed | None, row: int, col: int, side: int
) -> tuple[float, float]:
    """The interval of the mean error of a block, by the product's own code."""
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
    polygon = shapely.box(col, row, col + side, row + side)
    store = AreaStore(Area(0, polygon, Block(row, col, side, side), 1.0), 1, 1)
    rows, cols = (each.ravel() for each in np.mgrid[row : row + side, col : col + side])
    nothing = np.zeros((1, len(rows)))
    expected = quantities.expected(nothing, nothing + 1)
    ones = np.ones(len(rows))
    pixels = PixelRows(
        ones, rows, cols, places_of(rows * SIDE + cols), nothing, nothing + 1, expected, ones.astype(np.bool_)
    )
    store.add(pixels, np.random.default_rng(row * SIDE + col))
    draws = ErrorDraws(errors, [slice(0, 1)], observed, 1)
    (estimate,) = estimates_of(store, quantities, draws, COVERAGE, 1)
    return estimate.lower, estimate.upper


def measure(
    count: int, design: str, share: float, nugget: float, fields: int, seed: int
) -> dict[str, dict[int, list[float]]]:
    """Coverage and, beside that of the true correlogram, width of each way, by side of the block."""
    rng = np.random.default_rng([seed, count, int(1000 * share), int(1000 * nugget), design == "random"])
    true = CorrelationModel(nugget, share * SIDE * CELL, 0.5)
    ways = ("fitted", "true", "independent", "alike")
    inside: dict[str, dict[int, list[bool]]] = {way: {side: [] for side in BLOCKS} for way in ways}
    widths: dict[str, dict[int, list[float]]] = {way: {side: [] for side in BLOCKS} for way in ways}
    for _ in range(fields):
        field = simulate(true, rng)
        pixels = choose(design, count, rng)
        places, errors = places_of(pixels), field.ravel()[pixels]
        outcome, fitted, scores = fit(errors, places, rng.permutation(np.arange(len(pixels)) % FOLDS))
        observed = Observed(places, scores)
        answers = {
            "fitted": (fitted, observed),
            "true": (_with(fitted, true), observed),
            "independent": (_with(fitted, CorrelationModel(1.0, 1.0, 0.5), None), None),
            "alike": (_with(fitted, CorrelationModel(0.0, 1e9, 1.5), None), None),
        }
        for side, times in BLOCKS.items():
            for _ in range(times):
                row, col = rng.integers(0, SIDE - side + 1, 2)
                truth = field[row : row + side, col : col + side].mean()
                for way, (errors_of, seen) in answers.items():
                    low, high = summarize(outcome, errors_of, seen, row, col, side)
                    inside[way][side].append(low <= truth <= high)
                    widths[way][side].append(high - low)
    return {
        way: {
            side: [float(np.mean(inside[way][side])), float(np.mean(widths[way][side]) / np.mean(widths["true"][side]))]
            for side in BLOCKS
        }
        for way in ways
    }


def _with(errors: ErrorCorrelation, model: CorrelationModel, noise: float | None = -1.0) -> ErrorCorrelation:
    correlogram = Correlogram((model,), (), (), (), 0)
    return ErrorCorrelation(errors.groups, (correlogram,), errors.between, errors.noise if noise == -1.0 else (noise,))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[50, 150, 500])
    parser.add_argument("--fields", type=int, default=8)
    parser.add_argument("--ranges", type=float, nargs="+", default=[0.1, 0.5])
    parser.add_argument("--nuggets", type=float, nargs="+", default=[0.3])
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    found = []
    for count in chosen.n:
        for design in ("random", "clustered"):
            for share in chosen.ranges:
                for nugget in chosen.nuggets:
                    result = measure(count, design, share, nugget, chosen.fields, chosen.seed)
                    line = {"n": count, "design": design, "range": share, "nugget": nugget, **result}
                    print(json.dumps(line), flush=True)
                    found.append(line)
    print(table(found))


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Coverage, and width relative to the true correlogram's, by side of the block: means over all configurations."""
    rows = ["| side, pixels | fitted | true | independent | alike |", "|---|---|---|---|---|"]
    for side in BLOCKS:
        cells = []
        for way in ("fitted", "true", "independent", "alike"):
            both = np.array([line[way].get(side, line[way].get(str(side))) for line in lines])
            cells.append(f"{100 * both[:, 0].mean():.0f} %, {both[:, 1].mean():.2f}")
        rows.append(f"| {side} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
