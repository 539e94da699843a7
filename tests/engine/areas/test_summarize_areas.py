"""The job that summarizes areas: whole runs with a network of random numbers, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely

from soil_cnn_plugin.contract.events import Event, Warning
from soil_cnn_plugin.contract.jobs import PredictMap, SummarizeAreas, Threshold, parse_expressions
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.areas.area_layer import read_areas
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel, Correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs import predict_map, summarize_areas
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.area_files import coarse_in_words
from soil_cnn_plugin.engine.reports.stock_words import total_in_words
from soil_cnn_plugin.engine.training.network_file import write_network
from soil_cnn_plugin.engine.training.unseen import PlacedErrors
from tests.engine.landscape import CELL, CRS, NORTH, SIDE, TARGETS, WEST, Landscape, make_landscape, random_network

MODELS = tuple(CorrelationModel(nugget, 150.0, 0.5) for nugget in (0.2, 0.4))
CORRELOGRAM = Correlogram(MODELS, (20.0, 60.0), (0.5, 0.3), (40, 80), 60)
ERRORS = ErrorCorrelation(
    (("zinc_0_10",), ("clay",)), (CORRELOGRAM, CORRELOGRAM), ((1.0, 0.5), (0.5, 1.0)), (None, 0.5)
)


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"))


@pytest.fixture(scope="module")
def network(landscape: Landscape) -> str:
    return keep(landscape, ERRORS, "network")


def keep(
    landscape: Landscape, errors: ErrorCorrelation | None, name: str, targets: tuple[SoilProperty, ...] = TARGETS
) -> str:
    """A network file of random numbers whose errors go together in this way, with 60 observations."""
    trained = random_network(landscape, has_location=True, patch_size=5, architectures=(("ring", 5),))
    rng = np.random.default_rng(7)
    places = np.column_stack([WEST + rng.uniform(0, 400, 60), NORTH - rng.uniform(0, 400, 60)])
    trained = replace(
        trained,
        description=replace(trained.description, error_correlation=errors, targets=targets),
        errors=PlacedErrors(places, rng.normal(size=(60, 2))),
    )
    path = str(landscape.folder / f"{name}.safetensors")
    write_network(path, trained)
    return path


def box(left: float, top: float, right: float, bottom: float) -> Any:
    """A box in pixels of the landscape."""
    return shapely.box(WEST + CELL * left, NORTH - CELL * bottom, WEST + CELL * right, NORTH - CELL * top)


def draw(folder: Path, shapes: list[Any], crs: str = CRS) -> str:
    path = str(folder / "areas_in.gpkg")
    frame = geopandas.GeoDataFrame({"name": [f"field {n}" for n in range(len(shapes))]}, geometry=shapes, crs=CRS)
    frame.to_crs(crs).to_file(path)
    return path


def summarize(
    network: str, landscape: Landscape, folder: Path, shapes: list[Any], crs: str = CRS, **wanted: Any
) -> tuple[geopandas.GeoDataFrame, dict[str, Any]]:
    job = SummarizeAreas(
        network=network,
        polygons=draw(folder, shapes, crs),
        areas=str(folder / "areas.gpkg"),
        covariates=landscape.covariates,
        **wanted,
    )
    outputs = summarize_areas.run(job, Report(lambda event: None))
    return geopandas.read_file(job.areas), outputs


def map_of(network: str, landscape: Landscape, folder: Path) -> dict[str, Any]:
    import rasterio

    paths = {name: str(folder / f"{name}.tif") for name in ("prediction", "lower", "upper")}
    predict_map.run(PredictMap(network, covariates=landscape.covariates, **paths), Report(lambda event: None))
    found = {}
    for name, path in paths.items():
        with rasterio.open(path) as raster:
            found[name] = raster.read(masked=True).filled(np.nan)
    return found


def test_one_pixel_has_the_mean_and_the_interval_of_the_map(network: str, landscape: Landscape, tmp_path: Path) -> None:
    found, _ = summarize(network, landscape, tmp_path, [box(15, 15, 16, 16)])
    on_map = map_of(network, landscape, tmp_path)
    assert found["zinc_0_10_mean"][0] == pytest.approx(on_map["prediction"][0, 15, 15], rel=1e-5)
    # The map's mean holds tails beyond its outermost quantiles; draws are scaled to it.
    for limit in ("lower", "upper"):
        assert found[f"zinc_0_10_{limit}"][0] == pytest.approx(on_map[limit][0, 15, 15], rel=0.03)
    assert found["area_ha"][0] == pytest.approx(0.01, rel=5e-3)


def test_a_mean_is_that_of_the_map_weighted_by_shares_of_pixels(
    network: str, landscape: Landscape, tmp_path: Path
) -> None:
    holed = box(12, 14, 20, 20).difference(box(13.5, 15, 15, 17)).union(box(30, 30, 31.5, 31))
    sliver = box(15.3, 15.1, 15.4, 15.9)
    found, _ = summarize(network, landscape, tmp_path, [holed, sliver, box(0, 0, SIDE, SIDE)])
    clay = map_of(network, landscape, tmp_path)["prediction"][1]
    shares = np.zeros((SIDE, SIDE))
    shares[14:20, 12:20] = 1
    shares[15:17, 13] -= 0.5
    shares[15:17, 14] -= 1
    shares[30, 30:32] = 1, 0.5
    known = np.isfinite(clay)
    expected = [(clay[known] * shares[known]).sum() / shares[known].sum(), clay[15, 15], clay[known].mean()]
    # clay is told by residuals nearby: their mean moves it, by less than its standard deviation
    assert np.abs(found["clay_mean"] - expected).max() < found["clay_sd"].max()
    zinc = map_of(network, landscape, tmp_path)["prediction"][0]
    expected = [(zinc[known] * shares[known]).sum() / shares[known].sum(), zinc[15, 15], zinc[known].mean()]
    np.testing.assert_allclose(found["zinc_0_10_mean"], expected, rtol=1e-5)
    assert found["pixels"].tolist() == [int(((shares > 0) & known).sum()), 1, int(known.sum())]
    assert found["mapped_share"][2] == pytest.approx(known.mean())
    assert found["zinc_0_10_sd"][2] < found["zinc_0_10_sd"][0] < found["zinc_0_10_sd"][1]
    assert found["observations"][2] == 60


def test_another_crs_and_a_polygon_half_beside_the_map(network: str, landscape: Landscape, tmp_path: Path) -> None:
    half = box(-10, 20, 10, 30)
    inside = box(20, 20, 30, 30)
    shapes = [half, inside, box(90, 0, 95, 5)]
    found, outputs = summarize(network, landscape, tmp_path, shapes, "EPSG:4326", report=str(tmp_path / "areas.html"))
    page = " ".join((tmp_path / "areas.html").read_text().split())
    assert "1 area is only partly mapped: its numbers are those of the mapped part. 1 area is not mapped" in page
    same, _ = summarize(network, landscape, tmp_path, [half, inside])
    assert found["mapped_share"][0] == pytest.approx(0.5, abs=0.01)
    assert np.isnan(found["zinc_0_10_mean"][2]) and outputs["count"] == 2
    np.testing.assert_allclose(found["zinc_0_10_mean"][:2], same["zinc_0_10_mean"], rtol=0.01)
    np.testing.assert_allclose(found["area_ha"][:2], same["area_ha"], rtol=1e-3)


def test_outlines_that_cross_themselves_are_repaired_and_counted(landscape: Landscape, tmp_path: Path) -> None:
    left, top, right, bottom = box(10, 10, 20, 20).bounds
    crossing = shapely.Polygon([(left, top), (right, bottom), (right, top), (left, bottom)])
    grid = reference_grid(landscape.covariates[0].path)
    events: list[Event] = []
    layer = read_areas(draw(tmp_path, [crossing, box(1, 1, 5, 5)]), grid, Report(events.append))
    assert layer.areas[0].hectares == pytest.approx(0.5 * 0.01 * CELL**2, rel=1e-2)  # half of 10 x 10 cells
    (told,) = [event.text for event in events if isinstance(event, Warning)]
    assert told.startswith("1 of 2 polygons of 'areas_in' have outlines that cross or touch themselves.")


@pytest.mark.parametrize(
    ("value", "words"), [(20773.2, "20,800"), (284.2, "284"), (0.0123, "0.0123"), (float("nan"), "–")]
)
def test_totals_have_three_digits(value: float, words: str) -> None:
    assert total_in_words(value) == words


def test_thresholds_stocks_and_the_page(network: str, landscape: Landscape, tmp_path: Path) -> None:
    found, _ = summarize(
        network,
        landscape,
        tmp_path,
        [box(12, 14, 20, 20), box(25, 25, 38, 38)],
        exceedance=(Threshold("zinc_0_10", 50.0),),
        expressions=parse_expressions("zinc stock (t/ha) = zinc_0_10 * clay / 1000; twice = 2 * clay"),
        report=str(tmp_path / "areas.html"),
        metrics=str(tmp_path / "areas.json"),
        name_field="name",
    )
    assert found["zinc_0_10_p_above_50"].between(0, 1).all()
    assert (found["zinc_0_10_above_50_lower"] <= found["zinc_0_10_above_50_share"]).all()
    np.testing.assert_allclose(found["twice_mean"], 2 * found["clay_mean"], rtol=0.02)
    hectares = found["area_ha"] * found["mapped_share"]
    np.testing.assert_allclose(found["zinc_stock_total_t"], found["zinc_stock_mean"] * hectares, rtol=1e-9)
    # errors of both go together, so the mean of the product is above the product of the means
    assert (1000 * found["zinc_stock_mean"] > found["zinc_0_10_mean"] * found["clay_mean"]).all()
    page = (tmp_path / "areas.html").read_text()
    assert "field 1" in page and "Probability that the mean is &gt; 50" in page
    assert len(json.loads((tmp_path / "areas.json").read_text())["areas"]) == 2


def test_draws_whose_values_cannot_go_together_count_for_nothing(
    network: str, landscape: Landscape, tmp_path: Path
) -> None:
    shapes = [box(15, 15, 16, 16), box(25, 25, 38, 38)]
    middle = map_of(network, landscape, tmp_path)["prediction"][0, 15, 15]
    formulas = f"root = 1000 + sqrt(zinc_0_10 - {middle:.4f}); other = log(-1 - exp(clay))"
    wanted = {name: str(tmp_path / f"areas.{name}") for name in ("html", "json")}
    found, _ = summarize(
        network,
        landscape,
        tmp_path,
        shapes,
        expressions=parse_expressions(formulas),
        report=wanted["html"],
        metrics=wanted["json"],
    )
    # about half of the draws of a pixel lie below the number that the root is taken of
    assert (found["root_lower"] >= 1000).all() and (found["root_sd"] < 100).all()
    assert found["other_mean"].isna().all() and found["other_upper"].isna().all()
    areas = json.loads((tmp_path / "areas.json").read_text())["areas"]
    assert areas[0]["estimates"][-1]["mean"] is None and areas[0]["estimates"][-1]["excluded"] == 1
    assert "nan" not in (tmp_path / "areas.html").read_text().lower().split("<h2", 1)[1]


def test_a_soil_mass_that_the_layers_do_not_hold_is_told(landscape: Landscape, tmp_path: Path) -> None:
    errors = replace(ERRORS, groups=(("zinc_0_10",), ("bd_0_10",)))
    light = (SoilProperty("zinc_0_10", "mg/kg"), SoilProperty("bd_0_10", "kg/m3"))  # numbers of clay: about 20 t/ha
    network, page, events = keep(landscape, errors, "light", light), tmp_path / "areas.html", list[Event]()
    job = SummarizeAreas(
        network=network,
        polygons=draw(tmp_path, [box(12, 14, 20, 20), box(25, 25, 38, 38)]),
        areas=str(tmp_path / "areas.gpkg"),
        covariates=landscape.covariates,
        stock="equivalent_soil_mass",
        carbon=("zinc_0_10",),
        bulk_density=("bd_0_10",),
        soil_mass=5000.0,
        report=str(page),
    )
    summarize_areas.run(job, Report(events.append))
    held = geopandas.read_file(job.areas)["bd_0_10_mean"].mean()
    sentence = (
        "Areas whose layers hold less fine soil than the 5,000 t/ha asked for: 2 of 2, with"
        f" {held:,.0f} t/ha on average. The other {100 - held / 50:.0f} % of the mass lies below the lowest layer"
    )
    (told,) = [event.text for event in events if isinstance(event, Warning)]
    assert told.startswith(sentence)
    html = page.read_text().replace("\u00a0", " ")
    assert '<p class="caution">Areas whose layers hold less fine soil than the 5,000 t/ha asked for' in html
    settings = ("zinc_0_10", "bd_0_10", "5,000 t/ha", "areas_in")  # the layer's name, not a path of the copy
    assert all(re.search(rf"<td[^>]*>{each}</td>", html) for each in settings)
    events.clear()
    summarize_areas.run(replace(job, soil_mass=5.0), Report(events.append))
    assert not [event for event in events if isinstance(event, Warning)]
    assert "Areas whose layers hold less" not in page.read_text()


def test_the_limits_of_a_map_give_the_answers_of_the_network(
    network: str, landscape: Landscape, tmp_path: Path
) -> None:
    map_of(network, landscape, tmp_path)
    shapes, limits = [box(12, 14, 20, 20), box(25.5, 25, 38, 38)], {}
    for name in ("lower", "upper"):
        limits[name] = str(tmp_path / f"{name}.tif")
    job = SummarizeAreas(network, draw(tmp_path, shapes), str(tmp_path / "map.gpkg"), **limits)
    summarize_areas.run(job, Report(lambda event: None))
    of_map, (of_network, _) = geopandas.read_file(job.areas), summarize(network, landscape, tmp_path, shapes)
    for column in ("zinc_0_10_mean", "zinc_0_10_sd", "clay_mean", "clay_upper"):
        np.testing.assert_allclose(of_map[column], of_network[column], rtol=0.02)
    wrong = {
        str(tmp_path / "prediction.tif"): "is not the lower limit of a map",
        landscape.covariates[0].path: "has the bands",
    }
    for path, words in wrong.items():
        with pytest.raises(EngineError, match=words):
            summarize_areas.run(replace(job, lower=path), Report(lambda event: None))


def test_the_same_seed_gives_the_same_answers(network: str, landscape: Landscape, tmp_path: Path) -> None:
    once, _ = summarize(network, landscape, tmp_path, [box(2, 10, 36, 38)])
    again, _ = summarize(network, landscape, tmp_path, [box(2, 10, 36, 38)], block_size=16)
    np.testing.assert_allclose(again["zinc_0_10_mean"], once["zinc_0_10_mean"], rtol=1e-6)
    np.testing.assert_allclose(again["zinc_0_10_sd"], once["zinc_0_10_sd"], rtol=0.08)


def refused(network: str, landscape: Landscape, folder: Path, shapes: list[Any], **wanted: Any) -> str:
    with pytest.raises(EngineError) as error:
        summarize(network, landscape, folder, shapes, **wanted)
    assert not (folder / "areas.gpkg").exists()
    return str(error.value)


def test_wrong_twins_are_refused_with_numbers_and_remedy(network: str, landscape: Landscape, tmp_path: Path) -> None:
    inside = [box(1, 1, 5, 5)]
    assert "No polygon of 'areas_in' overlaps the map (1 in all). The layer reaches over" in refused(
        network, landscape, tmp_path, [box(90, 90, 95, 95)]
    )
    unknown = replace(ERRORS, correlograms=(CORRELOGRAM, None), noise=(None, None))
    for errors, fields in ((None, "zinc_0_10, clay"), (unknown, "clay")):
        message = refused(keep(landscape, errors, "older"), landscape, tmp_path, inside)
        assert f"no correlogram of {fields}" in message and "Train the network again" in message
    stock = {"stock": "organic_carbon", "carbon": ("clay",), "bulk_density": ("zinc_0_10",)}
    assert "zinc_0_10, the bulk density of the stock, has the unit 'mg/kg'" in refused(
        network, landscape, tmp_path, inside, **stock
    )
    assert "'x' names lead" in refused(
        network, landscape, tmp_path, inside, expressions=parse_expressions("x = 2 * lead")
    )
    assert "has no field 'farm'" in refused(network, landscape, tmp_path, inside, name_field="farm")


def test_areas_with_very_many_pixels_are_counted_in_words() -> None:
    one = SimpleNamespace(side=4, estimates=(SimpleNamespace(uncertain_spread=0.02),))
    other = SimpleNamespace(side=9, estimates=None)
    assert coarse_in_words([one]).startswith("1 area has so many pixels that squares of up to 4 pixels a side")
    assert coarse_in_words([one, other]).startswith("2 areas have so many pixels that squares of up to 9 pixels a")
