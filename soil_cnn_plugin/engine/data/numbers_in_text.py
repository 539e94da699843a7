"""Numbers that a field holds as text: decimal point or comma, `<0.5`, words for "missing" and "not detected"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"(?P<below><\s*=?\s*)?(?P<number>[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "--", "\u2013", "\u2014", "."}  # en and em dash, too
_UNDETECTED = {
    *("nd", "n.d.", "n.d", "not detected", "undetected", "n.n.", "nn"),
    *("bdl", "b.d.l.", "below detection limit", "below dl", "<dl", "<lod", "<loq", "<lld", "<mdl", "<rl", "<ng", "<bg"),
}
"""In English and German; n.d. may also mean "not determined"."""


@dataclass(frozen=True)
class ParsedNumbers:
    """`values` (N,) float64, NaN where missing; `is_below` (N,) where the text says that the value is below that number
    (`<0.5`); `is_undetected` (N,) where it says so without a number; `failed` are all texts without a number,
    `unknown` those of them that do not say "not detected"; `odd_comma` is a number such as `1,234`, where the commas of
    all may separate thousands, else empty."""

    values: NDArray[np.float64]
    is_below: NDArray[np.bool_]
    is_undetected: NDArray[np.bool_]
    failed: list[str]
    unknown: list[str]
    odd_comma: str


def parse_numbers(texts: NDArray[Any]) -> ParsedNumbers:
    values, is_below = np.full(len(texts), np.nan), np.zeros(len(texts), np.bool_)
    is_undetected = np.zeros(len(texts), np.bool_)
    failed, unknown, commas = list[str](), list[str](), list[str]()
    for index, value in enumerate(texts):
        text = "" if value is None or value != value else str(value).strip()
        if text.lower() in _MISSING:
            continue
        if match := _NUMBER.fullmatch(text):
            values[index] = float(match["number"].replace(",", "."))
            is_below[index] = match["below"] is not None
            commas += [match["number"]] if "," in text else []
        else:
            failed.append(text)
            is_undetected[index] = " ".join(text.lower().replace("< ", "<").split()) in _UNDETECTED
            unknown += [] if is_undetected[index] else [text]
    may_be_thousands = bool(commas) and all(map(_THOUSANDS.fullmatch, commas))
    return ParsedNumbers(values, is_below, is_undetected, failed, unknown, commas[0] if may_be_thousands else "")
