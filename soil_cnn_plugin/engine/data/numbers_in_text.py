"""Numbers that a field holds as text: decimal point or comma, `<0.5`, words for "missing"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"(?P<below><\s*=?\s*)?(?P<number>[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?)", re.IGNORECASE)
_MISSING = {"", "na", "n/a", "nan", "null", "none", "-"}


@dataclass(frozen=True)
class ParsedNumbers:
    """`values` (N,) float64, NaN where missing; `is_below` (N,) where the text says that the value is below that number
    (`<0.5`); `failed` are the texts that are no numbers."""

    values: NDArray[np.float64]
    is_below: NDArray[np.bool_]
    failed: list[str]


def parse_numbers(texts: NDArray[Any]) -> ParsedNumbers:
    values, is_below, failed = np.full(len(texts), np.nan), np.zeros(len(texts), np.bool_), []
    for index, value in enumerate(texts):
        text = "" if value is None or value != value else str(value).strip()
        if text.lower() in _MISSING:
            continue
        if match := _NUMBER.fullmatch(text):
            values[index] = float(match["number"].replace(",", "."))
            is_below[index] = match["below"] is not None
        else:
            failed.append(text)
    return ParsedNumbers(values, is_below, failed)
