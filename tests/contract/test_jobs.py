"""Jobs: their rules, to and from JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.contract.soil_property import SoilProperty

EXTRACT = jobs.ExtractPatches(
    "/data/points.gpkg",
    (SoilProperty("zinc", "mg/kg"),),
    (jobs.Covariate("/data/dem.tif", "dem", nodata=((-1.0, 0.0),)),),
    "/out/p.h5",
)
TRAIN = jobs.TrainNetwork("/out/p.h5", "/out/n.safetensors")
PREDICT = jobs.PredictMap("/out/n.safetensors", "/out/map.tif", extent=(0.0, 0.0, 1.0, 2.0))


@pytest.mark.parametrize("job", [EXTRACT, TRAIN, PREDICT, jobs.MapSoilProperties(EXTRACT, TRAIN, PREDICT)])
def test_a_job_survives_its_file(job: jobs.Job) -> None:
    assert jobs.from_json(jobs.to_json(job)) == job


def test_the_chain_has_all_outputs_of_its_steps() -> None:
    chain = jobs.MapSoilProperties(EXTRACT, TRAIN, PREDICT)
    assert chain.output_paths() == {
        "patches": "/out/p.h5",
        "network": "/out/n.safetensors",
        "prediction": "/out/map.tif",
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"job": "format_disk"}, "names no job"),
        ({"job": ["train_network"]}, "names no job"),
        ({"version": 99}, "version 99"),
        ({"version": "1"}, 'has version "1"; this engine reads version 1'),
        ({"folds": "5"}, "TrainNetwork.folds must be int, not '5'"),
        ({"folds": 5.0}, r"TrainNetwork.folds must be int, not 5\.0"),
        ({"folds": None}, "TrainNetwork.folds must be int, not null"),
        ({"seed": True}, "must be int, not true"),
        ({"seed": -1}, "The seed is -1; it must be 0 or more"),
        ({"epochs": 2**63}, "TrainNetwork.epochs is a number of 64 bits, too large"),
        ({"coverage": 2**1024}, "TrainNetwork.coverage is a number of 1025 bits, too large"),
        ({"network": "/n\0.safetensors"}, r"TrainNetwork.network holds a null character, .*'/n\\x00\.safetensors'"),
        ({"colour": 1}, "has no field 'colour'"),
        ({"folds": 1}, "at least 2 are needed"),
        ({"repeats": -1}, "repeats of the cross-validation is -1; it must be from 1 to 50, or 0"),
        ({"repeats": 51}, "repeats of the cross-validation is 51"),
        ({"repeats": 1.5}, "TrainNetwork.repeats must be int"),
        ({"device": "tpu"}, "'tpu'; it must be one of: auto, cuda, mps, cpu"),
        ({"full_gpu": "stop"}, "choice for a full GPU is 'stop'; it must be one of: processor, wait"),
    ],
)
def test_a_job_file_that_makes_no_sense_is_refused_in_words(change: dict[str, object], says: str) -> None:
    content = {**json.loads(jobs.to_json(TRAIN)), **change}
    with pytest.raises(jobs.JobError, match=says):
        jobs.from_json(json.dumps(content))


def test_fields_that_are_missing_are_named() -> None:
    with pytest.raises(jobs.JobError, match="^TrainNetwork lacks 'patches', 'network', which it must have.$"):
        jobs.from_json('{"job": "train_network", "version": 1, "report": "/r.html"}')


@pytest.mark.parametrize("seed_of", [
    lambda seed: jobs.ComparePatchSizes("/p.h5", seed=seed),
    lambda seed: jobs.ExplainNetwork("/n", "/p.h5", "/r.html", seed=seed),
    lambda seed: jobs.PlanSampling("/p.gpkg", reference="/r.tif", seed=seed),
    lambda seed: jobs.SummarizeAreas("/n", "/a.gpkg", "/b.gpkg", seed=seed),
])  # fmt: skip
def test_no_job_has_a_seed_below_0(seed_of: Callable[[int], jobs.Job]) -> None:
    seed_of(0)
    with pytest.raises(jobs.JobError, match="The seed is -1; it must be 0 or more"):
        seed_of(-1)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"job": "train_network", "version": 1}'])
def test_text_that_is_no_job_is_refused(text: str) -> None:
    with pytest.raises(jobs.JobError):
        jobs.from_json(text)


@pytest.mark.parametrize("depth", [800, 900, 950, 1000, 100_000])
def test_a_file_that_is_nested_too_deeply_is_refused(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for text in (nested, json.dumps(json.loads(jobs.to_json(TRAIN))).replace('"auto"', nested, 1)):
        with pytest.raises(jobs.JobError, match="not JSON|names no job|nested|must be"):
            jobs.from_json(text)


@pytest.mark.parametrize(("size", "remedy"), [(8, "Use 7 or 9"), (1, "Use 3 or 3"), (30, "Use 29 or 31")])
def test_an_even_or_tiny_patch_size_is_refused_with_its_neighbours(size: int, remedy: str) -> None:
    with pytest.raises(jobs.JobError, match=remedy if size > 1 else "at least 3"):
        jobs.ExtractPatches(EXTRACT.observations, EXTRACT.targets, EXTRACT.covariates, "/out/p.h5", patch_size=size)


@pytest.mark.parametrize(
    ("extent", "says"),
    [((0.0, 0.0, math.inf, 2.0), "not finite"), ((math.nan,) * 4, "not finite"), ((2.0, 0.0, 1.0, 2.0), "is empty")],
)
def test_an_extent_is_a_finite_rectangle(extent: tuple[float, float, float, float], says: str) -> None:
    with pytest.raises(jobs.JobError, match=says):
        replace(PREDICT, extent=extent)


def test_two_covariates_of_one_name_are_refused_by_name() -> None:
    twice = (*EXTRACT.covariates, jobs.Covariate("/other/dem.tif", "dem"))
    with pytest.raises(jobs.JobError, match="'dem'"):
        jobs.ExtractPatches(EXTRACT.observations, EXTRACT.targets, twice, "/out/p.h5")


def test_a_location_that_no_part_of_the_predictor_takes_is_refused() -> None:
    with pytest.raises(jobs.JobError, match="location"):
        jobs.TrainNetwork("/p.h5", "/n", architecture="padarian", predictor="network", location="on")


@pytest.mark.parametrize("limits", [(5.0, -1.0), (math.nan, 3.0)])
def test_a_range_of_missing_values_holds_numbers(limits: tuple[float, float]) -> None:
    assert jobs.Covariate("dem.tif", "dem", nodata=((-math.inf, 0.0), (7.0, 7.0))).nodata[1] == (7.0, 7.0)
    with pytest.raises(jobs.JobError, match="a range of missing values of dem. Put the lower limit first"):
        jobs.Covariate("dem.tif", "dem", nodata=(limits,))
