"""The report on patch sizes: the answer, its figure, and the numbers behind it."""

from __future__ import annotations

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.comparison import RMSE
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.patch_sizes import (
    CHOSEN_BY,
    ErrorCurves,
    PatchSizeComparison,
    conclusion,
    extent,
    in_words,
)
from soil_cnn_plugin.engine.reports.figures.explain_figures import draw_patch_sizes
from soil_cnn_plugin.engine.reports.held_out_report import CaptionedFigure
from soil_cnn_plugin.engine.reports.numerals import NOTHING, decimals_for, fixed
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.references import patch_size_references
from soil_cnn_plugin.engine.reports.table_group import TableGroup
from soil_cnn_plugin.engine.reports.words import sentence_case

COLUMNS = ("± error", "Above best", "± error", "Network", "Forest with context", "Overlap")
_ALL = "All soil properties, in their standard deviations"


def write_patch_size_report(path: str, comparison: PatchSizeComparison) -> None:
    """Writes one HTML file that needs nothing else; names of fields are escaped."""
    answer, *sentences = conclusion(comparison)
    titles = [target.soil_property.title for target in comparison.targets]
    write_page(
        path,
        "patch_sizes",
        title=sentence_case(", ".join(titles)),
        facts=_facts(comparison),
        answer=answer,
        sentences=sentences,
        recommended=in_words(comparison.curves.recommended, comparison.metres),
        figures=_figures(comparison),
        folds_sentence=comparison.folds_sentence,
        notes=comparison.notes,
        measure=comparison.measure.name,
        columns=(comparison.measure.name, *COLUMNS),
        spans=_spans(comparison),
        groups=_groups(comparison),
        settings=comparison.settings,
        versions=comparison.versions,
        references=patch_size_references(comparison.settings["validation"]),
    )


def _spans(comparison: PatchSizeComparison) -> tuple[tuple[str, int], ...]:
    error_of = f"{comparison.measure.name} of"
    return (("Blend, or as named", 2), ("Beside its best size", 2), (error_of, 2), ("", 1))


def _facts(comparison: PatchSizeComparison) -> list[str]:
    counts = [target.count for target in comparison.targets]
    count = f"{counts[0]}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    return [
        f"{count} observations",
        f"patches of {', '.join(map(str, comparison.sizes))} pixels",
        f"pixels of {extent(1, comparison.metres)}",
    ]


def _figures(comparison: PatchSizeComparison) -> list[CaptionedFigure]:
    panels = [
        (sentence_case(target.soil_property.title), _axis(target.soil_property, comparison.measure.name), curves)
        for target, curves in zip(comparison.targets, comparison.target_curves)
    ]
    how = (
        " Errors are means over the folds, which are the same for all sizes. The bars are one standard error of the"
        " difference to the blend's best size from fold to fold: where the bar of a size reaches down to the lowest"
        " point, the two cannot be told apart."
    )
    if len(panels) == 1:
        caption = f"How far does the landscape matter here? Held-out error against patch size.{how}"
        return [
            CaptionedFigure(
                draw_patch_sizes("sizes", panels, comparison.metres, comparison.measure.without_map), caption
            )
        ]
    together = [(_ALL, "RMSE / standard deviation", comparison.curves)]
    return [
        CaptionedFigure(
            draw_patch_sizes("sizes", together, comparison.metres, comparison.measure.without_map),
            "How far does the landscape matter here? Held-out error against patch size, each soil property's divided by"
            f" its standard deviation, and averaged.{how}",
        ),
        CaptionedFigure(
            draw_patch_sizes("properties", panels, comparison.metres, comparison.measure.without_map),
            "Held-out error of each soil property against patch size, in its own unit. The band marks the size that"
            " each would be given alone.",
        ),
    ]


def _axis(soil_property: SoilProperty, error: str) -> str:
    return f"{error} ({soil_property.unit})" if soil_property.unit else error


def _groups(comparison: PatchSizeComparison) -> list[TableGroup]:
    """Each soil property, and all together first where there are several."""
    groups = [
        TableGroup(target.soil_property.label, _rows(comparison, curves))
        for target, curves in zip(comparison.targets, comparison.target_curves)
    ]
    return groups if len(groups) == 1 else [TableGroup(_ALL, _rows(comparison, comparison.curves)), *groups]


def _rows(comparison: PatchSizeComparison, curves: ErrorCurves) -> list[list[str]]:
    decimals = decimals_for(curves.baselines[MEAN].error)

    def text(value: float | None) -> str:
        return fixed(value, decimals + 1)

    rows = []
    for item in curves.sized[CHOSEN_BY]:
        recommended = ", recommended" if item.size == curves.recommended else ""
        others = [text(curves.at(name, item.size).error) for name in (NETWORK, FOREST_CONTEXT)]
        numbers = (item.error, item.standard_error, item.above_best, item.above_best_error)
        overlap = f"{comparison.overlap_percent[item.size]:.0f} %"
        size = f"{item.size} pixels, {extent(item.size, comparison.metres)}{recommended}"
        rows.append([size, *map(text, numbers), *others, overlap])
    for name, label in ((FOREST, "Random forest at the point"), (MEAN, _without_map(comparison))):
        item = curves.baselines[name]
        rows.append([label, text(item.error), text(item.standard_error), *[NOTHING] * (len(COLUMNS) - 1)])
    return rows


def _without_map(comparison: PatchSizeComparison) -> str:
    return "Mean" if comparison.measure == RMSE else sentence_case(comparison.measure.without_map.removeprefix("the "))
