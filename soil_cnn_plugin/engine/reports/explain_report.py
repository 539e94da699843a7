"""The report of an explanation: which covariates matter, how far the network looks, what made the map."""

from __future__ import annotations

from soil_cnn_plugin.engine.explaining.explanation import (
    LITTLE,
    RMSE,
    AttributionSummary,
    Explanation,
    context_verdict,
    importance_verdict,
)
from soil_cnn_plugin.engine.reports.figures.explain_figures import (
    MOST_COVARIATES,
    MOST_MAPS,
    draw_context,
    draw_contributions,
    draw_importance,
)
from soil_cnn_plugin.engine.reports.held_out_report import CaptionedFigure
from soil_cnn_plugin.engine.reports.numerals import decimals_for, fixed, percent
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.references import explanation_references
from soil_cnn_plugin.engine.reports.table_group import TableGroup
from soil_cnn_plugin.engine.reports.words import sentence_case


def write_explain_report(path: str, explanation: Explanation) -> None:
    """Writes one HTML file that needs nothing else; names of covariates and fields are escaped."""
    write_page(
        path,
        "explain",
        title=", ".join(sentence_case(target.title) for target in explanation.targets),
        facts=_facts(explanation),
        verdicts=[
            (sentence_case(target.label), importance_verdict(explanation, index), context_verdict(explanation, index))
            for index, target in enumerate(explanation.targets)
        ],
        basis=explanation.basis,
        forest_sentence=_forest_sentence(explanation),
        measure=explanation.measure,
        measure_sentence=_measure_sentence(explanation),
        importance_figures=_importance_figures(explanation),
        columns=_columns(explanation),
        groups=_groups(explanation),
        context_figure=_context_figure(explanation),
        context_columns=[
            sentence_case(explanation.measure),
            "Growth",
            *(["Networks", "Forest"] if len(explanation.methods) > 1 else []),
        ],
        context_groups=_context_groups(explanation),
        little=LITTLE,
        attribution=_attribution(explanation),
        settings=explanation.settings,
        versions=explanation.versions,
        references=explanation_references(explanation.attribution is not None, bool(explanation.forest_weights)),
    )


def _facts(explanation: Explanation) -> list[str]:
    context = explanation.context
    side = 2 * context.radii[-1] + 1
    return [
        f"{explanation.observations} observations",
        f"{len(explanation.covariates)} covariates",
        f"patches of {side} × {side} cells ({side * explanation.metres:.0f} m)",
        "blend of networks and random forest" if explanation.forest_weights else "networks",
    ]


def _forest_sentence(explanation: Explanation) -> str:
    """What the forest's part is."""
    if not explanation.forest_weights:
        return "The map is predicted by the networks alone."
    weights = ", ".join(
        f"{percent(weight)} for {target.title}"
        for target, weight in zip(explanation.targets, explanation.forest_weights)
    )
    return (
        f"The map is predicted by a blend: the random forest, which sees the same covariates with their focal means and"
        f" deviations, has a weight of {weights}; the rest are the networks. All numbers are those of the blend unless"
        " they are marked as those of the networks or of the forest alone."
    )


def _measure_sentence(explanation: Explanation) -> str:
    """Empty for the RMSE, which every reader knows."""
    if explanation.measure == RMSE:
        return ""
    return (
        "The error of classes is the root Brier score: the root of the mean squared distance between the predicted"
        " probabilities of all classes and what was observed, 1 for the observed class and 0 for the others."
    )


def _importance_figures(explanation: Explanation) -> list[CaptionedFigure]:
    more = len(explanation.covariates) - MOST_COVARIATES
    rest = f" The {more} covariates below are in the table only." if more > 0 else ""
    return [
        CaptionedFigure(
            draw_importance(f"importance{index}", explanation, index),
            f"How much worse {target.title} is predicted when one covariate, the whole layer of the patch, is exchanged"
            f" between observations. Dots are single folds.{rest}",
        )
        for index, target in enumerate(explanation.targets)
    ]


