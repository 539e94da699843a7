"""The held-out report: one HTML page that says what a map is worth, for readers who know soils."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import skew

from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.assessment import Assessment, HeldOutAssessment, TargetAssessment, residuals
from soil_cnn_plugin.engine.assessment.exceedance import check_exceedance
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, NAMES, NETWORK
from soil_cnn_plugin.engine.assessment.reliability import reliability
from soil_cnn_plugin.engine.reports import held_out_words as words
from soil_cnn_plugin.engine.reports.captioned_figure import CaptionedFigure as CaptionedFigure
from soil_cnn_plugin.engine.reports.comparison_tables import (
    DIFFERENCE_COLUMNS,
    FOLD_SPANS,
    OTHER_KINDS,
    difference_group,
    fold_columns,
    other_fold_groups,
    other_folds_in_words,
)
from soil_cnn_plugin.engine.reports.composition_section import (
    composition_columns,
    composition_figures,
    composition_groups,
    composition_words,
    in_order,
)
from soil_cnn_plugin.engine.reports.depth_section import at_several_depths, depth_figures
from soil_cnn_plugin.engine.reports.drawing import FOREST_COLOUR, NETWORK_COLOUR
from soil_cnn_plugin.engine.reports.figures.calibration_figures import (
    CalibrationLine,
    draw_calibration,
    draw_exceedance,
    draw_loss_curves,
    exceedance_in_words,
)
from soil_cnn_plugin.engine.reports.figures.observed_predicted import (
    BARS_AT_MOST,
    DENSITY_ABOVE,
    Panel,
    draw_observed_predicted,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import (
    MapFrame,
    draw_folds_and_values,
    draw_residuals,
    map_frame,
)
from soil_cnn_plugin.engine.reports.measured_words import censored_in_words, measured_sentences
from soil_cnn_plugin.engine.reports.numerals import decimals_for, fixed, percent
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.references import references
from soil_cnn_plugin.engine.reports.score_table import COLUMNS, score_group
from soil_cnn_plugin.engine.reports.verdict_boxes import VerdictBox as VerdictBox
from soil_cnn_plugin.engine.reports.verdict_boxes import verdict_boxes
from soil_cnn_plugin.engine.reports.words import by_depth, enumerated, sentence_case, titles

VALUE_COLUMNS = (
    "Soil property",
    "n",
    "Minimum",
    "1st quartile",
    "Median",
    "Mean",
    "3rd quartile",
    "Maximum",
    "SD",
    "Skewness",
)
_RESIDUALS = (
    " Brown: predicted too high; blue: too low. Larger points have larger residuals. Neighbours of one colour mean that"
    " something that varies in space is not explained yet."
)
_CALIBRATION = (
    " Left: intervals between two quantiles; a line below the diagonal means intervals that are too narrow. Middle:"
    " single quantiles, which show a miss on one side; a line above the diagonal means that the quantiles are too high."
    " Right: flat where the predicted distributions hold, a bowl where they are too narrow, a hill where they are too"
    " wide. The grey band holds 95 % of what chance would give if observations were independent."
)
_EXCEEDANCE = (
    " A point below the dashed line means a probability that was too high. Bars are what chance leaves open (95 %);"
    " grey columns and their numbers say how often a probability was given."
)
_LIMITS_AS_VALUES = " A value below its detection limit counts as that limit."
_SCALES = {"none": "as measured", "log": "logarithm", "logit": "logit"}


@dataclass(frozen=True)
class Detail:
    """One of the depths of a section: folded away, because there may be many."""

    heading: str
    text: str
    figures: tuple[CaptionedFigure, ...]


@dataclass(frozen=True)
class Section:
    heading: str
    figures: tuple[CaptionedFigure, ...]
    details: tuple[Detail, ...] = ()


def write_report(path: str, assessment: Assessment) -> None:
    """Writes one HTML file that needs nothing else. Figures are SVG; with many points, images inside the SVG."""
    targets = by_depth(assessment.targets, lambda target: target.soil_property)
    assessment = replace(assessment, targets=tuple(targets))
    frame = map_frame(assessment.coordinates, assessment.crs_name)
    compositions = in_order(assessment)
    write_page(
        path,
        "held_out_report",
        title=sentence_case(enumerated(titles([target.soil_property for target in targets]))),
        facts=facts_of(assessment, frame.unit),
        verdicts=verdict_boxes(targets, assessment),
        predictor_sentence=words.predictor_sentence(assessment.predictor),
        validation_sentence=words.validation_sentence(assessment),
        folds_sentence=assessment.folds.sentence,
        overlap_sentence=words.overlap_sentence(assessment.folds.overlap_percent),
        overlap_is_high=assessment.folds.overlap_percent > words.HIGH_OVERLAP,
        folds_figure=_folds_figure(assessment, frame),
        measured_sentences=measured_sentences(assessment),
        value_note=_LIMITS_AS_VALUES if any(target.is_censored.any() for target in targets) else "",
        value_columns=[*VALUE_COLUMNS, "Learned as"],
        value_rows=[_value_row(target) for target in targets],
        columns=COLUMNS,
        groups=[_score_group(target, assessment) for target in targets],
        coverage=assessment.coverage,
        composition_sentence=composition_words(compositions) if compositions else "",
        composition_columns=composition_columns(compositions),
        composition_groups=composition_groups(compositions),
        composition_figures=composition_figures(assessment, compositions),
        difference_columns=DIFFERENCE_COLUMNS,
        difference_groups=[difference_group(target, assessment.predictor) for target in targets],
        fold_columns=fold_columns(assessment),
        other_folds=OTHER_KINDS.get(assessment.folds.other_kind, ""),
        fold_spans=FOLD_SPANS,
        fold_groups=other_fold_groups(assessment, targets),
        other_folds_sentence=other_folds_in_words(assessment, targets),
        sections=_sections(targets, assessment, frame),
        loss_figure=loss_figure(assessment),
        notes=assessment.notes,
        settings=assessment.settings,
        versions=assessment.versions,
        software=words.software(assessment),
        methods_sentence=words.methods_sentence(assessment),
        references=references(assessment),
    )


def facts_of(assessment: HeldOutAssessment, unit: str) -> list[str]:
    size, cell = assessment.patch_size, assessment.cell_size
    across = f" ({size * cell:g} {unit} across)" if unit == "m" else ""
    return [
        f"{len(assessment.coordinates)} observations",
        f"{assessment.folds.count} folds",
        f"patches of {size} × {size} cells of {f'{cell:g} {unit}'.strip()}{across}",
        assessment.crs_name,
    ]


def _value_row(target: TargetAssessment) -> tuple[str, ...]:
    """What was observed of one target, and the scale on which it was learned."""
    observed = target.observed
    low, middle, high = np.quantile(observed, (0.25, 0.5, 0.75))
    numbers = (observed.min(), low, middle, observed.mean(), high, observed.max(), observed.std(ddof=1))
    decimals = decimals_for(float(observed.std()))
    return (
        sentence_case(target.soil_property.label),
        str(len(observed)),
        *(fixed(float(number), decimals) for number in numbers),
        fixed(float(skew(observed)), 1),
        _SCALES.get(target.transform, target.transform),
    )


def _score_group(target: TargetAssessment, assessment: Assessment) -> object:
    return score_group(
        target.soil_property,
        {name: method.scores for name, method in target.methods.items()},
        assessment.coverage,
        {name: method.fold_scores for name, method in target.methods.items()},
        assessment.predictor,
    )


def _sections(targets: list[TargetAssessment], assessment: Assessment, frame: MapFrame) -> list[Section]:
    """One a target, or a property with several depths."""
    sections: list[Section] = []
    groups = at_several_depths(targets)
    for index, target in enumerate(targets):
        name, own = target.soil_property.name, _section(index, target, assessment, frame)
        if name not in groups:
            sections.append(own)
            continue
        if target is groups[name][0]:
            figures = depth_figures(index, groups[name], assessment)
            sections.append(Section(f"{sentence_case(name)} by depth", tuple(figures)))
        detail = Detail(own.heading, target.verdict.text, own.figures)
        sections[-1] = replace(sections[-1], details=(*sections[-1].details, detail))
    return sections


def _section(index: int, target: TargetAssessment, assessment: Assessment, frame: MapFrame) -> Section:
    panels = _panels(target, assessment.predictor)
    label = target.soil_property.label
    figures = [
        CaptionedFigure(
            draw_observed_predicted(f"observed-{index}", target, panels, target.is_censored),
            f"Predicted against observed {label} of held-out observations (n = {len(target.rows)})."
            f" The dashed line is 1:1. {_bars_in_words(len(target.rows), assessment.coverage)}."
            f"{censored_in_words(target)}",
        ),
        CaptionedFigure(
            draw_residuals(
                f"residuals-{index}",
                target,
                assessment.coordinates,
                frame,
                [(title, target.observed + residuals(target, held_out)) for title, _, held_out in panels],
            ),
            f"Residuals of held-out observations, predicted minus observed {label}"
            f"{', as reported' if target.is_censored.any() else ''}.{'' if index else _RESIDUALS}",
        ),
    ]
    others = (_calibration_figure(index, target, panels, assessment), _exceedance_figure(index, target, panels))
    return Section(sentence_case(label), (*figures, *(figure for figure in others if figure)))


def _panels(target: TargetAssessment, predictor: str) -> list[Panel]:
    """The map's predictor, and beside it the better forest, or the network where a forest is the predictor."""
    forests = [name for name in (FOREST, FOREST_CONTEXT) if name in target.methods]
    rival = min(forests, key=lambda name: target.methods[name].scores.rmse, default=predictor)
    if predictor in forests:
        rival = NETWORK
    panels: list[Panel] = [(sentence_case(NAMES[predictor]), NETWORK_COLOUR, target.methods[predictor])]
    if rival != predictor and rival in target.methods:
        panels.append((sentence_case(NAMES[rival]), FOREST_COLOUR, target.methods[rival]))
    return panels


