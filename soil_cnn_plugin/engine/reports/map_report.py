"""The assessment of a map: what it is worth at observations that it was not made from, or, by design, as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas

from soil_cnn_plugin.contract.language import tr, whole
from soil_cnn_plugin.engine.assessment.design_based import Estimate
from soil_cnn_plugin.engine.assessment.map_assessment import MapAssessment, MapEstimates
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, drawn_in_words
from soil_cnn_plugin.engine.reports.figures.observed_predicted import (
    BARS_AT_MOST,
    DENSITY_ABOVE,
    draw_observed_predicted,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import draw_residuals, map_frame
from soil_cnn_plugin.engine.reports.files import write_json, write_points
from soil_cnn_plugin.engine.reports.references import map_references
from soil_cnn_plugin.engine.reports.score_table import SCORE_COLUMNS, number_score_group
from soil_cnn_plugin.engine.reports.sections import (
    Bullets,
    CaptionedFigure,
    Item,
    Page,
    Paragraph,
    ScoreTable,
    Section,
    Subheading,
    Terms,
    VerdictBox,
    citing_section,
    settings_section,
    table,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import decimals_for, fixed, in_unit, number_terms, percent, sentence_case

_OF_INTERVALS = ("PICP", "Width", "Interval score")
_PICP_OF_MEASURED = tr("; the PICP is that of measured values")
_FEW = 30
"""The number of observations below which the page says that the scores are uncertain."""


def write_map_report(path: str, assessment: MapAssessment) -> None:
    """Write one HTML file that needs nothing else; names and descriptions of the rasters are escaped."""
    soil_property, mec = assessment.target.soil_property, _mec(assessment)
    outcome = "none" if mec is not None and mec <= 0 else ""
    page = Page(
        kind=tr("Map assessment"),
        title=sentence_case(soil_property.title),
        facts=_facts(assessment),
        lead=[VerdictBox(sentence_case(soil_property.label), [Paragraph(_worth(assessment))], outcome)],
        sections=[
            Section("basis", tr("What these numbers stand for"), _basis(assessment)),
            *_estimates(assessment),
            Section("scores", tr("Scores at the observations"), _scores(assessment)),
            Section("figures", tr("Predicted and observed"), _figures(assessment)),
            settings_section(assessment.settings, assessment.versions),
            citing_section(map_references(assessment.predicted.scores, assessment.estimates is not None)),
        ],
    )
    write_page(path, page)


def _scores(assessment: MapAssessment) -> list[Item]:
    """Return the scores. There is no CRPS, because a map and its limits are not a distribution."""
    columns = [
        name for name in SCORE_COLUMNS if name != "CRPS" and (assessment.has_interval or name not in _OF_INTERVALS)
    ]
    in_its_unit = tr("ME, RMSE, width and interval score") if assessment.has_interval else tr("ME and RMSE")
    group = number_score_group(
        assessment.target.soil_property, {assessment.map_name: assessment.predicted.scores}, assessment.coverage
    )
    caption = tr("Scores of the observations, without weights. {} are in the unit of the soil property.").format(
        in_its_unit
    )
    if assessment.has_censored:
        caption += tr(" Values below detection limits count as reported{}.").format(
            _PICP_OF_MEASURED * assessment.has_interval
        )
    items: list[Item] = [ScoreTable(columns, [group], caption)]
    items += dropped_items(assessment.dropped)
    return [*items, Subheading(tr("What the measures mean")), Terms(number_terms(assessment.coverage, columns))]


def _facts(assessment: MapAssessment) -> list[str]:
    dropped = sum(assessment.dropped.values())
    return [
        assessment.map_name,
        tr("{} observations").format(len(assessment.ids)) + (tr(", {} dropped").format(dropped) if dropped else ""),
        tr("{} prediction interval").format(percent(assessment.coverage))
        if assessment.has_interval
        else tr("no prediction interval"),
        assessment.crs_name,
    ]


def _mec(assessment: MapAssessment) -> float | None:
    if assessment.estimates and "MEC" in assessment.estimates.by_measure:
        return assessment.estimates.by_measure["MEC"].value
    return assessment.predicted.scores.mec


def _worth(assessment: MapAssessment) -> str:
    """State the result in a sentence: of the whole map where the sample allows it, otherwise of these observations."""
    scores, unit, estimates = assessment.predicted.scores, assessment.target.soil_property.unit, assessment.estimates
    known = estimates.by_measure if estimates else {}
    mec, parts = _mec(assessment), []
    if mec is not None:
        parts.append(_explained(mec, bool(estimates)))
    rmse = known["RMSE"].value if known else scores.rmse
    error = tr("its typical error (RMSE) is {}").format(in_unit(rmse, unit))
    parts.append(error + (_range(known["RMSE"], unit, estimates) if estimates else ""))
    if assessment.has_interval and "PICP" in known:
        held = (
            tr("its {} prediction interval holds on {} of the area where values can be measured")
            if assessment.has_censored
            else tr("its {} prediction interval holds on {} of the area")
        )
        parts.append(held.format(percent(assessment.coverage), percent(known["PICP"].value)))
    elif assessment.has_interval:
        held = (
            tr("{} of the measured ones lie inside its {} prediction interval")
            if assessment.has_censored
            else tr("{} of them lie inside its {} prediction interval")
        )
        parts.append(held.format(percent(scores.picp), percent(assessment.coverage)))
    return sentence_case("; ".join(parts)) + "."


def _explained(mec: float, is_of_area: bool) -> str:
    if is_of_area:
        none = tr("the map explains none of the variance over its area")
        some = tr("the map explains {} of the variance over its area")
    else:
        none = tr("the map explains none of the variance of these observations")
        some = tr("the map explains {} of the variance of these observations")
    return some.format(percent(mec)) if mec > 0 else none


def _range(estimate: Estimate, unit: str, estimates: MapEstimates) -> str:
    decimals = decimals_for(estimate.value)
    ends = tr("{} to {} {}").format(fixed(estimate.low, decimals), fixed(estimate.high, decimals), unit).rstrip()
    return tr(" ({} confidence interval {})").format(percent(estimates.confidence), ends)


def _basis(assessment: MapAssessment) -> list[Item]:
    sentence = assessment.estimates.sentence if assessment.estimates else ""
    return basis_items(len(assessment.ids), sentence, assessment.notes)


def basis_items(count: int, sentence: str, notes: Sequence[str], where: str = tr("the whole map")) -> list[Item]:
    """Say what the numbers rest on, and so what they may be quoted for (Wadoux et al. 2021).

    `sentence` names the design of a probability sample, which tells of `where`; it is empty where there is none.
    """
    few = tr(" With only {} observations they are uncertain, whatever they are.").format(count) if count < _FEW else ""
    if sentence:
        text = tr(
            "{} They hold for {} and rest on the random choice of the places alone: no assumption about the"
            " soil, the map or its errors is needed (Wadoux et al. 2021). They are right only if the places"
            " were really drawn at random in this way.{}"
        ).format(sentence, where, few)
    else:
        text = tr(
            "These numbers describe the map at these {} observations only. Their places are not said to be"
            " drawn at random, so nothing guarantees that the rest of the map is as good: where"
            " observations are clustered, or lie where the soil is easy to reach, it may be better or worse"
            " (Wadoux et al. 2021). If the map was made from these observations, the numbers are too"
            " good.{}"
        ).format(count, few)
    return [Paragraph(text, "" if sentence else "caution"), *([Bullets(notes)] if notes else [])]


def dropped_items(dropped: Mapping[str, int]) -> list[Item]:
    """Return the table of the observations that were not used."""
    if not dropped:
        return []
    rows = [(sentence_case(reason), whole(count)) for reason, count in dropped.items()]
    caption = tr("Each observation has one reason, the first that was found.")
    return [Subheading(tr("Observations that were not used")), table((tr("Reason"), tr("Observations")), rows, caption)]


def _estimates(assessment: MapAssessment) -> list[Section]:
    """Return the estimates for the whole map; none unless the observations are a probability sample."""
    if assessment.estimates is None:
        return []
    caption = tr(
        "Design-based estimates with {} confidence intervals, in the unit of the soil property, except for"
        " MEC and PICP."
    ).format(percent(assessment.estimates.confidence))
    if assessment.has_censored:
        caption += tr(" Values below detection limits count as reported{}.").format(
            _PICP_OF_MEASURED * assessment.has_interval
        )
    rows = _estimate_rows(assessment.estimates, assessment.predicted.scores.rmse)
    found = table((tr("Measure"), tr("Estimate"), tr("Standard error"), tr("From"), tr("To")), rows, caption)
    return [Section("estimates", tr("Estimates for the whole map"), [found])]


def _estimate_rows(estimates: MapEstimates, rmse: float) -> list[tuple[str, str, str, str, str]]:
    """Return the measure, the estimate, its standard error, and the low and high end of the interval."""
    rows = []
    for name, found in estimates.by_measure.items():
        numbers = (found.value, found.standard_error, found.low, found.high)
        if name.startswith("PICP"):
            texts = [percent(number) if index != 1 else percent(number, 1) for index, number in enumerate(numbers)]
        else:
            texts = [fixed(number, 2 if name == "MEC" else decimals_for(rmse)) for number in numbers]
        rows.append((name, texts[0], texts[1], texts[2], texts[3]))
    return rows


def _figures(assessment: MapAssessment) -> list[CaptionedFigure]:
    target, label, count = assessment.target, assessment.target.soil_property.label, len(assessment.ids)
    bars = (
        tr(" Bars are {} prediction intervals").format(percent(assessment.coverage)) if assessment.has_interval else ""
    )
    if count > DENSITY_ABOVE:
        bars = tr(" Colour is the number of observations")
    elif bars and count > 2 * BARS_AT_MOST:
        bars += tr(" of {} observations drawn at random").format(BARS_AT_MOST)
    frame = map_frame(assessment.coordinates, assessment.crs_name)
    panels = [(assessment.map_name, NETWORK_COLOUR, assessment.predicted)]
    maps = [(assessment.map_name, assessment.reported)]
    if assessment.has_censored:
        bars += tr("{} Open triangles stand at detection limits and point to where the values lie").format(
            "." if bars else ""
        )
    return [
        CaptionedFigure(
            draw_observed_predicted("observed", target, panels, assessment.is_censored),
            tr("Predicted against observed {} (n = {}). The dashed line is 1:1.{}{}").format(
                label, count, bars, "." if bars else ""
            ),
        ),
        CaptionedFigure(
            draw_residuals("residuals", target, assessment.coordinates, frame, maps),
            tr(
                "Residuals, predicted minus observed {}. Brown: predicted too high; blue: too low. Larger"
                " points have larger residuals. Neighbours of one colour mean that the map misses something"
                " that varies in space."
            ).format(label)
            + drawn_in_words(count),
        ),
    ]


def write_map_metrics(path: str, assessment: MapAssessment) -> None:
    """Write what was compared, the scores at the observations and, for a probability sample, estimates for the whole
    map."""
    soil_property, scores = assessment.target.soil_property, asdict(assessment.predicted.scores)
    del scores["crps"]  # a map and its limits are not a distribution
    estimates = assessment.estimates
    content = {
        "target": {"field": soil_property.field, "label": soil_property.label, "unit": soil_property.unit},
        "map": assessment.map_name,
        "count": len(assessment.ids),
        "censored": int(assessment.is_censored.sum()),
        "dropped": assessment.dropped,
        "coverage": assessment.coverage if assessment.has_interval else None,
        "scores": scores,
        "picp_of_all": [flags.mean() for flags in assessment.inside] if assessment.has_interval else None,
        "design_based": asdict(estimates) if estimates else None,
        "settings": assessment.settings,
        "versions": assessment.versions,
        "notes": assessment.notes,
    }
    write_json(path, content)


def write_residuals(path: str, assessment: MapAssessment, crs_wkt: str) -> None:
    """Write a GeoPackage of the observations that were used: observed and predicted value, limits, residual (predicted
    minus observed) and whether the observed value lies inside the interval. Without an interval there are no columns
    for one.

    If there are values below detection limits, `censored` is 1 at these, and the limit stands as observed. `reported`
    is then what a laboratory would report of the prediction, and the residual is taken from it. Whether a value below
    its limit lies inside is empty unless the interval leaves no doubt."""
    observed, predicted, is_censored = assessment.target.observed, assessment.predicted, assessment.is_censored
    limited = {"censored": is_censored.astype(np.int64), "reported": assessment.reported} if is_censored.any() else {}
    columns: dict[str, object] = {
        "observation": assessment.ids,
        "observed": observed,
        "predicted": predicted.mean,
        **limited,
        "residual": assessment.reported - observed,
    }
    if assessment.has_interval:
        surely, maybe = assessment.inside
        inside = pandas.array(surely, dtype="boolean")
        inside[surely != maybe] = pandas.NA
        columns |= {"lower": predicted.lower, "upper": predicted.upper, "inside": inside}
    write_points(path, "residuals", columns, assessment.coordinates, crs_wkt)
