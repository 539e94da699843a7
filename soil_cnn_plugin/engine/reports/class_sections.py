"""What targets that are classes add to the held-out report: verdicts, scores, each class, probabilities, maps."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.comparison import differences
from soil_cnn_plugin.engine.assessment.methods import CLASS_METHODS, CLASS_NAMES
from soil_cnn_plugin.engine.reports.class_tables import (
    CLASS_COLUMNS,
    FEW_OF_CLASS,
    NO_INTERVALS,
    OF_CLASS_COLUMNS,
    class_folds_in_words,
    class_score_group,
    class_worth_in_words,
    doubts_in_words,
    of_class_rows,
    predictor_of_classes,
    reliability_in_words,
)
from soil_cnn_plugin.engine.reports.drawing import FOREST_COLOUR, NETWORK_COLOUR, drawn_in_words
from soil_cnn_plugin.engine.reports.figures.class_figures import (
    MOST_IN_LEGEND,
    draw_confusion,
    draw_folds_and_classes,
    draw_reliability,
    draw_right_and_wrong,
)
from soil_cnn_plugin.engine.reports.figures.point_maps import MapFrame
from soil_cnn_plugin.engine.reports.number_words import likeness_in_words
from soil_cnn_plugin.engine.reports.score_table import (
    difference_items,
    difference_row,
    other_fold_items,
    other_folds_heading,
)
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Group,
    Item,
    Paragraph,
    ScoreGroup,
    ScoreTable,
    Section,
    Share,
    VerdictBox,
    table,
)
from soil_cnn_plugin.engine.reports.words import class_terms, fixed, percent, sentence_case
from soil_cnn_plugin.engine.targets.assessed import ClassTarget
from soil_cnn_plugin.engine.targets.class_scores import (
    ClassHeldOut,
    confusion,
    reliability_of_classes,
    reliability_of_map,
)

_SPANS = ((tr("Accuracy"), 2), (tr("Brier score"), 2), (tr("Log score"), 2))


def class_share(assessment: Assessment, frame: MapFrame) -> Share:
    """Return what classes add to the held-out report. Headings name the target if several targets are classes."""
    targets, predictor, other_kind = assessment.classes, assessment.predictor, assessment.folds.other_kind
    return Share(
        facts=[tr("{} classes").format(len(target.classes)) for target in targets],
        predictor=[Paragraph(predictor_of_classes(predictor))],
        verdicts=[item for target in targets for item in _verdict(target, predictor)],
        maps=[_folds_figure(index, target, assessment, frame) for index, target in enumerate(targets)],
        accuracy=[
            ScoreTable(
                CLASS_COLUMNS,
                [_score_group(target, predictor) for target in targets],
                tr(
                    "Scores of held-out observations. Below accuracy and Brier score are the lowest and the highest"
                    " of the folds. A dot marks the best of each column, bold type the method of the map."
                ),
            )
        ],
        sections=[
            section
            for index, target in enumerate(targets)
            for section in _target_sections(index, target, assessment, frame)
        ],
        differences=difference_items(
            tr("Brier scores"), tr("Brier score"), "", [_differences(each, predictor) for each in targets]
        ),
        other_folds=[item for target in targets for item in _other_folds(target, predictor, other_kind)],
        terms=class_terms(),
    )


def _verdict(target: ClassTarget, predictor: str) -> list[Item]:
    worth = Paragraph(class_worth_in_words(target, predictor))
    items = [worth, Paragraph(target.verdict.text, "numbers")]
    box = VerdictBox(sentence_case(target.soil_property.label), items, target.verdict.outcome)
    doubts = doubts_in_words(target, predictor)
    return [box, *([Paragraph(doubts, "caution")] if doubts else [])]


def _score_group(target: ClassTarget, predictor: str) -> ScoreGroup:
    return class_score_group(
        sentence_case(target.soil_property.label),
        {name: method.scores for name, method in target.methods.items()},
        predictor,
        {name: method.fold_scores for name, method in target.methods.items()},
    )


def _target_sections(index: int, target: ClassTarget, assessment: Assessment, frame: MapFrame) -> list[Section]:
    predictor = assessment.predictor
    whose = f": {target.soil_property.title}" if len(assessment.classes) > 1 else ""
    of_each = table(
        (tr("Class"), *OF_CLASS_COLUMNS),
        of_class_rows(
            target.classes, confusion(target.observed, target.methods[predictor].predicted, len(target.classes))
        ),
        tr(
            "Each class under the map’s predictor, held out: how many observations belong to it, how many were"
            " predicted as it, its purity and its representation, and the class that its observations were most"
            " often taken for. An asterisk marks numbers below {}: the shares beside them say little."
        ).format(FEW_OF_CLASS),
    )
    without = Paragraph(
        tr("{} Assess map gives intervals, from an independent random sample.").format(NO_INTERVALS), "small"
    )
    content: list[tuple[str, str, list[Item]]] = [
        (
            "which-classes",
            tr("Which classes are right"),
            [of_each, without, _confusion_figure(index, target, predictor)],
        ),
        ("probabilities", tr("Do the probabilities hold?"), [_reliability_figure(index, target, predictor)]),
        ("right-and-wrong", tr("Where the map is right"), [_map_figure(index, target, assessment, frame)]),
    ]
    return [Section(f"{anchor}-{index}", f"{heading}{whose}", items) for anchor, heading, items in content]


def _differences(target: ClassTarget, predictor: str) -> Group:
    found = differences(target.methods, predictor)
    rows = [difference_row(item, 4, target.verdict.claims, CLASS_NAMES) for item in found]
    return Group(sentence_case(target.soil_property.label), rows)


def _other_folds(target: ClassTarget, predictor: str, other_kind: str) -> list[Item]:
    rows = []
    for name in CLASS_METHODS:
        if name in target.methods and name in target.other_methods:
            pair = target.methods[name].scores, target.other_methods[name].scores
            rows.append(
                (
                    sentence_case(CLASS_NAMES[name]),
                    *(percent(each.accuracy, 1) for each in pair),
                    *(fixed(each.brier, 3) for each in pair),
                    *(fixed(each.log_score, 3) for each in pair),
                )
            )
    columns = (tr("Chosen"), other_folds_heading(other_kind)) * 3
    groups = [Group(sentence_case(target.soil_property.label), rows)] if rows else []
    sentence = class_folds_in_words(target, predictor, other_kind)
    return other_fold_items(sentence, other_kind, columns, _SPANS, groups)


def _panels(target: ClassTarget, predictor: str) -> list[tuple[str, str, ClassHeldOut]]:
    """Return the name, colour and predictions of the map's predictor and of the better forest beside it."""
    named = ((predictor, NETWORK_COLOUR), (target.verdict.rival, FOREST_COLOUR))
    return [(sentence_case(CLASS_NAMES[name]), colour, target.methods[name]) for name, colour in named]


