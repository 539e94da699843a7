"""Parsed JSON -> dataclasses, with every value checked against its declared type: for files that anyone may write."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, cast

from .language import tr

T = TypeVar("T")


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
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise DecodeError(tr("{} is a number of {} bits, too large.").format(where, value.bit_length())) from error
    if not isinstance(kind, type) or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise DecodeError(
            tr("{} must be {}, not {!r}.").format(where, getattr(kind, "__name__", tr("a list")), str(value)[:80])
        )
    return _text(value, where) if isinstance(value, str) else value


def _text(value: str, where: str) -> str:
    """Refuse half of a character, a lone surrogate, which can be neither shown nor written."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DecodeError(
            tr("{} holds half of a character, which no file can keep: {!r}.").format(where, value[:80])
        ) from error
    return value


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise DecodeError(tr("{} must be an object, not {!r}.").format(where, str(value)[:80]))
    hints = typing.get_type_hints(kind)
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise DecodeError(
            tr("{} has no field {}. It has: {}.").format(where, ", ".join(map(repr, unknown)), ", ".join(sorted(known)))
        )
    try:
        return kind(**{name: _decode(hints[name], item, f"{where}.{name}") for name, item in value.items()})
    except TypeError as error:
        raise DecodeError(tr("{} is incomplete: {}.").format(where, error)) from error


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
