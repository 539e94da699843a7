"""The trainings that run now, each of which can be asked to stop and to keep what it has learned."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..contract.jobs import ComparePatchSizes, Job, MapSoilProperties, TrainNetwork


class RunningTrainings(QObject):
    """Knows the stop file of each training; `changed` is emitted by the thread in which one begins or ends."""

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._files: list[Path] = []

    @property
    def count(self) -> int:
        """The number of trainings that nobody has asked to stop yet."""
        return len([path for path in self._files if not path.exists()])

    def begin(self, job: Job, stop_file: Path) -> None:
        if isinstance(job, (TrainNetwork, MapSoilProperties, ComparePatchSizes)):
            self._files.append(stop_file)
            self.changed.emit()

    def end(self, stop_file: Path) -> None:
        if stop_file in self._files:
            self._files.remove(stop_file)
            self.changed.emit()

    def stop(self) -> None:
        """Ask all trainings to stop and to keep what they have learned."""
        for path in list(self._files):
            with suppress(OSError):  # its folder goes with the run, which may have just ended
                path.write_text("", encoding="ascii")
        self.changed.emit()


RUNNING = RunningTrainings()
