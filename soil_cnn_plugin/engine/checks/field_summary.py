"""The contents of a field in numbers: counts of each kind of value, quantiles, skewness, a transform, a histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.impossible import (
    check_codes,
    check_infinite,
    check_negative,
    check_ph,
    check_whole,
    is_percent,
    is_ph,
)
from soil_cnn_plugin.engine.checks.measured import Measured
from soil_cnn_plugin.engine.checks.outliers import check_outliers
from soil_cnn_plugin.engine.checks.texts import check_texts
from soil_cnn_plugin.engine.observations.locating import FEWEST_OBSERVATIONS
from soil_cnn_plugin.engine.targets.scales import choose_transform, skewness

BARS = 24
MOST_CODES = 12
"""Most different whole numbers that may be codes of classes, each at as many observations on average."""
FEW_VALUES = 30
"""Number of values below which a map is hardly worth while, though training needs no more than
`FEWEST_OBSERVATIONS`."""


@dataclass(frozen=True)
class FieldSummary:
    """A field in numbers: counts of all observations, and numbers of those without codes for missing and infinities.

    `quantiles` are minimum, quartiles and maximum, with values below a detection limit at their limit; those up to
    `highest_limit` are therefore upper bounds. They are empty, and the skewness is NaN, where nothing is known. `bars`
    count the values in equal steps from `edges[0]` to `edges[1]`, without those far from all others, `outside`.
    """

    soil_property: SoilProperty
    is_text: bool
    known: int
    missing: int
    zero: int
    negative: int
    below: int
    failed: int
    codes: int
    distinct: int
    is_whole: bool
    quantiles: tuple[float, ...]
    highest_limit: float
    skewness: float
    transform: str
    bars: tuple[int, ...]
    edges: tuple[float, float]
    outside: int


@dataclass(frozen=True)
class FieldCheck:
    """The check of one field.

    `is_known` (N,) is True where there is a value that is not a code for missing, `is_plausible` (N,) where it can also
    be what was measured.
    """

    measured: Measured
    summary: FieldSummary
    is_known: Flags
    is_plausible: Flags
    findings: list[Finding]


def check_field(measured: Measured, is_part: bool) -> FieldCheck:
    """Check a field; `is_part` is true where it is a part of a composition."""
    found = check_texts(measured)
    infinite, more = check_infinite(measured)
    found += more
    usable = np.isfinite(measured.values) & ~infinite
    codes, more = check_codes(measured, usable)
    found += more
    sound = usable & ~codes
    plausible = sound.copy()
    for bad, more in (
        check_negative(measured, sound, is_part),
        check_whole(measured, sound),
        check_ph(measured, sound),
    ):
        plausible &= ~bad
        found += more
    is_bounded = is_part or is_percent(measured) or is_ph(measured.field)
    wild, more = check_outliers(measured, plausible, is_bounded)
    found += more
    summary = _summarize(measured, sound, codes, wild, is_part)
    found += _check_amount(summary)
    return FieldCheck(measured, summary, sound, plausible & ~wild, found)


def _check_amount(summary: FieldSummary) -> list[Finding]:
    field, known = summary.soil_property.field, summary.known
    if not known:
        sentence = tr("{} has no number at any observation that could be used.").format(field)
        remedy = tr("Choose another field, or look at the join or the import that should have filled it.")
        return [Finding("empty_field", field, sentence, remedy)]
    if known > 1 and summary.distinct == 1:
        sentence = tr("{} is {:g} at all {} observations that have a value.").format(field, summary.quantiles[0], known)
        return [Finding("constant", field, sentence, tr("Leave it out: there is nothing to map."))]
    if known < FEW_VALUES:
        total = known + summary.missing + summary.failed + summary.codes
        sentence = tr_n("{} has {} value at {} observations.", "{} has {} values at {} observations.", known)
        sentence = sentence.format(field, known, total)
        enough = tr("The {} that training needs are there, but 100 or more make a map worth while.")
        short = tr("Training needs at least {}, and 100 or more make a map worth while.")
        remedy = (short if known < FEWEST_OBSERVATIONS else enough).format(FEWEST_OBSERVATIONS)
        return [Finding("few_values", field, sentence, remedy)]
    if summary.is_whole and summary.distinct <= MOST_CODES and known >= MOST_CODES * summary.distinct:
        sentence = tr("{} has {} different whole numbers at {} observations.").format(field, summary.distinct, known)
        remedy = tr(
            "If they are codes of classes, choose the target type 'class' in Extract patches: codes are not amounts."
        )
        return [Finding("code_like", field, sentence, remedy)]
    return []


def _summarize(measured: Measured, sound: Flags, codes: Flags, wild: Flags, is_part: bool) -> FieldSummary:
    values = measured.values[sound]
    is_below = measured.is_below[sound]
    quantiles = tuple(float(each) for each in np.quantile(values, (0, 0.25, 0.5, 0.75, 1))) if len(values) else ()
    varies = len(values) > 2 and quantiles[0] < quantiles[-1]
    tame = measured.values[sound & ~wild]
    bars, edges = _histogram(tame)
    return FieldSummary(
        soil_property=measured.soil_property,
        is_text=measured.is_text,
        known=len(values),
        missing=int((np.isnan(measured.values) & ~measured.is_failed & ~measured.is_undetected).sum()),
        zero=int((values == 0).sum()),
        negative=int((values < 0).sum()),
        below=int(is_below.sum()),
        failed=int((measured.is_failed | measured.is_undetected).sum()),
        codes=int((codes | (np.isfinite(measured.values) & ~sound) | np.isinf(measured.values)).sum()),
        distinct=len(np.unique(values)),
        is_whole=bool(len(values)) and bool((values == np.rint(values)).all()),
        quantiles=quantiles,
        highest_limit=float(values[is_below].max()) if is_below.any() else float("-inf"),
        skewness=skewness(values) if varies else float("nan"),
        transform="log-ratio" if is_part else _transform(values, measured) if varies else "none",
        bars=bars,
        edges=edges,
        outside=len(values) - len(tame),
    )


def _transform(values: Array, measured: Measured) -> str:
    return choose_transform("auto", values, measured.soil_property)


def _histogram(values: Array) -> tuple[tuple[int, ...], tuple[float, float]]:
    if not len(values):
        return (), (0.0, 0.0)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return (len(values),), (low, high)
    counts, _ = np.histogram(values, bins=BARS, range=(low, high))
    return tuple(int(count) for count in counts), (low, high)
