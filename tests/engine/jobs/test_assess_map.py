"""Assess map as a whole: from files to numbers, files and a page, and what users get wrong."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy import stats
from shapely import Point

from soil_cnn_plugin.contract.events import Event, Warning
from soil_cnn_plugin.contract.jobs import AssessMap, Covariate, JobError, from_json, to_json
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.assess_map import run
from soil_cnn_plugin.engine.report import Report

RNG = np.random.default_rng(11)
MAP = RNG.normal(50, 10, (20, 30)).astype(np.float32)
ROWS, COLS = np.divmod(RNG.choice(600, 40, replace=False), 30)
XY = np.column_stack([1000 + 10 * COLS + RNG.uniform(1, 9, 40), 2000 - 10 * ROWS - RNG.uniform(1, 9, 40)])
PREDICTED = MAP[ROWS, COLS].astype(np.float64)  # of the pixel that holds the point, wherever in it
OBSERVED = PREDICTED + RNG.normal(1, 3, 40)
STRATA = np.where(COLS < 10, "west", "east")
AREAS = np.where(COLS < 10, 200.0, 400.0)


def write_raster(
    path: Path, *bands: NDArray[Any], crs: str | None = "EPSG:28992", tags: dict[str, str] | None = None, **options: Any
) -> Covariate:
    """In cells of 10 from the corner 1000, 2000."""
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands[0].shape[0], width=bands[0].shape[1],
        dtype="float32", crs=crs, transform=rasterio.Affine(10, 0, 1000, 0, -10, 2000), **options,
    ) as dataset:  # fmt: skip
        for number, values in enumerate(bands, start=1):
            dataset.write(values.astype(np.float32), number)
        dataset.update_tags(**(tags or {}))
    return Covariate(str(path), path.stem)


def write_points(path: Path, xy: Any = XY, crs: str | None = "EPSG:28992", **columns: Any) -> str:
    points = geopandas.GeoSeries([Point(each) for each in xy], crs="EPSG:28992" if crs else None)
    points = points.to_crs(crs) if crs else points
    geopandas.GeoDataFrame({"clay": OBSERVED, **columns}, geometry=points).to_file(path)
    return str(path)


@pytest.fixture
def job(tmp_path: Path) -> AssessMap:
    """A map without interval, at whose observations nothing is missing."""
    folder = tmp_path / "Böden und Karten"
    folder.mkdir()
    return AssessMap(
        observations=write_points(folder / "punkte.gpkg", stratum=STRATA, area=AREAS),
        target=SoilProperty("clay", "%"),
        map=write_raster(folder / "karte.tif", MAP),
        report=str(folder / "report.html"),
        metrics=str(folder / "metrics.json"),
        residuals=str(folder / "residuals.gpkg"),
    )


def with_limits(job: AssessMap, margin: Any = 4.0, **options: Any) -> AssessMap:
    folder = Path(job.map.path).parent
    lower = write_raster(folder / "tief.tif", MAP - margin, **options)
    return replace(job, lower=lower, upper=write_raster(folder / "hoch.tif", MAP + margin, **options))


def done(job: AssessMap) -> tuple[dict[str, Any], list[str]]:
    """Outputs and warnings."""
    events: list[Event] = []
    outputs = run(job, Report(events.append))
    assert not list(Path(job.report).parent.glob("*.part*"))
    return outputs, [event.text for event in events if isinstance(event, Warning)]


def numbers(job: AssessMap) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(job.metrics).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    return content


class Reader(HTMLParser):
    """The text that a reader sees."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(Path(path).read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.texts).split())

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def refused(message: str, job: AssessMap) -> None:
    before = sorted(os.listdir(Path(job.report).parent))
    with pytest.raises(EngineError, match=message):
        done(job)
    assert sorted(os.listdir(Path(job.report).parent)) == before


