"""How much each component counts in a blend: weights learned from its predictions for rows that it had not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.engine.arrays import Array

_STEPS = 100  # towards the likeliest mixture of classes
_NEXT_TO_IMPOSSIBLE = 1e-6  # smallest probability of a class: one surprise must not rule a component out
_HALF_WAY = 300  # held-out rows with which weights lie half-way between what the rows say and fair ones, at least
_ALIKE = 2.0  # times the gain by chance that rows would give whose errors were not alike


def fair_weights(components: Sequence[str]) -> Array:
    """Equal weights (M,) of methods; the components of one method, as both networks, share its weight."""
    count = len(set(components))
    return np.array([1 / (count * components.count(component)) for component in components])


def learn_weights(locations: Array, targets: Array, fair: Array | None = None) -> Array:
    """Weights (M, C), not negative, summing to 1, for components that predicted (M, n, C) for rows they had not seen.

    They come from least squares against `targets` (n, C), drawn towards the `fair` ones (M,), which are equal if none
    are given: a few hundred observations cannot tell good weights from lucky ones, unless one component is far ahead.
    """
    from scipy.optimize import nnls  # takes long to load, and maps do not need it

    count = len(locations)
    fair = np.full(count, 1 / count) if fair is None else fair
    weights = np.repeat(fair[:, None], targets.shape[1], axis=1)
    for target in range(targets.shape[1]) if count > 1 else ():
        known = np.isfinite(targets[:, target]) & np.isfinite(locations[:, :, target]).all(0)
        design, observed = locations[:, known, target].T, targets[known, target]
        # A light pull to fair weights decides between components that agree; a heavy row holds the sum at 1.
        size = np.sqrt(max(len(observed), 1))
        light, heavy = 0.03 * size * np.eye(count), 1e3 * size * np.ones(count)
        solution, _ = nnls(np.vstack([design, light, heavy]), np.concatenate([observed, light @ fair, heavy[:1]]))
        solution /= solution.sum()
        left, left_by_fair = (float(np.sum((observed - design @ each) ** 2)) for each in (solution, fair))
        variance = left / max(len(observed) - (count - 1), 1)
        gain = (left_by_fair - left) / variance if variance > 0 else np.inf
        weights[:, target] = fair + _trust(len(observed), gain, count - 1) * (solution - fair)
    return weights


def _trust(rows: int, gain: float, free: int) -> float:
    """Return how far learned weights count beside fair ones, 0 to 1. Measured in docs/choices.md.

    `gain` is twice the gain in log-likelihood over the fair ones. Chance alone gives 1 for each of the `free` weights;
    what goes beyond that is the share to trust (James and Stein 1961). It is trusted as far as there are rows, at
    least.
    """
    beyond_chance = 1 - _ALIKE * free / gain if gain > 0 else 0.0
    return max(beyond_chance, rows / (_HALF_WAY + rows))


def learn_class_weights(probabilities: Array, learned: Array, fair: Array | None = None) -> Array:
    """Weights as `learn_weights` gives them, for components that predicted probabilities (M, n, C) of C classes.

    `learned` (n, C) is 1 in the column of the class, NaN where none is known. The weights are those of the mixture with
    the highest likelihood (Dempster et al. 1977, 10.1111/j.2517-6161.1977.tb01600.x); a component has one weight for
    all classes.
    """
    fair = np.full(len(probabilities), 1 / len(probabilities)) if fair is None else fair
    known = np.isfinite(probabilities).all(axis=(0, 2)) & np.isfinite(learned).all(axis=1)
    given = np.einsum("mnt,nt->mn", probabilities[:, known], learned[known])  # probability of the true class
    given = np.maximum(given, _NEXT_TO_IMPOSSIBLE)
    weights = fair
    for _ in range(_STEPS if known.any() else 0):
        shares = weights[:, None] * given
        weights = (shares / shares.sum(0)).mean(axis=1)
    gain = 2 * float(np.log(weights @ given).sum() - np.log(fair @ given).sum())
    mixed: Array = fair + _trust(int(known.sum()), gain, len(fair) - 1) * (weights - fair)
    return np.repeat(mixed[:, None], probabilities.shape[2], axis=1)
