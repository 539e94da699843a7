"""`tr` translates a text into the user's language, and `format` writes numbers into it as that language does.

Both halves read the same catalogues, `languages/*.mo`. Texts of modules are translated when they are imported, so the
language is chosen before: by the plugin's first line in QGIS, by an environment variable in a worker.
"""

from __future__ import annotations

import gettext
import os
import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any

LANGUAGE_VARIABLE = "SOILCNN_LANGUAGE"
"""Environment variable that tells a worker the user's language, as in `de`."""
CATALOGUES = Path(__file__).resolve().parent.parent / "languages"
ENGLISH = "en"
_SEPARATORS = {
    ENGLISH: (".", ","),
    "de": (",", "."),
    "es": (",", "\u00a0"),
    "fr": (",", "\u202f"),
    "id": (",", "."),
    "pt": (",", "."),
}
"""Language -> what stands before decimals and between thousands."""
LANGUAGES = tuple(_SEPARATORS)
_LONG = 10_000
"""The smallest whole number whose thousands stand apart; four digits are read as easily without."""
_LONGEST = 1e15
"""The smallest number that is written with an exponent: 1.5e+03 is 1500 to readers."""


class Text(str):
    """A translated text, whose `format` writes numbers in the user's language; codes and identifiers are no numbers."""

    def format(self, *values: object, **named: object) -> str:
        return _WRITER.vformat(self, values, named)


class _Writer(string.Formatter):
    def vformat(self, format_string: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        return str(super().vformat(format_string, args, kwargs))

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, bool) or not isinstance(value, Real):
            return str(format(value, format_spec))
        if isinstance(value, Integral) and not format_spec:
            return whole(value)
        text = format(value, format_spec)
        if format_spec.endswith("g") and "e+" in text and abs(float(value)) < _LONGEST:
            return whole(round(float(value if format_spec == "g" else text)))
        return localized(text)


_WRITER = _Writer()


class _Chosen:
    """The language in use: the one thing here that changes, and only before all else is imported."""

    name = ENGLISH


def use(locale: str) -> None:
    """Take the language of a locale such as `pt_BR`; English where there is no catalogue for it."""
    name = locale.replace("-", "_").split("_")[0].lower()
    _Chosen.name = name if name in LANGUAGES else ENGLISH


def language() -> str:
    """Return the language in use, as in `de`."""
    return _Chosen.name


def tr(text: str) -> str:
    """Return the text in the user's language. It must stand here as a literal: catalogues are made from the source."""
    found = _catalogue(_Chosen.name).gettext(text)
    return Text(found) if "{" in found else found  # Qt keeps a text as such only if it is no subclass


def tr_n(one: str, many: str, count: int) -> str:
    """Return the text for a count, `one` or `many` in English, as the language counts. Both must be literals."""
    return Text(_catalogue(_Chosen.name).ngettext(one, many, count))


def localized(number: str) -> str:
    """Return a number that was written as in English with the separators of the user's language."""
    decimal, thousands = _SEPARATORS[_Chosen.name]
    return number.translate({ord("."): decimal, ord(","): thousands})


def whole(number: Integral | int) -> str:
    """Return a whole number as the user's language writes it, with thousands apart from 10,000 on."""
    return localized(f"{int(number):,}" if abs(int(number)) >= _LONG else str(number))


def all_of(names: Iterable[str]) -> str:
    """Join names as in `a, b and c`."""
    *first, last = [*names] or [""]
    return tr("{} and {}").format(", ".join(first), last) if first else last


def some_of(names: Iterable[str], most: int = 5) -> str:
    """Join names as in `a, b and c`, or as in `a, b and 7 more` if they are more than `most`."""
    texts = [*names]
    more = len(texts) - most
    return all_of(texts) if more <= 0 else tr("{} and {} more").format(", ".join(texts[:most]), more)


def any_of(names: Iterable[str]) -> str:
    """Join names as in `a, b or c`."""
    *first, last = [*names] or [""]
    return tr("{} or {}").format(", ".join(first), last) if first else last


def date_in_words(day: date) -> str:
    """Return a date as the language writes it; in English as ISO 8601 does."""
    return day.strftime(tr("%Y-%m-%d"))


def moment_in_words(moment: datetime) -> str:
    """Return a date with its hour and minute."""
    return f"{date_in_words(moment)} {moment:%H:%M}"


@cache
def _catalogue(name: str) -> gettext.NullTranslations:
    if name == ENGLISH:
        return gettext.NullTranslations()
    with (CATALOGUES / f"{name}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


use(os.environ.get(LANGUAGE_VARIABLE, ENGLISH))
