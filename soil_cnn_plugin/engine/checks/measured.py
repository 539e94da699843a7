"""The choice of the fields that are checked, and their numbers, whatever form they are stored in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.observations.layer_fields import ParsedNumbers, as_numbers, is_text, parse_numbers
from soil_cnn_plugin.engine.observations.names import is_missing, plain_name
from soil_cnn_plugin.engine.observations.soil_classes import may_name_classes

FieldValues = Mapping[str, NDArray[Any]]

_ID_NAME = re.compile(
    r"(.*[_. ])?(id|fid|no|nr|num|number|key|index)|[a-z]*(objectid|ogc_fid|sourceid|sampleid|plotid)"
)
_COORDINATE_NAME = re.compile(
    r"[xy]|(x|y)[_ ]?(coord\w*|map|utm)|coord\w*[_ ]?(x|y)|point_(x|y)|lon|lat|long|longitude|latitude|easting|northing"
)
_FOLLOWS = 0.99999
"""Correlation with a coordinate from which on a field is a coordinate itself, perhaps in another unit or CRS."""
_FEWEST = 5


@dataclass(frozen=True)
class Measured:
    """A field's numbers (N,), NaN where missing, and flags (N,) of what they are.

    `is_below`: the number is a detection limit, and the value lies below it. `is_undetected`: a text says so without a
    number. `is_failed`: the text is not a number. `is_thousands`: the number's only comma or point, which was read as a
    decimal one, may separate thousands. `texts` are those of a text field where one of the last three is true, else
    None. `decimal` is a number such as `980,5` beside others such as `1.234`, which failed because they may be
    thousands; else empty.
    """

    soil_property: SoilProperty
    values: Array
    is_below: Flags
    is_undetected: Flags
    is_failed: Flags
    is_thousands: Flags
    is_text: bool
    comma_count: int
    texts: NDArray[np.object_]
    decimal: str = ""

    @property
    def field(self) -> str:
        return self.soil_property.field


def read_measured(soil_property: SoilProperty, column: NDArray[Any]) -> Measured:
    nothing = np.zeros(len(column), np.bool_)
    texts = np.full(len(column), None, object)
    if not is_text(column):
        values = as_numbers(column)
        return Measured(soil_property, values, nothing, nothing, nothing, nothing, False, 0, texts)
    stripped = np.array(["" if value is None else str(value).strip() for value in column.tolist()], object)
    parsed = parse_numbers(column)
    no_numbers = set(parsed.unknown)
    is_failed = np.array([text in no_numbers for text in stripped], np.bool_)
    has_comma, has_point = (
        np.array([sign in text for text in stripped], np.bool_) & np.isfinite(parsed.values) for sign in ",."
    )
    is_thousands = (has_comma & bool(parsed.odd_comma)) | (has_point & bool(parsed.odd_point))
    shown = is_failed | is_thousands | parsed.is_undetected
    texts[shown] = stripped[shown]
    return Measured(
        soil_property,
        values=np.where(is_failed, np.nan, parsed.values),
        is_below=parsed.is_below,
        is_undetected=parsed.is_undetected,
        is_failed=is_failed,
        is_thousands=is_thousands,
        is_text=True,
        comma_count=int(has_comma.sum()),
        texts=texts,
        decimal=parsed.decimal,
    )


def is_numeric(column: NDArray[Any]) -> bool:
    return column.dtype.kind in "iuf"


def holds_numbers(column: NDArray[Any]) -> bool:
    """Check whether a field holds numbers, or texts most of which are numbers."""
    return _are_numbers(parse_numbers(column)) if is_text(column) else is_numeric(column)


def _are_numbers(parsed: ParsedNumbers) -> bool:
    return int(np.isfinite(parsed.values).sum()) > len(parsed.unknown)


def is_classes(column: NDArray[Any]) -> bool:
    """Check whether a chosen field is one of classes; an empty one is not, nor one of numbers with a unit."""
    if not is_text(column):
        return column.dtype.kind == "b"
    parsed = parse_numbers(column)
    return not _are_numbers(parsed) and _holds_words(column) and may_name_classes(parsed.unknown)


def _holds_words(column: NDArray[Any]) -> bool:
    return not all(is_missing(plain_name(value)) for value in column.tolist())


def choose_fields(columns: FieldValues, roles: Sequence[str], xy: Array) -> tuple[list[str], dict[str, str]]:
    """Return the fields that hold measured numbers, and why others are left out; fields in `roles` are in neither.

    `xy` (N, 2) is NaN where a feature has no place.
    """
    chosen, left_out = [], {}
    for name, column in columns.items():
        if name in roles:
            continue
        if not holds_numbers(column):
            left_out[name] = tr("text: choose it under Fields to check it") if is_text(column) else tr("no numbers")
        elif is_identifier(name, column):
            left_out[name] = tr("an identifier: another whole number at each observation")
        elif _is_coordinate(name, column, xy):
            left_out[name] = tr("a coordinate")
        else:
            chosen.append(name)
    return chosen, left_out


def is_identifier(name: str, column: NDArray[Any]) -> bool:
    """Check for texts or whole numbers, all different, of a field whose name or order says that it measures nothing."""
    if is_text(column):
        texts = [str(value) for value in column.tolist() if not is_missing(plain_name(value))]
        return len(texts) == len(column) > 1 and len(set(texts)) == len(texts) and not holds_numbers(column)
    if not is_numeric(column) or len(column) < 2:
        return False
    values = as_numbers(column)
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or len(np.unique(values)) < len(values):
        return False
    is_counted = len(values) >= _FEWEST and values.max() - values.min() == len(values) - 1
    return bool(is_counted) or _ID_NAME.fullmatch(name.lower()) is not None


def _is_coordinate(name: str, column: NDArray[Any], xy: Array) -> bool:
    if _COORDINATE_NAME.fullmatch(name.lower()):
        return True
    if not is_numeric(column):
        return False
    values = as_numbers(column)
    known = np.isfinite(values) & np.isfinite(xy).all(axis=1)
    if known.sum() < _FEWEST or np.ptp(values[known]) == 0:
        return False
    with np.errstate(invalid="ignore", divide="ignore"):
        return any(abs(np.corrcoef(values[known], axis[known])[0, 1]) > _FOLLOWS for axis in xy.T)