def _columns(explanation: Explanation) -> list[str]:
    parts = ["Networks", "Forest"] if len(explanation.methods) > 1 else []
    return ["Growth", "± folds", "Percent", "± folds", *parts]


def _groups(explanation: Explanation) -> list[TableGroup]:
    importance, share, spread = explanation.importance, explanation.share(), explanation.spread_share()
    groups = []
    for t, target in enumerate(explanation.targets):
        decimals = decimals_for(float(importance.error[0, t]))
        rows = []
        for c in sorted(range(len(explanation.covariates)), key=lambda c: -share[c, 0, t]):
            rows.append(
                [
                    explanation.covariates[c],
                    fixed(float(importance.mean[c, 0, t]), decimals),
                    fixed(float(importance.spread[c, 0, t]), decimals),
                    percent(float(share[c, 0, t]), 1),
                    percent(float(spread[c, 0, t]), 1),
                    *(percent(float(share[c, m, t]), 1) for m in range(1, len(explanation.methods))),
                ]
            )
        error = f"{fixed(float(importance.error[0, t]), decimals)} {target.unit}".strip()
        groups.append(TableGroup(f"{sentence_case(target.label)}: {explanation.measure} {error}", rows))
    return groups


def _context_figure(explanation: Explanation) -> CaptionedFigure:
    context = explanation.context
    subset = "" if context.observations == explanation.observations else f" (of {context.observations} observations)"
    return CaptionedFigure(
        draw_context("context", explanation),
        "How much worse the prediction is when all pixels further than the radius are exchanged with those of another"
        f" observation, in all covariates together{subset}. The radius is half the side of the square that is kept. The"
        " dashed line is the context radius: beyond it the error changes by less than"
        f" {100 * LITTLE:g} %. Thin lines are single folds.",
    )


def _context_groups(explanation: Explanation) -> list[TableGroup]:
    context = explanation.context
    groups = []
    for t, target in enumerate(explanation.targets):
        decimals = decimals_for(float(context.error[-1, 0, t]))
        rows = [
            [
                f"{explanation.distance(radius):.0f} m ({2 * radius + 1} × {2 * radius + 1} cells)",
                fixed(float(context.error[r, 0, t]), decimals),
                *(percent(float(context.growth[r, m, t]), 1) for m in range(len(explanation.methods))),
            ]
            for r, radius in enumerate(context.radii)
        ]
        groups.append(TableGroup(sentence_case(target.label), rows))
    return groups


def _attribution(explanation: Explanation) -> dict[str, object] | None:
    found = explanation.attribution
    if found is None:
        return None
    order = sorted(range(len(found.magnitude)), key=lambda index: -found.magnitude[index])
    decimals = decimals_for(float(found.magnitude.max()))
    several = len(order) > MOST_MAPS
    return {
        "title": sentence_case(found.target.title),
        "sentence": _attribution_sentence(found),
        "unit": found.unit,
        "rows": [(explanation.covariates[index], fixed(float(found.magnitude[index]), decimals)) for index in order],
        "figure": CaptionedFigure(
            draw_contributions("contributions", explanation, found),
            f"What {'the strongest covariates' if several else 'each covariate'} adds to the prediction of"
            f" {found.target.title} at each pixel, or takes from it. Brown: more than with average conditions; blue:"
            " less.",
        ),
    }


def _attribution_sentence(found: AttributionSummary) -> str:
    every = f" One in {found.step} × {found.step} pixels was explained." if found.step > 1 else ""
    unit = f" {found.unit}" if found.unit else ""
    return (
        f"{found.pixels} pixels were explained.{every} The contributions of a pixel add up to its prediction minus"
        f" {found.base:.4g}{unit}, the mean prediction of the observations that it is compared with; for the networks"
        " nearly, for the forest exactly. They say what the predictor used, not what made the soil."
    )
