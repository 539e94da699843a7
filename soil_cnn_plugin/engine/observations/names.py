"""Names of profiles, sites, strata and classes in fields, in one spelling; and words that stand for no value."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated
from soil_cnn_plugin.engine.observations.point_layer import LARGEST_EXACT, Layer, role_in_words

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_MISSING = {
    *("", "na", "n/a", "n.a.", "n.a", "n. a.", "<na>", "nan", "-nan", "nat", "null", "<null>", "(null)", "none", "nil"),
    *("nodata", "no data", "no_data", "no-data", "no value", "novalue", "no_value", "missing", "(missing)", "\\n"),
    *("not available", "not applicable", "not measured", "not recorded", "not determined", "not analysed", "(none)"),
    *("not analyzed", "empty", "(empty)", "blank", "(blank)", "(leer)", "leer", "k.a.", "k. a.", "k.a", "keine angabe"),
    *(
        "keine daten",
        "fehlt",
        "fehlend",
        "nicht bestimmt",
        "s/d",
        "sin dato",
        "sin datos",
        "sem dados",
        "n/d",
        "n.v.t.",
    ),
    *("non disponible", "aucune donnée", "brak danych", "geen data", "1.#qnan", "-1.#ind", "1.#ind", "#error"),
}
_NOT_A_VALUE = re.compile(r"#\S*(\s\S+)?[!?]|#n/?[a-z]!?|#getting_data|#+|err:\d+|[-_.?*\u2013\u2014\u2212\u2026]+")
"""Errors of spreadsheets in any language (#N/A, #NV, #WERT!, #NAME?, Err:502), and texts of dashes, dots or ? alone."""

_DOUBTFUL = {
    *("unknown", "unbekannt", "inconnu", "desconocido", "desconhecido", "undefined", "unspecified", "unclassified"),
    *(
        "undetermined",
        "unbestimmt",
        "not classified",
        "nicht klassifiziert",
        "error",
        "fehler",
        "x",
        "xx",
        "xxx",
        "tbd",
    ),
    *("nd", "n.d.", "n.d", "n.n.", "n.b.", "not detected", "test", "void", "tbd"),
}
_MARK = re.compile(r"-?9{3,}([.,]9+)?|-\d+|-?[\d.,]+e\+?[1-9]\d+", re.IGNORECASE)


def plain_name(value: object) -> str:
    """Return a name in the one spelling by which it is compared; empty where there is none.

    It has composed letters and no blanks at its ends, nor doubled or invisible ones; a whole number has no decimals.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return " ".join(unicodedata.normalize("NFC", str(value)).translate(_INVISIBLE).split())


def is_missing(text: str) -> bool:
    """Check whether a text stands for no value at all."""
    plain = plain_name(text).casefold()
    return plain in _MISSING or _NOT_A_VALUE.fullmatch(plain) is not None


def find_doubtful(names: Iterable[str]) -> list[str]:
    """Return the names that may stand for no value, but may also be the name of a class."""
    return [name for name in names if name.casefold() in _DOUBTFUL or _MARK.fullmatch(name)]


def read_names(layer: Layer, name: str, role: str, notes: Notes) -> NDArray[np.object_]:
    """Read the names (N,) of a field, as `plain_name` spells them; None where there is none, or no field is chosen.

    `role` tells what the field is chosen as.
    """
    if not name:
        return np.full(len(layer.ids), None, object)
    values = layer.column(name, role).tolist()
    plain = [plain_name(value) for value in values]
    names = np.array([None, *(None if is_missing(each) else each for each in plain)], object)[1:]
    _tell_spelling(values, plain, f"{name} ({role_in_words(role)})", notes)
    _doubt_rounding(layer.columns[name], f"{name} ({role_in_words(role)})", notes)
    return names


def names_in_two_cases(names: Iterable[str]) -> list[str]:
    """Return the names that differ from another one only in capital letters, sorted."""
    different = set(names)
    spelt = Counter(each.casefold() for each in different)
    return sorted(each for each in different if spelt[each.casefold()] > 1)


def _tell_spelling(values: list[object], plain: list[str], what: str, notes: Notes) -> None:
    said = [each for each in plain if each and is_missing(each)]
    if said:
        words = comma_separated(map(repr, sorted(set(said))))
        notes.doubts.append(tr("{}: {} at {} of {} rows counts as no name.").format(what, words, len(said), len(plain)))
    odd = [text for text, own in zip(values, plain) if isinstance(text, str) and own and text != own]
    if odd:
        notes.doubts.append(
            tr(
                "{}: {} of {} names have blanks at their ends, doubled or invisible ones, such as {!r}. They"
                " count as the names without them."
            ).format(what, len(odd), len(plain), odd[0])
        )
    twins = names_in_two_cases(each for each in plain if not is_missing(each))
    if twins:
        notes.doubts.append(
            tr(
                "{}: these names differ in capital letters only, and count as different ones: {}. If they are"
                " the same, give them one name."
            ).format(what, comma_separated(twins))
        )


def lost_digits(column: NDArray[Any]) -> Flags:
    """Return (N,) True where a name is a floating-point number too large to tell neighbouring whole numbers apart."""
    if column.dtype.kind != "f":
        return np.zeros(len(column), np.bool_)
    return np.asarray(np.abs(column) >= LARGEST_EXACT)


def _doubt_rounding(column: NDArray[Any], what: str, notes: Notes) -> None:
    if lost_digits(column).any():
        notes.doubts.append(
            tr(
                "{}: it is a field of real numbers, which keep no more than 15 digits, and some names have"
                " more: those that differ in later digits have become one. Import them as texts or whole"
                " numbers."
            ).format(what)
        )
