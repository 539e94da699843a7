"""Simulate landscapes in which soil follows from its surroundings: covariates and observations as a folder for
`accuracy.py` and `context_networks.py`.

Three targets need context of 300 m to 3 km: `upslope` is the mean of a rock's property over the land within 1 km that
lies higher; `relief` is the position between valley and ridge within 1.5 km; `dust` falls downwind of bare land, less
and less over 3 km. Each shares its variance with covariates at the point and with noise. Run it in the engine's Python:
`python benchmarks/context_landscape.py FOLDER --seed 1`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage, signal

Image = NDArray[np.float64]
CELL, WEST, NORTH = 25.0, 300_000.0, 5_000_000.0  # m
CONTEXT, POINT, NOISE = 0.5, 0.2, 0.3  # shares of a target's variance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=320, help="pixels of 25 m")
    parser.add_argument("--observations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    covariates, targets = simulate(options.side, options.seed)
    write(options.folder, covariates, targets, options.observations, options.seed)


def simulate(side: int, seed: int) -> tuple[dict[str, Image], dict[str, Image]]:
    """Covariates and targets (side, side); the simulated area is larger, so that its edge has surroundings, too."""
    rng = np.random.default_rng(seed)
    halo = 128
    whole = side + 2 * halo
    height = standardized(field(rng, whole, 1.6, 12) + 0.1 * field(rng, whole, 0.8, 12))
    metres = 400 + 60 * height
    slope = np.hypot(*np.gradient(metres, CELL))
    rock = np.digitize(field(rng, whole, 1.2, 6), [-0.8, 0.1, 0.9])
    property_of_rock = np.array([-1.0, 0.4, 1.2, -0.3])[rock]
    cover = np.digitize(field(rng, whole, 0.9, 10) + 0.4 * height, [-0.9, 0.2, 1.2])  # 0 is bare land
    gamma = standardized(0.7 * property_of_rock + 0.7 * field(rng, whole, 0.8, 20))
    index = standardized((cover > 0) + 0.5 * field(rng, whole, 0.5, 20) - 0.3 * height)
    contexts = {
        "upslope": upslope_mean(metres, property_of_rock, radius=40),
        "relief": relief_position(metres, radius=60),
        "dust": downwind((cover == 0).astype(float), reach=120, half=30),
    }
    point = standardized(standardized(slope) + 0.7 * gamma)
    targets = {}
    for name, context in contexts.items():
        parts = standardized(context), point, rng.normal(size=point.shape)
        targets[name] = sum(np.sqrt(share) * part for share, part in zip((CONTEXT, POINT, NOISE), parts))
    covariates = {
        "height": metres,
        "slope": slope,
        "gamma": gamma,
        "greenness": index,
        "rock": rock + 1.0,
        "cover": cover + 1.0,
    }
    inner = np.s_[halo : halo + side, halo : halo + side]
    return {k: v[inner] for k, v in covariates.items()}, {k: v[inner] for k, v in targets.items()}


def field(rng: np.random.Generator, side: int, exponent: float, largest: int = 40) -> Image:
    """A random field with mean 0 and deviation 1; the higher the exponent, the smoother. Its `largest` waves are about
    six times as many pixels long."""
    across = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    amplitude = (across**2 + (1 / (6 * largest)) ** 2) ** (-(exponent + 1) / 2)
    return standardized(np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) * amplitude, s=(side, side)))


def standardized(image: Image) -> Image:
    return (image - image.mean()) / image.std()


def upslope_mean(metres: Image, values: Image, radius: int) -> Image:
    """The mean of `values` over pixels within a radius that lie at least 2 m higher; where none does, of all within.

    Every third pixel is asked: a pixel's neighbours say nearly the same."""
    rows, cols = np.mgrid[-radius : radius + 1 : 3, -radius : radius + 1 : 3]
    is_near = np.hypot(rows, cols) <= radius
    total, weight = np.zeros((2, *metres.shape))
    for row, col in zip(rows[is_near], cols[is_near]):
        shifted = np.roll(metres, (row, col), (0, 1)) > metres + 2
        total += np.where(shifted, np.roll(values, (row, col), (0, 1)), 0)
        weight += shifted
    everywhere = ndimage.uniform_filter(values, 2 * radius + 1, mode="wrap")
    return (total + 5 * everywhere) / (weight + 5)


def relief_position(metres: Image, radius: int) -> Image:
    """Height above the mean of a disc, in deviations of its heights, bent towards its ends."""
    rows, cols = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (np.hypot(rows, cols) <= radius).astype(float)
    disc /= disc.sum()
    mean, square = (signal.fftconvolve(image, disc, mode="same") for image in (metres, metres**2))
    return np.tanh((metres - mean) / np.sqrt(np.maximum(square - mean**2, 1)))


def downwind(source: Image, reach: int, half: int) -> Image:
    """What falls from sources in the west, within `reach` pixels and 20 degrees, halved each `half` pixels."""
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    is_hit = (cols > 0) & (np.abs(rows) <= 0.36 * cols) & (cols <= reach)
    kernel = np.where(is_hit, 0.5 ** (cols / half) / np.maximum(cols, 1), 0.0)
    return np.sqrt(np.maximum(signal.fftconvolve(source, kernel / kernel.sum(), mode="same"), 0))


def write(folder: Path, covariates: dict[str, Image], targets: dict[str, Image], count: int, seed: int) -> None:
    """Write rasters, and `count` observations at random pixels."""
    (folder / "covariates").mkdir(parents=True, exist_ok=True)
    side = len(covariates["height"])
    for name, image in covariates.items():
        with rasterio.open(
            folder / "covariates" / f"{name}.tif", "w", driver="GTiff", height=side, width=side, count=1,
            dtype="float32", crs="EPSG:32631", transform=rasterio.Affine(CELL, 0, WEST, 0, -CELL, NORTH), nodata=-9999,
        ) as dataset:  # fmt: skip
            dataset.write(image.astype(np.float32), 1)
    chosen = np.random.default_rng([seed, count]).choice(side * side, count, replace=False)
    rows, cols = np.divmod(chosen, side)
    points = geopandas.points_from_xy(WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL, crs="EPSG:32631")
    values = {name: image[rows, cols] for name, image in targets.items()}
    geopandas.GeoDataFrame(values, geometry=points).to_file(folder / "points.gpkg", driver="GPKG")


if __name__ == "__main__":
    main()
