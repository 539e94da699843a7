"""A trial of forests, which also compiles what grows and reads them, for all later jobs."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.forest import fit_forests
from soil_cnn_plugin.engine.targets.learned import CLASSES, NUMBERS, Columns, Learned


def try_forest() -> str:
    """Fit small random forests of a number and of two classes.

    Raises:
        EngineError: the forest of the number does not explain a plain signal.
    """
    features = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    signal = features[:, 0].astype(np.float64)
    values = np.column_stack([signal, signal > 0, signal <= 0]).astype(np.float64)
    nothing = np.zeros_like(values)
    layout = (Columns(NUMBERS, 1), Columns(CLASSES, 2))
    learned = Learned(values, nothing.astype(bool), nothing, np.ones(len(values)), values, layout)
    of_number, _ = fit_forests(features, learned, np.arange(len(values)) % 2, seed=0)
    mean, _ = of_number.trees.mean_and_spread(features)
    score = 1 - float(((signal - mean[:, 0]) ** 2).sum() / ((signal - signal.mean()) ** 2).sum())
    if score < 0.9:
        raise EngineError(tr("A random forest explains {:.2f} of a plain signal; above 0.90 is right.").format(score))
    return tr("A random forest explains {:.2f} of a plain signal.").format(score)
