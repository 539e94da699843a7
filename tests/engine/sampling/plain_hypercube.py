"""A plain conditioned Latin hypercube, written from the paper alone: Minasny & McBratney 2006, steps 1 to 8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def objective(values: np.ndarray, chosen: np.ndarray, numeric: Sequence[int], classes: Sequence[int]) -> float:
    """O1 + O2 + O3, each with weight 1."""
    count = len(chosen)
    total = 0.0
    for column in numeric:
        limits = np.quantile(values[:, column].astype(float), np.linspace(0, 1, count + 1))
        inside = [
            ((values[chosen, column] >= low) & (values[chosen, column] < high)).sum()
            for low, high in zip(limits, limits[1:])
        ]
        inside[-1] += (values[chosen, column] >= limits[-1]).sum()
        total += sum(abs(each - 1) for each in inside)
    for column in classes:
        for code in np.unique(values[:, column]):
            total += abs((values[chosen, column] == code).mean() - (values[:, column] == code).mean())
    if len(numeric) > 1:
        own = np.corrcoef(values[np.ix_(chosen, numeric)].astype(float).T)
        of_all = np.corrcoef(values[:, numeric].astype(float).T)
        total += np.abs(own - of_all).sum()
    return float(total)


def plain_hypercube(
    values: np.ndarray, count: int, iterations: int, seed: int, numeric: Sequence[int], classes: Sequence[int]
) -> np.ndarray:
    """Simulated annealing with a temperature of 1 that falls by 5 % every 10 steps. Every other step moves the worst
    point, whose intervals hold most points too many, over all numbers: the defaults of the R package clhs."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(values), count, replace=False)
    now = objective(values, chosen, numeric, classes)
    temperature = 1.0
    for step in range(iterations):
        others = np.setdiff1d(np.arange(len(values)), chosen)
        place = int(rng.integers(count))
        if rng.random() < 0.5:
            load = np.zeros(count)
            for column in numeric:
                limits = np.quantile(values[:, column].astype(float), np.linspace(0, 1, count + 1))
                cell = np.clip(np.searchsorted(limits[1:-1], values[chosen, column], side="right"), 0, count - 1)
                load += np.bincount(cell, minlength=count)[cell] - 1
            place = int(rng.choice(np.flatnonzero(load == load.max())))
        tried = chosen.copy()
        tried[place] = rng.choice(others)
        new = objective(values, tried, numeric, classes)
        if new < now or rng.random() < np.exp((now - new) / temperature):
            chosen, now = tried, new
        if step % 10 == 9:
            temperature *= 0.95
    return chosen
