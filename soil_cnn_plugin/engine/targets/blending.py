"""How much each component counts in a blend: weights learned from its predictions for rows that it had not seen."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.arrays import Array

_STEPS = 100  # towards the likeliest mixture of classes
_NEXT_TO_IMPOSSIBLE = 1e-6  # smallest probability of a class: one surprise must not rule a component out
_SHRINKAGE = 0.5  # how far weights are drawn from least squares towards equal weights


def learn_weights(locations: Array, targets: Array) -> Array:
    """Weights (M, C), not negative, summing to 1, for components that predicted (M, n, C) for rows they had not seen.

    They come from least squares against `targets` (n, C), drawn half-way to equal weights: a few hundred observations
    cannot tell good weights from lucky ones.
    """
    from scipy.optimize import nnls  # takes long to load, and maps do not need it

    count = len(locations)
    equal = np.full((count, targets.shape[1]), 1 / count)
    weights = equal.copy()
    for target in range(targets.shape[1]) if count > 1 else ():
        known = np.isfinite(targets[:, target]) & np.isfinite(locations[:, :, target]).all(0)
        design, observed = locations[:, known, target].T, targets[known, target]
        # A light pull to equal weights decides between components that agree; a heavy row holds the sum at 1.
        size = np.sqrt(max(len(observed), 1))
        light, heavy = 0.03 * size * np.eye(count), 1e3 * size * np.ones(count)
        solution, _ = nnls(
            np.vstack([design, light, heavy]), np.concatenate([observed, light.sum(1) / count, heavy[:1]])
        )
        weights[:, target] = solution / solution.sum()
    return _SHRINKAGE * equal + (1 - _SHRINKAGE) * weights


def learn_class_weights(probabilities: Array, learned: Array) -> Array:
    """Weights as `learn_weights` gives them, for components that predicted probabilities (M, n, C) of C classes.

    `learned` (n, C) is 1 in the column of the class, NaN where none is known. The weights are those of the mixture with
    the highest likelihood (Dempster et al. 1977, 10.1111/j.2517-6161.1977.tb01600.x); a component has one weight for
    all classes.
    """
    count = len(probabilities)
    known = np.isfinite(probabilities).all(axis=(0, 2)) & np.isfinite(learned).all(axis=1)
    given = np.einsum("mnt,nt->mn", probabilities[:, known], learned[known])  # probability of the true class
    given = np.maximum(given, _NEXT_TO_IMPOSSIBLE)
    weights = np.full(count, 1 / count)
    for _ in range(_STEPS if known.any() else 0):
        shares = weights[:, None] * given
        weights = (shares / shares.sum(0)).mean(axis=1)
    mixed: Array = _SHRINKAGE / count + (1 - _SHRINKAGE) * weights
    return np.repeat(mixed[:, None], probabilities.shape[2], axis=1)
