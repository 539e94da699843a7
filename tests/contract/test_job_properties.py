"""Job files: any job survives its file, and any other file is refused in words."""

from __future__ import annotations

import contextlib
import json
import typing
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.contract.decode import DecodeError, decode
from soil_cnn_plugin.contract.events import Event, EventError, Failed, Info, Metric, Progress, from_line, to_line
from soil_cnn_plugin.contract.soil_property import SoilProperty

CLAY, SAND = SoilProperty("clay_0_5", "%"), SoilProperty("sand_0_5", "%")
DEM = jobs.Covariate("/d/dem.tif", "dem", nodata=((-1.0, 0.0),), labels=((1, "peat"),))
EXTRACT = jobs.ExtractPatches("/d/points.gpkg", (CLAY, SAND), (DEM,), "/o/p.h5", composition=("clay_0_5", "sand_0_5"))
TRAIN = jobs.TrainNetwork("/o/p.h5", "/o/n.safetensors", exceedance=jobs.parse_thresholds("clay > 3"))
PREDICT = jobs.PredictMap("/o/n.safetensors", "/o/map.tif", extent=(0.0, 0.0, 1.0, 2.0), covariates=(DEM,))
JOBS = (
    EXTRACT,
    TRAIN,
    PREDICT,
    jobs.MapSoilProperties(EXTRACT, TRAIN, PREDICT),
    jobs.CheckObservations("/d/points.gpkg", "/o/r.html", fields=("clay",), units=(CLAY,), upper="top", lower="bottom"),
    jobs.StandardizeDepths("/d/h.csv", "id", "top", "bottom", (CLAY,), "/o/clay.gpkg"),
    jobs.SummarizeAreas(
        "/o/n.safetensors",
        "/d/farms.gpkg",
        "/o/areas.gpkg",
        stock="organic_carbon",
        carbon=("soc_0_30",),
        bulk_density=("bd_0_30",),
        expressions=jobs.parse_expressions("load (kg/m2) = clay_0_5 / 3"),
    ),
    jobs.AssessMap("/d/points.gpkg", CLAY, DEM, DEM, DEM, sample="stratified", stratum="s", weight="w"),
    jobs.ExplainNetwork("/o/n.safetensors", "/o/p.h5", "/o/r.html", "/o/i.csv"),
    jobs.ExplainPixel("/o/n.safetensors", 1.5, 2.5, "EPSG:28992", report="/o/r.html"),
    jobs.ComparePatchSizes("/o/p.h5", "/o/r.html"),
    jobs.DescribeNetwork("/o/n.safetensors", "/o/r.html"),
    jobs.CheckEnvironment("/o/r.html"),
)
WORDS = ("class", "continuous", "merge", "average", "ring", "network", "fast", "log", "random", "cuda", "half", "wrb")

texts = st.text(max_size=8) | st.sampled_from(WORDS)
numbers = st.floats(allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(texts, values, max_size=3),
    max_leaves=6,
)
events = (
    st.builds(Progress, st.floats(0, 100), texts, st.none() | st.floats(0, 1e9))
    | st.builds(Info, texts)
    | st.builds(Metric, texts, st.floats(allow_nan=False, allow_infinity=False))
    | st.builds(Failed, texts)
)


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's declared type; the rules of jobs may forbid them."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of_type, arguments))
    if arguments:  # a union
        return st.one_of(*map(of_type, arguments))
    if kind is jobs.Threshold:
        return st.builds(jobs.Threshold, texts, st.floats(allow_nan=False, allow_infinity=False), st.booleans())
    if kind is jobs.Covariate:
        names = st.sampled_from(jobs.Covariate.KINDS)
        return st.builds(
            jobs.Covariate, texts, texts, st.integers(1, 9), names, labels=of_type(tuple[tuple[int, str], ...])
        )
    if kind is jobs.Expression:  # a formula of any letters is none
        return st.builds(jobs.Expression, texts, texts, st.sampled_from(["clay / 2", "max(clay, 1)"]))
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{field.name: of_type(hints[field.name]) for field in fields(kind)})
    return {str: texts, float: numbers}.get(kind, st.from_type(kind))


@st.composite
def valid_jobs(draw: st.DrawFn) -> jobs.Job:
    """One of `JOBS` with up to four fields changed to anything that its rules allow."""
    job = draw(st.sampled_from(JOBS))
    hints = typing.get_type_hints(type(job))
    for name in draw(st.lists(st.sampled_from([field.name for field in fields(job)]), max_size=4)):
        hint = hints[name]
        value = getattr(job, name) if is_dataclass(hint) and issubclass(hint, jobs.Job) else draw(of_type(hint))
        try:
            job = replace(job, **{name: value})
        except jobs.JobError:
            assume(False)
    return job


@st.composite
def broken_files(draw: st.DrawFn) -> str:
    """A job's file with some of its values, at any depth, taken out or replaced by anything."""
    content = json.loads(jobs.to_json(draw(st.sampled_from(JOBS))))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(places(content))))
        if draw(st.booleans()) or isinstance(holder, list):
            holder[key] = draw(json_values)
        elif key in holder:
            del holder[key]
        else:
            holder[draw(texts)] = draw(json_values)
    return json.dumps(content)


def places(content: Any) -> typing.Iterator[tuple[Any, Any]]:
    """(object or list, key or index) of every value below."""
    for key, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        yield content, key
        if isinstance(value, (dict, list)):
            yield from places(value)


@given(valid_jobs())
def test_any_job_survives_its_file(job: jobs.Job) -> None:
    assert jobs.from_json(jobs.to_json(job)) == job


@settings(max_examples=400)
@given(broken_files())
def test_any_other_file_is_refused_in_words(text: str) -> None:
    try:
        job = jobs.from_json(text)
    except jobs.JobError as error:
        assert str(error)
    else:  # what was changed was allowed
        again = jobs.from_json(jobs.to_json(job))
        assert jobs.to_json(jobs.from_json(jobs.to_json(again))) == jobs.to_json(again)


@given(st.sampled_from(list(jobs.JOBS)), st.dictionaries(texts, json_values, max_size=3), json_values)
def test_a_file_that_names_a_job_and_holds_anything_is_refused(name: str, content: dict[str, Any], more: Any) -> None:
    field = fields(jobs.JOBS[name])[0].name
    for extra in (content, {**content, field: more}):
        try:
            jobs.from_json(json.dumps({**extra, "job": name, "version": jobs.VERSION}))
        except jobs.JobError as error:
            assert str(error)


@given(st.sampled_from(JOBS), json_values)
def test_what_is_no_job_of_a_kind_is_refused_by_name(job: jobs.Job, value: Any) -> None:
    try:
        assert decode(type(job), value, "job") == type(job)(**value)
    except DecodeError as error:
        assert "job" in str(error)


@given(valid_jobs())
def test_every_output_is_a_path_that_the_job_holds(job: jobs.Job) -> None:
    def texts_in(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set().union(*map(texts_in, value.values()))
        return {value} if isinstance(value, str) else set()

    assert set(job.output_paths().values()) <= texts_in(asdict(job)) - {""}


@given(events)
def test_any_event_survives_its_line(event: Event) -> None:
    line = to_line(event)
    assert line.isascii() and "\n" not in line
    assert from_line(line) == event


@given(json_values.map(json.dumps) | st.text())
def test_any_other_line_is_no_event(line: str) -> None:
    with contextlib.suppress(EventError):
        from_line(line)
