"""How good a map is, in one sentence that a person who has never heard of scores understands."""

from __future__ import annotations

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.metrics import Scores


def accuracy_sentence(target: SoilProperty, scores: Scores | ClassScores, coverage: float) -> str:
    """Say what held-out observations tell of the map of a target; `coverage` is that of its limits."""
    if isinstance(scores, ClassScores):
        beyond = "" if scores.kappa is None else f" (kappa {scores.kappa:.2f})"
        return f"{target.title}: the most probable class is right at {_percent(scores.accuracy)} of places{beyond}."
    return (
        f"{target.title}: the map {_explained(scores.mec)}; typical error {_with_unit(scores.rmse, target.unit)};"
        f" the {_percent(coverage)} limits hold {_percent(scores.picp)} of measured values."
    )


def _explained(mec: float | None) -> str:
    if mec is None:
        return "cannot be judged, because the observations do not vary"
    if mec <= 0:
        return "explains nothing: the mean of the observations would be as good"
    return f"explains {_percent(mec)} of the variation"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _with_unit(value: float, unit: str) -> str:
    """Three significant digits, never as a power of ten: 226 mg/kg."""
    return f"{float(f'{value:.3g}'):.12g} {unit}".strip()
