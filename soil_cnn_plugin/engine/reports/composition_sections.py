"""The sections of a report about parts of a whole, and the triangle of texture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import METHODS, NAMES
from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, QUIET, RASTER_ABOVE, draw
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure, Group, Paragraph, Section, Share, Table
from soil_cnn_plugin.engine.reports.words import by_depth, fixed, percent, sentence_case
from soil_cnn_plugin.engine.targets.compositions import CompositionAssessment
from soil_cnn_plugin.engine.targets.texture import BORDERS, TEXTURE_CLASSES, USDA, lattice, texture_class

_HEIGHT = np.sqrt(3) / 2
TEXTURE_CODES = {  # as FAO (2006) abbreviates them
    "sand": "S",
    "loamy sand": "LS",
    "sandy loam": "SL",
    "loam": "L",
    "silt loam": "SiL",
    "silt": "Si",
    "sandy clay loam": "SCL",
    "clay loam": "CL",
    "silty clay loam": "SiCL",
    "sandy clay": "SC",
    "silty clay": "SiC",
    "clay": "C",
}
TEXTURE_NAMES = {
    "sand": tr("sand"),
    "loamy sand": tr("loamy sand"),
    "sandy loam": tr("sandy loam"),
    "loam": tr("loam"),
    "silt loam": tr("silt loam"),
    "silt": tr("silt"),
    "sandy clay loam": tr("sandy clay loam"),
    "clay loam": tr("clay loam"),
    "silty clay loam": tr("silty clay loam"),
    "sandy clay": tr("sandy clay"),
    "silty clay": tr("silty clay"),
    "clay": tr("clay"),
}
"""Texture class -> its name in the user's language."""
_OBSERVED_COLOUR = "#4b5563"
_CELL = 0.5  # percent; points that are nearer to each other are drawn as one


def composition_share(assessment: Assessment) -> Share:
    compositions = compositions_by_depth(assessment)
    scores = Table(
        (tr("Method"), *composition_columns(compositions)),
        composition_groups(compositions),
        tr("Scores of whole compositions of held-out observations."),
    )
    figures = composition_figures(assessment, compositions)
    items = [Paragraph(composition_words(compositions)), scores, *figures]
    return Share(sections=[Section("parts-of-a-whole", tr("Parts of a whole"), items)])


def compositions_by_depth(assessment: Assessment) -> list[CompositionAssessment]:
    """Return the compositions from the top of the soil down."""
    return by_depth(assessment.compositions, lambda composition: composition.parts[0])


def composition_columns(compositions: Sequence[CompositionAssessment]) -> tuple[str, ...]:
    of_texture = (tr("Right texture class"), tr("Right class or next to it"))
    return ("n", tr("Aitchison distance"), *(of_texture if any(each.texture for each in compositions) else ()))


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
    title = (
        tr("{}, at {} depths,").format(all_of(first.names), len(compositions))
        if others and first.has_depth
        else first.title
    )
    text = tr(
        "{} are parts of a whole. They were closed to sum to it, learned together as isometric log-ratios,"
        " and predicted so that they are positive and sum to it at every pixel. The Aitchison distance"
        " measures the error of a whole composition by the ratios of its parts: 1 instead of 2 % of clay is"
        " as wrong as 20 instead of 40 %. 0 is best."
    ).format(sentence_case(title))
    if any(composition.texture for composition in compositions):
        text += tr(
            " The texture class is that of the USDA at the predicted means; next to the right class lie"
            " those that share a border with it in the triangle."
        )
    return text


def composition_figures(assessment: Assessment, compositions: Sequence[CompositionAssessment]) -> list[CaptionedFigure]:
    figures = []
    for index, composition in enumerate(each for each in compositions if has_triangle(each)):
        name = NAMES[assessment.predictor]
        caption = tr(
            "Observed {}, and what the {} predicted for the same observations without having seen them."
            " Predictions lie closer together, because they are means of what is possible: the map shows"
            " fewer extremes than the soil has. Larger points stand for several observations."
        ).format(composition.title, name)
        if composition.texture and not index:
            classes = ", ".join(f"{code} {TEXTURE_NAMES[each]}" for each, code in TEXTURE_CODES.items())
            caption += tr(" Borders and classes are those of the USDA: {}.").format(classes)
        figures.append(
            CaptionedFigure(draw_triangle(f"triangle-{index}", composition, assessment.predictor, name), caption)
        )
    return figures


