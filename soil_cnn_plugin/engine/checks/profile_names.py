"""Names of profiles: one name in several spellings, words that stand for no name, names that lost digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.checks.findings import Finding, listed, of_observations, plural
from soil_cnn_plugin.engine.observations.names import is_missing, lost_digits, names_in_two_cases, plain_name


def check_names(field: str, column: NDArray[np.generic]) -> list[Finding]:
    values = column.tolist()
    plain = [plain_name(value) for value in values]
    return [
        *_check_blanks(field, values, plain),
        *_check_capitals(field, plain),
        *_check_missing(field, plain),
        *_check_digits(field, column),
    ]


def _check_blanks(field: str, values: list[object], plain: list[str]) -> list[Finding]:
    rows = _where([isinstance(value, str) and own and value != own for value, own in zip(values, plain)])
    if not rows.size:
        return []
    shown = [str(values[row]) for row in rows.tolist()]
    sentence = (
        f"{field} has blanks at an end, doubled or invisible ones at {of_observations(rows.size, len(plain))}, such as"
        f" {shown[0]!r}. Soil CNN reads {plain_name(shown[0])!r}; other programs take it for another name."
    )
    texts = [f"{field} is {text!r}, which is read as {plain_name(text)!r}." for text in shown]
    remedy = f'In the field calculator, update {field} with trim("{field}").'
    return [Finding("name_spelling", field, sentence, remedy, rows, texts, shown)]


def _check_capitals(field: str, plain: list[str]) -> list[Finding]:
    twins = names_in_two_cases(name for name in plain if not is_missing(name))
    if not twins:
        return []
    rows = _where([name in twins for name in plain])
    shown = [plain[row] for row in rows.tolist()]
    sentence = f"Names of {field} differ in capital letters only: {listed(twins)}. They count as different ones."
    texts = [f"{field} is {name!r}, elsewhere with other capital letters." for name in shown]
    remedy = "If they are the same, give them one name: otherwise the profile is torn in two."
    return [Finding("name_spelling", field, sentence, remedy, rows, texts, shown)]


def _check_missing(field: str, plain: list[str]) -> list[Finding]:
    rows = _where([is_missing(name) for name in plain])
    if not rows.size:
        return []
    shown = [plain[row] for row in rows.tolist()]
    words = listed(sorted({repr(name) if name else "empty" for name in shown}))
    sentence = f"{field} is {words} at {of_observations(rows.size, len(plain))}: no name."
    remedy = f"Write the name. Without one {plural(rows.size, 'it belongs', 'they belong')} to no other observation."
    texts = [f"{field} names nothing ({name or 'empty'})." for name in shown]
    return [Finding("no_name", field, sentence, remedy, rows, texts, shown)]


def _check_digits(field: str, column: NDArray[np.generic]) -> list[Finding]:
    rows = _where(lost_digits(column))
    if not rows.size:
        return []
    sentence = (
        f"{field} is a field of real numbers, which keep 15 digits; names of {of_observations(rows.size, len(column))}"
        " have more, so that different ones may have become one."
    )
    shown = [f"{value:.17g}" for value in column[rows].tolist()]
    texts = [f"{field} has more digits than its type keeps: {name}." for name in shown]
    remedy = "Import the field again, as text or whole numbers."
    return [Finding("rounded_name", field, sentence, remedy, rows, texts, shown)]


def _where(flags: object) -> Rows:
    return np.flatnonzero(np.array(flags, bool))
