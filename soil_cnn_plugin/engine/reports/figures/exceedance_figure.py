"""The figure of exceedance: predicted probabilities of exceeding a threshold against how often that came true."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import TargetAssessment
from soil_cnn_plugin.engine.assessment.comparison import SIGNIFICANT
from soil_cnn_plugin.engine.assessment.exceedance import Exceedance, unchecked
from soil_cnn_plugin.engine.reports.drawing import draw
from soil_cnn_plugin.engine.reports.figures.class_figures import paint_reliability
from soil_cnn_plugin.engine.reports.numerals import fixed, percent

MOST_PANELS = 4
Line = tuple[str, str, list[Exceedance]]
"""Title and colour of a method, and what was found of each threshold."""


def draw_exceedance(name: str, soil_property: SoilProperty, lines: Sequence[Line]) -> str:
    """One panel a threshold, at most four."""
    shown = range(min(MOST_PANELS, len(lines[0][2])))

    def paint(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        for index, axes in zip(shown, all_axes):
            paint_reliability(axes, [(title, colour, found[index].reliability) for title, colour, found in lines])
            axes.set_title(lines[0][2][index].threshold.words(soil_property))
        all_axes[0].set_ylabel("Share that came true")
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    return draw(name, min(9.2, 0.6 + 4.3 * len(shown)), 4.1, paint)


def exceedance_in_words(target: TargetAssessment, found: Sequence[Exceedance]) -> str:
    """Sentences on the map's predictor."""
    soil_property = target.soil_property
    sentences = [_check_in_words(each, soil_property) for each in found]
    for threshold in unchecked(target):
        sentences.append(
            f"{threshold.words(soil_property)} cannot be checked: all observations have a detection limit above it."
        )
    return " ".join(sentences)


def _check_in_words(found: Exceedance, soil_property: SoilProperty) -> str:
    name = found.threshold.words(soil_property)
    of = f"{found.n} observations"
    if found.unknown:
        of += f" ({found.unknown} more have a detection limit above the threshold and cannot tell)"
    if found.skill is None or found.p is None:
        count = "None" if found.share == 0 else "All"
        return (
            f"{name} came true at {count.lower()} of {of}: beyond what was observed nothing shows whether its"
            f" probabilities, {percent(found.expected, 1)} on average, hold."
        )
    compared = "better" if found.skill >= 0 else "worse"
    judged = "as far apart as chance leaves them" if found.p >= SIGNIFICANT else "farther apart than chance leaves them"
    return (
        f"{name} came true at {percent(found.share, 1)} of {of}; its probability was {percent(found.expected, 1)} on"
        f" average. Brier score {fixed(found.brier, 3)}, {fixed(abs(100 * found.skill), 0)} % {compared} than always"
        f" giving that share; probabilities and what came true are {judged} (p = {fixed(found.p, 2)})."
    )
