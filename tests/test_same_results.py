"""The comparison of recorded results: what differs is found and told, and nothing else."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import h5py
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from benchmarks.same_results_files import compare_folders

DESCRIPTION = {"targets": [{"field": "zinc", "unit": "mg/kg"}], "weights": [[0.5, 0.5]], "trained": "<date>"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each kind."""
    folder = tmp_path_factory.mktemp("made")
    tensors: dict[str, NDArray[Any]] = {
        "ring.weight": np.arange(6, dtype=np.float32),
        "empty": np.zeros((0, 2), np.int64),
    }
    save_file(tensors, folder / "n.safetensors", {"version": "2", "description": json.dumps(DESCRIPTION)})
    with rasterio.open(
        folder / "map.tif", "w", driver="GTiff", count=1, height=4, width=4, dtype="uint8", crs="EPSG:28992",
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0), nodata=0,
    ) as raster:  # fmt: skip
        raster.write(np.arange(16, dtype=np.uint8).reshape(1, 4, 4))
        raster.write_colormap(1, {1: (255, 0, 0, 255)})
        raster.descriptions = ("zinc",)
        raster.update_tags(CONTENT="prediction")
    points = geopandas.points_from_xy([1, 2, 3], [4, 5, 6])
    columns = {"zinc": [1.5, None, 2.5], "soil": ["Gley", None, "Moor"]}
    geopandas.GeoDataFrame(columns, geometry=points, crs="EPSG:28992").to_file(folder / "held_out.gpkg")
    (folder / "metrics.json").write_text(json.dumps({"rmse": {"zinc": 0.1}, "curve": [1, 2.5], "none": [None, "a"]}))
    (folder / "table.csv").write_text("covariate,loss\ndist,0.5\nahn,0.25\n")
    (folder / "report.html").write_text(
        f"<p>{folder}/map.tif</p>\n<p>Soil CNN 0.1.0 at 2025-01-01T10:00:00+00:00</p>\n"
    )
    (folder / "events.txt").write_text("Fold 1: 0.5\nFold 2: 0.6\n")
    with h5py.File(folder / "patches.h5", "w") as file:
        file["patches"] = np.array([[1.0, np.nan]])
        file["names"] = ["a", "b"]
        file.attrs["version"] = 2
    (folder / "other.bin").write_bytes(b"abc")
    return folder


@pytest.fixture
def other(made: Path, tmp_path: Path) -> Path:
    """A copy, as another run in another folder writes it."""
    folder = tmp_path / "other"
    shutil.copytree(made, folder)
    (folder / "report.html").write_text(
        f"<p>{folder}/map.tif</p>\n<p>Soil CNN 0.2.0 at 2026-02-02T11:11:11+00:00</p>\n"
    )
    (folder / "events.txt").write_text("Fold 2: 0.6\nFold 1: 0.5\n")  # from two threads
    with sqlite3.connect(folder / "held_out.gpkg") as database:
        database.execute("UPDATE gpkg_contents SET last_change = '2026-02-02T11:11:11.000Z'")
    return folder


def differences(made: Path, other: Path) -> dict[str, list[str]]:
    """Of the files that differ."""
    found = compare_folders(made, other, {str(made): "<folder>"}, {str(other): "<folder>"})
    assert set(found) >= {path.name for path in made.iterdir()}
    return {name: words for name, words in found.items() if words}


def test_dates_versions_and_folders_may_differ(made: Path, other: Path) -> None:
    assert differences(made, other) == {}


def test_what_was_recorded_may_be_moved(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "moved")
    places = {str(made): "<folder>"}
    assert not any(compare_folders(tmp_path / "moved", made, places, places).values())


def change_tensor(folder: Path) -> None:
    tensors = load_file(folder / "n.safetensors")
    tensors["ring.weight"][1] += 0.25
    tensors["ring.weight"][3] += 0.5
    save_file(tensors, folder / "n.safetensors", {"version": "2", "description": json.dumps(DESCRIPTION)})


def change_description(folder: Path) -> None:
    changed = json.dumps({**DESCRIPTION, "weights": [[0.5, 0.4999999999999999]]})
    save_file(load_file(folder / "n.safetensors"), folder / "n.safetensors", {"version": "2", "description": changed})


