"""Progress of fits that run side by side: how the time of each divides between its networks and all that follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

import numpy as np

from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.forests.forest import growing_seconds
from soil_cnn_plugin.engine.training.design import Design

_STEPS_TO_LEARN = 3000  # after which a network of many observations seldom becomes better
_SECONDS_OF_PROCESS = 2.0  # that a Gaussian process of one column takes, about


class Pace:
    """What finished fits of a run tell of those to come. Before the first has finished, `seconds_of_rest` is a guess of
    the time that forests and Gaussian process take, and `share_of_steps` of the share of their steps after which
    networks end."""

    def __init__(self, seconds_of_rest: float = 0.0, share_of_steps: float = 1.0) -> None:
        self._guess, self._share_of_steps = seconds_of_rest, share_of_steps
        self._lock = Lock()
        self._finished, self._networks, self._rest, self._used = 0, 0.0, 0.0, 0.0

    def note(self, networks: float, rest: float, used: float) -> None:
        """Note the seconds of a finished fit, and the share of the steps foreseen that its networks have used. A fit
        whose networks were read from a checkpoint, without a step, tells nothing."""
        if used == 0:
            return
        with self._lock:
            self._finished += 1
            self._networks, self._rest, self._used = self._networks + networks, self._rest + rest, self._used + used

    @property
    def used(self) -> float:
        """The share of the steps foreseen after which networks end."""
        return self._used / self._finished if self._finished else self._share_of_steps

    def share_of_networks(self, seconds: float) -> float:
        """The share of a fit's time that its networks take, if they take so many `seconds` in all."""
        networks, rest = (self._networks, self._rest) if self._finished else (seconds, self._guess)
        return networks / (networks + rest) if networks + rest > 0 else 1.0


class FitProgress:
    """Tells the share of a fit that is done; `tell` gets it, 0 to 1, and never less than before."""

    def __init__(self, tell: Callable[[float], None] = lambda share: None, pace: Pace | None = None) -> None:
        self._tell, self._pace = tell, pace or Pace()
        self._started = self._turned = time.monotonic()
        self._told = self._used = 0.0

    def start(self) -> None:
        self._started = time.monotonic()

    def networks(self, share: float) -> None:
        """Tell the share of the steps foreseen that the networks have taken."""
        self._used = share
        done = min(1.0, share / self._pace.used)
        foreseen = (time.monotonic() - self._started) / done if done > 0 else 0.0
        self._forward(done * self._pace.share_of_networks(foreseen))

    def turn(self) -> None:
        """Turn from the networks to all that follows."""
        self._turned = time.monotonic()
        self.rest(0.0)

    def rest(self, share: float) -> None:
        """Tell the share that is done of what follows the networks."""
        of_networks = self._pace.share_of_networks(self._turned - self._started)
        self._forward(of_networks + (1 - of_networks) * share)

    def end(self) -> None:
        self._pace.note(self._turned - self._started, time.monotonic() - self._turned, self._used)
        self._forward(1.0)

    def _forward(self, share: float) -> None:
        self._told = max(self._told, share)
        self._tell(self._told)


def seconds_of_rest(design: Design) -> float:
    """A guess, for progress alone, of the time that a fit of all observations takes after its networks."""
    rows, columns = len(design.fold), sum(len(kind.targets) for kind in design.kinds)
    widths = [design.data.features(name).shape[1] for name in design.forests]
    return columns * (_SECONDS_OF_PROCESS + sum(growing_seconds(rows, width) for width in widths))


def share_of_steps(design: Design) -> float:
    """A guess, for progress alone, of the share of their steps after which the networks of many observations end."""
    rows = len(design.fold) * (INNER_FOLDS - 1) // INNER_FOLDS
    shares = []
    for plan in design.plans:
        settings = plan.fit_settings(rows, design.seed)
        shares.append(min(1.0, (_STEPS_TO_LEARN + settings.patience * settings.evaluate_every) / settings.steps))
    return float(np.mean(shares))
