"""Parsed JSON -> dataclasses, with every value checked against its declared type: for files that anyone may write."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, Union, cast

from .language import tr

T = TypeVar("T")
_MOST_BITS = {int: 63, float: 1023}
"""Most bits of a whole number where an int or a float is declared: libraries count in 64, and floats end at 2**1024."""


class DecodeError(ValueError):
    """A value whose type differs from the declared one, or an unknown or missing field; the message says which."""


def decode(kind: type[T], value: object, where: str) -> T:
    """Build `kind`, a dataclass of dataclasses, tuples, dicts with text keys, optional values, numbers and texts.

    `where` begins every message, for example the kind's name.
    """
    try:
        return cast(T, _decode(kind, value, where))
    except RecursionError as error:
        raise DecodeError(tr("{} is nested too deeply.").format(where)) from error


def _decode(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _decode(_kind_among([item for item in arguments if item is not type(None)], value), value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise DecodeError(tr("{} must hold {} values, not {}.").format(where, len(kinds), len(value)))
        return tuple(_decode(each, item, f"{where}[{i}]") for i, (each, item) in enumerate(zip(kinds, value)))
    if origin is dict and isinstance(value, dict):
        return {
            _text(key, tr("a key of {}").format(where)): _decode(arguments[1], item, f"{where}[{key!r}]")
            for key, item in value.items()
        }
    if kind in (int, float) and isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > _MOST_BITS[kind]:
            raise DecodeError(tr("{} is a number of {} bits, too large.").format(where, value.bit_length()))
        return kind(value)
    if not isinstance(kind, type) or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise DecodeError(
            tr("{} must be {}, not {}.").format(where, getattr(kind, "__name__", tr("a list")), _shown(value))
        )
    return _text(value, where) if isinstance(value, str) else value


def _text(value: str, where: str) -> str:
    """Refuse half of a character, a lone surrogate, which can be neither shown nor written, and null characters."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DecodeError(
            tr("{} holds half of a character, which no file can keep: {!r}.").format(where, value[:80])
        ) from error
    if "\0" in value:
        raise DecodeError(tr("{} holds a null character, which no file name may hold: {!r}.").format(where, value[:80]))
    return value


def _shown(value: Any) -> str:
    """Return the beginning of a value as the file has it, but a text in single quotes."""
    return repr(value[:80]) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:80]


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise DecodeError(tr("{} must be an object, not {}.").format(where, _shown(value)))
    hints = typing.get_type_hints(kind)
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise DecodeError(
            tr("{} has no field {}. It has: {}.").format(where, ", ".join(map(repr, unknown)), ", ".join(sorted(known)))
        )
    lacking = [item.name for item in fields(kind) if is_needed(item) and item.name not in value]
    if lacking:
        raise DecodeError(tr("{} lacks {}, which it must have.").format(where, ", ".join(map(repr, lacking))))
    try:
        return kind(**{name: _decode(hints[name], item, f"{where}.{name}") for name, item in value.items()})
    except TypeError as error:
        raise DecodeError(tr("{} is incomplete: {}.").format(where, error)) from error


def is_needed(item: Field[Any]) -> bool:
    """Check whether a field has no default."""
    return item.default is MISSING and item.default_factory is MISSING


def _kind_among(kinds: list[Any], value: Any) -> Any:
    """Return the dataclass among `kinds` that has the value's fields, down to the innermost; else the first."""
    return next((kind for kind in kinds if _has_fields(kind, value)), kinds[0])


def _has_fields(kind: Any, value: Any) -> bool:
    if not is_dataclass(kind) or not isinstance(kind, type):
        return True
    if not isinstance(value, dict) or {item.name for item in fields(kind)} != set(value):
        return False
    hints = typing.get_type_hints(kind)
    return all(_has_fields(hints[name], item) for name, item in value.items())
