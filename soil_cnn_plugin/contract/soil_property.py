"""A soil property to map: its name, depth interval and unit, read from a field's name and alias."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DEPTH = re.compile(r"^(?P<name>.+?)_(?P<upper>\d+(?:\.\d+)?)_(?P<lower>\d+(?:\.\d+)?)$")
_UNIT = re.compile(r"[(\[](?P<unit>[^()\[\]]+)[)\]]\s*$")
_AMOUNT = r"(?:c|m|d|k|h|µ|μ|u|n|M)?(?:g|mol(?:\(\+\)|\+|c)?|eq|t|m|S|L|l|Pa|ha|ppm|ppb)"
_BARE_UNIT = re.compile(  # after a comma, where only what is surely a unit counts: Copper, mg/kg
    r",\s*(?P<unit>(?:wt|vol|mass)?[ -]?[%‰]|ppm|ppb|[cm]?m|"
    rf"{_AMOUNT}[23²³]?(?:\s*/\s*|\s+)(?:100\s?)?{_AMOUNT}(?:[23²³]|(?:\^?[-−]1|⁻¹))?)\s*$"
)


@dataclass(frozen=True)
class SoilProperty:
    """One target of a network.

    `field` is the column that holds it, unique within a job. `depth_cm` is set if the field's name ends in a depth
    interval: `clay_5_15` is clay from 5 to 15 cm.
    """

    field: str
    unit: str = ""

    @property
    def name(self) -> str:
        match = _DEPTH.match(self.field)
        return match["name"] if match else self.field

    @property
    def depth_cm(self) -> tuple[float, float] | None:
        """Upper and lower limit in cm below the surface; None if the field's name has no depth."""
        match = _DEPTH.match(self.field)
        if not match or float(match["upper"]) >= float(match["lower"]):
            return None
        return float(match["upper"]), float(match["lower"])

    @property
    def title(self) -> str:
        """Name and depth for layers and figures: `clay 5-15 cm`."""
        depth = self.depth_cm
        return f"{self.name} {depth[0]:g}-{depth[1]:g} cm" if depth else self.field

    @property
    def label(self) -> str:
        """Title and unit for bands and axes: `clay 5-15 cm (%)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


def unit_in(text: str) -> str:
    """Return the unit at the end of a field's alias or comment, empty if there is none: `mg/kg` of `Zinc (mg/kg)` and
    of `Zinc, mg/kg`."""
    match = _UNIT.search(text) or _BARE_UNIT.search(text)
    return match["unit"].strip() if match else ""
