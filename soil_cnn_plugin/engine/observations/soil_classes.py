"""Soil classes of observations: from names to numbers and back, and what becomes of rare ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import begin_with_numbers, is_text
from soil_cnn_plugin.engine.observations.names import find_doubtful, is_missing, names_in_two_cases, plain_name
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.targets.measured import MOST_CLASSES

RARE = 5
"""Most observations of a rare class (Malone, Minasny & McBratney 2017, Using R for Digital Soil Mapping)."""
OTHER = "other classes"

_MANY_NUMBERS = 20
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


def read_classes(layer: Layer, name: str, notes: Notes) -> tuple[Array, tuple[str, ...]]:
    """Read the number (N,) of each observation's class, NaN where none is given, and the sorted names of the classes.

    Raises:
        EngineError: there are no classes, or measured numbers, or more classes than a map can show.
    """
    texts = class_texts(layer, name, notes)
    counts = Counter(text for text in texts if text)
    _check_number(counts, name, layer)
    _doubt_names(counts, name, not is_text(layer.columns[name]), notes)
    names = sorted(counts, key=_order)
    number = {text: float(index) for index, text in enumerate(names)}
    return np.array([number.get(text, np.nan) for text in texts]), tuple(names)


def class_texts(layer: Layer, name: str, notes: Notes) -> list[str]:
    """Read the name or code (N,) of each observation's class in one spelling, empty where none is given.

    Raises:
        EngineError: there are no classes, or measured numbers.
    """
    column = layer.column(name, "target")
    texts = [_text(value, name, layer) for value in column.tolist()]
    gone = [text for text in texts if text and is_missing(text)]
    if len(gone) == sum(map(bool, texts)):
        raise EngineError(
            tr(
                "The target {} of '{}' names no class at any of its {} observations. Choose another field, or"
                " check the join that fills it."
            ).format(name, layer.name, len(texts))
        )
    if gone:
        words = comma_separated(map(repr, sorted(set(gone))))
        notes.facts.append(tr("{} observations have no {}, as {} says.").format(len(gone), name, words))
    return ["" if is_missing(text) else text for text in texts]


def treat_rare_classes(
    found: Observations, target: int, classes: tuple[str, ...], treatment: str, dropped: Dropped, notes: Notes
) -> tuple[Observations, tuple[str, ...]]:
    """Take classes of at most 5 observations out of the target of that number.

    They are merged into one class if it has more observations; otherwise their observations lose their class, and those
    that have nothing else are dropped.
    """
    known = np.isfinite(found.values[:, target])
    numbers = np.where(known, found.values[:, target], -1).astype(np.int64)
    counts = np.bincount(numbers[known], minlength=len(classes))
    rare = [index for index, count in enumerate(counts) if 0 < count <= RARE]
    if rare:
        words = comma_separated((f"{classes[index]} {counts[index]}" for index in rare), 20)
        is_rare = np.isin(numbers, rare)
        if treatment == "merge" and is_rare.sum() > RARE:
            notes.facts.append(
                tr("Classes of at most {} observations become one, {!r}: {}.").format(RARE, OTHER, words)
            )
            classes = classes if OTHER in classes else (*classes, OTHER)
            numbers = np.where(is_rare, classes.index(OTHER), numbers)
        else:
            notes.doubts.append(
                tr("Classes of at most {} observations are dropped, and the map does not show them: {}.").format(
                    RARE, words
                )
                + (tr(" Together they would still be rare.") if treatment == "merge" else "")
            )
            numbers = np.where(is_rare, -1, numbers)
            found = _without_class(found, target, is_rare)
            has_nothing = np.asarray(np.isnan(found.values).all(axis=1))
            dropped.add(found.ids[has_nothing], tr("of a class with at most {} observations").format(RARE))
            found, numbers = found.take(~has_nothing), numbers[~has_nothing]
    present = np.unique(numbers[numbers >= 0])
    values = found.values.copy()
    values[:, target] = np.where(numbers >= 0, np.searchsorted(present, numbers), np.nan)
    return replace(found, values=values), tuple(classes[index] for index in present)


def _without_class(found: Observations, target: int, rows: Flags) -> Observations:
    values = found.values.copy()
    values[rows, target] = np.nan
    return replace(found, values=values)


def tell_classes(numbers: Array, classes: tuple[str, ...], notes: Notes) -> None:
    """Report how often each class occurs among the observations used in the end, (N,) numbers, NaN where unknown."""
    known = numbers[np.isfinite(numbers)].astype(np.int64)
    counts = dict(zip(classes, np.bincount(known, minlength=len(classes)).tolist()))
    present = [(name, count) for name, count in counts.items() if count]
    notes.facts.append(
        tr("{} classes: {}.").format(len(present), comma_separated((f"{name} {count}" for name, count in present), 30))
    )
    few = [f"{name} {count}" for name, count in counts.items() if count <= RARE]
    if few:
        notes.doubts.append(
            tr(
                "Classes of which at most {} observations are left, because the others lie where covariates"
                " have no data: {}. They can hardly be learned."
            ).format(RARE, comma_separated(few))
        )


def _check_number(counts: Counter[str], name: str, layer: Layer) -> None:
    """Raise EngineError when there are more classes than a map can show.

    Rare classes may exceed that number, because they are dropped or merged, unless most observations are of rare ones.
    """
    frequent = _frequent(counts)
    if len(frequent) > MOST_CLASSES or (len(counts) > MOST_CLASSES and _are_mostly_rare(counts)):
        raise EngineError(
            tr(
                "The target {} of '{}' has {} different values at {} observations, {} of them at more than {}."
                " A map shows at most {} classes, and each needs observations to be learned from. Choose a"
                " field of soil classes, or merge them; if {} is a measured number, choose the target type"
                " 'continuous'."
            ).format(name, layer.name, len(counts), counts.total(), len(frequent), RARE, MOST_CLASSES, name)
        )


def may_name_classes(words: Sequence[str]) -> bool:
    """Check whether texts that are no numbers may be names of classes: not if they begin with numbers and most are too
    rare for classes, as `7.6 %` is."""
    return not (begin_with_numbers(words) and _are_mostly_rare(Counter(words)))


def _are_mostly_rare(counts: Counter[str]) -> bool:
    """Check whether most observations are of rare classes."""
    return sum(_frequent(counts)) < counts.total() / 2


def _frequent(counts: Counter[str]) -> list[int]:
    return [count for count in counts.values() if count > RARE]


def _doubt_names(counts: Counter[str], name: str, is_numeric: bool, notes: Notes) -> None:
    twins = names_in_two_cases(counts)
    if twins:
        notes.doubts.append(
            tr(
                "These classes of {} differ in capital letters only, and are learned as different ones: {}. If"
                " they are the same, give them one name."
            ).format(name, comma_separated(twins))
        )
    doubtful = [] if is_numeric else find_doubtful(counts)
    if doubtful:
        notes.doubts.append(
            tr(
                "These classes of {} may stand for missing values, and are learned as classes: {} observations."
                " If they do, empty them."
            ).format(name, comma_separated(f"{text} {counts[text]}" for text in doubtful))
        )
    if not is_numeric:
        return
    if len(counts) > _MANY_NUMBERS:
        notes.doubts.append(
            tr(
                "{} has {} different numbers, and each is a class. If it is a measured number, choose the"
                " target type 'continuous'."
            ).format(name, len(counts))
        )
    below = [f"{text} {count}" for text, count in counts.items() if text.startswith("-")]
    if below:
        notes.doubts.append(
            tr(
                "{} has negative numbers as classes: {} observations. If they stand for missing values, empty them."
            ).format(name, comma_separated(below))
        )


def _text(value: object, name: str, layer: Layer) -> str:
    """Return the name of a class; empty where there is none."""
    if isinstance(value, float) and not (np.isnan(value) or value.is_integer()):
        raise EngineError(
            tr(
                "The target {} of '{}' holds {:g}, which names no class. Choose a field of texts or whole"
                " numbers, or the target type 'continuous'."
            ).format(name, layer.name, value)
        )
    return plain_name(value)


def _order(name: str) -> tuple[int, float, str]:
    """Return a key that sorts numbers by size, before texts by alphabet."""
    return (0, float(name), "") if _WHOLE_NUMBER.fullmatch(name) else (1, 0.0, name)
