"""Places: those that cannot be right, that are shared, and whether they are clustered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely import MultiPoint, Point

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.checks.clustering import check_clustering, enclose, measure_clustering
from soil_cnn_plugin.engine.checks.duplicates import DuplicateSummary, check_duplicates, number_places
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.measured import read_measured
from soil_cnn_plugin.engine.checks.places import Places, check_places
from soil_cnn_plugin.engine.observations.point_layer import read_layer

RNG = np.random.default_rng(4)
RD = RNG.uniform((178_500, 330_000), (181_500, 333_500), (60, 2))
DEGREES = RNG.uniform((9.0, 51.0), (9.5, 51.4), (60, 2))


def check(folder: Path, xy: list[object], crs: str) -> tuple[Places, dict[str, list[int]]]:
    points = [each if each is None or hasattr(each, "geom_type") else Point(each) for each in xy]
    path = str(folder / "points.gpkg")
    geopandas.GeoDataFrame({"a": np.arange(len(points))}, geometry=points, crs=crs).to_file(path)
    places, found = check_places(read_layer(path))
    return places, {each.kind: each.rows.tolist() for each in found}


def test_good_places_have_no_findings(tmp_path: Path) -> None:
    places, found = check(tmp_path, [*RD], "EPSG:28992")
    assert found == {} and places.is_placed.all()
    np.testing.assert_allclose(places.metres, RD)


def test_wrong_places_are_found_and_left_out(tmp_path: Path) -> None:
    xy = [*RD, None, MultiPoint([(179_000, 331_000), (179_100, 331_000)]), Point(0, 0), Point(331_000, 180_000)]
    xy += [Point(479_000, 331_000), MultiPoint([(179_000, 331_500)])]
    places, found = check(tmp_path, xy, "EPSG:28992")
    assert found == {
        "no_geometry": [60],
        "several_points": [61],
        "zero_coordinates": [62],
        "swapped_coordinates": [63],
        "far_place": [64],
    }
    assert np.flatnonzero(~places.is_placed).tolist() == [60, 61, 62, 63, 64]
    assert places.shown[61].tolist() == [179_000, 331_000] and np.isnan(places.shown[60]).all()


def test_a_whole_layer_with_exchanged_coordinates_is_found_by_its_crs(tmp_path: Path) -> None:
    _, found = check(tmp_path, [*RD[:, ::-1]], "EPSG:28992")
    assert found == {"swapped_coordinates": list(range(60))}


def test_degrees_that_no_place_has_are_found(tmp_path: Path) -> None:
    _, found = check(tmp_path, [*DEGREES, Point(9.2, 912.0)], "EPSG:4326")
    assert found == {"impossible_coordinates": [60]}


@pytest.mark.parametrize(("xy", "crs"), [(DEGREES, "EPSG:32632"), (RD + [3e6, 2e6], "EPSG:28992")])
def test_a_crs_that_does_not_fit_is_told_of_the_layer(tmp_path: Path, xy: np.ndarray, crs: str) -> None:
    assert check(tmp_path, [*xy], crs)[1] == {"doubtful_crs": []}


def test_degrees_become_metres(tmp_path: Path) -> None:
    """A degree of latitude is 111.3 km here, one of longitude 69.6 km: pyproj's geodesics, rounded."""
    places, _ = check(tmp_path, [*DEGREES, Point(9.2, 51.2), Point(9.21, 51.2), Point(9.2, 51.21)], "EPSG:4326")
    middle, east, north = places.metres[-3:]
    assert np.hypot(*(east - middle)) == pytest.approx(698.7, abs=1)
    assert np.hypot(*(north - middle)) == pytest.approx(1112.6, abs=1)


@dataclass
class Rows:
    """Twenty places 100 m apart, to be changed, and a field that differs from row to row."""

    metres: np.ndarray
    zinc: np.ndarray
    columns: dict[str, np.ndarray]

    @classmethod
    def make(cls) -> Rows:
        values = RNG.normal(50, 5, 20)
        return cls(np.arange(40.0).reshape(20, 2) * 100, values, {"id": np.arange(20), "zinc": values})

    def check(
        self, depths: np.ndarray | None = None, pixels: np.ndarray | None = None
    ) -> tuple[DuplicateSummary, dict[str, Finding]]:
        field = read_measured(SoilProperty("zinc"), self.zinc)
        ids, sound = np.arange(20) + 10_101, np.ones(20, bool)
        summary, found = check_duplicates(
            ids, number_places(self.metres), depths, self.columns, [(field, sound)], pixels
        )
        return summary, {each.kind: each for each in found}


