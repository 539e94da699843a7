"""The errors of the bridge."""

from ..contract.language import tr


class WorkerFailed(Exception):
    """The other process could not do its work; the message says why and what to do, in the user's words."""


class Cancelled(WorkerFailed):
    """The user cancelled the run; no half-written file is left behind."""

    def __init__(self) -> None:
        super().__init__(tr("Cancelled. No unfinished file is left."))
