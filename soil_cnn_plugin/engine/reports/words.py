"""Names in a sentence, and soil properties in their order: the depths of one from the top down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from soil_cnn_plugin.contract.soil_property import SoilProperty

Named = TypeVar("Named")


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
