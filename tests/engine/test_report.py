"""What a report tells of the share that is done."""

from __future__ import annotations

from soil_cnn_plugin.contract.events import Event, Progress
from soil_cnn_plugin.engine.report import Report


def told(events: list[Event]) -> list[float]:
    return [event.percent for event in events if isinstance(event, Progress)]


def test_the_bar_never_goes_back_where_a_later_guess_is_lower() -> None:
    events: list[Event] = []
    report = Report(events.append)
    for share in (0.3, 0.2, 0.4):
        report.progress(share, force=True)
    assert told(events) == [30.0, 30.0, 40.0]


def test_a_step_that_begins_below_what_is_told_holds_the_bar_until_it_has_caught_up() -> None:
    events: list[Event] = []
    report = Report(events.append)
    report.progress(0.5, force=True)
    step = report.part(0.4, 0.8, "Writing")
    step.progress(1.0, force=True)
    assert told(events) == [50.0, 50.0, 80.0]
