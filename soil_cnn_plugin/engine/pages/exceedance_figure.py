"""The figure of exceedance: predicted probabilities of exceeding a threshold against how often that came true."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.exceedance import Exceedance
from soil_cnn_plugin.engine.pages.class_figures import paint_reliability
from soil_cnn_plugin.engine.pages.drawing import draw
from soil_cnn_plugin.engine.pages.numerals import fixed, percent

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


def _skill_in_words(skill: float) -> str:
    return f"{fixed(abs(100 * skill), 0)} % {'better' if skill >= 0 else 'worse'}"


def exceedance_in_words(soil_property: SoilProperty, found: Sequence[Exceedance]) -> str:
    """Sentences on the map's predictor."""
    sentences = []
    for each in found:
        words = f"{each.threshold.words(soil_property)} came true at {percent(each.share)} of {each.n} observations"
        if each.skill is None:
            words += ", so that nothing can be said of its probabilities"
        else:
            words += (
                f"; Brier score {fixed(each.brier, 3)}, {_skill_in_words(each.skill)} than always giving that share"
            )
        if each.unknown:
            words += f" ({each.unknown} more lie below a detection limit above the threshold and cannot tell)"
        sentences.append(f"{words}.")
    return " ".join(sentences)
