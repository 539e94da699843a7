"""Observations: where they lie, what they measured, and what a user's layer may get wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pyogrio
import pyproj
import pytest
from shapely import MultiPoint, Point, Polygon

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.locating import check_usable, locate_observations
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, dropped_in_words, read_layer, write_dropped
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.targets.measured import TargetsInWords

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (40.0, 0.0, 178440.0, 0.0, -40.0, 333760.0), 104, 78)
XY = [(178450.0 + 100 * number, 333700.0 - 90 * number) for number in range(30)]


def write_points(path: Path, columns: dict[str, Any], points: Any = None, crs: Any = "EPSG:28992") -> str:
    geometry = [Point(xy) for xy in XY] if points is None else points
    geopandas.GeoDataFrame(columns, geometry=geometry, crs=crs).to_file(path)
    return str(path)


def locate(path: str, *fields: str, group: str = "") -> tuple[Observations, Dropped, Notes, Layer, ExtractPatches]:
    targets = tuple(SoilProperty(field) for field in fields or ("zinc",))
    job = ExtractPatches(path, targets, (Covariate("/c.tif", "c"),), "/patches.h5", group=group)
    layer, dropped, notes = read_layer(path), Dropped(), Notes()
    found, _ = locate_observations(layer, job, GRID, dropped, notes)
    return found, dropped, notes, layer, job


def test_points_come_with_values_pixels_and_ids(tmp_path: Path) -> None:
    path = write_points(tmp_path / "punkte süd 1.gpkg", {"zinc": np.arange(30.0), "lead": [None] * 10 + [1.5] * 20})
    found, dropped, notes, layer, _ = locate(path, "zinc", "lead")
    assert found.values[:, 0].tolist() == list(range(30))
    assert np.isnan(found.values[:10, 1]).all() and (found.values[10:, 1] == 1.5).all()
    np.testing.assert_array_equal(found.coordinates, XY)
    # Point 3 lies 310 m right of and 330 m below the corner: column 7 and row 8 of 40 m.
    assert (found.rows[3], found.cols[3]) == (8, 7)
    assert found.ids.tolist() == pyogrio.read_dataframe(path, fid_as_index=True).index.tolist() == layer.ids.tolist()
    assert not dropped.reasons and notes == Notes()
    assert len(np.unique(found.sites)) == 30


def test_points_of_another_crs_are_transformed(tmp_path: Path) -> None:
    points = geopandas.GeoSeries([Point(xy) for xy in XY], crs="EPSG:28992").to_crs("EPSG:4326")
    found, *_ = locate(write_points(tmp_path / "a.gpkg", {"zinc": np.arange(30.0)}, points, "EPSG:4326"))
    np.testing.assert_allclose(found.coordinates, XY, atol=0.01)


def test_coordinates_of_another_crs_than_the_layers_are_refused_with_the_remedy(tmp_path: Path) -> None:
    points = geopandas.GeoSeries([Point(xy) for xy in XY], crs="EPSG:4326")  # metres, taken for degrees
    path = write_points(tmp_path / "a.gpkg", {"zinc": np.arange(30.0)}, points, "EPSG:4326")
    with pytest.raises(EngineError, match="No observation of 'a' has a place in EPSG:28992.*Set the right one"):
        locate(path)


def test_points_that_cannot_be_used_are_dropped_with_a_reason(tmp_path: Path) -> None:
    points: list[Any] = [Point(xy) for xy in XY]
    points[0], points[1], points[2], points[3] = None, Point(), Point(0, 0), MultiPoint([XY[3], XY[4]])
    points[4] = MultiPoint([XY[4]])
    zinc = np.arange(30.0)
    zinc[5], zinc[6] = np.inf, np.nan
    path = tmp_path / "a.gpkg"
    geopandas.GeoDataFrame({"zinc": zinc}, geometry=points, crs="EPSG:28992").to_file(path, driver="GPKG")
    found, dropped, _, layer, _ = locate(str(path))
    assert found.values[:, 0].tolist() == [4.0, *range(7, 30)]
    first = layer.ids[0]
    assert {identity - first: reason for identity, reason in dropped.reasons.items()} == {
        0: "without geometry",
        1: "without geometry",
        2: "outside the covariates",
        3: "with several points in one feature",
        5: "with an infinite target value",
        6: "without a value of any target",
    }
    assert dropped.in_words().startswith("2 without geometry; 1 ")


def test_group_and_pixel_join_sites(tmp_path: Path) -> None:
    xy = [*XY[:5], (XY[0][0] + 15, XY[0][1] - 15), XY[1], *XY[7:]]
    profile = ["a", "b", "c", "c", None, "d", "e", "e", "", None, *map(str, range(20))]
    columns = {"zinc": np.arange(30.0), "profile": profile}
    path = write_points(tmp_path / "a.gpkg", columns, [Point(each) for each in xy])
    found, _, notes, *_ = locate(path, group="profile")
    sites = found.sites
    assert sites[0] == sites[5]  # same pixel
    assert sites[2] == sites[3]  # same profile
    assert sites[1] == sites[6] == sites[7]  # pixel, then profile
    assert len(np.unique(sites)) == 30 - 4
    assert notes.facts == [
        "4 observations share their pixel with another one. They are kept, and no fold tears them apart."
    ]


def test_numbers_in_a_text_field_are_read(tmp_path: Path) -> None:
    texts = ["1,5", " 2.25 ", "+3", "1e2", "", None, "NA", *map(str, range(23))]
    found, dropped, notes, *_ = locate(write_points(tmp_path / "a.gpkg", {"zinc": texts}))
    assert found.values[:5, 0].tolist() == [1.5, 2.25, 3.0, 100.0, 0.0]
    assert len(dropped.reasons) == 3
    assert notes.facts == ["zinc is a text field; its 27 values were read as numbers."]


def refused(message: str, path: str, *fields: str, group: str = "") -> None:
    with pytest.raises(EngineError, match=message):
        found, dropped, _, layer, job = locate(path, *fields, group=group)
        check_usable(found, TargetsInWords(job.targets), layer, dropped)


def test_fields_that_cannot_be_targets_are_named(tmp_path: Path) -> None:
    columns = {
        "zinc": np.arange(30.0),
        "note": ["unknown", "unknown", "lost", *map(str, range(27))],
        "when": pandas.date_range("2020-01-01", periods=30),
        "nothing": [None] * 29 + [np.nan],
        "same": [7.0] * 30,
        "few": [1.0, 2.0] * 5 + [np.nan] * 20,
    }
    path = write_points(tmp_path / "a.gpkg", columns)
    refused("note of 'a' is a text field, and 3 of its 30 values are not numbers: 'unknown', 'lost'", path, "note")
    refused(r"when of 'a' is not numeric", path, "when")
    refused("nothing of .* has no value at any of its 30 observations", path, "nothing")
    refused("same is 7 at all 30 usable observations .*nothing to learn", path, "same")
    refused("few has 10 usable observations of 30 .* at least 20", path, "zinc", "few")
    refused("have no field 'zink', which is chosen as target. They have: zinc, note", path, "zink")
    refused("have no field 'site', which is chosen as group", path, group="site")


def test_layers_that_cannot_be_observations_are_named(tmp_path: Path) -> None:
    zinc = {"zinc": np.arange(30.0)}
    with pytest.warns(UserWarning, match="crs"):
        no_crs = write_points(tmp_path / "nocrs.gpkg", zinc, crs=None)
    refused("'nocrs' have no CRS. Set it", no_crs)
    refused("nowhere.gpkg do not exist", str(tmp_path / "nowhere.gpkg"))
    (tmp_path / "text.gpkg").write_text("hello")
    refused("'text' cannot be read", str(tmp_path / "text.gpkg"))
    squares = [Point(xy).buffer(5) for xy in XY]
    refused("hold a Polygon .*points are needed", write_points(tmp_path / "poly.gpkg", zinc, squares))
    assert isinstance(squares[0], Polygon)
    far = [Point(x + 1e5, y) for x, y in XY]
    refused(
        r"All 30 observations of 'far' lie outside the covariates. They reach over west 278450,.*"
        r"west 178440, south 329600, east 181560, north 333760 \(EPSG:28992\)\."
        r" Check the CRS of the layer and of the covariates\.$",  # not its own, which QGIS may have changed
        write_points(tmp_path / "far.gpkg", zinc, far),
    )
    empty = write_points(tmp_path / "empty.gpkg", {"zinc": np.empty(0)}, [])
    refused("'empty' hold no features", empty)
    pandas.DataFrame(zinc).to_csv(tmp_path / "table.csv")
    refused("'table' are a table without points", str(tmp_path / "table.csv"))
    many_dropped = write_points(tmp_path / "most.gpkg", zinc, [Point(xy) for xy in XY[:5]] + far[5:])
    refused("zinc has 5 usable observations of 30 .* 25 were dropped: 25 outside the covariates", many_dropped)
    one_dropped = write_points(tmp_path / "one.gpkg", {"zinc": np.ones(20)}, [Point(xy) for xy in XY[:19]] + far[19:20])
    refused("19 usable observations of 20 .* 1 was dropped: 1 outside the covariates", one_dropped)


def test_a_named_layer_of_a_geopackage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.gpkg"
    for name, shift in (("first", 0), ("zwei ä", 100)):
        frame = geopandas.GeoDataFrame(
            {"zinc": np.arange(30.0) + shift}, geometry=[Point(xy) for xy in XY], crs="EPSG:28992"
        )
        frame.to_file(path, driver="GPKG", layer=name)
    found, *_ = locate(f"{path}|layername=zwei ä")
    assert found.values[0, 0] == 100


def test_dropped_features_keep_their_attributes_and_get_a_reason(tmp_path: Path) -> None:
    columns = {
        "zinc": np.arange(30.0),
        "count": pandas.array([None, 7, *range(28)], dtype="Int64"),
        "Reason": ["because"] * 30,
        "geom": ["a"] * 30,
        "name": ["ä ö", None, *["x"] * 28],
        "when": pandas.date_range("2020-01-01", periods=30),
    }
    layer = read_layer(write_points(tmp_path / "a.geojson", columns))
    dropped = Dropped()
    dropped.add(layer.ids[:2], ["without luck", "too late"])
    output = tmp_path / "verworfen ü.gpkg"
    write_dropped(str(output), layer, dropped)
    frame = pyogrio.read_dataframe(output)
    assert list(frame.columns) == ["zinc", "count", "Reason", "geom_1", "name", "when", "reason_1", "geometry"]
    assert frame["reason_1"].tolist() == ["without luck", "too late"]
    assert frame["name"].tolist()[0] == "ä ö" and pandas.isna(frame["name"][1])
    assert pandas.isna(frame["count"][0]) and frame["count"][1] == 7
    assert pyogrio.read_info(output)["ogr_types"][1] == "OFTInteger"
    assert frame["when"][1] == pandas.Timestamp("2020-01-02")
    assert frame.crs.to_epsg() == 28992 and [(p.x, p.y) for p in frame.geometry] == XY[:2]
    assert sorted(os.listdir(tmp_path)) == ["a.geojson", output.name]


def test_an_empty_layer_of_dropped_features_is_a_layer(tmp_path: Path) -> None:
    layer = read_layer(write_points(tmp_path / "a.gpkg", {"zinc": np.arange(30.0), "n": ["x"] * 30}))
    write_dropped(str(tmp_path / "d.gpkg"), layer, Dropped())
    info = pyogrio.read_info(tmp_path / "d.gpkg")
    assert (info["features"], info["geometry_type"], list(info["fields"])) == (0, "Point", ["zinc", "n", "reason"])


def test_one_dropped_observation_is_told_as_one() -> None:
    assert dropped_in_words({"outside the map": 1}) == "1 observation is dropped: 1 outside the map."
    told = dropped_in_words({"outside the map": 1, "without geometry": 2})
    assert told == "3 observations are dropped: 1 outside the map; 2 without geometry."
