"""Where next as a whole, with committed network files: uncertainty as on a map, gains, and what files cannot tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import torch

from soil_cnn_plugin.contract.events import Event, Info, Warning
from soil_cnn_plugin.contract.jobs import Covariate, PlanSampling
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.plan_sampling import run
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.sampling import frame_of_job
from soil_cnn_plugin.engine.sampling.network_uncertainty import read_uncertainty
from soil_cnn_plugin.engine.training.network_file import read_network
from tests.engine.networks.test_committed_network import HERE, NUMBERS, PIXELS, covariates

NUMBERS_FILE, CLASSES_FILE = (str(HERE / f"{name}_version_9.safetensors") for name in ("numbers", "classes"))
ERRORS = "0.3, 1.0, 400"
__all__ = ["covariates"]


@pytest.fixture
def job(covariates: list[dict[str, str]], tmp_path: Path) -> PlanSampling:
    return PlanSampling(
        plan=str(tmp_path / "plan.gpkg"),
        design="where_next",
        points=8,
        covariates=tuple(Covariate(**each) for each in covariates),
        network=NUMBERS_FILE,
        variogram=ERRORS,
        metrics=str(tmp_path / "metrics.json"),
        report=str(tmp_path / "report.html"),
        device="cpu",
    )


def test_the_deviations_are_those_of_a_map_of_the_network(job: PlanSampling) -> None:
    trained = read_network(NUMBERS_FILE, torch.device("cpu"))
    grid = reference_grid(job.covariates[0].path)
    rows, cols = (np.array(each) for each in zip(*PIXELS))
    names = [summary.covariate.name for summary in trained.description.covariates]
    ordered = [next(each for each in job.covariates if each.name == name) for name in names]
    for number, target in enumerate(trained.description.targets):
        with open_stack(ordered, grid) as stack:
            found = read_uncertainty(trained, stack, rows, cols, np.zeros((3, 2)), target.field, lambda share: None)
        mapped = np.array(NUMBERS["standard_deviation"][number][:3])
        assert found.deviation[:, 0] == pytest.approx(mapped / np.sqrt((mapped**2).mean()), rel=1e-4)


def test_points_lower_the_expected_variance_more_than_random_ones(job: PlanSampling) -> None:
    events: list[Event] = []
    outputs = run(job, Report(events.append))
    numbers = json.loads(Path(job.metrics).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    course = numbers["course"]["values"]
    assert course[0] == 1 and (np.diff(course) < 0).all() and len(course) == 9
    assert numbers["criterion"]["value"] == pytest.approx(course[-1])
    assert course[-1] < min(numbers["criterion"]["random"])
    places = read_network(NUMBERS_FILE, torch.device("cpu")).errors.places
    inside = reference_grid(job.covariates[0].path).contains(*places.T)
    assert numbers["existing_points"] == inside.sum() > 0  # the network file tells where its observations lie
    assert "8 points are expected to lower the mean variance" in str(outputs["verdict"])
    points = geopandas.read_file(job.plan)
    assert points["order"].tolist() == list(range(1, 9)) and "inclusion" not in points
    assert "Never use them in Assess map" in Path(job.report).read_text(encoding="utf-8")
    assert any("observations that the network was trained on" in e.text for e in events if isinstance(e, Info))


def test_a_network_of_classes_that_tells_no_places_asks_for_the_old_points(
    job: PlanSampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = replace(read_network(CLASSES_FILE, torch.device("cpu")), errors=None)
    monkeypatch.setattr(frame_of_job, "read_network", lambda path, device: trained)
    events: list[Event] = []
    run(replace(job, network=CLASSES_FILE, points=3, report=""), Report(events.append))
    assert any("does not tell where its observations lie" in e.text for e in events if isinstance(e, Warning))
    assert len(geopandas.read_file(job.plan)) == 3


def test_a_network_without_a_correlogram_needs_a_variogram(job: PlanSampling) -> None:
    trained = read_network(NUMBERS_FILE, torch.device("cpu"))
    if trained.description.error_correlation is not None and any(trained.description.error_correlation.correlograms):
        assert run(replace(job, variogram="", report=""), Report(lambda event: None))["count"] == 8
    else:
        with pytest.raises(EngineError, match="does not tell how the errors of its map go together.*VARIOGRAM"):
            run(replace(job, variogram=""), Report(lambda event: None))


def test_a_target_that_the_network_does_not_know_is_refused(job: PlanSampling) -> None:
    with pytest.raises(EngineError, match="knows no target 'gold'. Its targets are: zinc_0_10, carbon"):
        run(replace(job, network_target="gold"), Report(lambda event: None))
