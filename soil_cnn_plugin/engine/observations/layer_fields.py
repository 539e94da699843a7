"""Fields of the layer of observations as arrays of numbers, also those written as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.names import is_missing
from soil_cnn_plugin.engine.observations.notes import comma_separated
from soil_cnn_plugin.engine.observations.point_layer import Layer, role_in_words

HUGE = 1e19
"""Larger numbers are what rasters, databases and shapefiles write for missing: 1e20, 3.4e38, -1.797e308."""


def read_numbers(layer: Layer, name: str, role: str, notes: list[str]) -> Array:
    """Return the numbers (N,) of a field, NaN where missing; numbers written as text are read, too.

    Raises:
        EngineError: the field does not exist, is not numeric, has no values, or has some that only say `<0.5`.
    """
    numbers, is_below = read_limited_numbers(layer, name, role, notes)
    if is_below.any():
        example = str(layer.columns[name][is_below][0]).strip()
        raise EngineError(
            tr(
                "The {} {} of '{}' has {} values below a detection limit, such as {!r}, which cannot be used"
                " here. Choose a field of numbers."
            ).format(role_in_words(role), name, layer.name, is_below.sum(), example)
        )
    return numbers


def read_limited_numbers(layer: Layer, name: str, role: str, notes: list[str]) -> tuple[Array, Flags]:
    """Return the numbers (N,) of a field, and (N,) True where the value is only known to be below its number.

    The number is NaN where the value is missing. It is NaN with True where the text says "not detected" and no number.
    """
    column = layer.column(name, role)
    is_below = np.zeros(len(column), np.bool_)
    if is_text(column):
        parsed = parse_numbers(column)
        if parsed.unknown:
            raise _no_numbers(layer, name, role, parsed)
        numbers, is_below = parsed.values, parsed.is_below | parsed.is_undetected
        notes.append(
            tr("{} is a text field; its {} values were read as numbers.{}").format(
                name, np.isfinite(numbers).sum(), _signs_in_words(parsed)
            )
        )
    elif column.dtype.kind in "iuf":
        numbers = as_numbers(column)
    else:
        raise EngineError(
            tr("The {} {} of '{}' is not numeric ({}). Choose a numeric field.").format(
                role_in_words(role), name, layer.name, column.dtype
            )
        )
    is_huge = np.isfinite(numbers) & (np.abs(numbers) >= HUGE) & (role != "weight")  # a weight has no unit
    if is_huge.any():
        notes.append(
            tr(
                "{}: {} of {} numbers are beyond {:g}, such as {:.7g}, which programs write where there is no"
                " value. They count as missing."
            ).format(name, is_huge.sum(), len(numbers), HUGE, numbers[is_huge][0])
        )
        numbers[is_huge] = np.nan
    if not np.isfinite(numbers).any():
        raise EngineError(
            tr(
                "The {} {} of '{}' has no value at any of its {} observations. Choose another field, or check"
                " the join that fills it."
            ).format(role_in_words(role), name, layer.name, len(numbers))
        )
    return numbers, is_below


def as_numbers(column: NDArray[Any]) -> Array:
    """Return the numbers (N,) of a numeric field, NaN where it is empty."""
    return np.ma.filled(column.astype(np.float64), np.nan)


def is_text(column: NDArray[Any]) -> bool:
    return column.dtype.kind in "OUST"


def _signs_in_words(parsed: ParsedNumbers) -> str:
    """Say how numbers were read whose commas or points may separate thousands; empty where there are none."""
    words = ""
    if parsed.odd_comma:
        words += tr(" Commas count as decimal signs, not as separators of thousands ({}).").format(parsed.odd_comma)
    if parsed.odd_point:
        words += tr(" Points count as decimal signs, not as separators of thousands ({}).").format(parsed.odd_point)
    return words


def _no_numbers(layer: Layer, name: str, role: str, parsed: ParsedNumbers) -> EngineError:
    texts = parsed.unknown
    remedy = tr("Make a numeric field with the field calculator and choose that.")
    if begin_with_numbers(texts):
        remedy = tr("Most begin with a number: make a numeric field of it with the field calculator and choose that.")
    if role == "target":
        remedy += tr(" If they are soil classes, choose the target type 'class'.")
    if any(text.startswith(">") for text in texts):
        remedy = tr("Values above a limit, such as >100, cannot be learned from: write the limit, or leave them empty.")
    elif parsed.decimal:
        remedy = tr(
            "Beside {!r}, a point or comma in them may separate thousands. Write every number with the same decimal"
            " sign, and thousands without one."
        ).format(parsed.decimal)
    return EngineError(
        tr("The {} {} of '{}' is a text field, and {} of its {} values are not numbers: {}. {}").format(
            role_in_words(role),
            name,
            layer.name,
            len(texts),
            len(layer.ids),
            comma_separated(map(repr, dict.fromkeys(texts)), 5),
            remedy,
        )
    )


_NUMBER = re.compile(r"(?P<below><\s*=?\s*)?(?P<number>[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_UNDETECTED = {
    *("nd", "n.d.", "n.d", "not detected", "undetected", "n.n.", "nn"),
    *("bdl", "b.d.l.", "below detection limit", "below dl", "<dl", "<lod", "<loq", "<lld", "<mdl", "<rl", "<ng", "<bg"),
}
"""Words for "not detected" in English and German; n.d. may also mean "not determined"."""


@dataclass(frozen=True)
class ParsedNumbers:
    """Numbers that were read from texts.

    `values` (N,) are float64, NaN where missing. `is_below` (N,) is True where the text says that the value is below
    that number (`<0.5`), `is_undetected` (N,) where it says so without a number. `failed` are all texts without a
    number, `unknown` those of them that do not say "not detected". `odd_comma` is a number such as `1,234` when all
    commas may separate thousands, `odd_point` one such as `1.234` when all of several points may; else empty.
    `decimal` is a number such as `980,5` beside others such as `1.234`, which then are unknown, too, because they may
    be thousands; else empty.
    """

    values: Array
    is_below: Flags
    is_undetected: Flags
    failed: list[str]
    unknown: list[str]
    odd_comma: str
    odd_point: str
    decimal: str


def parse_numbers(texts: NDArray[Any]) -> ParsedNumbers:
    values, is_below = np.full(len(texts), np.nan), np.zeros(len(texts), np.bool_)
    is_undetected = np.zeros(len(texts), np.bool_)
    failed, unknown = list[str](), list[str]()
    written: dict[str, list[tuple[str, str]]] = {",": [], ".": []}  # numbers with the sign, and their texts
    for index, value in enumerate(texts):
        text = "" if value is None or value != value else str(value).strip()
        if is_missing(text):
            continue
        if match := _NUMBER.fullmatch(text):
            values[index] = float(match["number"].replace(",", "."))
            is_below[index] = match["below"] is not None
            for sign in set(written) & set(match["number"]):
                written[sign].append((match["number"], text))
        else:
            failed.append(text)
            is_undetected[index] = " ".join(text.lower().replace("< ", "<").split()) in _UNDETECTED
            unknown += [] if is_undetected[index] else [text]
    decimal = {sign: _first_decimal(numbers) for sign, numbers in written.items()}
    odd_comma = written[","][0][0] if written[","] and not decimal[","] else ""
    odd_point = written["."][0][0] if len(written["."]) > 1 and not decimal["."] else ""
    for sign, other in ((",", "."), (".", ",")):
        if written[sign] and not decimal[sign] and decimal[other]:
            thousands = [text for _, text in written[sign]]
            return ParsedNumbers(values, is_below, is_undetected, failed, unknown + thousands, "", "", decimal[other])
    return ParsedNumbers(values, is_below, is_undetected, failed, unknown, odd_comma, odd_point, "")


def is_number(text: str) -> bool:
    """Check whether a text is a number, or `<` and a number."""
    return _NUMBER.fullmatch(text) is not None


def begin_with_numbers(texts: Sequence[str]) -> bool:
    """Check whether most of these texts begin with a number, as `7.6 %` does."""
    return 2 * sum(_NUMBER.match(text) is not None for text in texts) > len(texts)


def _first_decimal(numbers: list[tuple[str, str]]) -> str:
    """Return the first number whose point or comma cannot separate thousands, empty where there is none."""
    return next((number for number, _ in numbers if not _THOUSANDS.fullmatch(number)), "")
