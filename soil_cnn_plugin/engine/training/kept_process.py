"""Gaussian processes of an interrupted training, kept on disk beside the checkpoints of its networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from soil_cnn_plugin.engine.arrays import Rows, Singles
from soil_cnn_plugin.engine.kriging import fitted_process
from soil_cnn_plugin.engine.kriging.fitted_process import FittedProcess, fit_process
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout
from soil_cnn_plugin.engine.targets.learned import Learned
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.kept_arrays import digest_of, read_or_fit


def fit_or_read_process(
    folder: CheckpointFolder | None,
    features: Singles,
    layout: FeatureLayout,
    learned: Learned,
    fold: Rows,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> FittedProcess:
    """The process that `fit_process` gives, read from `folder` where it was fitted before; None keeps nothing.

    A file fits only the same features, values, folds, seed and settings. `progress` gets the share done, first of all
    what had been done before.
    """
    fit = partial(fit_process, features, layout, learned, fold, seed, progress)
    if folder is None:
        return fit()
    limits = fitted_process.MOST_SUPPORTS, fitted_process.MOST_INFORMING
    settings = (*limits, features.shape, layout, learned.layout, seed)
    known = features, learned.estimate, learned.errors, learned.weights, fold
    read = partial(FittedProcess.of, layout, learned)
    return read_or_fit(folder, f"process-{digest_of(settings, known)}", read, fit, FittedProcess.arrays, progress)
