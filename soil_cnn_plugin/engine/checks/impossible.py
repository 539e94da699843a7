"""Values that are impossible in a soil: codes for "missing", infinities, negative contents, parts above the whole."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from soil_cnn_plugin.contract.language import localized, some_of, tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.checks.findings import Finding, examples
from soil_cnn_plugin.engine.checks.measured import Measured
from soil_cnn_plugin.engine.observations.layer_fields import HUGE

_NEGATIVE_CODES = (-1.0, -9.0, -99.0, -999.0, -999.9, -9999.0, -9999.9, -9999.99, -99999.0, -32768.0, -(2.0**31))
_POSITIVE_CODES = (99.0, 999.0, 9999.0, 9999.99, 99999.0, 999999.0, 32767.0, 65535.0, 2.0**31 - 1)
MISSING_CODES = _NEGATIVE_CODES + _POSITIVE_CODES
MINUS_AT_MOST = 8
"""Most different negative numbers that may be detection limits written with a minus; measured values differ more."""
STRAY = 0.05
"""Largest share of negative values that counts as stray ones in a field that is not negative by nature."""

_PERCENT = re.compile(r"%|\bper ?cent\b|\bpct\b", re.IGNORECASE)
_CONTENT = re.compile(r"\bpp[mbt]\b|/\s*(k?g|m[0-9³²]|cm[0-9³²]|ha|l|dm[0-9³])\b|\bmg\b|kg-1|kg⁻¹", re.IGNORECASE)
_PERCENT_NAME = re.compile(r"(?:^|[_ .])(clay|silt|sand|gravel|perc?|percent|pct)(?:$|[_ .\d])", re.IGNORECASE)
_PH_NAME = re.compile(
    r"(^|.*[_ .])ph($|[_ .\d].*|(_?in_?)?(h2o|hox|ihox?|ih\w*|w|water|kcl|k|cacl2?|ca|aq)($|[_ .\d].*))"
)
_SIGNED_NAME = re.compile(r"(^|.*[_ .])(log|ln|log10|delta|d1[358][cno]|z|score|anomaly|temp\w*|t_?mean)([_ .\d].*|$)")
_WHOLE = 100.0


def is_ph(field: str) -> bool:
    return _PH_NAME.fullmatch(field.lower()) is not None


def is_percent(measured: Measured) -> bool:
    """Check whether a field is in percent, by its unit, or without one by its name and by values in that range."""
    unit = measured.soil_property.unit
    if unit:
        return _PERCENT.search(unit) is not None
    if not _PERCENT_NAME.search(measured.field):
        return False
    known = measured.values[np.isfinite(measured.values)]
    return bool(len(known)) and 1.5 < float(np.quantile(known, 0.9)) <= _WHOLE


def check_infinite(measured: Measured) -> tuple[Flags, list[Finding]]:
    values, field = measured.values, measured.field
    bad = np.isinf(values) | (np.abs(values) >= HUGE)
    sentence = tr("{} is infinite, or as good as ({}), at {} of {} observations.").format(
        field, examples(values[bad]), bad.sum(), len(bad)
    )
    remedy = tr(
        'Set these values to NULL: in the field calculator, update {} with if(abs("{}") < 1e19, "{}", NULL).'
    ).format(field, field, field)
    return bad, _found(
        "infinite", measured, bad, sentence, remedy, lambda value: tr("{} is infinite ({:g}).").format(field, value)
    )


def check_codes(measured: Measured, usable: Flags) -> tuple[Flags, list[Finding]]:
    """Find usable values that are a code for missing: one of the usual codes, and far from all other values."""
    values, field = measured.values, measured.field
    known = usable & np.isfinite(values) & ~measured.is_below
    present = [code for code in MISSING_CODES if (known & (values == code)).any()]
    others = values[known & ~np.isin(values, present)]
    codes = [code for code in present if _is_code(code, others, int((values[known] == code).sum()))]
    bad = known & np.isin(values, codes)
    if not bad.any():
        return bad, []
    span = (
        tr("the others reach from {:g} to {:g}").format(others.min(), others.max())
        if len(others)
        else tr("there are no others")
    )
    both = [code for code in codes if -10 < code < 0 and len(others) and -code < np.median(others) and not is_ph(field)]
    doubt = (
        tr(" If {:g} stands for 'below {:g}', write <{:g} instead.").format(both[0], -both[0], -both[0]) if both else ""
    )
    sentence = tr(
        "{} is {} at {} of {} observations, while {}: this looks like a code for a missing value. It would"
        " be learned as measured."
    ).format(field, some_of([localized(f"{code:.15g}") for code in codes]), bad.sum(), len(bad), span)
    nulls = f'"{field}"'
    for code in codes:
        nulls = f"nullif({nulls}, {code:.15g})"
    remedy = tr("Replace the code by NULL: in the field calculator, update {} with {}.{}").format(field, nulls, doubt)
    texts = tr("{} is {:g}, which looks like a code for a missing value.")
    return bad, _found("missing_code", measured, bad, sentence, remedy, lambda value: texts.format(field, value))


def _is_code(code: float, others: Array, count: int) -> bool:
    if not len(others):
        return abs(code) >= 99
    low, high = float(others.min()), float(others.max())
    if low <= code <= high:
        return False
    if code < 0 <= low:
        return True
    gap, span = max(low - code, code - high), high - low
    return gap > span or (code >= 999 and count >= 3 and gap > 0.5 * span)


def check_negative(measured: Measured, usable: Flags, is_part: bool) -> tuple[Flags, list[Finding]]:
    """Find negative values of what cannot be negative; `is_part`: the field is a part of a composition."""
    values, field = measured.values, measured.field
    known = usable & np.isfinite(values) & (not is_ph(field))  # pH has a check of its own
    bad = known & (values < 0)
    is_content = is_part or is_percent(measured) or bool(_CONTENT.search(measured.soil_property.unit))
    is_signed = _SIGNED_NAME.fullmatch(field.lower()) is not None
    stray = not is_signed and bad.sum() <= STRAY * known.sum()
    limits = np.unique(-values[bad])
    if _means_below(limits, values[known & (values > 0)], int(bad.sum())) and not is_signed:
        return bad, _minus_for_limit(measured, bad)
    if not bad.any() or not (is_content or stray):
        return np.zeros(len(values), np.bool_), []
    sentence = (
        tr("{} is negative at {} of {} observations (lowest {:g}), which a content cannot be.")
        if is_content
        else tr("{} is negative at {} of {} observations (lowest {:g}), and positive at nearly all others.")
    ).format(field, bad.sum(), len(bad), values[bad].min())
    remedy = tr(
        'Correct the values, or set them to NULL: if("{}" < 0, NULL, "{}"). If a minus means "below'
        ' the detection limit", write them as text such as <0.5 instead.'
    ).format(field, field)
    return bad, _found(
        "negative", measured, bad, sentence, remedy, lambda value: tr("{} is negative: {:g}.").format(field, value)
    )


def _means_below(limits: Array, positive: Array, count: int) -> bool:
    """Check for few different numbers, each at several observations, in the lower part of the positive values."""
    if not len(limits) or len(limits) > MINUS_AT_MOST or count < max(3, 2 * len(limits)) or not len(positive):
        return False
    return bool(limits.max() <= np.quantile(positive, 0.5))


def _minus_for_limit(measured: Measured, bad: Flags) -> list[Finding]:
    values, field = measured.values, measured.field
    first = float(-values[bad][0])
    sentence = tr(
        "{} is negative at {} of {} observations, with a few numbers again and again ({}) that are small,"
        " without their sign, among the positive values. By a convention of laboratories, a minus then"
        " means 'below the detection limit': {:g} stands for <{:g}."
    ).format(field, bad.sum(), len(bad), examples(values[bad]), -first, first)
    remedy = tr(
        'If so, make a text field with if("{}" < 0, \'<\' || abs("{}"), to_string("{}")) and use that;'
        " Extract patches understands it. If not, correct the values."
    ).format(field, field, field)
    words = tr("{} is {:g}, which probably means below {:g}.")
    return _found("minus_for_limit", measured, bad, sentence, remedy, lambda value: words.format(field, value, -value))


def check_whole(measured: Measured, usable: Flags) -> tuple[Flags, list[Finding]]:
    """Find percentages above 100."""
    values, field = measured.values, measured.field
    bad = usable & (values > _WHOLE)
    if not bad.any() or not is_percent(measured):
        return np.zeros(len(values), np.bool_), []
    sentence = tr("{} is a percentage, but above 100 at {} of {} observations ({}).").format(
        field, bad.sum(), len(bad), examples(values[bad])
    )
    remedy = tr("Look for a slipped comma or another unit (g/kg is ten times %) and correct the values.")
    return bad, _found(
        "above_whole", measured, bad, sentence, remedy, lambda value: tr("{} is {:g} %.").format(field, value)
    )


def check_ph(measured: Measured, usable: Flags) -> tuple[Flags, list[Finding]]:
    values, field = measured.values, measured.field
    known = usable & np.isfinite(values)
    if not is_ph(field) or not known.any() or np.median(values[known]) > 14:  # then it is no pH, or ten times one
        return np.zeros(len(values), np.bool_), []
    bad = known & ((values < 0) | (values > 14))
    odd = known & ~bad & ((values < 2) | (values > 11))
    sentence = tr("{} is {} at {} of {} observations; a pH lies between 0 and 14.").format(
        field, examples(values[bad]), bad.sum(), len(bad)
    )
    remedy = tr("Look for a slipped comma (65 for 6.5) and correct the values, or set them to NULL.")
    texts = tr("{} is {:g}.")
    found = _found("impossible_ph", measured, bad, sentence, remedy, lambda value: texts.format(field, value))
    sentence = tr("{} is {} at {} of {} observations; few soils are below 2 or above 11.").format(
        field, examples(values[odd]), odd.sum(), len(odd)
    )
    remedy = tr("Compare with the laboratory's sheet. Acid sulphate and sodic soils may be right.")
    found += _found("unusual_ph", measured, odd, sentence, remedy, lambda value: texts.format(field, value))
    return bad, found


def _found(
    kind: str, measured: Measured, bad: Flags, sentence: str, remedy: str, text: Callable[[float], str]
) -> list[Finding]:
    rows = np.flatnonzero(bad)
    if not rows.size:
        return []
    values = measured.values[rows].tolist()
    texts, shown = [text(value) for value in values], [f"{value:g}" for value in values]
    return [Finding(kind, measured.field, sentence, remedy, rows, texts, shown)]
