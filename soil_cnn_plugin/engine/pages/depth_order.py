"""The order of soil properties in tables and figures: as they were asked for, the depths of one from the top down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
