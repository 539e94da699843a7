"""The events that a worker may send, one JSON object per line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Union


class EventError(ValueError):
    """A line that is not an event of this version."""


@dataclass(frozen=True)
class Progress:
    """Share of the job that is done, 0 to 100. It is sent again each second while nothing else happens, as a heartbeat.

    `step` describes the current step in a few words; `seconds_left` is an estimate, None while there is none.
    """

    percent: float
    step: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True)
class Info:
    """A line for the log."""

    text: str


@dataclass(frozen=True)
class Warning:
    """A line for the log that the user should not overlook."""

    text: str


@dataclass(frozen=True)
class Metric:
    """A number worth keeping, for example a held-out error, by name."""

    name: str
    value: float


@dataclass(frozen=True)
class Done:
    """The job is finished; `outputs` maps the job's output names to paths, numbers and texts."""

    outputs: dict[str, str | float | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """The job cannot be done; `message` says why and what to do, in the user's words."""

    message: str


Event = Union[Progress, Info, Warning, Metric, Done, Failed]
_KINDS: dict[str, type] = {kind.__name__.lower(): kind for kind in (Progress, Info, Warning, Metric, Done, Failed)}


def to_line(event: Event) -> str:
    """Return one line of ASCII JSON, without the line break. Numbers that are not finite become null."""
    content = {key: _finite(value) for key, value in asdict(event).items()}
    return json.dumps({"event": type(event).__name__.lower(), **content})


def from_line(line: str) -> Event:
    """Return the event in a line; raise EventError for anything else."""
    try:
        content = json.loads(line)
        kind = _KINDS[content.pop("event")]
        event: Event = kind(**content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EventError(f"not an event: {line[:200]!r}") from error
    return event


def _finite(value: object) -> object:
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value
