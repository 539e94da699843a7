"""Check observations as a whole: from files to a page, a layer of problems and numbers, and what users get wrong."""

from __future__ import annotations

import json
import os
import time
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from numpy.typing import NDArray
from shapely import LineString, Point

from soil_cnn_plugin.contract.events import Event, Info, Warning
from soil_cnn_plugin.contract.jobs import CheckObservations, Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.check_observations import run
from soil_cnn_plugin.engine.report import Report

RNG = np.random.default_rng(12)
COUNT = 80
XY = np.column_stack([RNG.uniform(1000, 1500, COUNT), RNG.uniform(1600, 2000, COUNT)]) + [150_000, 400_000]
ZINC = np.exp(RNG.normal(5, 0.4, COUNT)).round(1)
SAND, SILT = RNG.uniform(20, 40, COUNT), RNG.uniform(20, 40, COUNT)
SOIL = np.array(["Luvisol", "Gleysol", "Cambisol", "Podzol"] * 20, object)
ELEVATION = RNG.normal(50, 10, (40, 50)).astype(np.float32)


def write_points(path: Path, xy: Any = XY, crs: str | None = "EPSG:28992", **columns: Any) -> str:
    points = [None if each is None else each if hasattr(each, "geom_type") else Point(each) for each in xy]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing CRS
        geopandas.GeoDataFrame(columns, geometry=points, crs=crs).to_file(path)
    return str(path)


def write_raster(path: Path, values: NDArray[Any], crs: str = "EPSG:28992") -> Covariate:
    """In cells of 10 m from the corner 151000, 402000."""
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1], dtype="float32", crs=crs,
        transform=rasterio.Affine(10, 0, 151_000, 0, -10, 402_000), nodata=-9999,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return Covariate(str(path), path.stem)


@pytest.fixture
def job(tmp_path: Path) -> CheckObservations:
    """Observations without any problem."""
    folder = tmp_path / "Böden & Höhen"
    folder.mkdir()
    return CheckObservations(
        observations=write_points(
            folder / "punkte.gpkg", zinc=ZINC, sand=SAND, silt=SILT, clay=100 - SAND - SILT, soil=SOIL
        ),
        report=str(folder / "report.html"),
        problems=str(folder / "problems.gpkg"),
        metrics=str(folder / "metrics.json"),
        fields=("zinc", "soil"),
        units=(SoilProperty("zinc", "mg/kg"), *(SoilProperty(part, "%") for part in ("sand", "silt", "clay"))),
        covariates=(write_raster(folder / "höhe.tif", ELEVATION),),
        composition=("sand", "silt", "clay"),
    )


def changed(job: CheckObservations, xy: Any = XY, **columns: Any) -> CheckObservations:
    """The job with other observations in its layer."""
    known = {"zinc": ZINC, "sand": SAND, "silt": SILT, "clay": 100 - SAND - SILT, "soil": SOIL}
    os.remove(job.observations)
    write_points(Path(job.observations), xy, **{**known, **columns})
    return job


def done(job: CheckObservations) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    outputs = run(job, Report(events.append))
    assert not list(Path(job.observations).parent.glob("*.part*"))
    return outputs, events


def problems(job: CheckObservations) -> geopandas.GeoDataFrame:
    return geopandas.read_file(job.problems, layer="problems")


def numbers(job: CheckObservations) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(job.metrics).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    return content


