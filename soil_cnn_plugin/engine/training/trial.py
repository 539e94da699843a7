"""A trial of what maps rest on beside networks and forests, which also compiles it for all later jobs."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import cdist

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.applicability import fit_dissimilarity
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.encoding import WORTH_COMPILING, interpolate


def try_encoding() -> str:
    """Encode numbers by compiled code and by PyTorch, and find their dissimilarity from some of them.

    Raises:
        EngineError: two ways do not agree.
    """
    rng = np.random.default_rng(0)
    numbers = torch.from_numpy(rng.normal(size=WORTH_COMPILING).astype(np.float32))
    places = torch.linspace(-2, 2, 9)
    knots = places, places**3, torch.cat([places.diff() ** 2, places[:1] * 0])
    compiled = interpolate(numbers, knots)
    by_torch = torch.cat([interpolate(part, knots) for part in numbers.chunk(2)])
    if not torch.equal(compiled, by_torch):
        raise EngineError(tr("Compiled code encodes covariates otherwise than PyTorch does."))
    known, pixels = rng.normal(size=(40, 3)), rng.normal(size=(60, 3))
    fitted = fit_dissimilarity(known, np.ones(3), np.arange(40) % 2)
    expected = cdist((pixels - fitted.centre) * fitted.factor, fitted.training).min(axis=1) / fitted.mean_distance
    if not np.allclose(fitted.index(pixels), expected):
        raise EngineError(tr("Compiled code measures dissimilarity otherwise than SciPy does."))
    return tr("Compiled code encodes covariates as PyTorch does, and measures dissimilarity as SciPy does.")
