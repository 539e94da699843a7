"""Progress of fits whose stages take times that nobody knows beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import pytest

from soil_cnn_plugin.engine.training.pace import FitProgress, FitsProgress, Pace, last_to_end
from tests.engine.training.conftest import Clock

SECONDS = {"ring": 60.0, "forest_context": 60.0, "gaussian_process": 90.0, "forest": 40.0}
USED = 0.25  # of the steps foreseen, after which the network ends
TOLD = [part / 40 for part in range(1, 41)]


def steps_of(seconds: Mapping[str, float], read: Sequence[str]) -> Iterator[tuple[float, str, float]]:
    """What a fit tells as it goes on: seconds since the step before, stage and share. What was read takes no time."""
    for stage, whole in seconds.items():
        used = USED if stage == "ring" else 1.0
        yield 0.0, stage, 1.0 if stage in read else 0.0
        yield from () if stage in read else ((whole / len(TOLD), stage, used * part) for part in TOLD)


def run_fits(
    clock: Clock,
    fits: Sequence[Mapping[str, float]],
    at_once: int,
    shared: Pace,
    read: Mapping[int, Sequence[str]] = {},
) -> list[tuple[float, float]]:
    """Run fits that take so many seconds in their stages; return true and told shares of the time of all."""
    told: list[tuple[float, float]] = []
    clock.now = 1000.0  # nothing counts from 0
    progress = FitsProgress(shared, at_once, lambda share: told.append((clock.now, share)))
    unlike = [{stage: each * (1 + number / 500) for stage, each in fit.items()} for number, fit in enumerate(fits)]
    waiting = [(progress.add(tuple(fit)), steps_of(fit, read.get(number, ()))) for number, fit in enumerate(unlike)]
    running: list[tuple[float, str, float, FitProgress, Iterator[tuple[float, str, float]]]] = []
    while waiting or running:
        while waiting and len(running) < at_once:
            fit, steps = waiting.pop(0)
            wait, stage, share = next(steps)
            running.append((clock.now + wait, stage, share, fit, steps))
        clock.now, stage, share, fit, steps = running.pop(min(range(len(running)), key=lambda each: running[each][0]))
        fit.tell(stage, share)
        wait, stage, share = next(steps, (0.0, "", 0.0))
        if stage:
            running.append((clock.now + wait, stage, share, fit, steps))
        else:
            fit.end()
    whole, shares = clock.now - 1000.0, accumulate((share for _, share in told), max)  # as a report tells them
    return [((now - 1000.0) / whole, share) for (now, _), share in zip(told, shares)]


def farthest(told: Sequence[tuple[float, float]], edge: float = 0.05) -> float:
    """The largest factor between told and true shares, of the time that has passed or that is left."""
    factors = [
        factor
        for true, share in told
        if edge < true < 1 - edge
        for factor in (
            share / true,
            true / max(share, 1e-9),
            (1 - share) / (1 - true),
            (1 - true) / max(1 - share, 1e-9),
        )
    ]
    return max(factors)


@pytest.mark.parametrize(("count", "at_once"), [(11, 2), (1, 2), (2, 2), (3, 2), (11, 1), (11, 8), (6, 4)])
def test_a_last_fit_that_runs_alone_counts_for_its_time(clock: Clock, count: int, at_once: int) -> None:
    told = run_fits(clock, [SECONDS] * count, at_once, Pace(SECONDS, {"ring": USED}))
    assert farthest(told) < 1.3
    assert told[-1][1] == 1.0


@pytest.mark.parametrize("stage", SECONDS)
def test_a_stage_much_longer_than_guessed_is_told_by_fits_that_went_through_it(clock: Clock, stage: str) -> None:
    guesses = dict.fromkeys(SECONDS, 60.0)
    told = run_fits(clock, [{**SECONDS, stage: 400.0}] * 11, 2, Pace(guesses, {"ring": USED}))
    assert farthest([each for each in told if each[0] > 0.2]) < 1.3  # when the first fits have ended
    assert farthest(told, edge=0.1) < 2


def test_guesses_that_are_a_third_off_keep_progress_honest_from_the_start(clock: Clock) -> None:
    guesses = {"ring": 40.0, "padarian": 130.0, "forest_context": 40.0, "gaussian_process": 120.0, "forest": 30.0}
    told = run_fits(clock, [{**SECONDS, "padarian": 100.0}] * 11, 2, Pace(guesses, {"ring": USED}))
    assert farthest(told, edge=0.01) < 1.6


def test_a_computer_that_is_busy_is_found_slow_in_every_stage_to_come(clock: Clock) -> None:
    guesses = {name: seconds / 4 for name, seconds in SECONDS.items()}
    told = run_fits(clock, [SECONDS] * 11, 2, Pace(guesses, {"ring": USED}))
    assert farthest(told) < 2


def test_fits_of_other_stages_than_the_first_count_for_theirs(clock: Clock) -> None:
    first = {name: seconds for name, seconds in SECONDS.items() if name != "forest"}
    told = run_fits(clock, [first, *[{**SECONDS, "forest": 300.0}] * 4], 1, Pace({"forest": 300.0}, {"ring": USED}))
    assert farthest(told, edge=0.05) < 2


def test_what_was_read_from_checkpoints_takes_no_time(clock: Clock) -> None:
    read = {**dict.fromkeys(range(6), tuple(SECONDS)), 6: ("ring", "forest_context")}
    told = run_fits(clock, [SECONDS] * 11, 2, Pace(SECONDS, {"ring": USED}), read)
    assert farthest(told, edge=0.05) < 1.5


def test_a_stage_that_goes_on_from_a_checkpoint_tells_nothing_of_those_to_come(clock: Clock) -> None:
    shared = Pace({"ring": 100.0}, {})
    fit = FitProgress(("ring",), shared)
    for seconds, share in ((0.0, 0.9), (2.5, 0.95), (2.5, 1.0)):
        clock.now += seconds
        fit.tell("ring", share)
    fit.end()
    assert FitProgress(("ring",), shared).left == pytest.approx(50)  # as the last tenth foresees
    assert fit.left == 0


def test_a_stage_that_tells_nothing_on_its_way_counts_when_it_has_ended(clock: Clock) -> None:
    shared = Pace({"gaussian_process": 5.0}, {})
    for _ in range(2):
        fit = FitProgress(("gaussian_process",), shared)
        fit.tell("gaussian_process", 0.0)
        clock.now += 8
        assert fit.left > 0
        fit.end()
        assert fit.left == 0
    assert shared.seconds("gaussian_process") == 8


def test_what_lies_before_and_after_the_fits_has_its_share(clock: Clock) -> None:
    told: list[float] = []
    progress = FitsProgress(Pace({"ring": 30.0, "forest": 5.0}, {}), 2, told.append, before=5.0, after=10.0)
    fit = progress.add(("ring", "forest"))
    fit.tell("ring", 0.0)
    clock.now += 5  # loads and compiles
    fit.tell("ring", 0.01)
    for share in (0.51, 1.0):
        clock.now += 10
        fit.tell("ring", share)
    fit.tell("forest", 0.0)
    clock.now += 5
    fit.end()
    guessed, foreseen = 10 / (10 + 0.99 * 30 + 5 + 10), 20 / (20 + 0.49 * 20 + 5 + 10)
    assert told == pytest.approx([guessed, foreseen, 30 / 45, 35 / 45])


def test_what_several_processes_fit_jointly_follows_what_each_fits(clock: Clock) -> None:
    told: list[float] = []
    progress = FitsProgress(Pace({"forest": 5.0}, {}), 2, told.append)
    fits = [progress.add(("forest",), is_joint) for is_joint in (False, False, True)]
    for fit in fits[:2]:
        fit.tell("forest", 0.0)
    for fit in fits[:2]:
        clock.now += 4
        fit.end()
    assert told[-1] == 8 / (8 + (4 + 8) / 2)


def test_the_last_of_fits_that_run_side_by_side_ends_by_their_order() -> None:
    assert last_to_end([1.0] * 11, 2) == 6
    assert last_to_end([4.0, 1.0, 1.0, 1.0, 3.0], 2) == 6
    assert last_to_end([], 3) == 0
