"""Covariates and observations to measure extraction on: tiled, compressed relief, and points that lie anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import zoom

from soil_cnn_plugin.engine.machine.memory import usable_cores

CELL, WEST, NORTH = 10.0, 300_000.0, 5_000_000.0
RELIEF = 1024  # pixels per side of the square that covers a covariate repeatedly, each time at another height


def make_covariates(options: argparse.Namespace) -> None:
    rng, side = np.random.default_rng(0), options.side
    layers = 1 if options.one_file else options.covariates
    profile: dict[str, Any] = {
        "driver": "GTiff", "height": side, "width": side, "count": options.covariates // layers, "dtype": options.type,
        "crs": "EPSG:32631", "transform": rasterio.Affine(CELL, 0, WEST, 0, -CELL, NORTH), "nodata": -9999,
        "compress": options.compress, "num_threads": usable_cores(), "bigtiff": "if_safer", "interleave": "pixel",
    }  # fmt: skip
    if options.tile:
        profile |= {"tiled": True, "blockxsize": options.tile, "blockysize": options.tile}
    for path in paths(options):
        reliefs = [relief(rng) for _ in range(profile["count"])]
        with rasterio.open(path, "w", **profile) as dataset:
            for row in range(0, side, RELIEF):
                for col in range(0, side, RELIEF):
                    height, width = min(RELIEF, side - row), min(RELIEF, side - col)
                    values = np.stack([each[:height, :width] + (row + col) / RELIEF for each in reliefs])
                    dataset.write(values.astype(options.type), window=Window(col, row, width, height))


def relief(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return hills, with noise as in measurements."""
    hills = zoom(rng.normal(size=(20, 20)), RELIEF / 20, order=3)
    return (300 + 100 * hills + 2 * rng.normal(size=(RELIEF, RELIEF))).astype(np.float32)


def make_observations(options: argparse.Namespace) -> None:
    """Draw pixels so far from the border that a plain window holds the whole patch."""
    rng, halo = np.random.default_rng(1), options.patch_size // 2
    pixels = rng.integers(halo, options.side - halo, (options.observations, 2))
    np.save(points(options).with_suffix(".npy"), pixels)
    y, x = NORTH - CELL * (pixels[:, 0] + 0.5), WEST + CELL * (pixels[:, 1] + 0.5)
    columns = {"ph": rng.uniform(3, 9, len(pixels))}
    geopandas.GeoDataFrame(columns, geometry=geopandas.points_from_xy(x, y), crs=32631).to_file(points(options))


def paths(options: argparse.Namespace) -> list[Path]:
    count = 1 if options.one_file else options.covariates
    return [Path(options.folder) / f"covariate_{number:03d}.tif" for number in range(count)]


def points(options: argparse.Namespace) -> Path:
    return Path(options.folder) / "points.gpkg"


def patches(options: argparse.Namespace) -> Path:
    return Path(options.folder) / "patches.h5"
