"""The comparison of patch sizes as a page and as JSON: the answer, its figure, and the numbers behind it."""

from __future__ import annotations

from dataclasses import asdict

from soil_cnn_plugin.contract.language import tr, whole
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.comparison import Judged
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.patch_sizes import (
    AT_SIZES,
    CHOSEN_BY,
    ErrorCurves,
    PatchSizeComparison,
    conclusion,
    extent,
    size_in_words,
)
from soil_cnn_plugin.engine.reports.figures.explain_figures import draw_patch_sizes
from soil_cnn_plugin.engine.reports.references import patch_size_references
from soil_cnn_plugin.engine.reports.sections import (
    Bullets,
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
    write_page,
)
from soil_cnn_plugin.engine.reports.words import NOTHING, decimals_for, fixed, sentence_case
from soil_cnn_plugin.engine.targets.distributions import RMSE
from soil_cnn_plugin.engine.targets.kinds import Measure

_COLUMNS = (tr("± error"), tr("Above best"), tr("± error"), tr("Network"), tr("Forest with context"), tr("Overlap"))
_ALL = tr("All soil properties, in their standard deviations")


def write_patch_size_report(path: str, comparison: PatchSizeComparison) -> None:
    """Write one HTML file that needs nothing else; names of fields are escaped."""
    answer, *sentences = conclusion(comparison)
    recommended = size_in_words(comparison.curves.recommended, comparison.metres)
    box = [*map(Paragraph, sentences), Paragraph(tr("Recommended patch size: {}").format(recommended), "numbers")]
    page = Page(
        kind=tr("Comparison of patch sizes"),
        title=sentence_case(", ".join(target.soil_property.title for target in comparison.targets)),
        facts=_facts(comparison),
        lead=[VerdictBox(answer, box), *_figures(comparison)],
        sections=[
            Section("how", tr("How it was measured"), _how(comparison)),
            Section("numbers", tr("Numbers"), _numbers(comparison)),
            settings_section(comparison.settings, comparison.versions),
            citing_section(patch_size_references(comparison.settings["validation"])),
        ],
    )
    write_page(path, page)


def _how(comparison: PatchSizeComparison) -> list[Item]:
    return [
        Paragraph(
            tr(
                "{} All sizes are compared on these folds: networks and forests are trained anew for each size,"
                " without the observations of the fold, and predict them. The blend, with which maps are"
                " predicted by default, decides on the size: the smallest one within one standard error of the"
                " best."
            ).format(comparison.folds_sentence)
        ),
        Paragraph(
            tr(
                "The comparison is noisy. With few observations or folds, sizes that differ cannot be told"
                " apart, and a smaller patch is then recommended because nothing speaks clearly against it. A"
                " larger one is not wrong, only slower, and it reaches further beyond the edge of the"
                " covariates."
            )
        ),
        *([Bullets(comparison.notes)] if comparison.notes else []),
    ]


def _numbers(comparison: PatchSizeComparison) -> list[Item]:
    measure = comparison.measure.name
    unit = tr(", in the unit of each soil property,") if comparison.measure == RMSE else ""
    return [
        Table(
            (tr("Patch size or method"), measure, *_COLUMNS),
            _groups(comparison),
            tr(
                "Held-out {}, mean over the folds{} and its standard error (± error). Above best: how much"
                " higher than at the size with the lowest error. Overlap: share of held-out observations whose"
                " patch shares pixels with one trained on."
            ).format(measure, unit),
            _spans(comparison),
        ),
        Paragraph(
            tr(
                "Standard errors take into account that the folds share training observations (Nadeau and"
                " Bengio). That of the error itself is larger than that of the difference between sizes,"
                " because some folds are harder than others at any size."
            ),
            "small",
        ),
    ]


def _spans(comparison: PatchSizeComparison) -> tuple[tuple[str, int], ...]:
    error_of = tr("{} of").format(comparison.measure.name)
    return ((tr("Blend, or as named"), 2), (tr("Beside its best size"), 2), (error_of, 2), ("", 1))


def _facts(comparison: PatchSizeComparison) -> list[str]:
    counts = [target.count for target in comparison.targets]
    count = whole(counts[0]) if len(set(counts)) == 1 else tr("{} to {}").format(min(counts), max(counts))
    return [
        tr("{} observations").format(count),
        tr("patches of {} pixels").format(", ".join(map(str, comparison.sizes))),
        tr("pixels of {}").format(extent(1, comparison.metres)),
    ]


