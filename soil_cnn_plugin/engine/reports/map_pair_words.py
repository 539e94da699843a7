"""Two maps compared, in sentences: which is better, what has changed, and what so few observations cannot show."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.design_based import Estimate
from soil_cnn_plugin.engine.assessment.detectable_difference import HIGHER, LOWER
from soil_cnn_plugin.engine.assessment.map_pair import MapPair
from soil_cnn_plugin.engine.assessment.paired_maps import BetterMap, Change
from soil_cnn_plugin.engine.reports.words import decimals_for, fixed, in_unit, percent, sentence_case


def pair_verdict(pair: MapPair) -> str:
    """Return the result in a few sentences."""
    if pair.points is None:
        return sentence_case(f"{_mapped(pair)} {_where(pair)}".strip())
    said = ""
    if pair.points.better is not None:
        said = _better(pair, pair.points.better, len(pair.points.ids))
    elif pair.points.change is not None:
        said = _changed(pair, pair.points.change, len(pair.points.ids))
    return f"{said} {_where(pair)}".strip()


def _better(pair: MapPair, found: BetterMap, count: int) -> str:
    unit = pair.soil_property.unit
    rmse = found.rmse
    errors = tr("RMSE {} and {}").format(in_unit(rmse.first.value, unit), in_unit(rmse.second.value, unit))
    margin = f"{difference_in_words(rmse.difference, unit)}"
    if not rmse.is_shown:
        return tr(
            "With {} observations no difference between the maps can be shown ({}; second less first {}). A"
            " difference in RMSE of less than about {} cannot be seen with so many."
        ).format(count, errors, margin, in_unit(found.detectable, unit))
    is_second = rmse.difference.value < 0
    text = (
        tr("The second map, {}, is nearer to the {} observations ({}; second less first {}).")
        if is_second
        else tr("The first map, {}, is nearer to the {} observations ({}; second less first {}).")
    )
    return text.format(pair.names[is_second], count, errors, margin)


def _changed(pair: MapPair, found: Change, count: int) -> str:
    unit = pair.soil_property.unit
    seen = f"{sign(found.observed.value)}{in_unit(abs(found.observed.value), unit)}"
    limits = tr("95 % confidence interval {}").format(ends(found.observed, unit))
    is_seen = found.observed.low > 0 or found.observed.high < 0
    first = (
        tr("From the first to the second date the observations changed by {} on average ({}, n = {}).").format(
            seen, limits, count
        )
        if is_seen
        else tr("No change can be shown: it is {} on average ({}, n = {}).").format(seen, limits, count)
    )
    maps = tr("The maps show {}{} at the same places.").format(
        sign(found.mapped.value), in_unit(abs(found.mapped.value), unit)
    )
    return f"{first} {maps} {smallest_change(found, unit, count)}"


def smallest_change(found: Change, unit: str, count: int) -> str:
    """Return the sentence on the smallest mean change that `count` observations show."""
    least = in_unit(found.detectable, unit)
    return tr("A mean change of less than about {} cannot be seen with these {} observations.").format(least, count)


def _mapped(pair: MapPair) -> str:
    facts, unit = pair.facts, pair.soil_property.unit
    return tr("the second map shows {}{} on average over {} pixels.").format(
        sign(facts.mean), in_unit(abs(facts.mean), unit), facts.pixels
    )


def _where(pair: MapPair) -> str:
    facts = pair.facts
    if not pair.has_intervals:
        return ""
    beyond = facts.share(LOWER) + facts.share(HIGHER)
    least = facts.typical_smallest
    return tr(
        "Beyond both {} intervals the maps differ on {} of the area; at half of the pixels a difference of"
        " less than {} cannot be told."
    ).format(percent(pair.coverage), percent(beyond, 1), in_unit(least or 0.0, pair.soil_property.unit))


def difference_in_words(estimate: Estimate, unit: str) -> str:
    """Return `−1.2 % (95 % confidence interval −2.1 to −0.3 %)`."""
    decimals = decimals_for(max(abs(estimate.low), abs(estimate.high)))
    value = f"{fixed(estimate.value, decimals)} {unit}".rstrip()
    return tr("{}, 95 % confidence interval {}").format(value, ends(estimate, unit))


def ends(estimate: Estimate, unit: str) -> str:
    decimals = decimals_for(max(abs(estimate.low), abs(estimate.high)))
    return tr("{} to {} {}").format(fixed(estimate.low, decimals), fixed(estimate.high, decimals), unit).rstrip()


def sign(value: float) -> str:
    return "+" if value > 0 else "−" if value < 0 else ""
