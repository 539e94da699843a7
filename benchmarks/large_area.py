"""Measures time and memory of a summary of one area of up to 10^8 pixels, from the limits of a map.

    PYTHONPATH=. python benchmarks/large_area.py [--folder FOLDER] [--side 10000] [--seed 0]

A map of side x side pixels is simulated with a lower and an upper limit of two targets, and a polygon with a winding
border, a hole and an island that covers most of it. A worker of its own summarizes it; what is printed is its time, the
largest memory that it held, as the system counts it, and the pixels of the area. The mean is compared with that of the
map's pixels.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

from soil_cnn_plugin.contract.jobs import SummarizeAreas, to_json
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel, Correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.training.network_file import write_network
from tests.engine.landscape import CRS, make_landscape, random_network

WEST, NORTH, CELL = 100_000.0, 600_000.0, 10.0
TILE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder for temporary files")
    parser.add_argument("--side", type=int, default=10_000, help=f"pixels, a multiple of {TILE}")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        print(json.dumps(measure(Path(name), asked.side, asked.seed), indent=1))


def measure(folder: Path, side: int, seed: int) -> dict[str, float]:
    network = _write_network(folder)
    limits, middle = _write_limits(folder, network, side, seed)
    job = SummarizeAreas(
        network, _write_polygon(folder, side), str(folder / "areas.gpkg"), **limits, metrics=str(folder / "areas.json")
    )
    path = folder / "job.json"
    path.write_text(to_json(job), encoding="utf-8")
    worker = Path(__file__).resolve().parents[1] / "soil_cnn_plugin" / "engine" / "__main__.py"
    begun = time.perf_counter()
    ended = subprocess.run([sys.executable, "-u", worker, path], stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        raise SystemExit(ended.stdout)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    found = geopandas.read_file(job.areas).iloc[0]
    return {
        "pixels": int(found["pixels"]),
        "seconds": round(seconds, 1),
        "peak_gib": round(peak, 2),
        "mean": float(found["clay_mean"]),
        "middle_of_limits": middle,
        "standard_deviation": float(found["clay_sd"]),
    }


def _write_network(folder: Path) -> str:
    landscape = make_landscape(folder)
    models = tuple(CorrelationModel(nugget, 2000.0, 0.5) for nugget in (0.2, 0.4))
    correlogram = Correlogram(models, (20.0, 60.0), (0.5, 0.3), (40, 80), 60)
    errors = ErrorCorrelation(
        (("zinc_0_10",), ("clay",)), (correlogram, correlogram), ((1.0, 0.5), (0.5, 1.0)), (None, None)
    )
    trained = random_network(landscape, has_location=True, patch_size=5, architectures=(("ring", 5),))
    path = str(folder / "network.safetensors")
    write_network(path, replace(trained, description=replace(trained.description, error_correlation=errors)))
    return path


def _write_limits(folder: Path, network: str, side: int, seed: int) -> tuple[dict[str, str], float]:
    """Write rasters with tiles of noise on a trend; return them with the mean middle between both limits of clay."""
    rng, total = np.random.default_rng(seed), 0.0
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": 2, "dtype": "float32", "nodata": np.nan, "crs": CRS,
        "transform": from_origin(WEST, NORTH, CELL, CELL), "tiled": True, "blockxsize": 512, "blockysize": 512,
    }  # fmt: skip
    paths = {name: str(folder / f"{name}.tif") for name in ("lower", "upper")}
    with rasterio.open(paths["lower"], "w", **profile) as lower, rasterio.open(paths["upper"], "w", **profile) as upper:
        for raster, content in ((lower, "lower"), (upper, "upper")):
            raster.update_tags(CONTENT=content, COVERAGE="0.9")
            for band, label in enumerate(("zinc 0-10 cm (mg/kg)", "clay (%)"), start=1):
                raster.set_band_description(band, f"{label}, {content} 90 % limit")
        for row in range(0, side, TILE):
            for col in range(0, side, TILE):
                window = rasterio.windows.Window(col, row, TILE, TILE)
                noise = rng.random((2, TILE, TILE), np.float32)
                low = 20 + 10 * row / side + 5 * noise[0]
                high = low + 10 + 5 * noise[1]
                total += float((low + high).sum(dtype=np.float64)) / 2
                lower.write(np.stack([low, low]), window=window)
                upper.write(np.stack([high, high]), window=window)
    return paths, total / side**2


def _write_polygon(folder: Path, side: int) -> str:
    angles = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    radius = 0.7 * side * (1 + 0.01 * np.sin(40 * angles) + 0.002 * np.sin(1500 * angles))
    centre = side / 2
    outline = shapely.Polygon(np.column_stack([centre + radius * np.cos(angles), centre + radius * np.sin(angles)]))
    area = outline.intersection(shapely.box(0, 0, side, side)).difference(
        shapely.Point(centre, centre).buffer(side / 50)
    )
    area = area.union(shapely.Point(centre, centre).buffer(side / 100))
    placed = shapely.transform(area, lambda at: np.column_stack([WEST + CELL * at[:, 0], NORTH - CELL * at[:, 1]]))
    path = str(folder / "areas_in.gpkg")
    geopandas.GeoDataFrame({"name": ["all"]}, geometry=[placed], crs=CRS).to_file(path)
    return path


if __name__ == "__main__":
    main()