def test_scores_are_those_of_the_pixels_that_hold_the_observations(job: AssessMap) -> None:
    outputs, warnings = done(job)
    error = PREDICTED - OBSERVED
    assert outputs["count"] == 40
    assert outputs["me"] == pytest.approx(error.mean())
    assert outputs["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert outputs["mec"] == pytest.approx(1 - (error**2).sum() / ((OBSERVED - OBSERVED.mean()) ** 2).sum())
    slope = 2 * np.cov(OBSERVED, PREDICTED, ddof=0)[0, 1]
    assert outputs["ccc"] == pytest.approx(slope / (OBSERVED.var() + PREDICTED.var() + error.mean() ** 2))
    assert "picp" not in outputs and not warnings
    assert {name: outputs[name] for name in ("report", "metrics", "residuals")} == job.output_paths()


def test_the_job_survives_its_file(job: AssessMap) -> None:
    job = replace(with_limits(job), coverage=0.8, sample="stratified", stratum="stratum", weight="area")
    assert from_json(to_json(job)) == job


def test_the_interval_is_assessed_with_the_coverage_that_the_rasters_tell(job: AssessMap) -> None:
    job = with_limits(job, tags={"COVERAGE": "0.8"})
    outputs, warnings = done(job)
    outside = np.maximum(np.abs(PREDICTED - OBSERVED) - 4, 0)
    assert outputs["picp"] == pytest.approx((outside == 0).mean()) and not warnings
    assert numbers(job)["coverage"] == 0.8
    assert numbers(job)["scores"]["width"] == pytest.approx(8)
    assert numbers(job)["scores"]["interval_score"] == pytest.approx(8 + 10 * outside.mean(), rel=1e-5)
    assert "80 % prediction interval" in Reader(job.report).text


def test_a_given_coverage_wins_over_the_rasters_and_an_unknown_one_is_assumed_aloud(job: AssessMap) -> None:
    given = replace(with_limits(job, tags={"COVERAGE": "0.8"}), coverage=0.5)
    _, warnings = done(given)
    assert numbers(given)["coverage"] == 0.5
    assert "given as 0.5" in warnings[0] and "says 0.8" in warnings[0]
    untold = with_limits(job, tags={"COVERAGE": "wide"})
    _, warnings = done(untold)
    assert numbers(untold)["coverage"] == 0.9
    assert "0.9 is assumed" in warnings[0]


def test_residuals_come_as_points_in_the_maps_crs(job: AssessMap) -> None:
    folder = Path(job.report).parent
    job = replace(with_limits(job), observations=write_points(folder / "wgs.gpkg", crs="EPSG:4326"))
    done(job)
    points = geopandas.read_file(job.residuals, layer="residuals").sort_values("observation")
    assert points.crs.to_epsg() == 28992
    np.testing.assert_allclose(points.geometry.x, XY[:, 0], atol=0.01)
    np.testing.assert_allclose(points["predicted"], PREDICTED)
    np.testing.assert_allclose(points["residual"], PREDICTED - OBSERVED)
    np.testing.assert_allclose(points["upper"] - points["lower"], 8, rtol=1e-5)
    assert points["inside"].tolist() == (np.abs(PREDICTED - OBSERVED) <= 4).tolist()


def test_without_limits_residuals_have_no_columns_for_them(job: AssessMap) -> None:
    done(job)
    names = set(geopandas.read_file(job.residuals).columns)
    assert names == {"observation", "observed", "predicted", "residual", "geometry"}


def test_another_band_is_assessed_with_the_same_band_of_the_limits(job: AssessMap, tmp_path: Path) -> None:
    band = {
        name: replace(write_raster(tmp_path / f"{name}.tif", MAP * 0, MAP + shift), band=2)
        for name, shift in (("map", 1.0), ("lower", -5.0), ("upper", 6.0))
    }
    done(replace(job, **band))
    points = geopandas.read_file(job.residuals).sort_values("observation")
    np.testing.assert_allclose(points["predicted"], PREDICTED + 1, rtol=1e-6)
    np.testing.assert_allclose(points["lower"], PREDICTED - 5, rtol=1e-6)
    refused("has 2 bands, but band 3", replace(job, map=replace(band["map"], band=3)))


def test_limits_may_lie_on_another_grid(job: AssessMap) -> None:
    folder = Path(job.report).parent
    coarse = np.arange(600.0).reshape(20, 30)[:10, :15]
    with rasterio.open(
        folder / "coarse.tif", "w", driver="GTiff", count=1, height=10, width=15, dtype="float32", crs="EPSG:28992",
        transform=rasterio.Affine(20, 0, 1000, 0, 20, 1800),
    ) as dataset:  # fmt: skip
        dataset.write(coarse[::-1].astype(np.float32), 1)  # south up
    wide = write_raster(folder / "wide.tif", MAP + 1000)
    done(replace(job, lower=Covariate(str(folder / "coarse.tif"), "coarse"), upper=wide))
    points = geopandas.read_file(job.residuals).sort_values("observation")
    np.testing.assert_allclose(points["lower"], coarse[ROWS // 2, COLS // 2])


def test_observations_outside_or_without_value_are_dropped_and_counted(job: AssessMap) -> None:
    folder = Path(job.report).parent
    xy, clay, values = XY.copy(), OBSERVED.copy(), MAP.copy()
    xy[0], clay[1] = (0, 0), np.nan
    values[ROWS[2], COLS[2]] = -1
    job = replace(
        with_limits(job, nodata=MAP[ROWS[3], COLS[3]] - 4.0),
        observations=write_points(folder / "lücken.gpkg", xy, clay=clay),
        map=write_raster(folder / "lücken.tif", values, nodata=-1),
    )
    outputs, warnings = done(job)
    assert outputs["count"] == 36
    assert numbers(job)["dropped"] == {
        "without a value of any target": 1,
        "outside the map": 1,
        "in a pixel without data of the map": 1,
        "in a pixel without data of the lower limit": 1,
    }
    assert "4 observations are dropped" in warnings[-1]
    text = Reader(job.report).text
    assert "36 observations, 4 dropped" in text and "In a pixel without data of the lower limit 1" in text


def test_nodata_that_the_user_set_is_honoured(job: AssessMap) -> None:
    outputs, _ = done(replace(job, map=replace(job.map, nodata=((50.0, 1000.0),))))
    assert outputs["count"] == (PREDICTED < 50).sum()


def test_no_probability_sample_describes_these_points_only(job: AssessMap) -> None:
    done(job)
    assert numbers(job)["design_based"] is None
    text = Reader(job.report).text
    assert "These numbers describe the map at these 40 observations only." in text
    assert "Estimates for the whole map" not in text
    assert "the variance of these observations" in text


def test_a_simple_random_sample_gives_estimates_for_the_whole_map(job: AssessMap) -> None:
    job = replace(with_limits(job), sample="simple")
    outputs, _ = done(job)
    found = numbers(job)["design_based"]["by_measure"]
    expected = stats.ttest_1samp(PREDICTED - OBSERVED, 0).confidence_interval()
    assert (found["ME"]["low"], found["ME"]["high"]) == pytest.approx((expected.low, expected.high))
    assert list(found) == ["ME", "RMSE", "MEC", "PICP", "Width", "Interval score"]
    assert found["Width"]["value"] == pytest.approx(8)
    assert outputs["mec"] == found["MEC"]["value"] != numbers(job)["scores"]["mec"]
    text = Reader(job.report).text
    assert "Design-based estimates from a simple random sample of 40 observations" in text
    assert "no assumption about the soil, the map or its errors is needed (Wadoux et al. 2021)" in text
    assert "95 % confidence interval" in text


def test_a_stratified_sample_is_weighted_by_the_areas_of_its_strata(job: AssessMap) -> None:
    job = replace(job, sample="stratified", stratum="stratum", weight="area")
    outputs, _ = done(job)
    error = PREDICTED - OBSERVED
    west, east = error[STRATA == "west"], error[STRATA == "east"]
    assert outputs["me"] == pytest.approx(west.mean() / 3 + 2 * east.mean() / 3)
    assert outputs["rmse"] == pytest.approx(np.sqrt((west**2).mean() / 3 + 2 * (east**2).mean() / 3))
    spread = west.var(ddof=1) / len(west) / 9 + 4 * east.var(ddof=1) / len(east) / 9
    assert numbers(job)["design_based"]["by_measure"]["ME"]["standard_error"] == pytest.approx(np.sqrt(spread))
    assert "stratified random sample of 40 observations in 2 strata" in Reader(job.report).text


def test_dropped_observations_of_a_sample_are_told(job: AssessMap) -> None:
    folder = Path(job.report).parent
    xy = XY.copy()
    xy[0] = 0, 0
    job = replace(job, sample="simple", observations=write_points(folder / "one off.gpkg", xy))
    done(job)
    assert "The sample lost 1 of its 40 observations." in Reader(job.report).text


def stratified(job: AssessMap, name: str, xy: Any = XY, **columns: Any) -> AssessMap:
    columns = {"stratum": STRATA, "area": AREAS, **columns}
    path = write_points(Path(job.report).parent / f"{name}.gpkg", xy, **columns)
    return replace(job, observations=path, sample="stratified", stratum="stratum", weight="area")


def test_strata_that_do_not_fit_are_refused(job: AssessMap) -> None:
    single, empty, several, unknown = STRATA.astype(object), STRATA.astype(object), AREAS.copy(), AREAS.copy()
    single[0], empty[:3], several[0], unknown[STRATA == "west"] = "hill", None, 77.0, np.nan
    refused("single observation in stratum hill; .* Merge", stratified(job, "single", stratum=single))
    refused("3 of 40 observations .* have no stratum", stratified(job, "empty", stratum=empty))
    refused(f"Stratum {STRATA[0]} has more than one area .* area ", stratified(job, "several", area=several))
    refused("The area of stratum west is missing", stratified(job, "unknown", area=unknown))
    gone = np.where((STRATA == "west")[:, None], 0.0, XY)
    refused("All observations of stratum west were dropped", stratified(job, "gone", gone))
    refused("no field 'hill', which is chosen as stratum", replace(stratified(job, "field"), stratum="hill"))


def test_the_unit_comes_from_the_map_when_the_field_has_none(job: AssessMap) -> None:
    with rasterio.open(job.map.path, "r+") as dataset:
        dataset.units = ("g/kg",)
    done(replace(job, target=SoilProperty("clay")))
    assert numbers(job)["target"]["label"] == "clay (g/kg)"
    _, warnings = done(job)
    assert "The unit of clay is %, but the map says g/kg" in warnings[0]


def test_a_map_that_knows_nothing_and_constant_observations_give_a_page(job: AssessMap) -> None:
    folder = Path(job.report).parent
    outputs, _ = done(replace(job, map=write_raster(folder / "reversed.tif", 100 - MAP)))
    assert outputs["mec"] < 0 and "explains none of the variance" in Reader(job.report).text
    path = write_points(folder / "constant.gpkg", clay=np.full(40, 50.0))
    outputs, _ = done(replace(job, observations=path, sample="simple"))
    assert "mec" not in outputs and "ccc" not in outputs
    assert numbers(job)["scores"]["mec"] is None


def test_a_map_beyond_the_observations_is_refused(job: AssessMap) -> None:
    folder = Path(job.report).parent
    far = write_points(folder / "far.gpkg", XY + 100_000)
    refused(r"All 40 observations of 'far' lie outside the map\. They reach over", replace(job, observations=far))
    empty = write_raster(folder / "empty.tif", np.full_like(MAP, -1), nodata=-1)
    refused("None of the 40 observations .* 40 in a pixel without data of the map", replace(job, map=empty))


def test_crossed_limits_are_refused_with_their_number(job: AssessMap) -> None:
    margin = np.where(np.arange(30) < 10, -2.0, 2.0)
    crossed = int((COLS < 10).sum())
    refused(f"lower limit is above the upper one at {crossed} of 40 observations", with_limits(job, margin))


def test_a_map_outside_its_own_interval_is_told(job: AssessMap) -> None:
    limited = with_limits(job)
    outputs, warnings = done(replace(limited, map=write_raster(Path(job.report).parent / "other.tif", MAP + 9)))
    assert outputs["count"] == 40
    assert "At 40 of 40 observations the map's value lies outside its own interval" in warnings[-1]


def test_files_without_crs_are_refused(job: AssessMap) -> None:
    folder = Path(job.report).parent
    lost = write_raster(folder / "lost.tif", MAP, crs=None)
    refused(r"lost\.tif has no CRS", replace(job, map=lost))
    refused(r"lost\.tif has no CRS", replace(job, lower=lost, upper=lost))
    refused(r"'lost' have no CRS", replace(job, observations=write_points(folder / "lost.gpkg", crs=None)))


def test_rules_of_the_job(job: AssessMap) -> None:
    with pytest.raises(JobError, match="the upper one is missing"):
        replace(job, lower=job.map)
    with pytest.raises(JobError, match="coverage of the interval is 90; it must lie between 0 and 1"):
        replace(job, coverage=90)
    with pytest.raises(JobError, match="needs two fields"):
        replace(job, sample="stratified", stratum="stratum")
    with pytest.raises(JobError, match="the kind of sample is 'simple'. Choose stratified"):
        replace(job, sample="simple", weight="area")
    with pytest.raises(JobError, match="'random'; it must be one of: none, simple, stratified"):
        replace(job, sample="random")


def censored(job: AssessMap, limit: float = 48.0) -> tuple[AssessMap, NDArray[np.bool_], NDArray[np.float64]]:
    """The job with texts such as `<48`, where values are below, and the values as reported."""
    below = limit > OBSERVED
    texts = [f"<{limit:g}" if is_below else repr(float(value)) for is_below, value in zip(below, OBSERVED)]
    path = write_points(Path(job.report).parent / "texts.gpkg", clay=texts)
    return replace(job, observations=path), below, np.maximum(OBSERVED, limit)


def test_values_below_a_limit_are_compared_as_a_laboratory_reports_them(job: AssessMap) -> None:
    job, below, reported = censored(with_limits(job))
    outputs, warnings = done(job)
    as_reported = np.maximum(PREDICTED, 48)
    assert outputs["rmse"] == pytest.approx(np.sqrt(((as_reported - reported) ** 2).mean()))
    assert outputs["me"] == pytest.approx((as_reported - reported).mean())
    inside = np.abs(PREDICTED - OBSERVED) <= 4
    assert outputs["picp"] == pytest.approx(inside[~below].mean())
    content = numbers(job)
    assert content["censored"] == below.sum() and content["scores"]["width"] == pytest.approx(8)
    may = np.where(below, PREDICTED - 4 < 48, inside)  # none of the intervals holds all from 0 to the limit
    assert content["picp_of_all"] == pytest.approx([inside[~below].sum() / 40, may.mean()])
    text = " ".join(warnings)
    assert f"{below.sum()} of 40 values of clay" in text and "detection limit (48)" in text
    assert f"that of the {(~below).sum()} measured values" in text and f"at most {may.mean():.1%} lie inside" in text
    page = Reader(job.report).text
    assert "of the measured ones lie inside" in page and "the PICP is that of measured values" in page


def test_residuals_of_censored_values_are_those_of_what_is_reported(job: AssessMap) -> None:
    job, below, reported = censored(with_limits(job, np.where(np.arange(30) < 15, 4.0, 100.0)))
    done(replace(job, report=""))
    points = geopandas.read_file(job.residuals).sort_values("observation")
    assert points["censored"].tolist() == below.astype(int).tolist()
    np.testing.assert_allclose(points["observed"], reported)
    np.testing.assert_allclose(points["predicted"], PREDICTED)
    np.testing.assert_allclose(points["residual"], np.maximum(PREDICTED, 48) - reported)
    wide = COLS >= 15  # from below 0 to above the limit, where the value must lie inside
    surely_outside = below & ~wide & (PREDICTED - 4 >= 48)
    unknown = below & ~wide & ~surely_outside
    assert unknown.any() and points["inside"].isna().tolist() == unknown.tolist()
    assert points["inside"][below & wide].all() and not points["inside"][surely_outside].any()


def test_limits_may_stand_in_a_field_of_their_own(job: AssessMap) -> None:
    job, below, _ = censored(job)
    by_text, _ = done(replace(job, report=""))
    limits = np.where(np.arange(40) % 2, 48.0, np.nan)
    limits[below] = 48.0
    path = write_points(Path(job.metrics).parent / "field.gpkg", dl=limits)
    by_field, _ = done(replace(job, observations=path, detection_limit="dl", report=""))
    assert {name: by_field[name] for name in ("rmse", "me", "mec")} == {
        name: pytest.approx(by_text[name]) for name in ("rmse", "me", "mec")
    }
    assert numbers(job)["settings"]["Detection limits"] == "field dl"


def test_estimates_from_censored_values_bound_the_coverage_of_the_map(job: AssessMap) -> None:
    job, below, reported = censored(with_limits(job))
    outputs, _ = done(replace(job, sample="simple"))
    found = numbers(job)["design_based"]["by_measure"]
    assert list(found) == ["ME", "RMSE", "MEC", "PICP", "PICP, at least", "PICP, at most", "Width", "Interval score"]
    errors = np.maximum(PREDICTED, 48) - reported
    expected = stats.ttest_1samp(errors, 0).confidence_interval()
    assert (found["ME"]["low"], found["ME"]["high"]) == pytest.approx((expected.low, expected.high))
    inside = np.abs(PREDICTED - OBSERVED) <= 4
    assert outputs["picp"] == found["PICP"]["value"] == pytest.approx(inside[~below].mean())
    assert found["PICP, at least"]["value"] < found["PICP, at most"]["value"]
    assert "on" in Reader(job.report).text and "where values can be measured" in Reader(job.report).text


def test_limits_that_cannot_be_are_refused(job: AssessMap) -> None:
    folder = Path(job.report).parent
    texts = ["nd" if number < 3 else str(value) for number, value in enumerate(OBSERVED)]
    path = write_points(folder / "undetected.gpkg", clay=texts, dl=np.full(40, 5.0), wrong=np.zeros(40))
    refused("clay of 'undetected' says 'nd' at 3 observations, but nothing", replace(job, observations=path))
    refused("wrong of 'undetected' is not above 0 at 40", replace(job, observations=path, detection_limit="wrong"))
    done(replace(job, observations=path, detection_limit="dl"))
    all_below = write_points(folder / "all.gpkg", clay=np.full(40, 1.0), dl=np.full(40, 5.0))
    os.remove(job.report)
    os.remove(job.metrics)
    os.remove(job.residuals)
    refused(
        "clay of 'all' is below its detection limit at 40 of 40 observations on the map, but at least 2",
        replace(job, observations=all_below, detection_limit="dl"),
    )
    with pytest.raises(JobError, match="clay is chosen both as the target and as its detection limit"):
        replace(job, detection_limit="clay")


def test_several_limits_are_dealt_out_to_measured_values_aloud(job: AssessMap) -> None:
    limits = np.where(np.arange(40) % 2, 45.0, 55.0)
    path = write_points(Path(job.metrics).parent / "several.gpkg", dl=limits)
    _, warnings = done(replace(job, observations=path, detection_limit="dl", report=""))
    assert "detection limit (45 to 55)" in " ".join(warnings)
    assert "nothing says which of them a measured value had" in " ".join(warnings)


def test_names_of_strangers_put_no_scripts_into_the_page(job: AssessMap) -> None:
    with rasterio.open(job.map.path, "r+") as dataset:
        dataset.descriptions = ("<script>alert(1)</script>",)
    done(replace(job, map=replace(job.map, name="<b>map</b>")))
    page = Path(job.report).read_text(encoding="utf-8")
    assert "<script" not in page and "<b>map" not in page
