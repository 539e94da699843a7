"""Progress of fits whose networks and forests take shares of time that nobody knows beforehand."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.engine.training import pace
from soil_cnn_plugin.engine.training.pace import FitProgress, Pace


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def run_fit(shared: Pace, clock: Clock, networks: float, rest: float, used: float) -> list[tuple[float, float]]:
    """A fit whose networks end after `used` of the steps foreseen; (true share, told share) as time goes by."""
    told: list[tuple[float, float]] = []
    began = clock.now
    progress = FitProgress(lambda share: told.append(((clock.now - began) / (networks + rest), share)), shared)
    progress.start()
    for part in range(1, 11):
        clock.now += networks / 10
        progress.networks(used * part / 10)
    progress.turn()
    for part in range(1, 11):
        clock.now += rest / 10
        progress.rest(part / 10)
    progress.end()
    return told


def farthest(told: list[tuple[float, float]]) -> float:
    return max(max(share / true, true / share) for true, share in told if true > 0.05)


@pytest.mark.parametrize(("networks", "rest"), [(10.0, 90.0), (50.0, 50.0), (95.0, 5.0)])
def test_finished_fits_tell_how_those_to_come_go_on(clock: Clock, networks: float, rest: float) -> None:
    shared = Pace(seconds_of_rest=1.0)
    run_fit(shared, clock, networks, rest, used=0.3)
    told = run_fit(shared, clock, networks, rest, used=0.3)
    assert farthest(told) < 1.05
    assert told[-1] == (pytest.approx(1.0), 1.0)


@pytest.mark.parametrize("networks", [10.0, 50.0, 200.0])
def test_a_first_fit_is_told_by_the_guesses(clock: Clock, networks: float) -> None:
    told = run_fit(Pace(seconds_of_rest=100.0, share_of_steps=0.25), clock, networks, rest=100.0, used=0.25)
    assert farthest(told) < 1.05


def test_progress_never_goes_back(clock: Clock) -> None:
    told = run_fit(Pace(seconds_of_rest=1000.0, share_of_steps=0.1), clock, networks=50.0, rest=20.0, used=1.0)
    shares = [share for _, share in told]
    assert shares == sorted(shares) and max(shares) == 1.0


def test_a_fit_that_was_read_from_checkpoints_tells_nothing_of_those_to_come(clock: Clock) -> None:
    shared = Pace(seconds_of_rest=10.0)
    read = FitProgress(pace=shared)
    read.start()
    read.turn()
    clock.now += 5.0
    read.end()
    assert farthest(run_fit(shared, clock, 10.0, 10.0, 1.0)) < 1.5