def change_raster(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def in_folder(folder: Path) -> None:
        with rasterio.open(folder / "map.tif", "r+") as raster:
            change(raster)

    return in_folder


def change_pixel(raster: Any) -> None:
    raster.write(np.full((1, 1, 1), 20, np.uint8), window=rasterio.windows.Window(2, 1, 1, 1))


def change_table(statement: str) -> Callable[[Path], None]:
    def in_folder(folder: Path) -> None:
        with sqlite3.connect(folder / "held_out.gpkg") as database:
            triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in triggers:  # of the spatial index, with functions that SQLite alone has not
                database.execute(f'DROP TRIGGER "{name}"')
            database.execute(statement)

    return in_folder


def change_text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def in_folder(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return in_folder


def change_patches(folder: Path) -> None:
    with h5py.File(folder / "patches.h5", "a") as file:
        file["patches"][0, 1] = 3.0
        file.attrs["version"] = 3


CHANGES: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "a tensor": (
        change_tensor,
        "n.safetensors",
        ["tensor ring.weight: 2 of 6 values differ, by at most 0.5; first at 1"],
    ),
    "a number of the description": (
        change_description,
        "n.safetensors",
        ["description.weights[0]: 1 of 2 values differ, by at most 1.11e-16; first at 1"],
    ),
    "a pixel": (
        change_raster(change_pixel),
        "map.tif",
        ["band 1: 1 of 16 values differ, by at most 14; first at 6: np.uint8(6) was recorded, np.uint8(20) is found"],
    ),
    "a tag": (
        change_raster(lambda raster: raster.update_tags(CONTENT="lower")),
        "map.tif",
        ["tag  CONTENT: 'prediction' was recorded, 'lower' is found"],
    ),
    "the name of a band": (
        change_raster(lambda raster: raster.set_band_description(1, "lead")),
        "map.tif",
        ["band 1 name: 'zinc' was recorded, 'lead' is found"],
    ),
    "a colour": (
        change_raster(lambda raster: raster.write_colormap(1, {1: (0, 255, 0, 255)})),
        "map.tif",
        ["band 1 colour table: "],
    ),
    "a value of a point": (
        change_table("UPDATE held_out SET zinc = 1.25 WHERE fid = 1"),
        "held_out.gpkg",
        ["field held_out.zinc: 1 of 3 values differ; first at 0: 1.5 was recorded, 1.25 is found"],
    ),
    "a field of points": (
        change_table("ALTER TABLE held_out RENAME COLUMN soil TO ground"),
        "held_out.gpkg",
        ["field held_out.soil: is missing", "table held_out: ", "field held_out.ground: is new"],
    ),
    "a metric": (
        change_text("metrics.json", "0.1", "0.1000000000000001"),
        "metrics.json",
        ["rmse.zinc: 0.1 was recorded, 0.1000000000000001 is found"],
    ),
    "a cell of a table": (
        change_text("table.csv", "0.25", "0.26"),
        "table.csv",
        ["field loss: 1 of 2 values differ; first at 1: '0.25' was recorded, '0.26' is found"],
    ),
    "a sentence": (
        change_text("report.html", "Soil CNN", "Soil NN"),
        "report.html",
        ["lines: 1 of 2 values differ; first at 1: "],
    ),
    "what was told": (
        change_text("events.txt", "0.6", "0.61"),
        "events.txt",
        ["lines: 1 of 2 values differ; first at 1: 'Fold 2: 0.6' was recorded, 'Fold 2: 0.61' is found"],
    ),
    "a patch": (
        change_patches,
        "patches.h5",
        ["attribute @version: 1 of 1 values differ, by at most 1", "dataset patches: 1 of 2 values differ"],
    ),
    "a byte": (change_text("other.bin", "b", "c"), "other.bin", ["bytes: 1 of 3 values differ, by at most 1"]),
    "a missing file": (lambda folder: (folder / "other.bin").unlink(), "other.bin", ["the file is missing"]),
    "a new file": (lambda folder: (folder / "new.bin").write_bytes(b""), "new.bin", ["the file is new"]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_difference_is_found_and_told(made: Path, other: Path, what: str) -> None:
    change, name, beginnings = CHANGES[what]
    change(other)
    found = differences(made, other)
    assert list(found) == [name]
    assert len(found[name]) == len(beginnings), found
    assert all(words.startswith(beginning) for words, beginning in zip(found[name], beginnings)), found
