"""What the description of a raster's band tells: the soil property, its depth, its unit and what is shown of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ..contract.language import tr


@dataclass(frozen=True)
class Label:
    """A band's description in its parts: `clay 5-15 cm (%), lower 90 % limit`."""

    soil_property: str  # clay
    depth_cm: Optional[tuple[float, float]]
    unit: str
    kind: str

    @property
    def title(self) -> str:
        depth = f" {self.depth_cm[0]:g}-{self.depth_cm[1]:g} cm" if self.depth_cm else ""
        return f"{self.soil_property}{depth}"

    @property
    def labelled(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title


_LABEL = re.compile(
    r"^(?P<property>.*?)(?: (?P<upper>[\d.]+)-(?P<lower>[\d.]+) cm)?(?: \((?P<unit>[^()]*)\))?"
    r"(?:, (?P<kind>(?:lower|upper) .*limit|standard deviation|median|confusion index))?$"
)


def read_label(description: str) -> Label:
    match = _LABEL.match(description)
    if match is None:
        return Label(description, None, "", "")
    depth = (float(match["upper"]), float(match["lower"])) if match["upper"] else None
    return Label(match["property"], depth, match["unit"] or "", match["kind"] or "")


def sentence_case(text: str) -> str:
    """Capitalize the first letter of `zinc`, but not of pH."""
    is_plain = text[:1].islower() and not re.match(r"p[hH]\b", text)
    return f"{text[:1].upper()}{text[1:]}" if is_plain else text


def in_few_words(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    shown = list(labels) if len(labels) <= 3 else [*labels[:2], tr("{} more").format(len(labels) - 2)]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {tr('and')} {shown[-1]}"