def test_places_are_the_same_to_a_centimetre() -> None:
    metres = np.array([[5.0, 5.0], [5.002, 4.999], [5.0, 5.02], [np.nan, 5.0]])
    numbers = number_places(metres)
    assert numbers[0] == numbers[1] != numbers[2] and numbers[3] == -1


def test_copies_are_found_whatever_their_identifier() -> None:
    rows = Rows.make()
    rows.metres[7], rows.zinc[7] = rows.metres[2], rows.zinc[2]
    summary, found = rows.check()
    assert found.keys() == {"identical_row"}
    assert found["identical_row"].rows.tolist() == [7] and found["identical_row"].values == ["10103"]
    assert found["identical_row"].texts == ["Observation 10103 has the same place and the same values."]
    assert (summary.places, summary.repeated, summary.identical) == (19, 1, 1)


def test_similar_values_at_one_place_are_no_problem_and_very_different_ones_are() -> None:
    rows = Rows.make()
    rows.metres[7], rows.zinc[7] = rows.metres[2], rows.zinc[2] + 0.1
    assert rows.check()[1].keys() == {"same_place"}
    rows.zinc[7] = rows.zinc.max() + 3 * np.ptp(rows.zinc)
    found = rows.check()[1]
    assert found["different_at_place"].rows.tolist() == [2, 7]


def test_horizons_of_one_place_differ_in_depth() -> None:
    rows = Rows.make()
    rows.metres[10:] = rows.metres[:10]
    depths = np.repeat([[0.0, 20.0], [20.0, 50.0]], 10, axis=0)
    assert rows.check(depths)[1] == {}
    depths[10] = depths[0]
    assert rows.check(depths)[1]["same_place"].rows.tolist() == [0, 10]


def test_many_rows_at_one_place_are_suspected_to_be_horizons() -> None:
    rows = Rows.make()
    rows.metres[10:] = rows.metres[:10]
    assert "choose Upper limit" in rows.check()[1]["same_place"].remedy


def test_places_in_one_pixel_are_told() -> None:
    pixels = np.arange(20)
    pixels[[3, 4]], pixels[[8, 9]] = 77, -1
    summary, found = Rows.make().check(pixels=pixels)
    assert found["same_pixel"].rows.tolist() == [3, 4] and summary.in_shared_pixels == 2


SQUARE = np.array([[0, 0], [1000, 0], [1000, 1000], [0, 1000]], float)


def test_places_at_random_have_a_ratio_near_one_and_no_finding() -> None:
    places = np.concatenate([SQUARE, RNG.uniform(0, 1000, (400, 2))])
    region = enclose(places)
    assert region is not None and region.square_metres == pytest.approx(1e6, rel=0.05)
    found = measure_clustering(places, region)
    assert found is not None and found.ratio == pytest.approx(1, abs=0.08)
    assert found.expected == pytest.approx(0.5 / np.sqrt(404 / 1e6), rel=0.08)  # Clark & Evans 1954, without edges
    assert found.low <= 1 <= found.high and check_clustering(found) == []


def test_a_grid_is_regular() -> None:
    places = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2) * 50
    region = enclose(places)
    assert region is not None
    found = measure_clustering(places, region)
    assert found is not None and found.kind == "regular" and found.mean == 50
    assert 1.6 < found.ratio < 2.1  # 2 for a square grid without edges


def test_clusters_are_told_with_what_follows() -> None:
    centres = RNG.uniform(0, 10_000, (8, 2))
    places = centres[RNG.integers(0, 8, 200)] + RNG.normal(0, 100, (200, 2))
    region = enclose(places)
    assert region is not None
    found = measure_clustering(places, region)
    assert found is not None and found.kind == "strongly clustered" and found.far_share > 0.5
    assert [each.kind for each in check_clustering(found)] == ["clustered"]


def test_a_large_gap_among_regular_places_is_told_too() -> None:
    places = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2) * 50
    places = places[(places[:, 0] < 250) | (places[:, 1] < 250)]
    region = enclose(np.concatenate([places, [[950, 950]]]))
    assert region is not None
    found = measure_clustering(places, region)
    assert found is not None and found.kind == "regular" and found.far_share > 0.2
    assert "% of the area that the observations enclose" in check_clustering(found)[0].sentence


def test_too_few_places_or_a_line_of_them_tell_nothing() -> None:
    region = enclose(SQUARE)
    assert region is not None and measure_clustering(SQUARE, region) is None
    assert enclose(np.column_stack([np.arange(30.0), np.zeros(30)])) is None
