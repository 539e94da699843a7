"""What the user should know of the observations: facts, and doubts that deserve a look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from soil_cnn_plugin.contract.language import localized, tr


@dataclass
class Notes:
    facts: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def comma_separated(items: Iterable[str], most: int = 8) -> str:
    """Return words such as `a, b, c and 12 more`."""
    texts = list(items)
    more = len(texts) - most
    return ", ".join(texts) if more <= 0 else tr("{} and {} more").format(", ".join(texts[:most]), more)


def share_in_words(part: int, whole: int) -> str:
    """Return a share as `12%`, a small one as `0.2%`."""
    share = part / whole
    return localized(f"{share:.1%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}")


def metres_in_words(metres: float) -> str:
    """Return `85 m`, or `2.3 km`."""
    return tr("{:.3g} km").format(metres / 1000) if metres >= 999.5 else tr("{:.3g} m").format(metres)


def span(lowest: float, highest: float) -> str:
    """Return `0.5`, or `0.5 to 2`."""
    return localized(f"{lowest:g}") if lowest == highest else tr("{:g} to {:g}").format(lowest, highest)
