"""What the description of a raster's band tells: the soil property, its depth, its unit and what is shown of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ..contract.language import all_of, localized, tr

_KINDS = {
    "standard deviation": tr("standard deviation"),
    "median": tr("median"),
    "confusion index": tr("confusion index"),
}
FACTOR, _ADDS = ": ln of the factor on ", ": contribution to "
"""What follows the covariate's name where contributions are logarithms, and where they are not."""
_LIMIT = re.compile(r"(?P<side>lower|upper) (?P<share>[\d.]+ %) limit")


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
    def kind_in_words(self) -> str:
        """The kind in the user's language; it is written into files in English."""
        limit = _LIMIT.fullmatch(self.kind)
        if limit is None:
            return {**_KINDS, "": ""}.get(self.kind, self.kind)
        share = localized(limit["share"])
        return tr("lower {} limit").format(share) if limit["side"] == "lower" else tr("upper {} limit").format(share)

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


def contribution_title(description: str) -> str:
    """Return the name of a band that shows what a covariate adds, in the user's language."""
    for sign, text in ((FACTOR, tr("{}: ln of the factor on {}")), (_ADDS, tr("{}: contribution to {}"))):
        covariate, found, subject = description.partition(sign)
        if found:
            return text.format(covariate, subject)
    return description


def sentence_case(text: str) -> str:
    """Capitalize the first letter of `zinc`, but not of pH."""
    is_plain = text[:1].islower() and not re.match(r"p[hH]\b", text)
    return f"{text[:1].upper()}{text[1:]}" if is_plain else text


def in_few_words(labels: Sequence[str]) -> str:
    shown = list(labels) if len(labels) <= 3 else [*labels[:2], tr("{} more").format(len(labels) - 2)]
    return all_of(shown)
