"""Stops a training early when it is asked to, so that scores still describe the networks that are kept."""

from __future__ import annotations

import os
from threading import Lock

from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.contract.stop_file import STOP_VARIABLE
from soil_cnn_plugin.engine.machine.torchrun import process_count


class Stopping:
    """The wish to stop, for all trainings of a job.

    The first ensemble of an architecture that ends, by itself or when it is asked to, decides for how many steps the
    others learn from then on: an ensemble of a fold that learned for longer or shorter would tell of another map.
    """

    def __init__(self) -> None:
        self._reached: dict[str, int] = {}
        self._was_obeyed = False
        self._lock = Lock()

    @property
    def is_asked(self) -> bool:
        path = os.environ.get(STOP_VARIABLE, "")
        return bool(path) and process_count() == 1 and os.path.exists(path)

    def must_end(self, name: str, step: int) -> bool:
        """Whether an ensemble of the architecture `name` ends at this step because it is asked to."""
        if not self.is_asked:
            return False
        with self._lock:
            ends = step >= self._reached.setdefault(name, step)
            self._was_obeyed = self._was_obeyed or ends
        return ends

    def note_end(self, name: str, step: int) -> None:
        """Note the step beyond which an ensemble that ended by itself has learned nothing that it keeps."""
        with self._lock:
            self._reached.setdefault(name, step)

    @property
    def note(self) -> str:
        """Say in the report that training was stopped; empty where it was not."""
        if not self._was_obeyed:
            return ""
        steps = all_of(tr("{} steps ({})").format(step, name) for name, step in self._reached.items())
        return tr(
            "Training was stopped by hand and kept what it had learned after {}. Networks of the folds that"
            " were not finished learned for as many steps, so that the scores describe the map that was"
            " kept; with more training it might have become better."
        ).format(steps)


STOPPING = Stopping()
"""That of this process, which does one job."""
