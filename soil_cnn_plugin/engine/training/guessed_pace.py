"""The stages of a fit, and guesses of the time that each takes: progress rests on them until a fit has gone through."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.assessment.methods import FOREST_CONTEXT, PROCESS
from soil_cnn_plugin.engine.forests.forest import growing_seconds
from soil_cnn_plugin.engine.kriging.fitted_process import MOST_SUPPORTS
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.pace import Pace

_STEPS_TO_LEARN = 3000  # after which a network of many observations seldom becomes better
_SECONDS_OF_PROCESS, _SECONDS_A_ROW = 4.0, 1.2e-4  # that a Gaussian process of one column takes, with all supports
_SECONDS_AFTER, _SECONDS_AFTER_A_ROW = 5.0, 1e-4


def seconds_after(design: Design) -> float:
    """Guess what scores, report and files take after all fits."""
    return _SECONDS_AFTER + _SECONDS_AFTER_A_ROW * len(design.fold)


def stages_of(design: Design, forests: Sequence[str]) -> tuple[str, ...]:
    """The stages of a fit in their order: each network, each of the forests, and beside the forest with context a
    Gaussian process."""
    networks = [plan.shape.name for plan in design.plans]
    return (*networks, *forests, *([PROCESS] if FOREST_CONTEXT in forests else []))


def guess_pace(design: Design) -> Pace:
    """Guess what stages take after the networks, of which no step is like another's on another computer, and the share
    of their steps after which the networks of many observations end."""
    rows, columns = len(design.fold), sum(len(kind.targets) for kind in design.kinds)
    seconds = {name: growing_seconds(rows, design.data.features(name).shape[1]) for name in design.forests}
    seconds[PROCESS] = _SECONDS_OF_PROCESS * min(1.0, rows / MOST_SUPPORTS) + _SECONDS_A_ROW * rows
    trained, used = rows * (INNER_FOLDS - 1) // INNER_FOLDS, {}
    for plan in design.plans:
        settings = plan.fit_settings(trained, design.seed)
        steps = _STEPS_TO_LEARN + settings.patience * settings.evaluate_every
        used[plan.shape.name] = min(1.0, steps / settings.steps)
    return Pace({stage: columns * each for stage, each in seconds.items()}, used)
