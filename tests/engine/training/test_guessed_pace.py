"""What a training is guessed to take, and what is told of it while patches are read."""

from __future__ import annotations

import pytest
import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.methods import FORESTS
from soil_cnn_plugin.engine.machine.threads import at_once
from soil_cnn_plugin.engine.training.guessed_pace import guess_pace, progress_of_reading, seconds_after, stages_of
from soil_cnn_plugin.engine.training.pace import FitsProgress, last_to_end
from soil_cnn_plugin.engine.training.plan import make_plans
from tests.engine.landscape import Log
from tests.engine.training.conftest import Clock

CPU, ROWS, TRAININGS = torch.device("cpu"), 1_000_000, 11
BOTH = make_plans(TrainNetwork("", ""), 15, ROWS)


@pytest.mark.parametrize("whole", [60.0, 240.0, 2400.0])
def test_reading_is_told_by_its_share_of_the_whole(clock: Clock, monkeypatch: pytest.MonkeyPatch, whole: float) -> None:
    shares: list[float] = []
    monkeypatch.setattr(log := Log(), "progress", shares.append)
    tell = progress_of_reading(BOTH, ROWS, 1, 10, TRAININGS, CPU, log)
    for part in range(101):
        clock.now = part / 100 * whole
        tell(part / 100)
    guessed = guess_pace(BOTH, ROWS, 1, 10)
    fits = [sum(guessed.seconds(stage) for stage in stages_of(BOTH, FORESTS))] * TRAININGS
    expected = whole + last_to_end(fits, at_once(TRAININGS, CPU)) + seconds_after(ROWS)
    assert shares[49] == pytest.approx(whole / 2 / expected, rel=0.01)
    assert shares[-1] == pytest.approx(whole / expected, rel=0.01)
    assert shares[0] < 0.01


def test_two_networks_are_told_from_their_guesses_before_either_has_begun(clock: Clock) -> None:
    told: list[float] = []
    progress = FitsProgress(guess_pace(BOTH, 500, 1, 10), 2, told.append)
    fit, *_ = (progress.add(stages_of(BOTH, FORESTS)) for _ in range(TRAININGS))
    clock.now = 1.0
    fit.tell("ring", 0.0)
    assert len(told) == 1 and 0.005 < told[0] < 0.05


def test_more_observations_are_guessed_to_take_longer_in_every_stage() -> None:
    few, many = (guess_pace(BOTH, rows, 1, 10) for rows in (500, 50_000))
    assert all(0 < few.seconds(stage) < many.seconds(stage) for stage in stages_of(BOTH, FORESTS))
