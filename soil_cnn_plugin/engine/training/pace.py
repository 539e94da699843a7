"""Progress of fits that run side by side: the share of the time that has passed, by what the stages left take."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock

_LITTLE, _ENOUGH = 0.01, 0.02  # of a stage: what tells nothing of the rest, and what more foretells its time
_TELL_EVERY = 0.05  # seconds


class Pace:
    """How long each stage takes, in seconds, and which share of their steps those use that may end early. `seconds` and
    `used` are guesses that count until a fit has gone through the stage; then the mean of such fits does. Where known
    stages take longer than guessed, either the computer is slow or the guess was wrong: others count as longer by the
    root of that, half-way between both."""

    def __init__(self, seconds: Mapping[str, float], used: Mapping[str, float]) -> None:
        self._guessed, self._used = dict(seconds), dict(used)
        self._seconds: dict[str, float] = {}
        self._found: dict[str, int] = {}
        self._lock = Lock()

    def note(self, stage: str, seconds: float, used: float) -> None:
        """Note what a whole stage took, and the share of its steps that it told last."""
        with self._lock:
            count = self._found.get(stage, 0)
            self._found[stage] = count + 1
            self._seconds[stage] = (count * self._seconds.get(stage, 0.0) + seconds) / (count + 1)
            if used > 0 and stage in self._used:
                self._used[stage] = (count * self._used[stage] + used) / (count + 1)

    def foresee(self, stage: str, seconds: float) -> None:
        """Put what a stage in progress will take in the place of a guess."""
        with self._lock:
            if stage not in self._found:
                self._seconds[stage] = seconds

    def seconds(self, stage: str) -> float:
        if stage in self._seconds:
            return self._seconds[stage]
        with self._lock:
            known = [name for name in self._seconds if name in self._guessed]
            taken, guessed = (sum(each[name] for name in known) for each in (self._seconds, self._guessed))
        return self._guessed.get(stage, 0.0) * (math.sqrt(max(1.0, taken / guessed)) if known else 1.0)

    def used(self, stage: str) -> float:
        return self._used.get(stage, 1.0)


class FitProgress:
    """The progress of one fit through its `stages`; `changed` is called when it has told something.

    The first share that is told of a stage is what had been done before and was read from a checkpoint: it took no
    time, and tells nothing of stages to come.
    """

    def __init__(
        self, stages: Sequence[str] = (), pace: Pace | None = None, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._pace, self._changed = pace or Pace({}, {}), changed
        self._done = dict.fromkeys(stages, 0.0)
        self._now, self._first, self._last, self._began = "", 0.0, 0.0, 0.0
        self._warm: tuple[float, float] | None = None  # when a stage had done a little, which may load and compile

    def tell(self, stage: str, share: float) -> None:
        """Tell the share of the steps of a stage that is done; another stage than before ends the one before."""
        now, done = time.monotonic(), min(1.0, share / self._pace.used(stage))
        if stage != self._now:
            self._close(now)
            self._now, self._first, self._began, self._warm = stage, done, now, None
        self._last, self._done[stage] = share, done
        if self._warm is None and done - self._first >= _LITTLE:
            self._warm = now, done
        if self._warm and done - self._warm[1] >= _ENOUGH:
            self._pace.foresee(stage, (now - self._warm[0]) / (done - self._warm[1]))
        self._changed()

    def end(self) -> None:
        """Tell that the fit has ended."""
        self._close(time.monotonic())
        for stage in self._done:
            self._done[stage] = 1.0
        self._changed()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return sum(self._pace.seconds(stage) * (1 - done) for stage, done in self._done.items())

    def _close(self, now: float) -> None:
        if self._now:
            self._done[self._now] = 1.0
            if self._first == 0:
                self._pace.note(self._now, now - self._began, self._last)
        self._now = ""


class FitsProgress:
    """The progress of all fits, of which so many `at_once` run side by side and begin in their order. `before` are the
    seconds that passed before them, `after` about those that follow. `tell` gets the share of the time that has passed,
    0 to 1; the report keeps it from going back."""

    def __init__(
        self, pace: Pace, at_once: int, tell: Callable[[float], None], before: float = 0.0, after: float = 0.0
    ) -> None:
        self._pace, self._at_once, self._tell, self._after = pace, at_once, tell, after
        self._told = time.monotonic()
        self._began = self._told - before
        self._fits: list[tuple[FitProgress, bool]] = []
        self._lock = Lock()

    def add(self, stages: Sequence[str], is_joint: bool = False) -> FitProgress:
        """The progress of one more fit. What several processes fit jointly follows the others, one after the other."""
        fit = FitProgress(stages, self._pace, self._change)
        self._fits.append((fit, is_joint))
        return fit

    def _change(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._told < _TELL_EVERY:
                return
            self._told, passed = now, now - self._began
            self._tell(passed / (passed + self._left + self._after))

    @property
    def _left(self) -> float:
        apart = [fit.left for fit, is_joint in self._fits if not is_joint]
        return last_to_end(apart, self._at_once) + sum(fit.left for fit, is_joint in self._fits if is_joint)


def last_to_end(seconds: Iterable[float], at_once: int) -> float:
    """The seconds until the last of fits has ended that take so many `seconds` each, run so many `at_once`, and begin
    in their order: a last one alone takes its whole time, though others ran two at a time."""
    free = [0.0] * at_once
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)
