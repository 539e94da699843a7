"""Names of classes and profiles that deserve a look: rare ones, several spellings of one, words for no name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import some_of, tr, tr_n
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.observations.names import (
    find_doubtful,
    is_missing,
    lost_digits,
    names_in_two_cases,
    plain_name,
)
from soil_cnn_plugin.engine.observations.soil_classes import RARE

MOST = 50


@dataclass(frozen=True)
class ClassSummary:
    """A summary of the classes in a field.

    `counts` holds each name in its most frequent spelling and its number of observations, the most frequent first.
    """

    field: str
    known: int
    missing: int
    counts: tuple[tuple[str, int], ...]

    @property
    def rare(self) -> tuple[tuple[str, int], ...]:
        return tuple((name, count) for name, count in self.counts if count <= RARE)


def check_classes(field: str, column: NDArray[np.generic]) -> tuple[ClassSummary, list[Finding]]:
    texts = [_text(value) for value in column.tolist()]
    spellings = Counter(filter(None, texts))
    by_class: dict[str, list[str]] = {}
    for spelling in spellings:
        by_class.setdefault(_plain(spelling), []).append(spelling)
    best = {key: max(names, key=lambda name: (spellings[name], name)) for key, names in by_class.items()}
    counts = Counter({best[key]: sum(spellings[name] for name in names) for key, names in by_class.items()})
    summary = ClassSummary(
        field=field,
        known=spellings.total(),
        missing=len(texts) - spellings.total(),
        counts=tuple(
            sorted(((name.strip(), count) for name, count in counts.items()), key=lambda item: (-item[1], item[0]))
        ),
    )
    found = _check_spelling(field, texts, by_class, best) + _check_doubtful(field, texts)
    if len(counts) > MOST:
        return summary, [*found, _many(summary)]
    if len(counts) == 1:
        sentence = tr("{} is {!r} at all {} observations that have a class.").format(
            field, summary.counts[0][0], summary.known
        )
        found.append(Finding("constant", field, sentence, tr("Leave it out: there is nothing to map.")))
    return summary, found + _check_rare(summary, texts)


def _text(value: object) -> str:
    """Return a name as it is written; empty where it says that there is no class."""
    return "" if is_missing(plain_name(value)) else str(value)


def _plain(text: str) -> str:
    """Return what names that differ only by capitals and spaces have in common."""
    return "".join(text.casefold().split())


def _check_spelling(
    field: str, texts: list[str], by_class: dict[str, list[str]], best: dict[str, str]
) -> list[Finding]:
    several = {key: names for key, names in by_class.items() if len(names) > 1}
    if not several:
        return []
    other = {name: best[key] for key, names in several.items() for name in names if name != best[key]}
    rows = np.array([row for row, text in enumerate(texts) if text in other], np.int64)
    groups = some_of([" = ".join(repr(name) for name in names) for names in several.values()])
    sentence = tr("Names of {} differ only by capitals or spaces: {}.").format(field, groups)
    first = next(iter(other))
    remedy = tr(
        'Give each class one name: in the field calculator, update {} with trim("{}"), then replace names'
        " as in if(\"{}\" = '{}', '{}', \"{}\"). Otherwise each spelling is a class of its own."
    ).format(field, field, field, first.strip(), other[first].strip(), field)
    shown = [texts[row] for row in rows.tolist()]
    sentences = [tr("{} is {!r}, elsewhere spelt {!r}.").format(field, text, other[text]) for text in shown]
    return [Finding("class_spelling", field, sentence, remedy, rows, sentences, shown)]


def _check_doubtful(field: str, texts: list[str]) -> list[Finding]:
    doubtful = set(find_doubtful(plain_name(text) for text in texts if text))
    if not doubtful:
        return []
    rows = np.array([row for row, text in enumerate(texts) if plain_name(text) in doubtful], np.int64)
    shown = [texts[row].strip() for row in rows.tolist()]
    sentence = tr(
        "{} is {} at {} of {} observations, which may stand for a missing class. It would be learned as a class."
    ).format(field, some_of(sorted(map(repr, doubtful))), rows.size, len(texts))
    remedy = tr("If it does, empty it: in the field calculator, update {} with nullif(\"{}\", '{}').").format(
        field, field, shown[0]
    )
    sentences = [tr("{} is {!r}, which may stand for a missing class.").format(field, text) for text in shown]
    return [Finding("doubtful_class", field, sentence, remedy, rows, sentences, shown)]


def _check_rare(summary: ClassSummary, texts: list[str]) -> list[Finding]:
    rare = {_plain(name): count for name, count in summary.rare}
    if not rare or len(summary.counts) == 1:
        return []
    rows = np.array([row for row, text in enumerate(texts) if _plain(text) in rare], np.int64)
    words = some_of([f"{name} {count}" for name, count in summary.rare], 8)
    sentence = tr_n(
        "{} of {} classes of {} has at most {} observations: {}.",
        "{} of {} classes of {} have at most {} observations: {}.",
        len(rare),
    ).format(len(rare), len(summary.counts), summary.field, RARE, words)
    remedy = tr(
        "Merge them with the class they resemble, or let Extract patches drop or merge them (Rare classes):"
        " so few cannot be learned or assessed."
    )
    shown = [texts[row].strip() for row in rows.tolist()]
    numbers = [rare[_plain(text)] for text in shown]
    sentences = [
        tr_n("{} is {}, a class with {} observation.", "{} is {}, a class with {} observations.", number).format(
            summary.field, text, number
        )
        for text, number in zip(shown, numbers)
    ]
    return [Finding("rare_class", summary.field, sentence, remedy, rows, sentences, shown)]


def _many(summary: ClassSummary) -> Finding:
    singles = sum(count == 1 for _, count in summary.counts)
    sentence = tr("{} has {} different texts at {} of {} observations; {} of them occur once.").format(
        summary.field, len(summary.counts), summary.known, summary.known + summary.missing, singles
    )
    remedy = tr(
        "Merge them to at most 50 classes, for example to the reference soil groups of WRB. If they are"
        " remarks or names of sites, choose another field."
    )
    return Finding("many_classes", summary.field, sentence, remedy)


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
    sentence = tr(
        "{} has blanks at an end, doubled or invisible ones at {} of {} observations, such as {!r}. Soil"
        " CNN reads {!r}; other programs take it for another name."
    ).format(field, rows.size, len(plain), shown[0], plain_name(shown[0]))
    texts = [tr("{} is {!r}, which is read as {!r}.").format(field, text, plain_name(text)) for text in shown]
    remedy = tr('In the field calculator, update {} with trim("{}").').format(field, field)
    return [Finding("name_spelling", field, sentence, remedy, rows, texts, shown)]


def _check_capitals(field: str, plain: list[str]) -> list[Finding]:
    twins = names_in_two_cases(name for name in plain if not is_missing(name))
    if not twins:
        return []
    rows = _where([name in twins for name in plain])
    shown = [plain[row] for row in rows.tolist()]
    sentence = tr("Names of {} differ in capital letters only: {}. They count as different ones.").format(
        field, some_of(twins)
    )
    texts = [tr("{} is {!r}, elsewhere with other capital letters.").format(field, name) for name in shown]
    remedy = tr("If they are the same, give them one name: otherwise the profile is torn in two.")
    return [Finding("name_spelling", field, sentence, remedy, rows, texts, shown)]


def _check_missing(field: str, plain: list[str]) -> list[Finding]:
    rows = _where([is_missing(name) for name in plain])
    if not rows.size:
        return []
    shown = [plain[row] for row in rows.tolist()]
    words = some_of(sorted({repr(name) if name else tr("empty") for name in shown}))
    sentence = tr("{} is {} at {} of {} observations: no name.").format(field, words, rows.size, len(plain))
    remedy = tr_n(
        "Write the name. Without one it belongs to no other observation.",
        "Write the name. Without one they belong to no other observation.",
        rows.size,
    )
    texts = [tr("{} names nothing ({}).").format(field, name or tr("empty")) for name in shown]
    return [Finding("no_name", field, sentence, remedy, rows, texts, shown)]


def _check_digits(field: str, column: NDArray[np.generic]) -> list[Finding]:
    rows = _where(lost_digits(column))
    if not rows.size:
        return []
    sentence = tr(
        "{} is a field of real numbers, which keep 15 digits; names of {} of {} observations have more, so"
        " that different ones may have become one."
    ).format(field, rows.size, len(column))
    shown = [f"{value:.17g}" for value in column[rows].tolist()]
    texts = [tr("{} has more digits than its type keeps: {}.").format(field, name) for name in shown]
    remedy = tr("Import the field again, as text or whole numbers.")
    return [Finding("rounded_name", field, sentence, remedy, rows, texts, shown)]


def _where(flags: object) -> Rows:
    return np.flatnonzero(np.array(flags, bool))
