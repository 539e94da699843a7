"""Guesses from the names of fields: which hold depths, profiles and coordinates, and which may be mapped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qgis.core import QgsFields
from qgis.PyQt.QtCore import QMetaType

_NAMES = {  # parameter -> names of fields without marks, the likeliest first
    "UPPER": (
        "uhdicm uphdicm upper upperlimit upperdepth upperdepthcm upperlimitcm upperboundary top topdepth depthtop"
        " topcm topofhorizon horizontop hortop hzdept hzdeptr depthfrom depthupper mindepth depthmin from begin start"
        " updepth profsup limitesup limsup supcm profondeurhaut profsuperior oberkante obergrenze tiefevon otiefe"
        " von haut superior"
    ),
    "LOWER": (
        "lhdicm lohdicm lower lowerlimit lowerdepth lowerdepthcm lowerlimitcm lowerboundary bottom bottomdepth"
        " depthbottom bottomcm bottomofhorizon horizonbottom horbottom bot hzdepb hzdepbr depthto depthlower maxdepth"
        " depthmax to end base lowdepth profinf limiteinf liminf infcm profondeurbas profinferior unterkante"
        " untergrenze tiefebis utiefe bis bas inferior"
    ),
    "PROFILE": (
        "profile profileid profileno profilenumber profilecode profilename sourceid peiid"
        " siteid site siteno sitecode plot plotid pit pitid borehole boreholeid boring auger pointid point pointno"
        " locationid location idprofil profil profilid profilnr idperfil perfil perfilid idpoint station stationid"
        " sampleid id"
    ),
    "X": "x xcoord coordx xcoordinate easting east eastings rechtswert longitude lon long lng xutm utmx xm",
    "Y": "y ycoord coordy ycoordinate northing north northings hochwert latitude lat yutm utmy ym",
}
_NUMBERS = {
    QMetaType.Type.Int, QMetaType.Type.UInt, QMetaType.Type.LongLong, QMetaType.Type.ULongLong, QMetaType.Type.Double,
}  # fmt: skip
_IDENTIFIER = re.compile(r"^(fid|gid|oid|objectid|id|uuid|index|nr|no|number|code|lab(no|id)|sample(id|no)?)$|id$")
_PLACE = re.compile(r"^(ped|prof|site|plot|pit|bore|point|loc|station).*(id|no|nr|key|code|name)$")
_PART = re.compile(r"^(?P<part>sand|silt|clay|snd|slt|cly)(?:ppt|pct|perc|percent|total|tot)?(?P<rest>(_.*)?)$", re.I)
_BESIDE = re.compile(r"(sd|dl|error|limit|stdev|flag|rmse|date|year|elevation|altitude)$")


def guess_field(parameter: str, fields: QgsFields) -> str:
    """Return the field that UPPER, LOWER, PROFILE, X or Y most likely means; empty if none is likely. Never `fid`."""
    found = {_plain(name): name for name in reversed(fields.names())}
    for candidate in _NAMES.get(parameter, "").split():
        if candidate in found:
            return found[candidate]
    if parameter == "PROFILE":
        return next((name for name in fields.names() if _PLACE.match(_plain(name))), "")
    return ""


def guess_targets(fields: QgsFields) -> list[str]:
    """Return the only field with numbers that may be mapped, in a list; empty if there are several or none."""
    known = {guess_field(parameter, fields) for parameter in _NAMES}
    likely = [
        field.name()
        for field in fields.toList()
        if field.type() in _NUMBERS
        and field.name() not in known
        and not _IDENTIFIER.search(_plain(field.name()))
        and not _BESIDE.search(_plain(field.name()))
    ]
    return likely if len(likely) == 1 else []


def guess_parts(chosen: Sequence[str]) -> list[str]:
    """Return the fields of sand, silt and clay among those chosen, of each depth that has all three."""
    found: dict[str, dict[str, str]] = {}
    for field in chosen:
        match = _PART.match(field)
        if match:
            found.setdefault(match["rest"].lower(), {})[match["part"][0].lower() + match["part"][-1].lower()] = field
    whole = [parts for parts in found.values() if len(parts) == 3]
    return [field for parts in whole for field in parts.values()]


def guess_measured(fields: QgsFields, described: str) -> str:
    """Return the field that a map's band names, `zinc` of `zinc (mg/kg)`; empty if it names none."""
    words = re.sub(r"\s*\([^()]*\)\s*$", "", described).strip()
    plain = _plain(re.sub(r"(\d+)-(\d+) cm", r"\1_\2", words))
    return next((name for name in fields.names() if plain and _plain(name) == plain), "")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
