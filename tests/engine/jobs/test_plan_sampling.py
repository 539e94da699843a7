"""Plan sampling as a whole: from rasters and layers to points, a page, GPX and CSV, and what users get wrong."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas
import numpy as np
import pytest
from shapely import Point, Polygon, box

from soil_cnn_plugin.contract.events import Event, Info, Warning
from soil_cnn_plugin.contract.jobs import Covariate, JobError, PlanSampling, from_json, to_json
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.plan_sampling import run
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.sampling import candidates, how_many

RNG = np.random.default_rng(7)
HEIGHT = RNG.normal(300, 50, (24, 30)).astype(np.float32)
GEOLOGY = np.where(np.arange(30) < 8, 1, 2)[None].repeat(24, axis=0).astype(np.float32)
WEST, NORTH, CELL = 1000.0, 2000.0, 10.0  # of the fixture write_raster


@pytest.fixture
def job(tmp_path: Path, write_raster: Any) -> PlanSampling:
    gaps = HEIGHT.copy()
    gaps[:, -2:] = np.nan
    return PlanSampling(
        plan=str(tmp_path / "plan.gpkg"),
        points=12,
        covariates=(
            Covariate(write_raster("height.tif", gaps), "height"),
            Covariate(write_raster("geology.tif", GEOLOGY), "geology", kind="categorical"),
        ),
        report=str(tmp_path / "report.html"),
        gpx=str(tmp_path / "points.gpx"),
        csv=str(tmp_path / "points.csv"),
        metrics=str(tmp_path / "metrics.json"),
        iterations=300,
    )


def done(job: PlanSampling) -> tuple[geopandas.GeoDataFrame, dict[str, Any], list[str], list[str]]:
    """Points, numbers, infos and warnings."""
    events: list[Event] = []
    outputs = run(from_json(to_json(job)), Report(events.append))
    assert not list(Path(job.plan).parent.glob("*.part*"))
    numbers = json.loads(Path(job.metrics).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert outputs["count"] == job.points
    infos = [event.text for event in events if isinstance(event, Info)]
    return geopandas.read_file(job.plan), numbers, infos, [e.text for e in events if isinstance(e, Warning)]


def pixels(points: geopandas.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    cols, rows = (points.geometry.x - WEST) / CELL - 0.5, (NORTH - points.geometry.y) / CELL - 0.5
    assert np.allclose(cols, np.rint(cols)) and np.allclose(rows, np.rint(rows)), "points lie at centres of pixels"
    return np.rint(rows).astype(int), np.rint(cols).astype(int)


def polygons(path: Path, *shapes: Any, **columns: Any) -> str:
    geopandas.GeoDataFrame(columns, geometry=list(shapes), crs="EPSG:28992").to_file(path)
    return str(path)


def legacy_layer(path: Path, count: int = 60) -> str:
    rows, cols = RNG.integers(0, 24, count), RNG.integers(0, 10, count)
    places = [Point(WEST + CELL * (c + 0.4), NORTH - CELL * (r + 0.6)) for r, c in zip(rows, cols)]
    values = HEIGHT[rows, cols] / 10 + RNG.normal(0, 1, count)
    geopandas.GeoDataFrame({"clay": values}, geometry=places, crs="EPSG:28992").to_file(path)
    return str(path)


@pytest.mark.parametrize("design", [each for each in PlanSampling.DESIGNS if each != "where_next"])
def test_each_design_gives_different_pixels_with_data_an_order_and_a_way(job: PlanSampling, design: str) -> None:
    points, numbers, _, _ = done(replace(job, design=design))
    rows, cols = pixels(points)
    assert len(set(zip(rows, cols))) == 12 and cols.max() < 28
    assert sorted(points["walk"]) == points["order"].tolist() == list(range(1, 13))
    assert numbers["pixels"]["places"] == 24 * 28 and numbers["pixels"]["without_data"] == 48
    assert ("inclusion" in points) == (design in PlanSampling.PROBABILITY)
    if numbers["criterion"]:
        assert numbers["criterion"]["value"] < np.mean(numbers["criterion"]["random"])
    page = Path(job.report).read_text(encoding="utf-8")
    assert "It cannot prove" in page and "<script" not in page
    assert ("Kind of sample: simple" in page) == (design == "simple_random")


def test_the_same_seed_gives_the_same_points_and_another_one_others(job: PlanSampling) -> None:
    quiet = replace(job, design="balanced", report="", gpx="", csv="")
    drawn = [done(replace(quiet, seed=seed))[0].geometry.x.tolist() for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_points_lie_in_the_area_and_not_in_excluded_parts(job: PlanSampling, tmp_path: Path) -> None:
    area = polygons(tmp_path / "area.gpkg", box(1000, 1800, 1200, 2000))
    excluded = polygons(tmp_path / "no.gpkg", box(1050, 1800, 1150, 2000))
    points, numbers, infos, _ = done(replace(job, area=area, excluded=excluded))
    rows, cols = pixels(points)
    assert rows.max() < 20 and ((cols < 5) | (cols >= 15)).all() and cols.max() < 20
    assert numbers["pixels"]["places"] == 200
    assert infos[0].startswith("200 of 720 pixels may be sampled (48 without data; 272 outside the area; 200 in")


def test_given_strata_feed_assess_map_with_their_areas(job: PlanSampling, write_raster: Any) -> None:
    strata = write_raster("strata.tif", GEOLOGY.astype(np.uint8))
    points, numbers, _, _ = done(replace(job, design="stratified_random", strata=strata))
    assert points.groupby("stratum").size().to_dict() == {"1": 3, "2": 9}  # 192 and 480 pixels
    assert points.groupby("stratum")["stratum_area"].first().to_dict() == pytest.approx({"1": 1.92, "2": 4.8})
    expected = np.where(points["stratum"] == "1", 3 / 192, 9 / 480)
    assert points["inclusion"].to_numpy() == pytest.approx(expected)
    assert numbers["strata"]["hectares"] == pytest.approx([1.92, 4.8])


def test_polygons_of_one_name_are_one_stratum(job: PlanSampling, tmp_path: Path) -> None:
    bow_tie = Polygon([(1150, 1760), (1280, 2000), (1280, 1760), (1150, 2000)])
    parts = box(1000, 1760, 1100, 2000), box(1100, 1760, 1150, 2000), bow_tie
    strata = polygons(tmp_path / "strata.gpkg", *parts, name=["wood", "field", "wood"])
    points, _, _, warnings = done(replace(job, design="stratified_random", strata=strata, stratum="name"))
    assert [text for text in warnings if text.startswith("1 of 3 polygons of 'strata' have outlines that cross")]
    _, cols = pixels(points)
    assert ((points["stratum"] == "field") == ((cols >= 10) & (cols < 15))).all()


def test_made_strata_cover_the_area_and_get_two_points_each(job: PlanSampling) -> None:
    points, numbers, _, _ = done(replace(job, design="stratified_random"))
    assert (points.groupby("stratum").size() == 2).all() and len(numbers["strata"]["names"]) == 6
    assert sum(numbers["strata"]["pixels"]) == 672


def test_random_points_keep_their_spacing_with_known_chances(job: PlanSampling) -> None:
    points, _, infos, _ = done(replace(job, design="simple_random", min_spacing=35.0, points=8))
    rows, cols = pixels(points)
    assert len(set(rows % 4)) == len(set(cols % 4)) == 1
    on_lattice = 6 * 7  # every fourth row and column of 24 x 28
    assert points["inclusion"].to_numpy() == pytest.approx([8 / on_lattice / 16] * 8)
    assert any("lattice of every 4th row and column" in text for text in infos)


def test_existing_points_are_filled_up_and_tell_how_many_are_enough(
    job: PlanSampling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(how_many, "_TREES", 10)
    monkeypatch.setattr(how_many, "_REPEATS", 4)
    legacy = legacy_layer(tmp_path / "old.gpkg")
    points, numbers, _, _ = done(replace(job, legacy=legacy, target=SoilProperty("clay", "%"), min_spacing=15.0))
    _, cols = pixels(points)
    assert (cols >= 9).all()
    assert numbers["existing_points"] == 60
    assert numbers["error_curve"]["sentence"].startswith("Twice the samples (120 instead of 60) lower the RMSE by")
    assert "How many are enough" in Path(job.report).read_text(encoding="utf-8")


def test_chances_of_a_balanced_sample_fall_towards_existing_points(job: PlanSampling, tmp_path: Path) -> None:
    points, *_ = done(replace(job, design="balanced", legacy=legacy_layer(tmp_path / "old.gpkg")))
    _, cols = pixels(points)
    assert np.ptp(points["inclusion"]) > 0 and (cols >= 10).mean() > 0.7
    assert "Kind of sample: probabilities" in Path(job.report).read_text(encoding="utf-8")


def test_cheap_places_are_preferred_and_unknown_costs_are_out_of_reach(job: PlanSampling, write_raster: Any) -> None:
    away = np.where(np.arange(30) < 14, 0.0, 2000.0)[None].repeat(24, axis=0).astype(np.float32)
    away[:, 20:] = np.nan
    cost = Covariate(write_raster("roads.tif", away), "roads")
    for design in ("feature_coverage", "balanced"):
        points, _, _, warnings = done(replace(job, design=design, cost=cost, cost_weight=20.0))
        _, cols = pixels(points)
        assert cols.max() < 20 and (cols < 14).sum() >= 9
        assert "192 pixels have no cost in roads.tif and count as out of reach." in warnings
        assert set(points["cost"].round(3)) <= {1.0, round(1 + 20 * 2000 / (2000 * 6 / 20), 3)}


def test_waypoints_and_the_table_hold_the_points_in_walking_order(job: PlanSampling) -> None:
    points, *_ = done(job)
    root = ElementTree.parse(job.gpx).getroot()
    space = {"g": "http://www.topografix.com/GPX/1/1"}
    names = [each.findtext("g:name", namespaces=space) for each in root.findall("g:wpt", space)]
    assert names == [f"{number:03d}" for number in range(1, 13)]
    assert len(root.findall("g:rte/g:rtept", space)) == 12
    with open(job.csv, encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(row["walk"]) for row in table] == list(range(1, 13))
    ordered = points.sort_values("walk")
    assert [float(row["x"]) for row in table] == pytest.approx(ordered.geometry.x.tolist())
    degrees = ordered.to_crs("EPSG:4326").geometry
    first = root.find("g:wpt", space)
    assert first is not None and float(first.attrib["lon"]) == pytest.approx(degrees.iloc[0].x, abs=1e-6)


def test_a_large_raster_is_counted_whole_and_sampled_with_known_chances(
    job: PlanSampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST_CANDIDATES", 100)
    monkeypatch.setattr(candidates.read_candidates, "__defaults__", (100,))
    points, numbers, infos, _ = done(replace(job, design="simple_random"))
    assert numbers["candidates"] == 100 and numbers["pixels"]["places"] == 672
    assert points["inclusion"].to_numpy() == pytest.approx([12 / 672] * 12)
    assert any("100 of the 672 places (15%)" in text for text in infos)


def test_costs_of_zero_everywhere_or_below_are_refused(job: PlanSampling, write_raster: Any) -> None:
    nothing = Covariate(write_raster("zero.tif", np.zeros((24, 30), np.float32)), "zero")
    with pytest.raises(EngineError, match="is 0 in all 672 pixels that may be sampled.*leave COST empty"):
        done(replace(job, cost=nothing))
    below = Covariate(write_raster("below.tif", np.full((24, 30), -5, np.float32)), "below")
    with pytest.raises(EngineError, match="is -5 somewhere, but no place costs less than nothing"):
        done(replace(job, cost=below))


@pytest.mark.parametrize("design", ["spatial_coverage", "latin_hypercube", "simple_random", "balanced"])
def test_more_points_than_pixels_are_refused(job: PlanSampling, design: str) -> None:
    with pytest.raises(EngineError, match="700 points are asked for, but there are only 672 pixels to choose from"):
        done(replace(job, design=design, points=700))


def test_a_spacing_without_room_tells_how_many_points_fit(job: PlanSampling) -> None:
    with pytest.raises(EngineError, match=r"Only \d+ of 12 points find a place at least 120 m.*Lower MIN_SPACING"):
        done(replace(job, min_spacing=120.0))


def test_strata_with_one_pixel_or_too_few_points_are_refused(job: PlanSampling, write_raster: Any) -> None:
    codes = GEOLOGY.astype(np.uint8).copy()
    codes[0, 0] = 3
    strata = write_raster("strata.tif", codes)
    with pytest.raises(EngineError, match=r"1 of 3 strata have fewer than two pixels: 3 \(1\)"):
        done(replace(job, design="stratified_random", strata=strata))
    many = write_raster("many.tif", (np.arange(720).reshape(24, 30) // 40).astype(np.uint8))
    with pytest.raises(EngineError, match="12 points in 18 strata are fewer than two in each.*at least 36 points"):
        done(replace(job, design="stratified_random", strata=many))


def test_an_area_off_the_rasters_is_told_with_both_extents(job: PlanSampling, tmp_path: Path) -> None:
    off = polygons(tmp_path / "off.gpkg", box(0, 0, 10, 10))
    with pytest.raises(EngineError, match="The area to sample .west 0.* lies outside the map"):
        done(replace(job, area=off))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"design": "where_next"}, "no network is chosen"),
        ({"network": "/n.safetensors"}, "asks no network"),
        ({"covariates": ()}, "Nothing says which pixels may be sampled"),
        ({"design": "latin_hypercube", "covariates": (), "reference": "/r.tif"}, "none is chosen"),
        ({"design": "simple_random", "cost": Covariate("/c.tif", "c")}, "no cost can count"),
        ({"strata": "/s.gpkg"}, "Choose stratified_random"),
        ({"design": "stratified_random", "strata_count": 7}, "at least 14 points, or for at most 6 strata"),
        ({"design": "simple_random", "points": 1}, "at least 2 points"),
        ({"variogram": "1, 2"}, "Write three numbers"),
        ({"variogram": "2, 1, 100"}, "below the sill"),
        ({"min_spacing": -1.0}, "must be 0 or more"),
        ({"target": SoilProperty("clay")}, "no layer of existing points"),
        ({"focus": "/f.gpkg"}, "where_next, or leave FOCUS empty"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(job: PlanSampling, changes: Any, words: str) -> None:
    with pytest.raises(JobError, match=words):
        replace(job, **changes)
