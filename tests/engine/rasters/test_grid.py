"""Grid and Block: arithmetic against literals, affine and pyproj."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pyproj
import pytest

from soil_cnn_plugin.contract.decode import decode
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.grid import Block, Grid, bounds_in_words

RD_NEW = pyproj.CRS.from_epsg(28992).to_wkt()
WGS84 = pyproj.CRS.from_epsg(4326).to_wkt()
MEUSE = Grid(RD_NEW, (40.0, 0.0, 178440.0, 0.0, -40.0, 333760.0), height=104, width=78)


def test_grid_tells_cell_size_bounds_crs_and_unit() -> None:
    assert MEUSE.cell_size == (40.0, 40.0)
    assert MEUSE.bounds == (178440.0, 329600.0, 181560.0, 333760.0)
    assert MEUSE.crs_name == "EPSG:28992"
    assert MEUSE.unit == "metre"
    assert not MEUSE.is_geographic
    assert MEUSE.metres_per_cell() == (40.0, 40.0)


def test_points_fall_into_the_pixel_that_holds_them() -> None:
    rows, cols = MEUSE.rows_cols([178440.0, 178479.9, 178480.0], [333760.0, 333720.1, 333720.0])
    assert np.floor(rows).tolist() == [0, 0, 1]
    assert np.floor(cols).tolist() == [0, 0, 1]
    x, y = MEUSE.xy([0, 103], [0, 77])
    assert x.tolist() == [178460.0, 181540.0]
    assert y.tolist() == [333740.0, 329620.0]


def test_points_on_an_edge_are_in_the_grid_as_gdal_counts_them() -> None:
    x, y = [178440.0, 181560.0, 181560.0, 181560.01, 178439.99], [333760.0, 329600.0, 333760.0, 333000.0, 333000.0]
    assert MEUSE.contains(x, y).tolist() == [True, True, True, False, False]
    rows, cols = MEUSE.pixels(x[:3], y[:3])
    assert rows.tolist() == [0, 103, 0] and cols.tolist() == [0, 77, 77]
    thirds = Grid(WGS84, (1 / 3, 0.0, 10.1, 0.0, -1 / 3, 50.1), 7, 7)  # whose edges are no round numbers
    _, _, east, _ = thirds.bounds
    assert thirds.contains([east, 10.1, 10.1 + 7 / 3], [50.1 - 7 / 3, 50.1, 50.0]).all()
    assert thirds.pixels([east], [50.1 - 7 / 3])[1].tolist() == [6]


def test_rotated_grid_inverts_its_transform() -> None:
    grid = Grid(RD_NEW, (8.0, 3.0, 1000.0, 3.0, -8.0, 2000.0), 20, 30)
    rows, cols = grid.rows_cols(*grid.xy([4, 19], [7, 29]))
    assert np.allclose(rows, [4.5, 19.5]) and np.allclose(cols, [7.5, 29.5])
    assert grid.cell_size == pytest.approx((8.5440037, 8.5440037))
    assert grid.bounds == (1000.0, 1840.0, 1300.0, 2090.0)


def test_a_grid_may_be_turned_by_any_angle_but_not_flat() -> None:
    assert Grid(RD_NEW, (10.0, 10.0, 0.0, 10.0, -10.0, 0.0), 20, 30).cell_size == pytest.approx((14.142136, 14.142136))
    with pytest.raises(ValueError, match="no grid"):
        Grid(RD_NEW, (10.0, 10.0, 0.0, 10.0, 10.0, 0.0), 20, 30)


def test_blocks_cover_each_pixel_once_and_halo_reaches_beyond_the_grid() -> None:
    seen = np.zeros((104, 78), int)
    for block in MEUSE.blocks(33):
        seen[block.slices] += 1
    assert (seen == 1).all()
    assert list(MEUSE.blocks(33))[-1] == Block(99, 66, 5, 12)
    assert Block(0, 33, 10, 12).with_halo(15) == Block(-15, 18, 40, 42)


def test_block_beyond_the_grid_keeps_the_lattice() -> None:
    assert MEUSE.at(Block(-1, -2, 3, 4)).bounds == (178360.0, 333680.0, 178520.0, 333800.0)


def test_cell_size_changes_and_the_area_stays() -> None:
    coarse = MEUSE.with_cell_size(100.0)
    assert (coarse.height, coarse.width) == (42, 32)
    assert coarse.transform == (100.0, 0.0, 178440.0, 0.0, -100.0, 333760.0)
    assert MEUSE.with_cell_size(40.0) == MEUSE


def test_clip_snaps_outward_and_stays_inside() -> None:
    part = MEUSE.clip((178481.0, 333600.0, 178559.0, 333719.0))
    assert (part.transform[2], part.transform[5], part.height, part.width) == (178480.0, 333720.0, 3, 2)
    assert MEUSE.clip((178480.0, 333640.0, 178560.0, 333720.0)).bounds == (178480.0, 333640.0, 178560.0, 333720.0)
    assert MEUSE.clip((0.0, 0.0, 1e6, 1e6)) == MEUSE


def test_clip_beside_the_grid_names_both_extents() -> None:
    with pytest.raises(EngineError, match=r"west 0, south 0, east 10, north 10 .*west 178440, south 329600"):
        MEUSE.clip((0.0, 0.0, 10.0, 10.0))


def test_clip_to_what_only_touches_the_grid_is_refused() -> None:
    for bounds in ((181560.0, 330000.0, 181600.0, 330100.0), (179000.0, 333760.0, 179100.0, 333800.0)):
        with pytest.raises(EngineError, match="lies outside the covariates"):
            MEUSE.clip(bounds)


def test_pixels_are_placed_in_another_crs() -> None:
    x, y = MEUSE.xy([0, 103], [0, 77], WGS84)
    assert x == pytest.approx([5.72155, 5.76597], abs=2e-3)  # the Meuse near Stein
    assert y == pytest.approx([50.99195, 50.95470], abs=2e-3)


def test_a_sheared_grid_stays_as_it_is() -> None:
    for b, d in ((3.0, 0.0), (0.0, 3.0)):
        sheared = Grid(RD_NEW, (-8.0, b, 1000.0, d, 8.0, 2000.0), 20, 30)
        assert sheared.upright() == sheared


@pytest.mark.parametrize(
    ("cell", "west", "width"), [(1.0, -190.0, 360), (-1.0, 350.0, 40), (1.0, 170.0, 20), (1.0, -180.0, 360)]
)
def test_longitudes_that_need_no_turn_stay_as_they_are(cell: float, west: float, width: int) -> None:
    grid = Grid(WGS84, (cell, 0.0, west, 0.0, -1.0, 10.0), 5, width)
    assert grid.from_minus_180() == grid


def test_only_longitudes_turn() -> None:
    assert MEUSE.full_turn == 0
    assert MEUSE.from_minus_180() == MEUSE
    beyond = Grid(WGS84, (1.0, 0.0, 180.0, 0.0, -1.0, 10.0), 5, 40)
    assert beyond.from_minus_180().bounds == (-180.0, 5.0, -140.0, 10.0)


def test_whole_pixel_offsets_are_found_and_others_are_not() -> None:
    assert MEUSE.offset_of(MEUSE.at(Block(3, -5, 7, 9))) == (3, -5)
    shifted = Grid(RD_NEW, (40.0, 0.0, 178450.0, 0.0, -40.0, 333760.0), 104, 78)
    assert MEUSE.offset_of(shifted) is None
    assert MEUSE.offset_of(MEUSE.with_cell_size(20.0)) is None
    assert MEUSE.offset_of(Grid(WGS84, MEUSE.transform, 104, 78)) is None
    rounded = Grid(RD_NEW, (40.0000001, 0.0, 178440.001, 0.0, -40.0, 333760.0), 104, 78)
    assert MEUSE.offset_of(rounded) == (0, 0)
    drifting = Grid(RD_NEW, (40.01, 0.0, 178440.0, 0.0, -40.0, 333760.0), 104, 78)  # by a metre over the raster
    assert MEUSE.offset_of(drifting) is None


def test_degrees_have_different_metres_north_and_east() -> None:
    grid = Grid(WGS84, (0.001, 0.0, 10.0, 0.0, -0.001, 60.05), 100, 100)
    east, north = grid.metres_per_cell()
    # Length of a degree at latitude 60 on WGS 84: 55,800 m east, 111,412 m north (standard tables).
    assert east == pytest.approx(55.80, abs=0.02)
    assert north == pytest.approx(111.412, abs=0.02)
    assert grid.is_geographic and grid.unit == "degree"


def test_feet_are_told_in_metres() -> None:
    grid = Grid(pyproj.CRS.from_epsg(2229).to_wkt(), (100.0, 0.0, 6e6, 0.0, -100.0, 2e6), 5, 5)
    assert grid.metres_per_cell() == pytest.approx((30.48006, 30.48006))


def test_grid_survives_json() -> None:
    assert decode(Grid, json.loads(json.dumps(asdict(MEUSE))), "grid") == MEUSE


@pytest.mark.parametrize(
    "change",
    [{"height": 0}, {"height": 2.5}, {"crs_wkt": "no"}, {"transform": [1, 2]}, {"transform": [0] * 6}, {"crs_wkt": 3}],
)
def test_a_dictionary_that_is_no_grid_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="grid"):
        decode(Grid, {**json.loads(json.dumps(asdict(MEUSE))), **change}, "grid")


def test_extents_in_words_keep_degrees_readable() -> None:
    assert bounds_in_words((9.123456789, 50.0, 10.5, 51.25)) == "west 9.12346, south 50, east 10.5, north 51.25"
