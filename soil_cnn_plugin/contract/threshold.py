"""Thresholds that a soil property may exceed: `copper > 150`, as users write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .job import JobError
from .language import tr
from .quoting import quoted, split_items, take_name
from .soil_property import SoilProperty

_NAME = re.compile(r"^[^<>]+")
_LIMIT = re.compile(r"^\s*(?P<sign>[<>])=?\s*(?P<value>[^\s<>=]+)\s*$")


@dataclass(frozen=True)
class Threshold:
    """`target` is a field, or a property's name for all its depths; with `is_above` False, the value falls below."""

    target: str
    value: float
    is_above: bool = True

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise JobError(tr("The threshold of {} is {}; it must be a finite number.").format(self.target, self.value))

    @property
    def text(self) -> str:
        return f"{quoted(self.target)} {'>' if self.is_above else '<'} {self.value:g}"

    def matches(self, target: SoilProperty) -> bool:
        """Capital letters do not count, nor do blanks at the ends."""
        return _plain(self.target) in map(_plain, (target.field, target.name, target.title))

    def words(self, target: SoilProperty) -> str:
        """Return, for example, `copper 0-5 cm > 150 mg/kg`."""
        return f"{target.title} {'>' if self.is_above else '<'} {self.value:g} {target.unit}".strip()


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Read `copper > 150; "Clay <2 um" > 30`; raise a JobError that names the part that cannot be read."""
    thresholds = []
    for piece in split_items(text, ";\n"):
        name, rest = take_name(piece)
        if name is None and (plain := _NAME.match(piece)):
            name, rest = plain[0].strip(), piece[plain.end() :]
        match = _LIMIT.match(rest)
        value = _number(match["value"]) if match else None
        if not name or match is None or value is None:
            raise JobError(
                tr(
                    "The threshold {!r} cannot be read. Write the target, > or <, and a number: copper > 150;"
                    ' zinc > 300. A name that holds <, >, ; or = stands in quotes: "Clay <2 um" > 30.'
                ).format(piece.strip())
            )
        thresholds.append(Threshold(name, value, match["sign"] == ">"))
    return tuple(thresholds)


def pair_thresholds(
    thresholds: Sequence[Threshold], targets: Sequence[SoilProperty]
) -> tuple[tuple[int, Threshold], ...]:
    """Return (index of the target, threshold) for every target that a threshold names, each pair once; raise JobError
    for a threshold that names no target."""
    pairs: dict[tuple[int, float, bool], tuple[int, Threshold]] = {}
    for threshold in thresholds:
        found = [index for index, target in enumerate(targets) if threshold.matches(target)]
        alike = [index for index in found if _plain(targets[index].field) == _plain(threshold.target)]
        if len(alike) > 1:  # fields that differ in capital letters or blanks only
            found = [index for index in found if index not in alike or targets[index].field == threshold.target]
        if not found:
            raise JobError(
                tr("The threshold {!r} names no target. The targets are: {}.").format(
                    threshold.text, ", ".join(target.field for target in targets)
                )
            )
        for index in found:
            pairs.setdefault((index, threshold.value, threshold.is_above), (index, threshold))
    return tuple(pairs.values())


def _plain(name: str) -> str:
    return name.strip().lower()


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
