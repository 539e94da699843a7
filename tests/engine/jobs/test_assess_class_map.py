"""Assess map with maps of classes: from this plugin and elsewhere, by any design, and what users get wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest
import rasterio

from soil_cnn_plugin.contract.events import Info, Warning
from soil_cnn_plugin.contract.jobs import AssessMap, Covariate, JobError, from_json, to_json
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.assess_map import run
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.report import Report
from tests.engine.jobs.test_assess_map import Reader

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (10, 0, 1000, 0, -10, 2000), 20, 30)
NAMES = ("Gley", "Moor", "Fels", "Wasser")
SHOWN = np.repeat([1, 2, 3], (10, 15, 5))[None].repeat(20, axis=0)  # columns of Gley, Moor and Fels; no Wasser
RNG = np.random.default_rng(4)
ROWS, COLS = np.concatenate([RNG.permutation(20) for _ in range(3)]), np.repeat([2, 15, 27], 20)
SEEN = np.where(RNG.uniform(size=60) < 0.7, SHOWN[ROWS, COLS], RNG.integers(1, 4, 60))  # the true class
RIGHT = SHOWN[ROWS, COLS] == SEEN
OBSERVED = np.array(NAMES, object)[SEEN - 1]


def own_map(path: Path, values: np.ndarray = SHOWN, names: tuple[str, ...] = NAMES) -> Covariate:
    """As Predict map writes it."""
    with RasterFile(str(path), GRID, ["soil"], [""], {}, [names]) as file:
        file.write(Block(0, 0, 20, 30), values[None].astype(float))
        file.finish()
    return Covariate(str(path), path.stem)


def bare_map(path: Path, values: np.ndarray = SHOWN, dtype: str = "int16") -> Covariate:
    """Codes, and nothing that names them."""
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=20, width=30, dtype=dtype, crs=GRID.crs_wkt,
        transform=rasterio.Affine(*GRID.transform), nodata=-1,
    ) as dataset:  # fmt: skip
        dataset.write(values.astype(dtype), 1)
    return Covariate(str(path), path.stem)


def points(path: Path, **columns: Any) -> str:
    place = geopandas.points_from_xy(1005 + 10 * COLS, 1995 - 10 * ROWS)
    geopandas.GeoDataFrame({"soil": OBSERVED, "code": SEEN, **columns}, geometry=place, crs=GRID.crs_wkt).to_file(path)
    return str(path)


@pytest.fixture
def job(tmp_path: Path) -> AssessMap:
    return AssessMap(
        observations=points(tmp_path / "punkte.gpkg"),
        target=SoilProperty("soil"),
        map=own_map(tmp_path / "karte.tif"),
        metrics=str(tmp_path / "metrics.json"),
        residuals=str(tmp_path / "residuals.gpkg"),
    )


def with_page(job: AssessMap, **changes: Any) -> AssessMap:
    return replace(job, report=str(Path(job.metrics).with_name("report.html")), **changes)


def done(job: AssessMap) -> tuple[dict[str, Any], dict[str, Any], list[str], list[str]]:
    """Outputs, metrics, warnings and infos."""
    events: list[object] = []
    outputs = run(job, Report(events.append))
    content = json.loads(Path(job.metrics).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    warnings = [event.text for event in events if isinstance(event, Warning)]
    return outputs, content, warnings, [event.text for event in events if isinstance(event, Info)]


def test_a_map_of_this_plugin_is_matched_by_name_and_described_at_the_points_only(job: AssessMap) -> None:
    job = with_page(job)
    outputs, content, warnings, infos = done(job)
    assert outputs["accuracy"] == pytest.approx(RIGHT.mean()) and outputs["count"] == 60
    assert "rmse" not in outputs and not warnings
    assert "soil holds names, so the map is assessed as one of classes." in infos
    assert any("60 of 60 observations are matched with the map's classes by name" in text for text in infos)
    assert content["design_based"] is None and list(content["classes"]) == ["Gley", "Moor", "Fels"]
    gley = content["classes"]["Gley"]
    assert gley["map_pixels"] == 200 and gley["map_hectares"] == pytest.approx(2.0)
    assert gley["purity"] == pytest.approx((SEEN[COLS == 2] == 1).mean())
    assert gley["representation"] == pytest.approx((SHOWN[ROWS, COLS][SEEN == 1] == 1).mean())
    assert np.array(content["confusion"]).sum() == 60
    text = Reader(job.report).text
    assert "These numbers describe the map at these 60 observations only." in text
    assert "have no confidence intervals" in text and "Estimates for the map" not in text


def test_residuals_say_where_the_map_is_right(job: AssessMap) -> None:
    done(job)
    found = geopandas.read_file(job.residuals, layer="residuals").sort_values("observation")
    assert set(found.columns) == {"observation", "observed", "predicted", "correct", "geometry"}
    assert found["observed"].tolist() == OBSERVED.tolist()
    assert found["predicted"].tolist() == np.array(NAMES, object)[SHOWN[ROWS, COLS] - 1].tolist()
    assert found["correct"].tolist() == RIGHT.tolist() and found["correct"].dtype == bool
    assert found.crs.to_epsg() == 28992


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_bare_codes_are_matched_by_code(job: AssessMap, tmp_path: Path, dtype: str) -> None:
    bare = replace(
        job, map=bare_map(tmp_path / "bare.tif", dtype=dtype), target=SoilProperty("code"), target_type="class"
    )
    outputs, content, _, infos = done(bare)
    assert outputs["accuracy"] == pytest.approx(RIGHT.mean()) and list(content["classes"]) == ["1", "2", "3"]
    assert any("60 of 60 observations are matched with the map's classes by code" in text for text in infos)


def test_names_of_the_layers_legend_count_too(job: AssessMap, tmp_path: Path) -> None:
    bare = replace(bare_map(tmp_path / "bare.tif"), labels=tuple(enumerate(NAMES, start=1)))
    outputs, _, warnings, _ = done(replace(job, map=bare))
    assert outputs["accuracy"] == pytest.approx(RIGHT.mean()) and not warnings


def test_a_numeric_field_is_of_classes_where_the_map_names_them(job: AssessMap) -> None:
    outputs, _, _, infos = done(replace(job, target=SoilProperty("code")))
    assert outputs["accuracy"] == pytest.approx(RIGHT.mean())
    assert any("The map has names of classes (Gley, Moor, Fels, Wasser)" in text for text in infos)


def test_codes_that_may_be_numbers_are_numbers_and_doubted(job: AssessMap, tmp_path: Path) -> None:
    bare = replace(job, map=bare_map(tmp_path / "bare.tif"), target=SoilProperty("code"))
    outputs, _, warnings, _ = done(bare)
    assert "rmse" in outputs and "accuracy" not in outputs
    assert "code 3 different ones, and are compared as measured numbers" in warnings[0] and "'class'" in warnings[0]


def test_a_sample_by_the_maps_classes_counts_their_areas_from_the_raster(job: AssessMap) -> None:
    job = with_page(job, sample="map_classes")
    outputs, content, warnings, _ = done(job)
    purities = [(SEEN[SHOWN[ROWS, COLS] == code] == code).mean() for code in (1, 2, 3)]
    weights = np.array([10, 15, 5]) / 30
    assert outputs["accuracy"] == pytest.approx(weights @ purities) and not warnings
    found = content["design_based"]
    error = np.sqrt(sum(w**2 * p * (1 - p) / 19 for w, p in zip(weights, purities)))  # Olofsson et al., equation 5
    assert found["accuracy"]["standard_error"] == pytest.approx(error)
    assert found["land"] == {"area": pytest.approx(6.0), "unit": "ha", "share": 1.0}
    assert found["purity"]["Moor"]["value"] == pytest.approx(purities[1])
    assert sum(each["value"] for each in found["share"].values()) == pytest.approx(1)
    text = Reader(job.report).text
    assert "The map shows the right class on" in text and "of its area (95 % confidence interval" in text
    assert "stratified random sample of 60 observations in 3 strata" in text and "Area (ha)" in text
    assert "Olofsson" in text and "have no confidence intervals" not in text


def test_simple_and_stratified_samples_have_estimates_too(job: AssessMap, tmp_path: Path) -> None:
    outputs, content, _, _ = done(replace(job, sample="simple"))
    assert outputs["accuracy"] == pytest.approx(RIGHT.mean())
    assert content["design_based"]["land"]["area"] == pytest.approx(6.0)
    side = np.where(ROWS < 10, "north", "south")
    path = points(tmp_path / "strata.gpkg", side=side, share=np.where(ROWS < 10, 1.0, 3.0))
    outputs, content, _, _ = done(replace(job, observations=path, sample="stratified", stratum="side", weight="share"))
    assert outputs["accuracy"] == pytest.approx(0.25 * RIGHT[ROWS < 10].mean() + 0.75 * RIGHT[ROWS >= 10].mean())
    assert content["design_based"]["land"] == {"area": 4.0, "unit": "unit of the field share", "share": 1.0}


def test_classes_of_one_side_only_are_told(job: AssessMap, tmp_path: Path) -> None:
    observed = np.where(OBSERVED == "Gley", "Podsol", OBSERVED)
    observed[:2] = "Wasser"
    path = points(tmp_path / "others.gpkg", soil=observed)
    job = with_page(job, observations=path)
    outputs, content, warnings, _ = done(job)
    podsols = int((observed == "Podsol").sum())
    assert outputs["accuracy"] == pytest.approx((observed == np.array(NAMES, object)[SHOWN[ROWS, COLS] - 1]).mean())
    assert content["not_on_the_map"] == {"Podsol": podsols}
    text = " ".join(warnings)
    assert f"The map does not have the classes of {podsols} observations: Podsol {podsols}." in text
    assert "1 class of the map was never observed: Gley 33 % of the map." in text
    assert "names classes that none of its pixels shows (with their observations): Wasser 2." in text
    assert all(warning in Reader(job.report).text for warning in warnings)


def test_classes_that_the_sample_missed_are_left_out_of_the_estimates_aloud(job: AssessMap, tmp_path: Path) -> None:
    values = SHOWN.copy()
    values[0, 0:3] = 4  # three pixels of Wasser, at which nobody looked
    values[ROWS[0], COLS[0]] = 4
    job = with_page(job, map=own_map(tmp_path / "rare.tif", values), sample="map_classes")
    outputs, content, warnings, _ = done(job)
    assert any("fewer than 2 observations lie: Wasser" in text for text in warnings)
    assert content["design_based"]["land"]["share"] == pytest.approx(1 - (values == 4).mean())
    share = f"{100 * (1 - (values == 4).mean()):.1f} % of the map"
    assert f"They hold for {share}" in Reader(job.report).text


def test_missing_classes_and_empty_pixels_are_dropped_and_counted(job: AssessMap, tmp_path: Path) -> None:
    observed, values = OBSERVED.copy(), SHOWN.copy()
    observed[:3] = [None, "#N/A", " "]
    values[ROWS[5], COLS[5]] = 0
    path = points(tmp_path / "gaps.gpkg", soil=observed)
    outputs, content, _, infos = done(replace(job, observations=path, map=own_map(tmp_path / "gaps.tif", values)))
    assert outputs["count"] == 56
    expected = {"without a value of any target": 3, "in a pixel without data of the map": 1}
    assert content["dropped"] == expected
    assert any("have no soil, as '#N/A' says" in text for text in infos)


def test_what_does_not_fit_is_refused(job: AssessMap, tmp_path: Path) -> None:
    def refused(message: str, wrong: AssessMap) -> None:
        with pytest.raises(EngineError, match=message):
            run(wrong, Report(lambda event: None))
        assert not Path(job.metrics).exists()

    numbers = points(tmp_path / "numbers.gpkg", zinc=np.linspace(1.5, 9.9, 60), dl=np.ones(60))
    measured = replace(job, observations=numbers, target=SoilProperty("zinc"))
    refused(r"map of classes \(Gley, .*\), but zinc of 'numbers' holds measured numbers such as 1.5", measured)
    real = bare_map(tmp_path / "real.tif", SHOWN + 0.5, "float32")
    refused("real.tif holds 1.5, which is no code of a class", replace(job, map=real))
    refused(
        "holds 'Fels', 'Gley', 'Moor'; the map has the codes 1, 2, 3", replace(job, map=bare_map(tmp_path / "b.tif"))
    )
    refused("no prediction interval. Leave LOWER and UPPER empty", replace(job, lower=real, upper=real))
    refused("holds classes, which have no detection limit", replace(job, detection_limit="code"))
    refused("assessed as a map of numbers", replace(measured, map=real, sample="map_classes"))
    with pytest.raises(JobError, match="target type is 'continuous'"):
        replace(job, target_type="continuous", sample="map_classes")
    with pytest.raises(JobError, match="classes has no prediction interval"):
        replace(job, target_type="class", lower=real, upper=real)


def test_the_job_survives_its_file(job: AssessMap) -> None:
    job = replace(job, sample="map_classes", target_type="class")
    assert from_json(to_json(job)) == job


def test_names_of_strangers_put_no_scripts_into_the_page(job: AssessMap, tmp_path: Path) -> None:
    names = ("<script>alert(1)</script>", "Moor & Fels", "c")
    observed = np.array(names, object)[SEEN - 1]
    path = points(tmp_path / "odd.gpkg", soil=observed)
    job = with_page(job, observations=path, map=own_map(tmp_path / "odd.tif", SHOWN, names), sample="map_classes")
    done(job)
    page = Path(job.report).read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
