"""Fields that a user chose, and their units: what UNITS says, and what a field itself says."""

from __future__ import annotations

from qgis.core import QgsFields

from ..contract.jobs import JobError
from ..contract.soil_property import unit_in


def parse_units(text: str, fields: list[str], parameter: str = "TARGETS") -> dict[str, str]:
    """Read `mg/kg` for all fields, or `zinc=mg/kg; ph=-` for some; `-` means no unit. `parameter` holds the fields."""
    if not text:
        return {}
    if "=" not in text:
        return dict.fromkeys(fields, "" if text == "-" else text)
    units = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        field, equals, unit = (piece.strip() for piece in part.partition("="))
        if not equals or field not in fields:
            raise JobError(
                f"UNITS has {part!r}, which is not of the form field=unit with a field of {parameter}"
                f" ({', '.join(fields)})."
            )
        units[field] = "" if unit == "-" else unit
    return units


def no_field(name: str, *also: str) -> str:
    """Return the message for the case that no parameter names a field."""
    return f"No field is chosen under {' or '.join((name, *also))}. Choose at least one field to map."


def unit_of(field: str, fields: QgsFields) -> str:
    """Return the unit in a field's alias or comment, empty if there is none."""
    item = fields.field(field)
    return unit_in(item.alias()) or unit_in(item.comment())


def check_field(field: str, fields: QgsFields, parameter: str) -> None:
    if fields.indexFromName(field) < 0:
        raise JobError(
            f"The observations have no field {field!r} ({parameter}). Their fields are: {', '.join(fields.names())}."
        )
