"""Compare maps as a whole: from files to numbers, rasters and a page, and what users get wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.events import Event, Warning
from soil_cnn_plugin.contract.jobs import CompareMaps, JobError, from_json, to_json
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.compare_maps import run
from soil_cnn_plugin.engine.report import Report
from tests.engine.jobs.test_assess_map import AREAS, COLS, MAP, OBSERVED, RNG, ROWS, STRATA, write_points, write_raster

OTHER = MAP + RNG.normal(0, 6, MAP.shape).astype(np.float32)
RISEN = MAP + np.where(np.arange(30) < 10, 0.5, 12).astype(np.float32)


@pytest.fixture
def job(tmp_path: Path) -> CompareMaps:
    return CompareMaps(
        map=write_raster(tmp_path / "eins.tif", MAP),
        map_2=write_raster(tmp_path / "zwei.tif", OTHER),
        observations=write_points(tmp_path / "punkte.gpkg", stratum=STRATA, area=AREAS, later=OBSERVED + 2),
        target=SoilProperty("clay", "%"),
        report=str(tmp_path / "report.html"),
        metrics=str(tmp_path / "metrics.json"),
        pairs=str(tmp_path / "pairs.gpkg"),
        difference=str(tmp_path / "difference.tif"),
    )


def with_limits(job: CompareMaps, second: Any = OTHER, margin: float = 4.0) -> CompareMaps:
    folder = Path(job.report).parent
    named = {"lower": MAP - margin, "upper": MAP + margin, "lower_2": second - margin, "upper_2": second + margin}
    rasters = {name: write_raster(folder / f"{name}.tif", values) for name, values in named.items()}
    return replace(job, **rasters, detectable=str(folder / "detectable.tif"))


def done(job: CompareMaps) -> tuple[dict[str, Any], list[str]]:
    events: list[Event] = []
    outputs = run(from_json(to_json(job)), Report(events.append))
    assert not list(Path(job.report).parent.glob("*.part*"))
    return outputs, [event.text for event in events if isinstance(event, Warning)]


def test_the_nearer_map_is_named_with_the_interval_of_the_difference(job: CompareMaps) -> None:
    outputs, warnings = done(job)
    errors = MAP[ROWS, COLS] - OBSERVED, OTHER[ROWS, COLS] - OBSERVED
    assert outputs["rmse"] == pytest.approx(np.sqrt(np.mean(errors[0] ** 2)))
    assert outputs["rmse_2"] == pytest.approx(np.sqrt(np.mean(errors[1] ** 2)))
    assert 0 < outputs["low"] < outputs["rmse_difference"] < outputs["high"]
    assert outputs["verdict"].startswith("The first map, eins, is nearer to the 40 observations (RMSE")
    assert outputs["count"] == 40 and warnings == []
    content = json.loads(Path(job.metrics).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["better"]["rmse"]["difference"]["value"] == pytest.approx(outputs["rmse_difference"])
    pairs = geopandas.read_file(job.pairs)
    assert pairs["residual"].to_numpy() == pytest.approx(np.abs(errors[1]) - np.abs(errors[0]))
    page = Path(job.report).read_text(encoding="utf-8")
    assert "describe the map at these 40 observations only" in page and "as if the points were independent" in page


def test_the_difference_is_a_raster_with_its_unit(job: CompareMaps) -> None:
    outputs, _ = done(job)
    with rasterio.open(job.difference) as dataset:
        assert dataset.read(1) == pytest.approx(OTHER - MAP, abs=1e-4)
        assert dataset.units == ("%",) and dataset.descriptions == ("Difference, second map minus first",)
    assert outputs["mean_difference"] == pytest.approx(float((OTHER - MAP).mean()), abs=1e-4)


def test_a_probability_sample_tells_of_the_whole_area(job: CompareMaps) -> None:
    sampled = replace(job, sample="stratified", stratum="stratum", weight="area")
    outputs, _ = done(sampled)
    assert outputs["rmse_difference"] > 0
    assert "stratified random sample of 40 observations in 2 strata" in Path(job.report).read_text(encoding="utf-8")


def test_a_difference_is_detectable_where_it_is_beyond_both_intervals(job: CompareMaps) -> None:
    found = with_limits(replace(job, map_2=write_raster(Path(job.report).parent / "drei.tif", RISEN)), RISEN)
    outputs, _ = done(found)
    with rasterio.open(found.detectable) as dataset:
        classes = dataset.read(1)
    assert (classes[:, :10] == 2).all() and (classes[:, 10:] == 3).all()
    assert outputs["detectable_share"] == pytest.approx(2 / 3)


def test_a_change_comes_with_the_smallest_one_that_is_seen(job: CompareMaps) -> None:
    changed = replace(job, question="change", target_2=SoilProperty("later", "%"))
    outputs, _ = done(changed)
    assert outputs["change"] == pytest.approx(2)
    assert "A mean change of less than about" in outputs["verdict"]
    assert "cannot be seen with these 40 observations" in outputs["verdict"]
    assert "residual" in geopandas.read_file(job.pairs).columns


def test_maps_alone_show_a_change_without_observations(job: CompareMaps) -> None:
    alone = replace(job, question="change", observations="", target=None, pairs="")
    outputs, _ = done(alone)
    assert outputs["verdict"].startswith("The second map shows") and "count" not in outputs


def test_observations_off_one_map_are_dropped_and_counted(job: CompareMaps) -> None:
    holed = OTHER.copy()
    holed[:, :10] = np.nan
    outputs, warnings = done(replace(job, map_2=write_raster(Path(job.report).parent / "loch.tif", holed)))
    lost = int((COLS < 10).sum())
    assert outputs["count"] == 40 - lost
    assert warnings == [f"{lost} observations are dropped: {lost} outside the second map, or where it has no data."]


def test_too_few_observations_are_refused_with_the_reason(job: CompareMaps) -> None:
    few = str(Path(job.report).parent / "few.gpkg")
    geopandas.read_file(job.observations).iloc[:2].to_file(few)
    with pytest.raises(EngineError, match="2 of the 2 observations of 'few' .* 3 are needed: the layer has no more"):
        done(replace(job, observations=few))


def test_crossed_limits_and_unlike_coverages_are_refused(job: CompareMaps) -> None:
    limited = with_limits(job)
    with pytest.raises(EngineError, match="A lower limit lies above its upper one at 600 pixels"):
        done(replace(limited, lower=limited.upper, upper=limited.lower))
    folder = Path(job.report).parent
    other = write_raster(folder / "anders.tif", MAP - 4, tags={"COVERAGE": "0.8"})
    own = write_raster(folder / "eigen.tif", MAP + 4, tags={"COVERAGE": "0.9"})
    with pytest.raises(EngineError, match="different coverage: 0.8, 0.9"):
        done(replace(limited, lower=other, upper=own))


def test_maps_without_common_pixels_are_refused(job: CompareMaps) -> None:
    left, right = MAP.copy(), OTHER.copy()
    left[:, 15:], right[:, :15] = np.nan, np.nan
    folder = Path(job.report).parent
    maps = {"map": write_raster(folder / "l.tif", left), "map_2": write_raster(folder / "r.tif", right)}
    alone = replace(job, question="change", observations="", target=None, pairs="", **maps)
    with pytest.raises(EngineError, match="no pixel with data in common"):
        done(alone)
    assert not Path(job.difference).exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"observations": "", "target": None, "pairs": ""}, "Only observations tell which of two maps is better"),
        ({"question": "change"}, "Choose TARGET_2, or leave the observations empty"),
        ({"target_2": SoilProperty("later")}, "Choose the question change"),
        ({"detectable": "/d.tif"}, "needs both limits of both maps"),
        ({"sample": "probabilities"}, "Choose it in INCLUSION"),
        ({"inclusion": "p"}, "Choose probabilities, or leave INCLUSION empty"),
        ({"coverage": 1.5}, "must lie between 0 and 1"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(job: CompareMaps, changes: Any, words: str) -> None:
    with pytest.raises(JobError, match=words):
        replace(job, **changes)


def test_one_map_cannot_be_compared_with_itself(job: CompareMaps) -> None:
    with pytest.raises(JobError, match="there is nothing to compare"):
        replace(job, map_2=job.map)
