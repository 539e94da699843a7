"""A trial of Gaussian processes, which also compiles what maps need of them, for all later jobs."""

from __future__ import annotations

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout, GaussianProcess
from soil_cnn_plugin.engine.kriging.kernels import PRIOR_MEANS
from soil_cnn_plugin.engine.targets.learned import number_columns


def try_process() -> str:
    """Predict by a small Gaussian process, with compiled code and with PyTorch.

    Raises:
        EngineError: the two ways do not agree.
    """
    rng = np.random.default_rng(0)
    known = rng.normal(size=(40, 9)).astype(np.float32)
    process = GaussianProcess(
        FeatureLayout(2, 3, has_place=True),
        number_columns(1),
        known=known,
        centre=np.zeros(9, np.float32),
        width=np.ones(9, np.float32),
        means=np.zeros(1),
        parameters=PRIOR_MEANS[None],
        weights=rng.normal(size=(1, 40)),
        weights_of_parts=np.zeros((0, 1, 40)),
    )
    pixels = torch.from_numpy(known[:10] + np.float32(0.1))
    expected = process.differentiable(pixels, torch.ones(10, 1), slice(0, 1)).numpy()
    if not np.allclose(process.locations(pixels)[:, 0], expected, atol=1e-4):
        raise EngineError(tr("Compiled code and PyTorch predict differently by a Gaussian process."))
    return tr("Compiled code predicts as PyTorch does by a Gaussian process.")
