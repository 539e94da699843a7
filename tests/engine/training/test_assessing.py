"""The method that maps are predicted with, and wild observations, named with their values."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.targets.numbers import NumberKind, NumberOutcome
from soil_cnn_plugin.engine.targets.scales import TargetScale
from soil_cnn_plugin.engine.training.assessing import choose_predictor, tell_alike, tell_wild
from tests.engine.landscape import Log


def test_the_features_of_wild_values_are_named() -> None:
    residuals = np.random.default_rng(0).normal(size=80)
    values = np.stack([residuals + 50, residuals + 9], axis=1)
    file = SimpleNamespace(values=values, ids=np.arange(80) + 101)
    kinds = [NumberKind(t, SoilProperty(field)) for t, field in enumerate(("zinc", "lead"))]
    scale = TargetScale("none", 0.0, 1.0)
    plain = NumberOutcome(scale, calibrate(residuals, np.zeros(80), np.ones(80)))
    log = Log()
    assert tell_wild(file, kinds, [plain, plain], log) == log.warnings == []  # type: ignore[arg-type]
    residuals[[4, 7]] += 40
    values[[4, 7], 1] = 45_000, 47_000
    wild = NumberOutcome(scale, calibrate(residuals, np.zeros(80), np.ones(80)))
    (line,) = tell_wild(file, kinds, [plain, wild], log)  # type: ignore[arg-type]
    assert log.warnings == [line]
    assert line.startswith("lead: 2 values lie so far from what networks and forest predict")
    assert "(45000 of feature 105, 47000 of feature 108)" in line and "MEDIAN" in line


def test_the_log_tells_how_many_independent_errors_there_are() -> None:
    kinds = [NumberKind(t, SoilProperty(field)) for t, field in enumerate(("zinc", "lead"))]
    log = Log()
    tell_alike(kinds, [0.97, 0.25], 80, log)
    (line,) = log.infos
    assert line.startswith("lead: held-out errors of nearby observations are similar. The 80 observations say as much")
    assert "as 20 independent ones would" in line


def held_out(**errors: float) -> dict[str, SimpleNamespace]:
    return {name: SimpleNamespace(scores=SimpleNamespace(error=error)) for name, error in errors.items()}


CLAY = held_out(blend=8.0, network=9.0, forest_context=7.0, forest=1.0, gaussian_process=1.0, mean=10.0)
ZINC = held_out(blend=200.0, network=260.0, forest_context=360.0, forest=1.0, gaussian_process=1.0, mean=400.0)


@pytest.mark.parametrize(
    ("asked", "targets", "method"),
    [
        ("best", [CLAY], "forest_context"),
        ("best", [ZINC], "blend"),
        ("best", [CLAY, ZINC], "blend"),  # 80 and 50 %, 90 and 65 %, 70 and 90 % of the mean's error
        ("forest", [ZINC], "forest_context"),
        ("network", [CLAY], "network"),
        ("blend", [CLAY], "blend"),
    ],
)
def test_the_map_is_predicted_by_what_was_asked_or_had_the_lowest_error(
    asked: str, targets: list[dict[str, SimpleNamespace]], method: str
) -> None:
    log = Log()
    validations = [SimpleNamespace(methods=targets), SimpleNamespace(methods=[])]
    job = TrainNetwork("p.h5", "n.safetensors", predictor=asked)
    assert choose_predictor(job, validations, log) == method  # type: ignore[arg-type]
    assert [("chosen by them" in line) for line in log.infos] == [True] * (asked == "best")


def test_the_choice_tells_the_errors_that_it_rests_on() -> None:
    log = Log()
    choose_predictor(TrainNetwork("p.h5", "n", predictor="best"), [SimpleNamespace(methods=[CLAY])], log)  # type: ignore[list-item]
    assert "blend 80.0 %, network 90.0 %, random forest with context 70.0 %" in log.infos[0]
