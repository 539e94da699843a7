"""One pixel explained, as a page and as JSON."""

from __future__ import annotations

import math

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.explaining.contribution_scale import factor_in_words
from soil_cnn_plugin.engine.explaining.pixel import PixelContributions, PixelExplanation, PixelPrediction
from soil_cnn_plugin.engine.reports.files import write_json
from soil_cnn_plugin.engine.reports.sections import Item, Page, Paragraph, Section, table, write_page
from soil_cnn_plugin.engine.reports.words import percent, rounded, sentence_case


def prediction_in_words(prediction: PixelPrediction, coverage: float) -> str:
    """Return `zinc: 226 mg/kg; in 90 % of such places it lies from 110 to 480`, or the probable classes."""
    title = sentence_case(prediction.target.title)
    if prediction.probabilities:
        ordered = sorted(prediction.probabilities.items(), key=lambda each: -each[1])
        return f"{title}: " + ", ".join(f"{name} {percent(share)}" for name, share in ordered[:3])
    unit = f" {prediction.target.unit}" if prediction.target.unit else ""
    return tr("{}: {}{}; in {} of such places it lies from {} to {}{}").format(
        title,
        rounded(prediction.value),
        unit,
        percent(coverage),
        rounded(prediction.lower),
        rounded(prediction.upper),
        unit,
    )


def dissimilarity_in_words(explanation: PixelExplanation) -> str:
    """Say whether the map is applicable there; empty where the network cannot tell."""
    index, threshold = explanation.dissimilarity, explanation.threshold
    if index is None or threshold is None:
        return ""
    if index <= threshold:
        text = tr("The map is applicable here: its dissimilarity index of {:.3g} lies below the limit of {:.3g}.")
    else:
        text = tr(
            "The map is not applicable here: its dissimilarity index of {:.3g} lies above the limit of {:.3g}. The"
            " observations do not cover the conditions of this place."
        )
    return text.format(index, threshold)


def added_in_words(contributions: PixelContributions, value: float) -> str:
    """Return what a covariate adds with its unit: `+12 mg/kg`, or `× 1.35` where contributions are factors."""
    if contributions.scale.is_factor:
        return f"× {factor_in_words(value)}"
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{rounded(abs(value))} {contributions.scale.target.unit}".strip()


def meaning_in_words(contributions: PixelContributions) -> str:
    """Say how the contributions lead from the mean over observations to the prediction."""
    base, subject = contributions.scale.base_in_words(contributions.base), contributions.scale.subject
    if contributions.scale.is_factor:
        return tr(
            "On average over observations, {} is predicted at {}. Each covariate multiplies that by its"
            " factor. The factors hold on the scale that was learned, so together they come near the prediction,"
            " which is a mean, but do not give it exactly."
        ).format(subject, base)
    return tr(
        "On average over observations, {} is predicted at {}. Each covariate adds to that or takes from it;"
        " the sum comes near the prediction."
    ).format(subject, base)


def write_pixel_page(path: str, explanation: PixelExplanation) -> None:
    lead: list[Item] = [
        Paragraph(f"{prediction_in_words(each, explanation.coverage)}.") for each in explanation.predictions
    ]
    applicable = dissimilarity_in_words(explanation)
    if applicable:
        is_beyond = (explanation.dissimilarity or 0.0) > (explanation.threshold or math.inf)
        lead.append(Paragraph(applicable, "caution" if is_beyond else ""))
    sections = [
        Section(f"why{number}", tr("Why: {}").format(each.target.title), _why(each, explanation))
        for number, each in enumerate(explanation.predictions)
    ]
    page = Page(
        tr("Pixel explained"),
        tr("{:.8g}, {:.8g}").format(explanation.x, explanation.y),
        [explanation.crs_name],
        lead,
        [*sections, Section("neighbours", tr("Nearest observations"), [_neighbours(explanation)])],
    )
    write_page(path, page)


def write_pixel_json(path: str, explanation: PixelExplanation) -> None:
    """Write the page's content for programs; texts are those of the page."""
    content = {
        "x": explanation.x,
        "y": explanation.y,
        "crs": explanation.crs_name,
        "coverage": explanation.coverage,
        "covariates": explanation.values,
        "dissimilarity": explanation.dissimilarity,
        "dissimilarity_threshold": explanation.threshold,
        "applicable": dissimilarity_in_words(explanation),
        "targets": {each.target.field: _target(each, explanation.coverage) for each in explanation.predictions},
        "neighbours": [
            {"distance": each.distance, "direction": each.direction, "observed": each.observed}
            for each in explanation.neighbours
        ],
    }
    write_json(path, content)


def _target(prediction: PixelPrediction, coverage: float) -> dict[str, object]:
    found = prediction.contributions
    return {
        "label": prediction.target.label,
        "text": prediction_in_words(prediction, coverage),
        "value": prediction.value,
        "lower": prediction.lower,
        "upper": prediction.upper,
        "probabilities": prediction.probabilities,
        "base": found and found.base,
        "meaning": found and meaning_in_words(found),
        "contributions": found and found.by_covariate,
        "contribution_texts": found
        and {name: added_in_words(found, value) for name, value in found.by_covariate.items()},
    }


def _why(prediction: PixelPrediction, explanation: PixelExplanation) -> list[Item]:
    found = prediction.contributions
    if found is None:
        return []
    rows = [
        (name, added_in_words(found, value), explanation.classes.get(name) or rounded(explanation.values.get(name)))
        for name, value in found.by_covariate.items()
    ]
    verb = tr("Multiplies by") if found.scale.is_factor else tr("Adds")
    return [Paragraph(meaning_in_words(found)), table((tr("Covariate"), verb, tr("Its value here")), rows)]


def _neighbours(explanation: PixelExplanation) -> Item:
    targets = [each.target for each in explanation.predictions]
    rows = [
        (
            tr("{:.0f} m {}").format(each.distance, each.direction).strip(),
            *(each.observed.get(t.field, "–") for t in targets),
        )
        for each in explanation.neighbours
    ]
    return table((tr("Distance"), *(sentence_case(target.label) for target in targets)), rows)
