"""What compositions add to the held-out report: their scores as a whole, and the triangle."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import METHODS, NAMES
from soil_cnn_plugin.engine.reports.figures.triangle_figure import TEXTURE_CODES, draw_triangle, has_triangle
from soil_cnn_plugin.engine.reports.numerals import fixed, percent
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure, Group, Paragraph, Section, Share, Table
from soil_cnn_plugin.engine.reports.words import by_depth, enumerated, sentence_case
from soil_cnn_plugin.engine.targets.compositions import CompositionAssessment

DISTANCE, RIGHT, NEXT = "Aitchison distance", "Right texture class", "Right class or next to it"


def composition_share(assessment: Assessment) -> Share:
    compositions = compositions_by_depth(assessment)
    scores = Table(
        ("Method", *composition_columns(compositions)),
        composition_groups(compositions),
        "Scores of whole compositions of held-out observations.",
    )
    figures = composition_figures(assessment, compositions)
    items = [Paragraph(composition_words(compositions)), scores, *figures]
    return Share(sections=[Section("parts-of-a-whole", "Parts of a whole", items)])


def compositions_by_depth(assessment: Assessment) -> list[CompositionAssessment]:
    """Return the compositions from the top of the soil down."""
    return by_depth(assessment.compositions, lambda composition: composition.parts[0])


def composition_columns(compositions: Sequence[CompositionAssessment]) -> tuple[str, ...]:
    return ("n", DISTANCE, *((RIGHT, NEXT) if any(each.texture for each in compositions) else ()))


def composition_groups(compositions: Sequence[CompositionAssessment]) -> list[Group]:
    """Return the rows of the table, one per method."""
    groups = []
    for composition in compositions:
        rows = []
        for method in [name for name in METHODS if name in composition.scores]:
            scores = composition.scores[method]
            row = [METHODS[method], str(scores.n), fixed(scores.aitchison_distance, 3)]
            if composition.texture:
                row += [percent(scores.right_class), percent(scores.right_or_next)]
            rows.append(tuple(row))
        groups.append(Group(sentence_case(composition.title), tuple(rows)))
    return groups


def composition_words(compositions: Sequence[CompositionAssessment]) -> str:
    """Say how parts of a whole are learned, and what their scores mean."""
    first, *others = compositions
    title = f"{enumerated(first.names)}, at {len(compositions)} depths," if others and first.has_depth else first.title
    text = (
        f"{sentence_case(title)} are parts of a whole. They were closed to sum to it, learned together as isometric"
        " log-ratios, and predicted so that they are positive and sum to it at every pixel. The Aitchison distance"
        " measures the error of a whole composition by the ratios of its parts: 1 instead of 2 % of clay is as wrong as"
        " 20 instead of 40 %. 0 is best."
    )
    if any(composition.texture for composition in compositions):
        text += (
            " The texture class is that of the USDA at the predicted means; next to the right class lie those that"
            " share a border with it in the triangle."
        )
    return text


def composition_figures(assessment: Assessment, compositions: Sequence[CompositionAssessment]) -> list[CaptionedFigure]:
    figures = []
    for index, composition in enumerate(each for each in compositions if has_triangle(each)):
        name = NAMES[assessment.predictor]
        caption = (
            f"Observed {composition.title}, and what the {name} predicted for the same observations without having seen"
            " them. Predictions lie closer together, because they are means of what is possible: the map shows fewer"
            " extremes than the soil has. Larger points stand for several observations."
        )
        if composition.texture and not index:
            classes = ", ".join(f"{code} {each}" for each, code in TEXTURE_CODES.items())
            caption += f" Borders and classes are those of the USDA: {classes}."
        figures.append(
            CaptionedFigure(draw_triangle(f"triangle-{index}", composition, assessment.predictor, name), caption)
        )
    return figures