def _figures(comparison: PatchSizeComparison) -> list[CaptionedFigure]:
    panels = [
        (sentence_case(target.soil_property.title), _axis(target.soil_property, comparison.measure.name), curves)
        for target, curves in zip(comparison.targets, comparison.target_curves)
    ]
    how = tr(
        " Errors are means over the folds, which are the same for all sizes. The bars are one standard"
        " error of the difference to the blend's best size from fold to fold: where the bar of a size"
        " reaches down to the lowest point, the two cannot be told apart."
    )
    if len(panels) == 1:
        caption = tr("How far does the landscape matter here? Held-out error against patch size.{}").format(how)
        return [
            CaptionedFigure(
                draw_patch_sizes("sizes", panels, comparison.metres, comparison.measure.without_map), caption
            )
        ]
    together = [(_ALL, tr("RMSE / standard deviation"), comparison.curves)]
    return [
        CaptionedFigure(
            draw_patch_sizes("sizes", together, comparison.metres, comparison.measure.without_map),
            tr(
                "How far does the landscape matter here? Held-out error against patch size, each soil"
                " property's divided by its standard deviation, and averaged.{}"
            ).format(how),
        ),
        CaptionedFigure(
            draw_patch_sizes("properties", panels, comparison.metres, comparison.measure.without_map),
            tr(
                "Held-out error of each soil property against patch size, in its own unit. The band marks the"
                " size that each would be given alone."
            ),
        ),
    ]


def _axis(soil_property: SoilProperty, error: str) -> str:
    return f"{error} ({soil_property.unit})" if soil_property.unit else error


def _groups(comparison: PatchSizeComparison) -> list[Group]:
    """Return a group for each soil property; if there are several, one for all together comes first."""
    groups = [
        Group(sentence_case(target.soil_property.label), _rows(comparison, curves))
        for target, curves in zip(comparison.targets, comparison.target_curves)
    ]
    return groups if len(groups) == 1 else [Group(_ALL, _rows(comparison, comparison.curves)), *groups]


def _rows(comparison: PatchSizeComparison, curves: ErrorCurves) -> list[list[str]]:
    decimals = decimals_for(curves.baselines[MEAN].error)

    def text(value: float | None) -> str:
        return fixed(value, decimals + 1)

    rows = []
    for item in curves.sized[CHOSEN_BY]:
        recommended = tr(", recommended") if item.size == curves.recommended else ""
        others = [text(curves.at(name, item.size).error) for name in (NETWORK, FOREST_CONTEXT)]
        numbers = (item.error, item.standard_error, item.above_best, item.above_best_error)
        overlap = tr("{:.0f} %").format(comparison.overlap_percent[item.size])
        size = tr("{} pixels, {}{}").format(item.size, extent(item.size, comparison.metres), recommended)
        rows.append([size, *map(text, numbers), *others, overlap])
    for name, label in ((FOREST, tr("Random forest at the point")), (MEAN, _without_map(comparison))):
        item = curves.baselines[name]
        rows.append([label, text(item.error), text(item.standard_error), *[NOTHING] * (len(_COLUMNS) - 1)])
    return rows


def _without_map(comparison: PatchSizeComparison) -> str:
    return (
        tr("Mean") if comparison.measure == RMSE else sentence_case(comparison.measure.without_map.removeprefix("the "))
    )


def metrics_content(comparison: PatchSizeComparison) -> dict[str, object]:
    """Return the curves of all targets together and of each, the scores behind them, and the conclusion."""
    east, north = comparison.metres
    return {
        "best_patch_size": comparison.curves.recommended,
        "lowest_error_patch_size": comparison.curves.best,
        "chosen_by": CHOSEN_BY,
        "conclusion": conclusion(comparison),
        "sizes": [
            {
                "pixels": size,
                "metres_east": size * east,
                "metres_north": size * north,
                "overlap_percent": comparison.overlap_percent[size],
            }
            for size in comparison.sizes
        ],
        "all_targets": _curves_content(comparison.curves),
        "targets": {
            target.soil_property.field: {
                "label": target.soil_property.label,
                "n": target.count,
                "standard_deviation": target.deviation,
                **_curves_content(curves),
                "scores": {
                    **{
                        name: _scores_content(held_out, comparison.measure)
                        for name, held_out in target.baselines.items()
                    },
                    **{
                        name: {
                            str(size): _scores_content(target.by_size[size][name], comparison.measure)
                            for size in comparison.sizes
                        }
                        for name in AT_SIZES
                    },
                },
            }
            for target, curves in zip(comparison.targets, comparison.target_curves)
        },
        "folds": comparison.folds_sentence,
        "notes": comparison.notes,
        "settings": comparison.settings,
        "versions": comparison.versions,
    }


def _curves_content(curves: ErrorCurves) -> dict[str, object]:
    return {
        "recommended": curves.recommended,
        "lowest_error": curves.best,
        "curves": {name: [asdict(item) for item in items] for name, items in curves.sized.items()},
        "baselines": {name: asdict(item) for name, item in curves.baselines.items()},
        "context_against_point": asdict(curves.context) if curves.context else None,
    }


def _scores_content(held_out: Judged, measure: Measure) -> dict[str, object]:
    """Return the scores over all held-out observations, and the error in each fold."""
    name = "fold_rmse" if measure == RMSE else "fold_brier"
    return {**vars(held_out.scores), name: [scores.error for scores in held_out.fold_scores]}
