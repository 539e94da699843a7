"""How good a map is, in one sentence that a person who has never heard of scores understands."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.metrics import Scores


def accuracy_sentence(target: SoilProperty, scores: Scores | ClassScores, coverage: float) -> str:
    """Say what held-out observations tell of the map of a target; `coverage` is that of its limits."""
    if isinstance(scores, ClassScores):
        beyond = "" if scores.kappa is None else tr(" (kappa {:.2f})").format(scores.kappa)
        return tr("{}: the most probable class is right at {} of places{}.").format(
            target.title, _percent(scores.accuracy), beyond
        )
    return tr("{}: the map {}; typical error {}; the {} limits hold {} of measured values.").format(
        target.title,
        _explained(scores.mec),
        _with_unit(scores.rmse, target.unit),
        _percent(coverage),
        _percent(scores.picp),
    )


def _explained(mec: float | None) -> str:
    if mec is None:
        return tr("cannot be judged, because the observations do not vary")
    if mec <= 0:
        return tr("explains nothing: the mean of the observations would be as good")
    return tr("explains {} of the variation").format(_percent(mec))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _with_unit(value: float, unit: str) -> str:
    """Three significant digits, never as a power of ten: 226 mg/kg."""
    digits = localized(f"{float(f'{value:.3g}'):.12g}")
    return f"{digits} {unit}".strip()