def _folds_figure(index: int, target: ClassTarget, assessment: Assessment, frame: MapFrame) -> CaptionedFigure:
    rest = len(target.classes) - MOST_IN_LEGEND
    few = (
        tr(" The legend names the {} most frequent classes; {} more are drawn.").format(MOST_IN_LEGEND, rest)
        if rest > 0
        else ""
    )
    return CaptionedFigure(
        draw_folds_and_classes(
            f"class-folds-{index}",
            assessment.coordinates[target.rows],
            target.fold,
            target.observed,
            target.classes,
            frame,
        ),
        tr(
            "Observations by fold, and the observed classes in the colours of the map ({}). Each fold was"
            " predicted by networks and forests that were trained on the other folds.{}"
        ).format(assessment.crs_name, few + drawn_in_words(len(target.rows))),
    )


def _confusion_figure(index: int, target: ClassTarget, predictor: str) -> CaptionedFigure:
    matrix = confusion(target.observed, target.methods[predictor].predicted, len(target.classes))
    return CaptionedFigure(
        draw_confusion(f"confusion-{index}", target.classes, matrix),
        tr(
            "Confusion matrix of the map’s predictor: how many held-out observations of the class of the row"
            " were predicted as the class of the column. Right ones lie on the diagonal. Colours are shares of"
            " the row: each row shows what an observed class was taken for."
        ),
    )


def _reliability_figure(index: int, target: ClassTarget, predictor: str) -> CaptionedFigure:
    lines = [
        (
            name,
            colour,
            reliability_of_map(target.observed, method.probabilities),
            reliability_of_classes(target.observed, method.probabilities),
        )
        for name, colour, method in _panels(target, predictor)
    ]
    return CaptionedFigure(
        draw_reliability(f"reliability-{index}", lines),
        tr(
            "Whether the probabilities hold. {} Left: the probability of the class that the map shows; of the"
            " observations whose class was given 70 %, 70 % should be right. Right: the probabilities of all"
            " classes together. A point below the dashed line means that the map is surer than it should be."
            " Bars are what chance leaves open (95 %) if observations are independent; the grey columns say how"
            " often a probability occurs."
        ).format(reliability_in_words(target, predictor)),
    )


def _map_figure(index: int, target: ClassTarget, assessment: Assessment, frame: MapFrame) -> CaptionedFigure:
    panels = [(name, method.predicted == target.observed) for name, _, method in _panels(target, assessment.predictor)]
    return CaptionedFigure(
        draw_right_and_wrong(f"right-and-wrong-{index}", assessment.coordinates[target.rows], frame, panels),
        tr(
            "Where the class of a held-out observation was predicted right, and where wrong. Where wrong ones"
            " gather, something that varies in space is not explained yet.{}"
        ).format(
            drawn_in_words(len(target.rows))
            + likeness_in_words(assessment.likeness(target), "m", tr("missing probabilities of the observed classes"))
        ),
    )
