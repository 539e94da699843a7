"""The order of soil properties in tables and figures: as they were asked for, the depths of one from the top down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from soil_cnn_plugin.contract.soil_property import SoilProperty

Item = TypeVar("Item")


def by_depth(items: Iterable[Item], soil_property: Callable[[Item], SoilProperty]) -> list[Item]:
    """A property stands where its first depth was named."""
    known = list(items)
    names = list(dict.fromkeys(soil_property(item).name for item in known))

    def place(item: Item) -> tuple[int, float, float]:
        found = soil_property(item)
        return names.index(found.name), *(found.depth_cm or (-1.0, -1.0))

    return sorted(known, key=place)


def titles(soil_properties: Iterable[SoilProperty]) -> list[str]:
    """`clay 0-5, 5-15 and 15-30 cm` of the depths of one, `zinc` of a property without."""
    found: dict[str, list[str]] = {}
    for soil_property in by_depth(soil_properties, lambda each: each):
        depth = soil_property.depth_cm
        name = soil_property.name if depth else soil_property.field
        found.setdefault(name, []).extend([f"{depth[0]:g}-{depth[1]:g}"] if depth else [])
    return [f"{name} {listed(depths)} cm" if depths else name for name, depths in found.items()]


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
