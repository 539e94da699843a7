"""The numbers of an assessment as JSON, the held-out predictions as points."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest

from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.comparison import compare
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, MEAN, NETWORK
from soil_cnn_plugin.engine.reports.held_out_files import write_held_out, write_metrics

Make = Callable[..., Assessment]


def read_metrics(folder: Path, content: Assessment) -> dict[str, Any]:
    write_metrics(str(folder / "metrics.json"), content)
    assert not list(folder.glob("*.part"))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"), parse_constant=refuse)
    return found


def test_metrics_hold_the_numbers_of_the_report(tmp_path: Path, make_assessment: Make) -> None:
    content = make_assessment(has_random_folds=True)
    found = read_metrics(tmp_path, content)
    assert found["predictor"] == BLEND
    assert found["quantile_levels"][:3] == [0.01, 0.02, 0.03]
    assert (
        found["folds"]["other_scores"]["zinc"][FOREST]["rmse"] == content.targets[0].other_methods[FOREST].scores.rmse
    )
    clay, target = found["targets"]["clay_5_15"], content.targets[1]
    assert (clay["label"], clay["depth_cm"], clay["unit"]) == ("clay 5-15 cm (%)", [5, 15], "%")
    blend = target.methods[BLEND]
    assert clay["methods"][BLEND]["crps"] == blend.scores.crps
    assert [fold["rmse"] for fold in clay["methods"][BLEND]["folds"]] == [it.rmse for it in blend.fold_scores]
    reliability = clay["methods"][BLEND]["reliability"]
    at_90 = reliability["nominal"].index(pytest.approx(0.9))
    inside = (target.observed >= blend.quantiles[:, 4]) & (target.observed <= blend.quantiles[:, 94])
    assert reliability["picp"][at_90] == pytest.approx(inside.mean())
    assert reliability["below"] == pytest.approx(np.mean(target.observed < blend.lower))
    assert len(reliability["qcp"]) == 99 and sum(reliability["pit"]) == pytest.approx(1)
    pair = next(it for it in clay["differences"] if (it["method"], it["other"]) == (BLEND, FOREST))
    test = compare(blend, target.methods[FOREST])
    assert test is not None and pair["test"]["low"] == test.low and pair["test"]["high"] == test.high
    assert clay["verdict"]["outcome"] == target.verdict.outcome


def test_what_is_not_known_is_null(tmp_path: Path, make_assessment: Make) -> None:
    content = make_assessment(60, [("zinc", "mg/kg")])
    first = content.targets[0]
    mean = first.methods[MEAN]
    bare = replace(mean, quantiles=np.full_like(mean.quantiles, np.nan), scores=replace(mean.scores, crps=np.nan))
    verdict = replace(first.verdict, difference_percent=np.inf, p=None)
    content = replace(content, targets=(replace(first, methods={**first.methods, MEAN: bare}, verdict=verdict),))
    found = read_metrics(tmp_path, content)["targets"]["zinc"]
    assert found["methods"][MEAN]["crps"] is None and found["methods"][MEAN]["reliability"] is None
    assert found["verdict"]["difference_percent"] is None and found["depth_cm"] is None


def test_held_out_points_are_the_predictions_of_the_map(tmp_path: Path, make_assessment: Make) -> None:
    content = make_assessment()
    path = str(tmp_path / "held_out.gpkg")
    write_held_out(path, content, pyproj.CRS("EPSG:28992").to_wkt(), np.arange(120) + 7)
    points = geopandas.read_file(path)
    clay = content.targets[1]
    np.testing.assert_allclose(points["clay_5_15_predicted"].to_numpy()[clay.rows], clay.methods[BLEND].mean)
    assert points["clay_5_15_predicted"].isna().sum() == 120 - len(clay.rows)
    assert points["observation"].iloc[0] == 7
    alone = replace(content, predictor=NETWORK)
    write_held_out(path, alone, pyproj.CRS("EPSG:28992").to_wkt(), np.arange(120))
    np.testing.assert_allclose(
        geopandas.read_file(path)["zinc_residual"],
        content.targets[0].methods[NETWORK].mean - content.targets[0].observed,
    )
