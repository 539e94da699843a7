"""Words and numbers as a reader wants them: names in a sentence, depths in order, as many decimals as they deserve."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from soil_cnn_plugin.contract.soil_property import SoilProperty

Named = TypeVar("Named")
NOTHING = "–"


def sentence_case(text: str) -> str:
    """Capitalize the first letter: `clay` becomes `Clay`, but `pH` stays."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def by_depth(items: Iterable[Named], soil_property: Callable[[Named], SoilProperty]) -> list[Named]:
    """Sort by depth. A property stands where its first depth was named."""
    known = list(items)
    names = list(dict.fromkeys(soil_property(item).name for item in known))

    def place(item: Named) -> tuple[int, float, float]:
        found = soil_property(item)
        return names.index(found.name), *(found.depth_cm or (-1.0, -1.0))

    return sorted(known, key=place)


def titles(soil_properties: Iterable[SoilProperty]) -> list[str]:
    """Return the titles: `clay 0-5, 5-15 and 15-30 cm` for the depths of one property, `zinc` for one without."""
    found: dict[str, list[str]] = {}
    for soil_property in by_depth(soil_properties, lambda each: each):
        depth = soil_property.depth_cm
        name = soil_property.name if depth else soil_property.field
        found.setdefault(name, []).extend([f"{depth[0]:g}-{depth[1]:g}"] if depth else [])
    return [f"{name} {enumerated(depths)} cm" if depths else name for name, depths in found.items()]


def enumerated(names: Sequence[str]) -> str:
    """Join names as in `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def decimals_for(scale: float) -> int:
    """Return how many decimals show about three significant digits of numbers as large as `scale`."""
    if not math.isfinite(scale) or scale == 0:
        return 2
    return min(8, max(0, 2 - math.floor(math.log10(abs(scale)))))


def fixed(value: float | None, decimals: int) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def rounded(value: float | None) -> str:
    """Return the value with about three significant digits."""
    return NOTHING if value is None else fixed(value, decimals_for(value))


def percent(share: float | None, decimals: int = 0) -> str:
    """Return the share in percent: `0.912` becomes `91 %`."""
    return NOTHING if value_is_missing(share) else f"{fixed(100 * (share or 0.0), decimals)} %"


def unbroken(text: str) -> str:
    """Return the text with spaces that keep `12 %` and `p = 0.03` on one line."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<])|(?<=p[ \u00a0][=<]) (?=\d)", "\u00a0", text)


def value_is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
