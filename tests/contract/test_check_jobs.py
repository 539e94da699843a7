"""The job that checks observations: its rules, to and from JSON."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.contract.soil_property import SoilProperty

JOB = jobs.CheckObservations(
    "/data/pits.gpkg",
    report="/out/pits.html",
    problems="/out/problems.gpkg",
    fields=("zinc", "soil"),
    units=(SoilProperty("zinc", "mg/kg"),),
    covariates=(jobs.Covariate("/data/dem.tif", "dem"),),
    composition=("sand", "clay"),
    detection_limits=("zinc_dl",),
    profile="pit",
    upper="from_cm",
    lower="to_cm",
)


def test_the_job_survives_its_file() -> None:
    assert jobs.from_json(jobs.to_json(JOB)) == JOB


def test_only_wanted_outputs_are_outputs() -> None:
    assert JOB.output_paths() == {"report": "/out/pits.html", "problems": "/out/problems.gpkg"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"upper": "from_cm"}, "the field of the lower one is missing"),
        ({"lower": "to_cm"}, "the field of the upper one is missing"),
        ({"upper": "depth", "lower": "depth"}, "field depth is chosen for two"),
        ({"profile": "pit", "detection_limits": ("pit",)}, "field pit is chosen for two"),
        ({"fields": ("depth",), "upper": "depth", "lower": "to"}, "depth is chosen both as .* to check and as profile"),
        ({"composition": ("sand",)}, "sand is the only one"),
        ({"covariates": (jobs.Covariate("/a.tif", "dem"), jobs.Covariate("/b.tif", "dem"))}, "'dem'"),
    ],
)
def test_fields_that_cannot_be_chosen_together_are_refused_by_name(changes: dict, says: str) -> None:
    with pytest.raises(jobs.JobError, match=says):
        jobs.CheckObservations("/data/pits.gpkg", **changes)
