"""Fits Gaussian processes to observations, and predicts each inner fold by a process that had not seen it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout, GaussianProcess
from soil_cnn_plugin.engine.kriging.kernels import PRIOR_MEANS, find_parameters
from soil_cnn_plugin.engine.machine.memory import give_back
from soil_cnn_plugin.engine.targets.learned import Learned, units

MOST_KNOWN = 1500
"""The most observations that a process rests on, drawn at random where there are more: its training grows with their
cube, and a map's time with their number."""


_ENOUGH = 300  # observations on which parameters are found


@dataclass(frozen=True)
class FittedProcess:
    """A process of all training rows, and predictions (N, R) of each row by `parts`, which had not seen its inner fold;
    NaN where the target is missing."""

    process: GaussianProcess
    parts: tuple[GaussianProcess, ...]
    location: Array
    scale: Array


def fit_process(features: Singles, layout: FeatureLayout, learned: Learned, fold: Rows, seed: int) -> FittedProcess:
    """Fit a process to what is `learned` of N observations with `features` (N, F), and predict each inner `fold` (N,)
    without it. Censored values count as their estimates."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(features))[:MOST_KNOWN])
    centre, width = _mean_and_spread(features)
    targets = learned.estimate[rows]
    factor = np.repeat(1 / learned.weights[rows, None], learned.columns, axis=1)
    process = GaussianProcess(
        layout,
        learned.layout,
        known=features[rows],
        targets=targets,
        noise=np.stack([factor, learned.errors[rows] ** 2]),
        centre=centre.astype(np.float32),
        width=np.where(width > 1e-6, width, 1.0).astype(np.float32),
        means=np.nanmean(targets, axis=0),
        parameters=np.tile(PRIOR_MEANS, (learned.columns, 1)),
        rows=rows,
    )
    process = replace(process, parameters=_find_all(process, rng))
    give_back()  # each step leaves holes that are of no use to the next
    return FittedProcess(process, *_hold_out(process, features, learned, fold))


def _mean_and_spread(features: Singles) -> tuple[Array, Array]:
    """Mean and standard deviation (F,) of features (N, F), in double precision, column by column: a copy of all in
    double precision would take gigabytes."""
    found = [(column.mean(), column.std()) for column in (each.astype(np.float64) for each in features.T)]
    centre, width = np.array(found).T
    return centre, width


def rows_in_words(count: int) -> str:
    """Say on how many of `count` observations a process rests; empty where on all."""
    if count <= MOST_KNOWN:
        return ""
    return tr(
        "it rests on {} of the {} observations, drawn at random, so that time and memory stay bounded; with"
        " all of them its errors would be somewhat smaller"
    ).format(MOST_KNOWN, count)


def process_parts(process: GaussianProcess, fold: Rows) -> tuple[GaussianProcess, ...]:
    """Return the processes that had not seen each inner fold (N,) of the rows of training."""
    return tuple(process.without(fold == number) for number in range(int(fold.max()) + 1))


def _find_all(process: GaussianProcess, rng: np.random.Generator) -> Array:
    """Find the parameters (R, 8) of all columns on a part of the rows; all classes of a target share theirs."""
    found = process.parameters.copy()
    order = rng.permutation(len(process.known))
    for own in units(process.columns):
        is_known = np.isfinite(process.targets[order][:, own]).all(axis=1)
        rows = order[is_known][:_ENOUGH]
        residuals = (process.targets[:, own] - process.means[own])[rows]
        places = process.places.take(torch.from_numpy(rows))
        found[own] = find_parameters(places, residuals, process.noise[:, rows, own.start], PRIOR_MEANS)
    return found


def _hold_out(
    process: GaussianProcess, features: Singles, learned: Learned, fold: Rows
) -> tuple[tuple[GaussianProcess, ...], Array, Array]:
    parts = process_parts(process, fold)
    location, scale = np.full((2, len(features), learned.columns), np.nan)
    for number, part in enumerate(parts):
        test = fold == number
        location[test], scale[test] = part.predict(features[test])
        give_back()
    is_missing = np.isnan(learned.estimate)
    location[is_missing] = scale[is_missing] = np.nan
    return parts, location, scale
