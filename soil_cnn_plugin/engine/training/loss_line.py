"""The curve of errors as a line of text, which grows in the log while a network learns."""

from __future__ import annotations

import math

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 40


def curve_of(values: list[float]) -> str:
    """Draw values as a line of text, from the lowest block to the highest."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return ""
    step = max(1, math.ceil(len(known) / _WIDTH))
    means = [
        sum(known[start : start + step]) / len(known[start : start + step]) for start in range(0, len(known), step)
    ]
    low, height = min(means), max(means) - min(means) or 1.0
    return "".join(_BLOCKS[round((value - low) / height * (len(_BLOCKS) - 1))] for value in means)
