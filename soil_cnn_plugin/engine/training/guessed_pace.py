"""The stages of a training, and guesses of the time that each takes: progress rests on them until one is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch

from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.assessment.methods import FOREST, FOREST_CONTEXT, FORESTS, PROCESS
from soil_cnn_plugin.engine.forests.forest import growing_seconds
from soil_cnn_plugin.engine.kriging.fitted_process import MOST_SUPPORTS
from soil_cnn_plugin.engine.machine.threads import at_once
from soil_cnn_plugin.engine.machine.torchrun import process_count
from soil_cnn_plugin.engine.networks.focal import context_count
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.networks.ring import RingNetwork
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.pace import FitsProgress, Pace, last_to_end
from soil_cnn_plugin.engine.training.plan import Plan

_READING = "reading"
_SECONDS_A_NUMBER = 1e-7  # to read and encode one of a patch
_SECONDS_A_ROW_OF_A_STEP = {RingNetwork.NAME: 1.3e-5, PadarianNetwork.NAME: 6e-5}  # that a member takes
_STEPS_TO_LEARN = 3000  # after which a network of many observations seldom becomes better
_STEPS_OF_FEW = 10  # the same of fewer, times the root of their number
_SECONDS_OF_PROCESS, _SECONDS_A_ROW = 4.0, 1.2e-4  # that a Gaussian process of one column takes, with all supports
_SECONDS_AFTER, _SECONDS_AFTER_A_ROW = 8.0, 1e-4


def seconds_after(rows: int) -> float:
    """Guess what scores, report and files take after all fits."""
    return _SECONDS_AFTER + _SECONDS_AFTER_A_ROW * rows


def stages_of(plans: Sequence[Plan], forests: Sequence[str]) -> tuple[str, ...]:
    """The stages of a fit in their order: each network, each of the forests, and beside the forest with context a
    Gaussian process."""
    networks = [plan.shape.name for plan in plans]
    return (*networks, *forests, *([PROCESS] if FOREST_CONTEXT in forests else []))


def guess_pace(plans: Sequence[Plan], rows: int, columns: int, channels: int) -> Pace:
    """Guess what stages take with so many observations, columns to learn and channels of covariates, and the share of
    their steps after which networks end."""
    patch_size = max(plan.shape.patch_size for plan in plans)
    features = {FOREST: channels, FOREST_CONTEXT: context_count(channels, channels, patch_size)}
    seconds = {name: columns * growing_seconds(rows, width) for name, width in features.items()}
    of_process = _SECONDS_OF_PROCESS * min(1.0, rows / MOST_SUPPORTS) + _SECONDS_A_ROW * rows
    seconds[PROCESS] = columns * of_process
    seconds[_READING] = _SECONDS_A_NUMBER * rows * channels * patch_size**2
    trained, used = rows * (INNER_FOLDS - 1) // INNER_FOLDS, {}
    for plan in plans:
        name, settings = plan.shape.name, plan.fit_settings(trained, 0)
        best = min(_STEPS_TO_LEARN, _STEPS_OF_FEW * math.sqrt(rows))
        steps = min(settings.steps, best + settings.patience * settings.evaluate_every)
        used[name] = steps / settings.steps
        seconds[name] = steps * min(settings.batch_size, trained) * plan.shape.members * _SECONDS_A_ROW_OF_A_STEP[name]
    return Pace(seconds, used)


def progress_of_reading(
    plans: Sequence[Plan], rows: int, columns: int, channels: int, trainings: int, device: torch.device, report: Report
) -> Callable[[float], None]:
    """What gets the share of the patches that is read, and reports the share of the time of the whole run, of which
    so many `trainings` follow."""
    own, pace = -(-trainings // process_count()), guess_pace(plans, rows, columns, channels)
    a_fit = sum(pace.seconds(stage) for stage in stages_of(plans, FORESTS))
    after = last_to_end([a_fit] * own, at_once(own, device)) + seconds_after(rows)
    reading = FitsProgress(pace, 1, report.progress, report.elapsed, after).add((_READING,))
    return partial(reading.tell, _READING)
