"""Wild observations are named with their values."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.targets.numbers import NumberKind, NumberOutcome
from soil_cnn_plugin.engine.targets.scales import TargetScale
from soil_cnn_plugin.engine.training.assessing import tell_wild
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
