"""Measures whether intervals of areas hold for a real raster, whose every pixel is known.

    python benchmarks/areas_of_raster.py RASTER [--covariates RASTER ...] [--n 50 150] [--fields 8] [--seed 0]

The raster's values are the property. It is sampled at n pixels at random, a random forest learns it from the covariates
(rasters of the same grid) and the coordinates, or its mean is the map where there are none, and held-out errors of five
folds dealt three times give what a training keeps. Means of square blocks, from one pixel to the whole raster, are
summarized by the product's own code and compared with the truth; sizes of which no block without gaps is found are left
out. Each line is one n, as JSON: by the block's side in pixels, of each sample the share of blocks whose true mean lies
in its 90 % interval, the mean width, and the errors of the intervals' middles. The table at the end tells coverages,
how uncertain they are with the sample as the unit, and the width beside the one that the errors of all blocks of that
size would have needed, had it been known. `--table FILE ...` joins lines of earlier runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from sklearn.ensemble import RandomForestRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.areas import COVERAGE, FOLDS, REPEATS, fit, places_of, share_with_limits, summarize
from soil_cnn_plugin.engine.areas.error_draws import Observed
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.rasters.grid import Block

BLOCKS = {1: 10, 4: 10, 16: 4, 64: 2}  # side in pixels -> how many a sample
TREES = 100


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raster", nargs="?")
    parser.add_argument("--covariates", nargs="+", default=[])
    parser.add_argument("--n", type=int, nargs="+", default=[50, 150])
    parser.add_argument("--fields", type=int, default=8, help="samples of each size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", nargs="+", default=[])
    chosen = parser.parse_args(arguments)
    if chosen.table:
        lines = [line for path in chosen.table for line in Path(path).read_text().splitlines() if line.startswith("{")]
        print(table([json.loads(line) for line in lines]))
        return
    if not chosen.raster:
        parser.error("name a raster, or files of earlier runs by --table")
    values, cell = read(chosen.raster)
    covariates = [read(path)[0] for path in chosen.covariates]
    if any(each.shape != values.shape for each in covariates):
        raise SystemExit(f"The covariates do not all have the {values.shape} pixels of {chosen.raster}.")
    known = np.isfinite([values, *covariates]).all(axis=0)
    features = np.stack([*covariates, *np.indices(values.shape)], axis=-1)
    found = []
    for count in chosen.n:
        blocks = measure(np.where(known, values, np.nan), features if covariates else None, cell, count, chosen)
        names = {"raster": Path(chosen.raster).name, "covariates": [Path(path).name for path in chosen.covariates]}
        line = json.dumps({**names, "n": count, "fields": chosen.fields, "blocks": blocks})
        print(line, flush=True)
        found.append(json.loads(line))
    print(table(found))


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Coverage and relative width by side of the block, of each raster, covariates and number of observations."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault((line["raster"], ", ".join(line["covariates"]) or "mean", str(line["n"])), []).append(line)
    rows = []
    for names, own in groups.items():
        cells = []
        for side in own[0]["blocks"]:
            covered, widths, errors = ([x for line in own for x in line["blocks"][side][part]] for part in range(3))
            needed = 2 * np.quantile(np.abs(np.concatenate(errors)), COVERAGE)
            cells.append(f"{side}: {share_with_limits(np.array(covered))}, {np.mean(widths) / needed:.2f}")
        rows.append(f"| {' | '.join(names)} | {sum(line['fields'] for line in own)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def read(path: str) -> tuple[Array, float]:
    """Values (H, W) of the first band, NaN where there is no data, and the size of a pixel."""
    with rasterio.open(path) as raster:
        return raster.read(1, masked=True).astype(np.float64).filled(np.nan), abs(raster.transform.a)


def measure(
    values: Array, features: Array | None, cell: float, count: int, chosen: argparse.Namespace
) -> dict[int, list[list[Any]]]:
    """By side of the block and sample: shares covered, mean widths, and errors of the intervals' middles."""
    rng = np.random.default_rng([chosen.seed, count])
    found: dict[int, list[list[Any]]] = {}
    for field in range(chosen.fields):
        known = np.flatnonzero(np.isfinite(values))
        pixels = rng.choice(known, count, replace=False)
        folds = [rng.permutation(np.arange(count) % FOLDS) for _ in range(REPEATS)]
        held_out = [_held_out(values, features, pixels, fold, field) for fold in folds]
        places = places_of(pixels // values.shape[1], pixels % values.shape[1], cell)
        outcome, correlation, scores = fit(held_out, places, folds)
        error_map = values - _predicted(values, features, pixels, field)
        blocks = {side: [_block(error_map, side, rng) for _ in range(times)] for side, times in BLOCKS.items()}
        if np.isfinite(error_map).all():
            blocks[max(values.shape)] = [Block(0, 0, *values.shape)]
        for side, of_side in blocks.items():
            own = []
            for block in filter(None, of_side):
                truth = error_map[block.row : block.row + block.height, block.col : block.col + block.width].mean()
                low, high = summarize(outcome, correlation, Observed(places, scores), block, cell)
                own.append((low <= truth <= high, high - low, truth - (low + high) / 2))
            if own:
                covered, widths, errors = np.array(own, np.float64).T
                sample = float(covered.mean()), float(f"{widths.mean():.5g}"), [float(f"{each:.5g}") for each in errors]
                for kept, value in zip(found.setdefault(side, [[], [], []]), sample):
                    kept.append(value)
    return found


def _predicted(values: Array, features: Array | None, pixels: Rows, seed: int) -> Array:
    """The map (H, W) that learned from these pixels."""
    if features is None:
        return np.full(values.shape, values.ravel()[pixels].mean())
    flat, known = features.reshape(-1, features.shape[-1]), np.isfinite(values).ravel()
    found = np.full(values.size, np.nan)
    found[known] = _forest(seed).fit(flat[pixels], values.ravel()[pixels]).predict(flat[known])
    return found.reshape(values.shape)


def _held_out(values: Array, features: Array | None, pixels: Rows, fold: Rows, seed: int) -> Array:
    """Errors (n,) of maps that learned without the fold of each pixel."""
    errors = np.empty(len(pixels))
    for number in range(FOLDS):
        own: Flags = fold == number
        known = values.ravel()[pixels[~own]]
        if features is None:
            told = np.full(int(own.sum()), known.mean())
        else:
            flat = features.reshape(-1, features.shape[-1])
            told = _forest(seed).fit(flat[pixels[~own]], known).predict(flat[pixels[own]])
        errors[own] = values.ravel()[pixels[own]] - told
    return errors


def _forest(seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=seed)


def _block(error_map: Array, side: int, rng: np.random.Generator) -> Block | None:
    """A block at random without gaps; None where none is found."""
    height, width = error_map.shape
    for _ in range(1000 if side <= min(height, width) else 0):
        row, col = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
        if np.isfinite(error_map[row : row + side, col : col + side]).all():
            return Block(row, col, side, side)
    return None


if __name__ == "__main__":
    main()
