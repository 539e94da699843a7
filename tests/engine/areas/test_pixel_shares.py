"""Shares of pixels in polygons, against areas cut pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from soil_cnn_plugin.engine.areas.area_store import MOST_CELLS, cell_side
from soil_cnn_plugin.engine.areas.pixel_shares import overlap_of, pixel_shares, touched_block
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

WKT = Grid("EPSG:28992", (1.0, 0.0, 0.0, 0.0, -1.0, 20.0), 20, 30)
SHAPES = {
    "triangle": shapely.Polygon([(1.2, 1.3), (17.7, 3.1), (5.5, 18.9)]),
    "holed": shapely.Point(12, 10).buffer(7).difference(shapely.Point(13, 10.5).buffer(2.2)),
    "parts": shapely.MultiPolygon([shapely.box(0, 0, 3, 3), shapely.box(20.25, 5.5, 29.75, 6.5)]),
    "sliver": shapely.box(4.4, 4.1, 4.5, 4.9),
    "beyond": shapely.box(-5, -5, 8.5, 40),
    "spike": shapely.Polygon([(2, 2), (28, 2.0001), (28, 2.0002), (2, 2.3)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shares_are_the_areas_of_the_polygon_in_each_pixel(name: str) -> None:
    polygon, block = SHAPES[name], Block(1, 2, 17, 26)
    squares = [[shapely.box(c, r, c + 1, r + 1) for c in range(2, 28)] for r in range(1, 18)]
    expected = shapely.area(shapely.intersection(polygon, np.array(squares, object)))
    np.testing.assert_allclose(pixel_shares(polygon, block), expected, atol=1e-9)


def test_blocks_around_polygons_stay_on_the_grid() -> None:
    assert touched_block(SHAPES["beyond"], WKT) == Block(0, 0, 20, 9)
    assert touched_block(shapely.box(31, 0, 33, 2), WKT) is None
    assert overlap_of(Block(0, 0, 5, 5), Block(3, 4, 9, 9)) == Block(3, 4, 2, 1)
    assert overlap_of(Block(0, 0, 5, 5), Block(5, 0, 1, 1)) is None


@pytest.mark.parametrize("pixels", [10, 350, 5000, 10**6, 10**8])
def test_cells_are_about_as_many_as_wanted_however_large_an_area_is(pixels: int) -> None:
    border = 4 * pixels**0.5
    side = cell_side(pixels, border)
    assert pixels / side**2 + border / side <= MOST_CELLS
    assert side == 1 or pixels / (side - 1) ** 2 + border / (side - 1) > MOST_CELLS
