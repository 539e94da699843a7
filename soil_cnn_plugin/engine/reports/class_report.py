"""The held-out report of soil classes: one HTML page that says what a class map is worth."""

from __future__ import annotations

from soil_cnn_plugin.engine.assessment.class_assessment import CLASS_NAMES, ClassAssessment
from soil_cnn_plugin.engine.reports import class_words as words
from soil_cnn_plugin.engine.reports.class_tables import (
    CLASS_COLUMNS,
    CLASS_FOLD_SPANS,
    OF_CLASS_COLUMNS,
    class_difference_group,
    class_fold_columns,
    class_fold_groups,
    class_score_group,
    of_class_rows,
)
from soil_cnn_plugin.engine.reports.comparison_tables import DIFFERENCE_COLUMNS, OTHER_KINDS
from soil_cnn_plugin.engine.reports.drawing import FOREST_COLOUR, NETWORK_COLOUR
from soil_cnn_plugin.engine.reports.figures.class_figures import (
    MOST_IN_LEGEND,
    draw_confusion,
    draw_folds_and_classes,
    draw_reliability,
    draw_right_and_wrong,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import MapFrame, map_frame
from soil_cnn_plugin.engine.reports.held_out_report import CaptionedFigure, VerdictBox, facts_of, loss_figure
from soil_cnn_plugin.engine.reports.held_out_words import (
    HIGH_OVERLAP,
    overlap_sentence,
    software,
    validation_sentence,
)
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.references import class_references
from soil_cnn_plugin.engine.reports.words import sentence_case
from soil_cnn_plugin.engine.targets.classes import ClassHeldOut, confusion, reliability_of_classes, reliability_of_map

_OF_NUMBERS = ("transform", "coverage of intervals")  # settings that classes have no use for


def write_class_report(path: str, assessment: ClassAssessment) -> None:
    """Writes one HTML file that needs nothing else; names of classes and fields are escaped."""
    frame = map_frame(assessment.coordinates, assessment.crs_name)
    folds = assessment.folds
    write_page(
        path,
        "class_report",
        title=words.title(assessment),
        facts=[f"{len(assessment.classes)} classes", *facts_of(assessment, frame.unit)],
        predictor_sentence=words.predictor_of_classes(assessment),
        verdict=VerdictBox(
            heading=sentence_case(assessment.target.label),
            text=assessment.verdict.text,
            numbers=words.worth_in_words(assessment),
            outcome=assessment.verdict.outcome,
        ),
        doubts_sentence=words.doubts_in_words(assessment),
        folds_sentence=folds.sentence,
        validation_sentence=validation_sentence(assessment),
        overlap_sentence=overlap_sentence(folds.overlap_percent),
        overlap_is_high=folds.overlap_percent > HIGH_OVERLAP,
        folds_figure=_folds_figure(assessment, frame),
        columns=CLASS_COLUMNS,
        groups=[_score_group(assessment)],
        of_class_columns=("Class", *OF_CLASS_COLUMNS),
        of_class_rows=of_class_rows(assessment),
        few=words.FEW,
        confusion_figure=_confusion_figure(assessment),
        reliability_figure=_reliability_figure(assessment),
        map_figure=_map_figure(assessment, frame),
        difference_columns=DIFFERENCE_COLUMNS,
        difference_groups=[class_difference_group(assessment)],
        other_folds=OTHER_KINDS.get(folds.other_kind, ""),
        fold_spans=CLASS_FOLD_SPANS,
        fold_columns=class_fold_columns(assessment),
        fold_groups=class_fold_groups(assessment),
        other_folds_sentence=words.other_folds_in_words(assessment),
        loss_figure=loss_figure(assessment),
        notes=assessment.notes,
        settings={name: value for name, value in assessment.settings.items() if name not in _OF_NUMBERS},
        versions=assessment.versions,
        software=software(assessment),
        methods_sentence=words.methods_sentence(assessment),
        references=class_references(assessment),
    )


def _score_group(assessment: ClassAssessment) -> object:
    return class_score_group(
        sentence_case(assessment.target.label),
        {name: method.scores for name, method in assessment.methods.items()},
        assessment.predictor,
        {name: method.fold_scores for name, method in assessment.methods.items()},
    )


def _panels(assessment: ClassAssessment) -> list[tuple[str, str, ClassHeldOut]]:
    """The map's predictor, and the better forest beside it: name, colour, predictions."""
    named = ((assessment.predictor, NETWORK_COLOUR), (assessment.verdict.rival, FOREST_COLOUR))
    return [(sentence_case(CLASS_NAMES[name]), colour, assessment.methods[name]) for name, colour in named]


def _folds_figure(assessment: ClassAssessment, frame: MapFrame) -> CaptionedFigure:
    rest = len(assessment.classes) - MOST_IN_LEGEND
    few = f" The legend names the {MOST_IN_LEGEND} most frequent classes; {rest} more are drawn." if rest > 0 else ""
    return CaptionedFigure(
        draw_folds_and_classes(
            "folds", assessment.coordinates, assessment.fold, assessment.observed, assessment.classes, frame
        ),
        f"Observations by fold, and the observed classes in the colours of the map ({assessment.crs_name}). Each fold"
        f" was predicted by networks and forests that were trained on the other folds.{few}",
    )


def _confusion_figure(assessment: ClassAssessment) -> CaptionedFigure:
    matrix = confusion(assessment.observed, assessment.map_method.predicted, len(assessment.classes))
    return CaptionedFigure(
        draw_confusion("confusion", assessment.classes, matrix),
        "Confusion matrix of the map’s predictor: how many held-out observations of the class of the row were predicted"
        " as the class of the column. Right ones lie on the diagonal. Colours are shares of the row: along a row stands"
        " what an observed class was taken for.",
    )


def _reliability_figure(assessment: ClassAssessment) -> CaptionedFigure:
    lines = [
        (
            name,
            colour,
            reliability_of_map(assessment.observed, method.probabilities),
            reliability_of_classes(assessment.observed, method.probabilities),
        )
        for name, colour, method in _panels(assessment)
    ]
    return CaptionedFigure(
        draw_reliability("reliability", lines),
        f"Whether the probabilities hold. {words.reliability_in_words(assessment)} Left: the probability of the class"
        " that the map shows; of the observations whose class was given 70 %, 70 % should be right. Right: the"
        " probabilities of all classes together. A point below the dashed line means that the map is surer than it"
        " should be. Bars are what chance leaves open (95 %); the grey columns say how often a probability occurs.",
    )


def _map_figure(assessment: ClassAssessment, frame: MapFrame) -> CaptionedFigure:
    panels = [(name, method.predicted == assessment.observed) for name, _, method in _panels(assessment)]
    return CaptionedFigure(
        draw_right_and_wrong("right-and-wrong", assessment.coordinates, frame, panels),
        "Where the class of a held-out observation was predicted right, and where wrong. Where wrong ones gather,"
        " something that varies in space is not explained yet.",
    )