def has_triangle(composition: CompositionAssessment) -> bool:
    return composition.texture is not None or len(composition.parts) == 3


def draw_triangle(name: str, composition: CompositionAssessment, method: str, title: str) -> str:
    """Draw the observed compositions, and those that `method`, called `title`, predicted."""

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        panels = (
            (left, tr("Observed"), composition.observed, _OBSERVED_COLOUR),
            (
                right,
                tr("Predicted: {}").format(title),
                composition.predicted[method],
                NETWORK_COLOUR,
            ),
        )
        for axes, heading, values, colour in panels:
            _paint_frame(axes, _corners(composition))
            if composition.texture:
                _paint_classes(axes)
            _paint_points(axes, _percent(composition, values), colour)
            axes.set_title(heading)

    return draw(name, 9.2, 4.2, paint)


def place(first: Array, top: Array) -> tuple[Array, Array]:
    """Return x and y of percentages of the part on the left and the part on top, in a triangle with sides of 100."""
    return 100 - first - top / 2, top * _HEIGHT


def _corners(composition: CompositionAssessment) -> tuple[str, str, str]:
    """Return the names of the parts on the left, on the right and on top."""
    if composition.texture:
        return tr("Sand"), tr("Silt"), tr("Clay")
    left, right, top = map(sentence_case, composition.names)
    return left, right, top


def _percent(composition: CompositionAssessment, values: Array) -> Array:
    """Return (3, n) percentages of (n, D) values, in the order of the corners."""
    if composition.texture:
        return composition.texture.fine_earth(values.T)
    percent: Array = 100 * values.T / values.sum(axis=1)
    return percent


def _paint_frame(axes: Axes, corners: tuple[str, str, str]) -> None:
    axes.set(xlim=(-13, 113), ylim=(-11, 96), aspect="equal")
    axes.axis("off")
    for share in range(20, 100, 20):
        # Lines along which the part of one corner is the same, each with its number where the line ends.
        for (first, top), (other_first, other_top), offset in (
            ((share, 0), (share, 100 - share), (0, -4)),  # left part: from the bottom up to the right side
            ((0, 100 - share), (100 - share, 0), (4, 1.5)),  # right part: from the right side down
            ((100 - share, share), (0, share), (-3.5, 1.5)),  # top part: from the left side across
        ):
            x, y = place(np.array([first, other_first]), np.array([top, other_top]))
            axes.plot(x, y, color="#e6e8eb", linewidth=0.6, zorder=0)
            axes.text(x[0] + offset[0], y[0] + offset[1], str(share), color=QUIET, fontsize=7, ha="center", va="center")
    x, y = place(np.array([100, 0, 0, 100]), np.array([0, 0, 100, 0]))
    axes.plot(x, y, color="#8a9099", linewidth=0.9, zorder=1)
    for name, x_of, y_of in zip(corners, (0, 100, 50), (-9, -9, 100 * _HEIGHT + 5)):
        axes.text(x_of, y_of, f"{name} 100 %", ha="center", va="center", fontsize=8.5)


def _paint_classes(axes: Axes) -> None:
    for start, end in BORDERS[USDA]:
        x, y = place(np.array([start[0], end[0]]), np.array([start[2], end[2]]))
        axes.plot(x, y, color="#8a9099", linewidth=0.7, zorder=1)
    sand, silt, clay = lattice(1.0)
    classes = texture_class(sand, silt, clay)
    paper = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
    look: dict[str, Any] = {
        "color": "#3f454d",
        "fontsize": 7.5,
        "ha": "center",
        "va": "center",
        "zorder": 3,
        "bbox": paper,
    }
    for number, name in enumerate(TEXTURE_CLASSES[USDA], start=1):
        x, y = place(sand[classes == number].mean(), clay[classes == number].mean())
        axes.text(float(x), float(y), TEXTURE_CODES[name], **look)


def _paint_points(axes: Axes, percent: Array, colour: str) -> None:
    """Paint the compositions. Those that lie in one place, as field estimates do, are one point: the more there are,
    the larger it is."""
    cells, counts = np.unique(np.round(percent[[0, 2]] / _CELL), axis=1, return_counts=True)
    x, y = place(*(cells * _CELL))
    many = len(x) > RASTER_ABOVE
    axes.scatter(
        x,
        y,
        s=(4 if many else 10) * np.sqrt(counts),
        facecolor=colour,
        edgecolor="none" if many else "white",
        linewidth=0.3,
        alpha=0.5 if many else 0.75,
        rasterized=many,
        zorder=2,
    )
