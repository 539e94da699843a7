"""Thresholds that a soil property may exceed: `copper > 150`, as users write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .job import JobError
from .soil_property import SoilProperty

_FORM = re.compile(r"^(?P<target>[^<>]+?)\s*(?P<sign>[<>])=?\s*(?P<value>[^\s<>=]+)$")


@dataclass(frozen=True)
class Threshold:
    """`target` is a field, or a property's name for all its depths; with `is_above` False, the value falls below."""

    target: str
    value: float
    is_above: bool = True

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise JobError(f"The threshold of {self.target} is {self.value}; it must be a finite number.")

    @property
    def text(self) -> str:
        return f"{self.target} {'>' if self.is_above else '<'} {self.value:g}"

    def matches(self, target: SoilProperty) -> bool:
        return self.target.lower() in (target.field.lower(), target.name.lower(), target.title.lower())

    def words(self, target: SoilProperty) -> str:
        """Return, for example, `copper 0-5 cm > 150 mg/kg`."""
        return f"{target.title} {'>' if self.is_above else '<'} {self.value:g} {target.unit}".strip()


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Read `copper > 150; zinc > 300`; raise a JobError that names the part that cannot be read."""
    thresholds = []
    for piece in filter(None, map(str.strip, re.split(r"[;\n]", text))):
        match = _FORM.match(piece)
        value = _number(match["value"]) if match else None
        if match is None or value is None:
            raise JobError(
                f"The threshold {piece!r} cannot be read. Write the target, > or <, and a number: copper > 150;"
                " zinc > 300."
            )
        thresholds.append(Threshold(match["target"].strip("\"'"), value, match["sign"] == ">"))
    return tuple(thresholds)


def pair_thresholds(
    thresholds: Sequence[Threshold], targets: Sequence[SoilProperty]
) -> tuple[tuple[int, Threshold], ...]:
    """Return (index of the target, threshold) for every target that a threshold names, each pair once; raise JobError
    for a threshold that names no target."""
    pairs: dict[tuple[int, float, bool], tuple[int, Threshold]] = {}
    for threshold in thresholds:
        found = [index for index, target in enumerate(targets) if threshold.matches(target)]
        if not found:
            raise JobError(
                f"The threshold {threshold.text!r} names no target. The targets are:"
                f" {', '.join(target.field for target in targets)}."
            )
        for index in found:
            pairs.setdefault((index, threshold.value, threshold.is_above), (index, threshold))
    return tuple(pairs.values())


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
