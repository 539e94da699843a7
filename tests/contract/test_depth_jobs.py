"""The job that standardizes depths: its rules and its text form of intervals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.contract.depth_jobs import intervals_in_words, parse_intervals
from soil_cnn_plugin.contract.soil_property import SoilProperty

JOB = jobs.StandardizeDepths("/h.gpkg", "id", "top", "bottom", (SoilProperty("clay", "%"),), "/out.gpkg")


def test_a_job_survives_its_file() -> None:
    job = replace(JOB, intervals=((0.0, 2.5), (0.0, 30.0)), smoothing=0.5)
    assert jobs.from_json(jobs.to_json(job)) == job


def test_the_default_intervals_are_those_of_globalsoilmap() -> None:
    assert intervals_in_words(JOB.intervals) == "0-5,5-15,15-30,30-60,60-100,100-200"


@pytest.mark.parametrize(
    ("text", "intervals"),
    [
        ("0-5,5-15", ((0, 5), (5, 15))),
        (" 0 - 2.5 cm ; 2.5–10,", ((0, 2.5), (2.5, 10))),
        ("0-30,0-5", ((0, 30), (0, 5))),
        ("", ()),
    ],
)
def test_intervals_are_read_from_text(text: str, intervals: tuple[tuple[float, float], ...]) -> None:
    assert parse_intervals(text) == intervals


@pytest.mark.parametrize("text", ["0-5,5", "0-5 5-15", "a-b", "0-5,5-15-30"])
def test_text_that_is_no_interval_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(jobs.JobError, match="is not a depth interval.*0-5,5-15,15-30"):
        parse_intervals(text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"intervals": ((5.0, 0.0),)}, "5-0 is not a depth interval"),
        ({"intervals": ((-5.0, 0.0),)}, "count downward from the surface"),
        ({"intervals": ((0.0, float("inf")),)}, "0-inf is not a depth interval"),
        ({"intervals": ((0.0, 5.0), (0.0, 5.0))}, "0-5 is given twice"),
        ({"intervals": ()}, "No depth interval is given. Write, for example, 0-5,5-15"),
        ({"smoothing": -1.0}, "Lambda is -1; it must not be negative"),
        ({"min_share": 0.0}, "above 0 and at most 1"),
        ({"min_share": 1.1}, "above 0 and at most 1"),
        ({"values": ()}, "No value is chosen"),
        ({"profile": ""}, "No field is chosen as the profile"),
        ({"lower": "top"}, "The field top is chosen for two purposes"),
        ({"values": (SoilProperty("bottom"),)}, "The field bottom is chosen for two purposes"),
        ({"x": "east"}, "Only one of X and Y"),
        ({"x": "east", "y": "north"}, "not their CRS"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(change: dict[str, object], says: str) -> None:
    with pytest.raises(jobs.JobError, match=says):
        replace(JOB, **change)