class Reader(HTMLParser):
    """The text that a reader sees, in one line."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(Path(path).read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.texts).split())

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def refused(message: str, job: CheckObservations) -> None:
    before = sorted(os.listdir(Path(job.report).parent))
    with pytest.raises(EngineError, match=message):
        done(job)
    assert sorted(os.listdir(Path(job.report).parent)) == before


def test_good_observations_have_no_problems_and_the_page_says_so(job: CheckObservations) -> None:
    outputs, events = done(job)
    assert (outputs["count"], outputs["problem_count"]) == (COUNT, 0)
    assert not [event for event in events if isinstance(event, Warning)]
    page = Reader(job.report).text
    assert "No problems found" in page and "80 observations and 5 fields" in page
    assert "To repair" not in page and "To check" not in page
    assert len(problems(job)) == len(problems(job)[problems(job).severity == "note"])


def test_the_page_shows_counts_ranges_sums_classes_and_places(job: CheckObservations) -> None:
    done(job)
    page = Reader(job.report).text
    for words in (
        "zinc (mg/kg) 80 0 0 0",
        "sand + silt + clay = 100 80 80 (100 %)",
        "4 classes at 80 observations; 0 without one.",
        "Inside the covariates 80",
        "The Clark-Evans ratio is",
        "like places at random",
        "Depths of horizons choose Profile, Upper limit and Lower limit",
        "doi:10.2307/1931034",
    ):
        assert words in page, words
    assert "<svg" in Path(job.report).read_text(encoding="utf-8")


def test_each_problem_is_a_row_with_observation_field_sentence_value_and_place(job: CheckObservations) -> None:
    zinc = np.where(np.arange(COUNT) == 5, -9999.0, ZINC)
    soil = np.where(np.arange(COUNT) == 7, "gleysol", SOIL)
    done(changed(job, zinc=zinc, soil=soil))
    found = problems(job).query("severity != 'note'").set_index("kind")
    assert sorted(found.index) == ["class_spelling", "missing_code"]
    code = found.loc["missing_code"]
    assert (code.observation, code.field, code.severity, code.value) == (6, "zinc", "repair", "-9999")
    assert code.problem == "Codes for missing values"
    assert code.sentence == "zinc is -9999, which looks like a code for a missing value."
    assert code.geometry.distance(Point(XY[5])) < 1e-6
    assert found.loc["class_spelling"].observation == 8


def test_the_page_tells_what_to_repair_first_and_how(job: CheckObservations) -> None:
    zinc = np.where(np.arange(COUNT) % 40 == 5, -9999.0, ZINC)
    done(changed(job, zinc=zinc, sand=np.where(np.arange(COUNT) == 9, SAND + 20, SAND)))
    page = Reader(job.report).text
    assert "2 things to repair, at 3 of 80 observations" in page
    assert "Repair first: codes for missing values (2 observations); then sums of the composition far" in page
    assert 'update zinc with nullif("zinc", -9999)' in page
    assert page.index("Codes for missing values") < page.index("Sums of the composition far from the whole")


def test_the_log_tells_what_the_page_tells(job: CheckObservations) -> None:
    _, events = done(changed(job, zinc=np.where(np.arange(COUNT) == 5, -9999.0, ZINC)))
    told = [event.text for event in events if isinstance(event, Warning)]
    assert len(told) == 1 and told[0].startswith("To repair: zinc is -9999 at 1 of 80 observations")
    page = Reader(done(job)[0]["report"]).text
    assert all(event.text in page for event in events if isinstance(event, Info))


def test_places_are_compared_with_the_covariates(job: CheckObservations) -> None:
    holes = ELEVATION.copy()
    holes[20, 30] = -9999
    slope = write_raster(Path(job.report).parent / "slope.tif", holes)
    xy = [*XY]
    xy[3], xy[4], xy[5], xy[6] = (151_305, 401_795), (152_600, 401_800), (151_201, 401_901), (151_209, 401_909)
    done(changed(replace(job, covariates=(*job.covariates, slope)), xy))
    found = problems(job).set_index("observation")
    assert found.loc[4, "sentence"] == "The pixel has no data of slope."
    assert found.loc[5, "sentence"] == "The observation lies outside the covariates, 1.1 km away."
    assert found.loc[6, "kind"] == found.loc[7, "kind"] == "same_pixel"
    assert numbers(job)["covariates"] == {
        "inside": 79, "outside": 1, "without_data": 1, "without_data_of": {"slope": 1}
    }  # fmt: skip


def test_covariates_of_another_crs_are_met(job: CheckObservations) -> None:
    observations = geopandas.read_file(job.observations).to_crs("EPSG:4326")
    observations.to_file(job.observations)
    done(job)
    assert numbers(job)["covariates"]["inside"] == COUNT
    assert numbers(job)["clustering"]["kind"] == "like places at random"


def test_observations_far_from_the_covariates_are_told_with_both_extents(job: CheckObservations) -> None:
    done(changed(job, XY + [50_000, 0]))
    sentence = next(each["sentence"] for each in numbers(job)["problems"] if each["kind"] == "outside_covariates")
    assert "All 80 observations lie outside" in sentence and "west 201" in sentence and "west 151000" in sentence


def test_horizons_share_places_and_their_depths_are_checked(job: CheckObservations) -> None:
    xy = np.repeat(XY[:40], 2, axis=0)
    upper, lower = np.tile([0.0, 30.0], 40), np.tile([30.0, 60.0], 40)
    upper[5] = 20
    horizons = replace(changed(job, xy, top=upper, bottom=lower), upper="top", lower="bottom")
    done(horizons)
    found = problems(job).query("severity != 'note'")
    assert found[["observation", "kind", "value"]].to_numpy().tolist() == [[6, "depth_overlap", "20-60"]]
    assert numbers(job)["horizons"]["profiles"] == 40
    assert "2 to 2, median 2" in Reader(job.report).text


def test_detection_limits_are_paired_by_name(job: CheckObservations) -> None:
    limits = np.full(COUNT, 120.0)
    done(replace(changed(job, zinc_dl=limits), detection_limits=("zinc_dl",)))
    content = numbers(job)
    assert content["detection_limits"][0]["below"] == (ZINC <= 120).sum() == content["fields"]["zinc"]["below"]
    assert "≤ 120" in Reader(job.report).text


def test_without_chosen_fields_all_that_hold_numbers_are_checked(job: CheckObservations) -> None:
    layer = changed(job, ID=np.arange(COUNT) + 1, x=XY[:, 0], note=["a"] * COUNT, om=[f"{v:.0f},5" for v in SAND])
    done(replace(layer, fields=(), composition=()))
    assert list(numbers(job)["fields"]) == ["zinc", "sand", "silt", "clay", "om"]
    assert set(numbers(job)["not_checked"]) == {"ID", "x", "note", "soil"}


def test_only_the_outputs_that_are_wanted_are_written(job: CheckObservations) -> None:
    outputs, _ = done(replace(job, report="", problems="", metrics=""))
    assert outputs == {"count": COUNT, "problem_count": 0}
    assert sorted(os.listdir(Path(job.observations).parent)) == ["höhe.tif", "punkte.gpkg"]


def test_a_problem_of_the_whole_layer_is_a_row_without_place(job: CheckObservations) -> None:
    outputs, _ = done(replace(job, composition=("sand", "silt")))
    info = pyogrio.read_info(job.problems, layer="problems")
    assert outputs["problem_count"] == 1 and info["geometry_type"] == "Point"
    found = problems(job).query("severity == 'repair'")
    assert found.geometry.isna().all() and found.observation.isna().all()
    assert found.field.tolist() == ["sand, silt"]


def test_names_and_values_of_a_stranger_stay_text_on_the_page(job: CheckObservations) -> None:
    evil = "<script>alert(1)</script>"
    texts = np.where(np.arange(COUNT) == 3, evil, ZINC.astype(str)).astype(object)
    soil = np.where(np.arange(COUNT) == 3, evil, SOIL).astype(object)
    done(replace(changed(job, soil=soil, **{"<b>$zinc$": texts}), fields=("<b>$zinc$", "soil")))
    page = Path(job.report).read_text(encoding="utf-8")
    assert "<script" not in page and "<b>" not in page
    assert "&lt;script&gt;" in page and "&lt;b&gt;$zinc$" in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observations": "/nowhere/points.gpkg"}, "/nowhere/points.gpkg do not exist"),
        ({"fields": ("lead",)}, "have no field 'lead'.*They have: zinc, sand, silt, clay, soil"),
        ({"composition": ("sand", "soil")}, "The field soil of 'punkte' holds texts, where numbers are needed"),
        ({"detection_limits": ("sand", "clay"), "composition": ()}, "not clear which detection limit"),
        ({"covariates": (Covariate("/nowhere/dem.tif", "dem"),)}, "/nowhere/dem.tif"),
    ],
)
def test_what_cannot_be_checked_is_refused_by_name(
    job: CheckObservations, changes: dict[str, Any], message: str
) -> None:
    refused(message, replace(job, **changes))


def test_lines_an_empty_layer_and_a_missing_crs_are_refused(job: CheckObservations) -> None:
    folder = Path(job.observations).parent
    lines = write_points(folder / "lines.gpkg", [LineString([(0, 0), (1, 1)])], zinc=[1.0])
    refused("hold a LineString", replace(job, observations=lines))
    lost = write_points(folder / "lost.gpkg", crs=None, zinc=ZINC)
    refused("'lost' have no CRS", replace(job, observations=lost))
    empty = write_points(folder / "empty.gpkg", [], zinc=np.empty(0))
    refused("'empty' hold no features", replace(job, observations=empty))


@pytest.mark.parametrize("xy", [[(151_100, 401_800)], [None, None], [(151_100, 401_800)] * 30])
def test_hardly_any_place_is_no_trouble(job: CheckObservations, xy: list[Any]) -> None:
    few = write_points(Path(job.observations).parent / "few.gpkg", xy, zinc=ZINC[: len(xy)])
    outputs, _ = done(replace(job, observations=few, fields=("zinc",), composition=()))
    assert outputs["count"] == len(xy)
    assert "Check of observations" in Reader(job.report).text


def test_twenty_thousand_points_with_forty_fields_take_seconds(job: CheckObservations) -> None:
    count = 20_000
    xy = np.column_stack([RNG.uniform(151_000, 151_500, count), RNG.uniform(401_600, 402_000, count)])
    columns = {f"field_{number}": np.exp(RNG.normal(0, 1, count)) for number in range(40)}
    layer = Path(job.observations).parent / "many.gpkg"
    geopandas.GeoDataFrame(columns, geometry=geopandas.points_from_xy(*xy.T), crs="EPSG:28992").to_file(layer)
    started = time.monotonic()
    done(replace(job, observations=str(layer), fields=(), composition=()))
    assert time.monotonic() - started < 30  # 2 s on a quiet core
    assert Path(job.report).stat().st_size < 3_000_000
