"""Numbers that a field holds as text: decimal point or comma, signs and spaces around, words for "missing"."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
_MISSING = {"", "na", "n/a", "nan", "null", "none", "-"}


def parse_numbers(texts: NDArray[Any]) -> tuple[NDArray[np.float64], list[str]]:
    """(N,) float64, NaN where missing, and the texts that are no numbers."""
    numbers, failed = np.full(len(texts), np.nan), []
    for index, value in enumerate(texts):
        text = "" if value is None or value != value else str(value).strip()
        if text.lower() in _MISSING:
            continue
        if _NUMBER.fullmatch(text):
            numbers[index] = float(text.replace(",", "."))
        else:
            failed.append(text)
    return numbers, failed
