"""The report on a map: what it is worth at observations that it was not made from, or, by design, as a whole."""

from __future__ import annotations

from soil_cnn_plugin.engine.assessment.design_based import Estimate
from soil_cnn_plugin.engine.assessment.map_assessment import MapAssessment, MapEstimates
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR
from soil_cnn_plugin.engine.reports.figures.observed_predicted import (
    BARS_AT_MOST,
    DENSITY_ABOVE,
    draw_observed_predicted,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import draw_residuals, map_frame
from soil_cnn_plugin.engine.reports.held_out_report import CaptionedFigure
from soil_cnn_plugin.engine.reports.numerals import decimals_for, fixed, percent, rounded
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.references import map_references
from soil_cnn_plugin.engine.reports.score_table import score_group
from soil_cnn_plugin.engine.reports.words import sentence_case

COLUMNS = ("n", "ME", "RMSE", "MEC", "CCC", "RPIQ", "PICP", "Width", "Interval score")
OF_INTERVALS = ("PICP", "Width", "Interval score")
FEW = 30
"""Observations below which the page says that the scores are uncertain."""


def write_map_report(path: str, assessment: MapAssessment) -> None:
    """Writes one HTML file that needs nothing else; the rasters' names and descriptions are escaped."""
    soil_property = assessment.target.soil_property
    columns = [name for name in COLUMNS if assessment.has_interval or name not in OF_INTERVALS]
    write_page(
        path,
        "map_report",
        title=sentence_case(soil_property.title),
        facts=_facts(assessment),
        heading=sentence_case(soil_property.label),
        worth=_worth(assessment),
        is_poor=_mec(assessment) is not None and (_mec(assessment) or 0.0) <= 0,
        basis=_basis(assessment),
        is_by_design=assessment.estimates is not None,
        dropped=[(sentence_case(reason), str(count)) for reason, count in assessment.dropped.items()],
        estimates=_estimate_rows(assessment.estimates, assessment.predicted.scores.rmse),
        confidence=assessment.estimates.confidence if assessment.estimates else 0.0,
        columns=columns,
        groups=[score_group(soil_property, {assessment.map_name: assessment.predicted.scores}, assessment.coverage)],
        coverage=assessment.coverage,
        figures=_figures(assessment),
        notes=assessment.notes,
        settings=assessment.settings,
        versions=assessment.versions,
        references=map_references(assessment.predicted.scores, assessment.estimates is not None),
    )


def _facts(assessment: MapAssessment) -> list[str]:
    dropped = sum(assessment.dropped.values())
    return [
        assessment.map_name,
        f"{len(assessment.ids)} observations" + (f", {dropped} dropped" if dropped else ""),
        f"{percent(assessment.coverage)} prediction interval" if assessment.has_interval else "no prediction interval",
        assessment.crs_name,
    ]


def _mec(assessment: MapAssessment) -> float | None:
    if assessment.estimates and "MEC" in assessment.estimates.by_measure:
        return assessment.estimates.by_measure["MEC"].value
    return assessment.predicted.scores.mec


def _worth(assessment: MapAssessment) -> str:
    """The result in a sentence: of the whole map where the sample allows it, else of these observations."""
    scores, unit, estimates = assessment.predicted.scores, assessment.target.soil_property.unit, assessment.estimates
    known = estimates.by_measure if estimates else {}
    mec, where = _mec(assessment), "over its area" if estimates else "of these observations"
    parts = []
    if mec is not None:
        share = percent(mec) if mec > 0 else "none"
        parts.append(f"the map explains {share} of the variance {where}")
    error = f"its typical error (RMSE) is {rounded(known['RMSE'].value if known else scores.rmse)} {unit}".strip()
    parts.append(error + (_range(known["RMSE"], unit, estimates) if estimates else ""))
    if assessment.has_interval and "PICP" in known:
        share = percent(known["PICP"].value)
        parts.append(f"its {percent(assessment.coverage)} prediction interval holds on {share} of the area")
    elif assessment.has_interval:
        share = percent(scores.picp)
        parts.append(f"{share} of them lie inside its {percent(assessment.coverage)} prediction interval")
    return sentence_case("; ".join(parts)) + "."


def _range(estimate: Estimate, unit: str, estimates: MapEstimates) -> str:
    decimals = decimals_for(estimate.value)
    ends = f"{fixed(estimate.low, decimals)} to {fixed(estimate.high, decimals)} {unit}".rstrip()
    return f" ({percent(estimates.confidence)} confidence interval {ends})"


def _basis(assessment: MapAssessment) -> str:
    """What the numbers rest on, and thus what they may be quoted for (Wadoux et al. 2021)."""
    count = len(assessment.ids)
    few = f" With only {count} observations they are uncertain, whatever they are." if count < FEW else ""
    if assessment.estimates:
        return (
            f"{assessment.estimates.sentence} They hold for the whole map and rest on the random choice of the places"
            " alone: no assumption about the soil, the map or its errors is needed (Wadoux et al. 2021). They are"
            f" right only if the places were really drawn at random in this way.{few}"
        )
    return (
        f"These numbers describe the map at these {count} observations only. Their places are not said to be drawn at"
        " random, so nothing guarantees that the rest of the map is as good: where observations are clustered, or lie"
        " where the soil is easy to reach, it may be better or worse (Wadoux et al. 2021). If the map was made from"
        f" these observations, the numbers are too good.{few}"
    )


def _estimate_rows(estimates: MapEstimates | None, rmse: float) -> list[tuple[str, str, str, str, str]]:
    """Measure, estimate, standard error, low and high end of the interval."""
    rows = []
    for name, found in (estimates.by_measure if estimates else {}).items():
        numbers = (found.value, found.standard_error, found.low, found.high)
        if name == "PICP":
            texts = [percent(number) if index != 1 else percent(number, 1) for index, number in enumerate(numbers)]
        else:
            texts = [fixed(number, 2 if name == "MEC" else decimals_for(rmse)) for number in numbers]
        rows.append((name, texts[0], texts[1], texts[2], texts[3]))
    return rows


def _figures(assessment: MapAssessment) -> list[CaptionedFigure]:
    target, label, count = assessment.target, assessment.target.soil_property.label, len(assessment.ids)
    bars = f" Bars are {percent(assessment.coverage)} prediction intervals" if assessment.has_interval else ""
    if count > DENSITY_ABOVE:
        bars = " Colour is the number of observations"
    elif bars and count > 2 * BARS_AT_MOST:
        bars += f" of {BARS_AT_MOST} observations drawn at random"
    frame = map_frame(assessment.coordinates, assessment.crs_name)
    panels = [(assessment.map_name, NETWORK_COLOUR, assessment.predicted)]
    maps = [(assessment.map_name, assessment.predicted.mean)]
    return [
        CaptionedFigure(
            draw_observed_predicted("observed", target, panels),
            f"Predicted against observed {label} (n = {count}). The dashed line is 1:1.{bars}{'.' if bars else ''}",
        ),
        CaptionedFigure(
            draw_residuals("residuals", target, assessment.coordinates, frame, maps),
            f"Residuals, predicted minus observed {label}. Brown: predicted too high; blue: too low. Larger points have"
            " larger residuals. Neighbours of one colour mean that the map misses something that varies in space.",
        ),
    ]
