"""A spare worker: it loads what jobs need before there is a job, then waits until it is told that there is one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from soil_cnn_plugin.contract.events import Event, Progress
from soil_cnn_plugin.engine.loading import load

_NEEDED = ("jobs.predict_map", "jobs.extract_patches")
"""What most jobs need: three quarters of all that is loaded."""
_MORE = ("jobs.train_network", "jobs.explain_pixel")
_TRIALS = {"training.trial": "try_encoding", "kriging.trial": "try_process"}
"""What calls compiled functions for the first time, on few numbers and on the processor alone: a waiting worker holds
no memory of a GPU."""


def wait_for_job(seconds: float, tell: Callable[[Event], None], leave: Callable[[int], None]) -> None:
    """Load, tell a first event, and return when a line comes on standard input.

    Without a line, `leave` ends the process: at the end of the input, since QGIS is gone then, and after some seconds.
    Nothing is read while something loads: Windows may never finish loading a library while a thread reads a pipe.
    """
    for name in _NEEDED:
        load(name)
    for name, trial in _TRIALS.items():
        getattr(load(name), trial)()
    tell(Progress(0.0))  # from now on a job waits here for less than it would load itself
    for name in _MORE:
        load(name)
    patience = threading.Timer(seconds, leave, (0,))
    patience.daemon = True
    patience.start()
    line = sys.stdin.readline()
    patience.cancel()
    if not line:
        leave(0)
