"""Which soil properties are logarithms already, such as pH: their logarithm is never taken again."""

from __future__ import annotations

import re

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array

_ELEMENTS = (
    "ag|al|as|au|b|ba|be|bi|c|ca|cd|ce|cl|co|cr|cs|cu|f|fe|ga|ge|hg|i|k|la|li|mg|mn|mo|n|na|nb|ni|p|pb|rb|s|sb|sc|se"
    "|si|sn|sr|ta|te|th|ti|tl|u|v|w|y|zn|zr|zinc|copper|lead|cadmium|nickel|oc|soc|toc|om|som|ec|ece|cec|ksat|ks|awc"
)
_WORDS = {  # a word of a name, in lower case -> what it is, and the values between which it can be that
    rf"(log|ln|lg|loge|log1p)(2|10)?({_ELEMENTS})?\d*|log10[a-z]+|logit|[aci]lr\d*": ("a logarithm", -50.0, 50.0),
    r"p(-?)h((ih?ox|iho5|h2[o0]|w|wa|water|wasser|aq|aqua|kcl|cacl|cacl2|ca|bacl2?|naf|field|lab|value|val|wert)\d*)?\d*"
    r"|(soil|top|sub|mean|field|lab)ph": ("pH", 0.0, 14.5),
    r"pf\d*": ("pF", -3.0, 8.0),
}
_UNITS = {
    r"-?\s*(log|ln|lg|loge)\s*(10|2|e)?($|[\s(\[_*].*)|log\d+.*|-log.*|db": ("a logarithm", -np.inf, np.inf),
    r"ph($|[\s\-_(\[].*)": ("pH", 0.0, 14.5),
    r"pf($|[\s\-_(\[].*)": ("pF", -3.0, 8.0),
}
_WITHOUT_UNIT = re.compile(r"[-\u2013\u2014/.1\s]*|none|unitless|dimensionless|no unit", re.IGNORECASE)


def logarithm_in_words(soil_property: SoilProperty, values: Array) -> str:
    """Say what makes a property a logarithm already, such as `it is pH by its name`; empty where nothing does.

    The unit decides, or a word of the field's name, if the values (N,), NaN where missing, are possible for it. A name
    such as ph counts only without a unit: phosphorus in mg/kg may be called so, too.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    lowest, highest = float(known.min()), float(known.max())
    unit = soil_property.unit.strip().replace("\u2212", "-").lower()
    for pattern, (what, low, high) in _UNITS.items():
        if re.fullmatch(pattern, unit) and low <= lowest and highest <= high:
            return f"it is {what} by its unit ({soil_property.unit.strip()})"
    for pattern, (what, low, high) in _WORDS.items():
        is_alone = what == "a logarithm" or _WITHOUT_UNIT.fullmatch(unit) is not None
        is_named = any(re.fullmatch(pattern, word) for word in _words(soil_property.field))
        if is_alone and is_named and low <= lowest and highest <= high:
            return f"it is {what} by its name, and its values ({lowest:g} to {highest:g}) agree"
    return ""


def _words(field: str) -> set[str]:
    """Words of a field's name in lower case: `soil_pH`, `logZn` and `TopsoilPH` hold ph, log and ph."""
    parts = re.split(r"[^A-Za-z0-9]+", field)
    humps = [
        hump
        for part in parts
        for hump in re.split(r"(?<=[a-z0-9])(?=p?[A-Z])|(?<=[a-z])(?=pH)|(?<=log)(?=[A-Z])|(?<=ln)(?=[A-Z])", part)
    ]
    return {word.lower() for word in (*parts, *humps) if word}
