"""The report of an explanation: which covariates matter, how far the network looks, what made the map."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.assessment.significance import p_text
from soil_cnn_plugin.engine.explaining.contribution_scale import ContributionScale
from soil_cnn_plugin.engine.explaining.explanation import (
    LITTLE,
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
from soil_cnn_plugin.engine.reports.references import explanation_references
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Group,
    Item,
    Page,
    Paragraph,
    Section,
    Table,
    VerdictBox,
    citing_section,
    settings_section,
    table,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import NOTHING, decimals_for, fixed, percent, sentence_case

_PARTS = {"networks": tr("Networks"), "forest": tr("Forest"), "process": tr("Gaussian process")}


def write_explain_report(path: str, explanation: Explanation) -> None:
    """Write one HTML file that needs nothing else; names of covariates and fields are escaped."""
    cited = explanation_references(explanation.attribution is not None, bool(explanation.forest_weights))
    page = Page(
        kind=tr("Explanation of a network"),
        title=", ".join(sentence_case(target.title) for target in explanation.targets),
        facts=_facts(explanation),
        lead=[
            VerdictBox(
                sentence_case(target.label),
                [Paragraph(importance_verdict(explanation, index)), Paragraph(context_verdict(explanation, index))],
            )
            for index, target in enumerate(explanation.targets)
        ],
        sections=[
            Section("importance", tr("Importance of the covariates"), _importance(explanation)),
            Section("surroundings", tr("Importance of the surroundings"), _surroundings(explanation)),
            *_attribution(explanation),
            settings_section(explanation.settings, explanation.versions),
            citing_section(cited),
        ],
    )
    write_page(path, page)


def _importance(explanation: Explanation) -> list[Item]:
    measure = explanation.measure
    unit = tr(", in the unit of the soil property") if measure == "RMSE" else ""
    sentences = (explanation.basis, _blend_sentence(explanation), _measure_sentence(explanation))
    return [
        Paragraph(" ".join(sentence for sentence in sentences if sentence)),
        *_importance_figures(explanation),
        Table(
            (tr("Covariate"), *_columns(explanation)),
            _groups(explanation),
            tr(
                "Growth of the held-out {} when a covariate is exchanged between observations{} and in percent"
                " of its {}, with the standard deviation over folds (± folds). p is the probability that chance"
                " alone makes such a growth: by a one-sided t-test over the folds, adjusted for the number of"
                " covariates (Holm 1979)."
            ).format(measure, unit, measure),
        ),
        Paragraph(
            tr(
                "Covariates with the same information share their importance: exchanging one of them alone does"
                " little, because the others still carry it. Where p is above 0.05, the folds do not tell the"
                " growth from chance; with few folds that is no proof that a covariate is of no use."
            ),
            "small",
        ),
    ]


def _surroundings(explanation: Explanation) -> list[Item]:
    parts = [_PARTS[method] for method in explanation.methods[1:]]
    return [
        _context_figure(explanation),
        Table(
            (tr("Radius"), sentence_case(explanation.measure), tr("Growth"), *parts),
            _context_groups(explanation),
            tr("Held-out {} and its growth against the radius that is kept, in percent.").format(explanation.measure),
        ),
        Paragraph(
            tr(
                "Exchanged surroundings do not fit the pixels that are kept, so the growth is an upper bound of"
                " what the surroundings contribute. It shows what this network uses. Compare patch sizes"
                " measures whether networks with smaller patches would do as well."
            ),
            "small",
        ),
    ]


def _facts(explanation: Explanation) -> list[str]:
    context = explanation.context
    side = 2 * context.radii[-1] + 1
    return [
        tr("{} observations").format(explanation.observations),
        tr_n("{} covariate", "{} covariates", len(explanation.covariates)).format(len(explanation.covariates)),
        tr("patches of {} × {} cells ({:.0f} m)").format(side, side, side * explanation.metres),
        tr("blend of networks, random forest and Gaussian process") if explanation.forest_weights else tr("networks"),
    ]


def _blend_sentence(explanation: Explanation) -> str:
    """Say what parts forest and Gaussian process have."""
    if not explanation.forest_weights:
        return tr("The map is predicted by the networks alone.")
    forest, process = (
        ", ".join(
            tr("{} for {}").format(percent(weight), target.title)
            for target, weight in zip(explanation.targets, weights)
        )
        for weights in (explanation.forest_weights, explanation.process_weights)
    )
    return tr(
        "The map is predicted by a blend: the random forest, which sees the same covariates with their"
        " focal means and deviations, has a weight of {}; the Gaussian process, which also sees where"
        " observations lie, has one of {}; the rest are the networks. All numbers are those of the blend"
        " unless they are marked as those of one part alone."
    ).format(forest, process)


def _measure_sentence(explanation: Explanation) -> str:
    """Explain the measure; empty for the RMSE, which every reader knows."""
    if explanation.measure == "RMSE":
        return ""
    return tr(
        "The error of classes is the root Brier score: the root of the mean squared distance between the"
        " predicted probabilities of all classes and what was observed, 1 for the observed class and 0 for"
        " the others."
    )


def _importance_figures(explanation: Explanation) -> list[CaptionedFigure]:
    more = len(explanation.covariates) - MOST_COVARIATES
    rest = tr(" The {} covariates below are in the table only.").format(more) if more > 0 else ""
    return [
        CaptionedFigure(
            draw_importance(f"importance{index}", explanation, index),
            tr(
                "How much worse {} is predicted when one covariate, the whole layer of the patch, is exchanged"
                " between observations. Dots are single folds.{}"
            ).format(target.title, rest),
        )
        for index, target in enumerate(explanation.targets)
    ]


def _columns(explanation: Explanation) -> list[str]:
    parts = [_PARTS[method] for method in explanation.methods[1:]]
    return [tr("Growth"), tr("± folds"), tr("Percent"), tr("± folds"), "p", *parts]


def _groups(explanation: Explanation) -> list[Group]:
    importance, share, spread = explanation.importance, explanation.share(), explanation.spread_share()
    groups = []
    for t, target in enumerate(explanation.targets):
        decimals, p_values = decimals_for(float(importance.error[0, t])), importance.significance(0, t)
        rows = []
        for c in sorted(range(len(explanation.covariates)), key=lambda c: -share[c, 0, t]):
            rows.append(
                [
                    explanation.covariates[c],
                    fixed(float(importance.mean[c, 0, t]), decimals),
                    fixed(float(importance.spread[c, 0, t]), decimals),
                    percent(float(share[c, 0, t]), 1),
                    percent(float(spread[c, 0, t]), 1),
                    NOTHING if (p := p_values[c]) is None else p_text(p),
                    *(percent(float(share[c, m, t]), 1) for m in range(1, len(explanation.methods))),
                ]
            )
        error = f"{fixed(float(importance.error[0, t]), decimals)} {target.unit}".strip()
        groups.append(Group(f"{sentence_case(target.label)}: {explanation.measures[t]} {error}", rows))
    return groups


def _context_figure(explanation: Explanation) -> CaptionedFigure:
    context = explanation.context
    subset = (
        ""
        if context.observations == explanation.observations
        else tr(" (of {} observations)").format(context.observations)
    )
    return CaptionedFigure(
        draw_context("context", explanation),
        tr(
            "How much worse the prediction is when all pixels further than the radius are exchanged with those"
            " of another observation, in all covariates together{}. The radius is half the side of the square"
            " that is kept. The dashed line is the context radius: beyond it the error changes by less than"
            " {:g} %. Thin lines are single folds."
        ).format(subset, 100 * LITTLE),
    )


def _context_groups(explanation: Explanation) -> list[Group]:
    context = explanation.context
    groups = []
    for t, target in enumerate(explanation.targets):
        decimals = decimals_for(float(context.error[-1, 0, t]))
        rows = [
            [
                tr("{:.0f} m ({} × {} cells)").format(explanation.distance(radius), 2 * radius + 1, 2 * radius + 1),
                fixed(float(context.error[r, 0, t]), decimals),
                *(percent(float(context.growth[r, m, t]), 1) for m in range(len(explanation.methods))),
            ]
            for r, radius in enumerate(context.radii)
        ]
        groups.append(Group(sentence_case(target.label), rows))
    return groups


def _attribution(explanation: Explanation) -> list[Section]:
    found = explanation.attribution
    if found is None:
        return []
    order = sorted(range(len(found.magnitude)), key=lambda index: -found.magnitude[index])
    scale = found.scale
    rows = [(explanation.covariates[index], scale.size_in_words(float(found.magnitude[index]))) for index in order]
    figure = CaptionedFigure(
        draw_contributions("contributions", explanation, found),
        _map_caption(scale, len(order) > MOST_MAPS).format(scale.subject)
        + tr(" Brown: more than with average conditions; blue: less."),
    )
    title = sentence_case(scale.target.title) + (f", {scale.class_name}" if scale.class_name else "")
    means = table((tr("Covariate"), tr("Contribution")), rows, _sizes_caption(scale))
    return [
        Section("contributions", tr("What made the map: {}").format(title), [Paragraph(_words(found)), figure, means])
    ]


def _map_caption(scale: ContributionScale, is_of_strongest: bool) -> str:
    if scale.is_factor and is_of_strongest:
        return tr("What the strongest covariates multiply {} by at each pixel.")
    if scale.is_factor:
        return tr("What each covariate multiplies {} by at each pixel.")
    if is_of_strongest:
        return tr("What the strongest covariates add to {}, or take from it at each pixel.")
    return tr("What each covariate adds to {}, or takes from it at each pixel.")


def _sizes_caption(scale: ContributionScale) -> str:
    if scale.is_factor:
        return tr("Factor by which a covariate multiplies or divides {}: geometric mean over the map.").format(
            scale.subject
        )
    unit = f" ({scale.unit})" if scale.unit else ""
    return tr("Mean absolute contribution over the map{}.").format(unit)


def _words(found: AttributionSummary) -> str:
    every = tr(" One in {} × {} pixels was explained.").format(found.step, found.step) if found.step > 1 else ""
    base = tr("{}, the mean prediction of the observations that it is compared with").format(
        found.scale.base_in_words(found.base)
    )
    if found.scale.transform == "log-odds":
        sums = tr("The factors of a pixel multiply {}, to the odds that its calibrated probability stands for.").format(
            base
        )
    elif found.scale.is_factor:
        sums = tr(
            "The factors of a pixel multiply {}, to its prediction on that scale; for the networks nearly,"
            " for the forest exactly."
        ).format(base)
    else:
        sums = tr(
            "The contributions of a pixel add up to its prediction minus {}; for the networks nearly, for"
            " the forest exactly."
        ).format(base)
    return tr(
        "{} pixels were explained.{} {} They say what the predictor used, not what made the soil. In the raster: {}"
    ).format(found.pixels, every, sums, found.scale.meaning)
