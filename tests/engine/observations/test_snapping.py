"""Observations in pixels without data take the nearest pixel with data, as far as the user allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from shapely import Point

from soil_cnn_plugin.contract.events import Event, Info, Warning
from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, JobError
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.jobs.extract_patches import run
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report

Write = Callable[..., str]
SIDE = 300  # pixels of 10 m from 1000, 2000: more than one block is read
NUMBERS = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)


def extracted(tmp_path: Path, write_raster: Write, places: list[tuple[float, float]], **changes: Any) -> Any:
    """Patch file, dropped ids and warnings; column and row of places in pixels, and 30 more with data."""
    values, other = NUMBERS.copy(), NUMBERS[::-1].copy()
    values[:, :2] = -1
    values[100:104, 100:104] = -1
    other[100:104, 104] = -1
    rasters = (write_raster("a.tif", values, nodata=-1), write_raster("b.tif", other, nodata=-1))
    rng = np.random.default_rng(1)
    places = [*places, *rng.uniform(150, 290, (30, 2)).tolist()]
    points = [Point(1000 + 10 * col, 2000 - 10 * row) for col, row in places]
    path = tmp_path / "p.gpkg"
    geopandas.GeoDataFrame({"clay": np.arange(len(points)) * 1.0}, geometry=points, crs="EPSG:28992").to_file(path)
    job = ExtractPatches(
        str(path),
        (SoilProperty("clay"),),
        tuple(Covariate(raster, name) for raster, name in zip(rasters, "ab")),
        str(tmp_path / "p.h5"),
        patch_size=3,
        **changes,
    )
    events: list[Event] = []
    run(job, Report(events.append))
    told = [event.text for event in events if isinstance(event, (Warning, Info))]
    with PatchFile(job.patches) as file:
        order = np.argsort(file.ids)
        centres = file.read(0, file.count)[order, 0, 1, 1]
        return (
            file.ids[order].tolist(),
            file.rows_cols[order],
            centres,
            file.sites[order],
            told,
            file.coordinates[order],
        )


PLACES = [(1.9, 50.5), (0.5, 60.5), (100.5, 101.5), (103.2, 101.5), (99.5, 99.5), (2.5, 50.5)]


def test_without_it_they_are_dropped(tmp_path: Path, write_raster: Write) -> None:
    ids, *_, told, _ = extracted(tmp_path, write_raster, PLACES)
    assert ids[:2] == [5, 6] and len(ids) == 32
    assert not any("nearest pixel" in text for text in told)


def test_they_take_the_nearest_pixel_where_all_covariates_have_data(tmp_path: Path, write_raster: Write) -> None:
    ids, pixels, centres, sites, told, coordinates = extracted(tmp_path, write_raster, PLACES, snap_cells=2)
    assert len(ids) == 36
    assert pixels[:6].tolist() == [[50, 2], [60, 2], [101, 99], [99, 103], [99, 99], [50, 2]]
    np.testing.assert_array_equal(centres, NUMBERS[pixels[:, 0], pixels[:, 1]])
    assert sites[0] == sites[5]  # their patches are the same
    np.testing.assert_allclose(coordinates[0], [1019.0, 1495.0])
    (sentence,) = [text for text in told if "nearest pixel" in text]
    assert sentence.startswith("4 observations lie in pixels without data")
    assert "within 2 cells" in sentence and "6 to 20.2 m away (median 15 m)" in sentence


def test_what_finds_none_is_dropped_and_told(tmp_path: Path, write_raster: Write) -> None:
    ids, *_, told, _ = extracted(tmp_path, write_raster, PLACES, snap_cells=1)
    assert ids[:5] == [1, 3, 5, 6, 7]
    assert any(text.startswith("2 observations lie in pixels without data and have none with data") for text in told)


@pytest.mark.parametrize("cells", [-1, 51])
def test_the_distance_is_bounded(cells: int) -> None:
    with pytest.raises(JobError, match=f"moved by {cells} cells; it must be from 0"):
        ExtractPatches("/p", (SoilProperty("a"),), (Covariate("/c", "c"),), "/o", snap_cells=cells)
