"""The kinds of arrays that pass between modules; their shapes stand where they are used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Singles = NDArray[np.float32]
"""Single precision: pixels, features, all that fills memory."""
Rows = NDArray[np.int64]
"""Row numbers, folds, identifiers, codes."""
Flags = NDArray[np.bool_]
