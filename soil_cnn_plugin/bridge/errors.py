"""The bridge's one family of errors."""


class WorkerFailed(Exception):
    """The other process could not do what was asked; the message says why and what to do, in the user's words."""


class Cancelled(WorkerFailed):
    """The user stopped the run; nothing half-written is left behind."""

    def __init__(self) -> None:
        super().__init__("Cancelled. No unfinished file is left.")
