"""Fields that a user chose, and their units: what UNITS says, and what a field itself says."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.core import QgsFields

from ..contract.jobs import JobError
from ..contract.language import any_of, tr
from ..contract.quoting import split_items, take_name
from ..contract.soil_property import unit_in


def parse_units(text: str, fields: list[str], parameter: str = "TARGETS") -> dict[str, str]:
    """Read `mg/kg` for all fields, or `zinc=mg/kg; ph=-` for some; `-` means no unit. `parameter` holds the fields."""
    if not text:
        return {}
    if "=" not in text and ";" not in text:
        return dict.fromkeys(fields, "" if text == "-" else text)
    units = {}
    for part in split_items(text, ";"):
        field, unit = _field_and_unit(part, fields)
        if field not in fields or "=" in unit:
            raise JobError(
                tr(
                    "UNITS has {!r}, which is not of the form field=unit with a field of {} ({}). Put semicolons"
                    ' between several. A name that holds ; or = may stand in quotes: "N; total"=%.'
                ).format(part.strip(), parameter, ", ".join(fields))
            )
        units[field] = "" if unit == "-" else unit
    return units


def _field_and_unit(part: str, fields: list[str]) -> tuple[str, str]:
    """Return the longest field that the part may mean, quoted or not, and its unit; both empty if it is not of the form
    field=unit."""
    name, rest = take_name(part)
    written = [(name, rest)] if name is not None else []
    for text in (part, part.strip()):
        for field in sorted(fields, key=len, reverse=True):
            written += [(field, text[len(form) :]) for form in (field, field.strip()) if text.startswith(form)]
    for field, rest in written:
        if rest.lstrip().startswith("="):
            return field, rest.lstrip()[1:].strip()
    return "", ""


def no_field(name: str, *also: str) -> str:
    """Return the message for the case that no parameter names a field."""
    return tr("No field is chosen under {}. Choose at least one field to map.").format(any_of((name, *also)))


def refuse_row_numbers(targets: Iterable[str]) -> None:
    """Raise JobError for `fid`, which GeoPackage files begin with and QGIS's list of fields therefore shows first."""
    for field in targets:
        if field.lower() == "fid":
            raise JobError(
                tr(
                    "The field {} numbers the rows of the file, so it cannot be mapped. Choose the field with"
                    " the measured values."
                ).format(field)
            )


def unit_of(field: str, fields: QgsFields) -> str:
    """Return the unit in a field's alias or comment, empty if there is none."""
    item = fields.field(field)
    return unit_in(item.alias()) or unit_in(item.comment())


def check_field(field: str, fields: QgsFields, parameter: str) -> None:
    if fields.indexFromName(field) < 0:
        raise JobError(
            tr("The observations have no field {!r} ({}). Their fields are: {}.").format(
                field, parameter, ", ".join(fields.names())
            )
        )