def _bars_in_words(count: int, coverage: float) -> str:
    if count > DENSITY_ABOVE:
        return "Colour is the number of observations"
    bars = f"Bars are {percent(coverage)} prediction intervals"
    return f"{bars} of {BARS_AT_MOST} observations drawn at random" if count > 2 * BARS_AT_MOST else bars


def _calibration_figure(
    index: int, target: TargetAssessment, panels: list[Panel], assessment: Assessment
) -> CaptionedFigure | None:
    """None where the map's predictor has no distribution. How to read it is told with the first target's."""
    lines: list[CalibrationLine] = []
    for title, colour, held_out in panels:
        found = reliability(target.observed, held_out, target.is_censored)
        if found is not None:
            lines.append((title, colour, found))
    predictor, label = target.methods[assessment.predictor], target.soil_property.label
    if not lines or reliability(target.observed, predictor, target.is_censored) is None:
        return None
    return CaptionedFigure(
        draw_calibration(f"calibration-{index}", lines, assessment.coverage),
        f"Whether the predicted distributions of {label} hold."
        f" {words.intervals_in_words(target, predictor, assessment.coverage)}{'' if index else _CALIBRATION}",
    )


def _exceedance_figure(index: int, target: TargetAssessment, panels: list[Panel]) -> CaptionedFigure | None:
    """None where there is no threshold, or no distribution to check it with."""
    lines = [
        (title, colour, found) for title, colour, held_out in panels if (found := check_exceedance(target, held_out))
    ]
    if not lines or lines[0][0] != panels[0][0]:
        return None
    return CaptionedFigure(
        draw_exceedance(f"exceedance-{index}", target.soil_property, lines),
        f"Probabilities of exceeding a threshold. {exceedance_in_words(target, lines[0][2])}"
        f"{'' if index else _EXCEEDANCE}",
    )


def _folds_figure(assessment: Assessment, frame: MapFrame) -> CaptionedFigure:
    folds: Rows = np.full(len(assessment.coordinates), -1, dtype=np.int64)
    for target in assessment.targets:
        folds[target.rows] = target.fold
    return CaptionedFigure(
        draw_folds_and_values("folds", assessment.coordinates, folds, assessment.targets, frame),
        f"Observations by fold, and what was observed ({assessment.crs_name}). Each fold was predicted by networks and"
        " forests that were trained on the other folds.",
    )


def loss_figure(assessment: HeldOutAssessment) -> CaptionedFigure | None:
    """The curves of the folds' ensembles come first, those of the final ones last."""
    curves = assessment.loss_curves
    if not curves:
        return None
    has_folds = len(curves) > len({curve.architecture for curve in curves})
    lines = " Thick lines: the networks of the map; thin lines: those of the folds." if has_folds else ""
    return CaptionedFigure(
        draw_loss_curves("loss", curves),
        f"Loss while networks were trained, as medians over the members of an ensemble.{lines} Where the held-out loss"
        " rises, a network learns its training observations by heart; each member was kept at its best step"
        " and, once it gets no better, not trained any more: its last loss stays in the median.",
    )
