"""A small landscape: covariates of all kinds with gaps, observations, and networks with random weights."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import norm
from sklearn.ensemble import RandomForestRegressor

from benchmarks.scikit_trees import to_trees
from soil_cnn_plugin.contract.events import Event, Info, Warning
from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import BLEND, NETWORK
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout, GaussianProcess
from soil_cnn_plugin.engine.kriging.kernels import PRIOR_MEANS
from soil_cnn_plugin.engine.networks.encoding import Encoder, Location
from soil_cnn_plugin.engine.networks.focal import context_count
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary, read_summaries
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, Learned, Lesson, column_count, number_columns
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.targets.numbers import NumberOutcome
from soil_cnn_plugin.engine.targets.scales import TargetScale
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from soil_cnn_plugin.engine.training.predictor import Predictor

SIDE = 40
CELL = 10.0
WEST, NORTH = 1000.0, 2000.0
CRS = "EPSG:28992"
TARGETS = (SoilProperty("zinc_0_10", "mg/kg"), SoilProperty("clay", "%"))


@dataclass(frozen=True)
class Landscape:
    """`values` (C, 40, 40) are what the rasters hold, NaN where they have no data; elevation, flow, soil (classes 1, 2,
    3) and, where it was asked for, aspect."""

    folder: Path
    covariates: tuple[Covariate, ...]
    values: NDArray[np.float32]

    @property
    def grid(self) -> Grid:
        return reference_grid(self.covariates[0].path)

    def summaries(self) -> tuple[CovariateSummary, ...]:
        with open_stack(self.covariates, self.grid) as stack:
            return read_summaries(stack)


def make_landscape(folder: Path, has_aspect: bool = False, seed: int = 1) -> Landscape:
    rng = np.random.default_rng(seed)
    elevation = 50 + 200 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 4) + rng.normal(size=(SIDE, SIDE))
    flow = np.exp(2 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1) / 0.28)
    soil = 1 + np.digitize(gaussian_filter(rng.normal(size=(SIDE, SIDE)), 5) * 15, (-0.4, 0.4)).astype(np.float64)
    elevation[8:13, 20:26] = np.nan  # a lake
    flow[30, 5] = np.nan
    soil[:6, :4] = np.nan  # a corner
    layers = {"elevation": elevation, "flow": flow, "soil": soil}
    if has_aspect:
        layers["aspect"] = rng.uniform(0, 360, (SIDE, SIDE))
    kinds = {"soil": "categorical", "aspect": "directional"}
    covariates = tuple(
        Covariate(write_raster(folder / f"{name}.tif", values), name, kind=kinds.get(name, "continuous"))
        for name, values in layers.items()
    )
    return Landscape(folder, covariates, np.stack(list(layers.values())).astype(np.float32))


def write_raster(
    path: Path, values: NDArray[Any], cell: float = CELL, corner: tuple[float, float] = (WEST, NORTH), crs: str = CRS
) -> str:
    """A float32 raster with north up; NaN becomes its nodata value."""
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1], dtype="float32", crs=crs,
        nodata=-9999.0, transform=rasterio.Affine(cell, 0, corner[0], 0, -cell, corner[1]),
    ) as dataset:  # fmt: skip
        dataset.write(np.where(np.isnan(values), -9999.0, values).astype(np.float32), 1)
    return str(path)


def extract(landscape: Landscape, count: int = 60, patch_size: int = 15, group: bool = False, seed: int = 2) -> str:
    """A patch file of `count` observations at least: zinc, skewed, follows flow, clay follows elevation and misses a
    third; with `group` each belongs to one of 12 profiles."""
    rng = np.random.default_rng(seed)
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    rows, cols = valid[rng.choice(len(valid), count, replace=False)].T
    elevation, flow = landscape.values[:2, rows, cols].astype(np.float64)
    clay = 20 + 0.5 * (elevation - 50) + rng.normal(size=count)
    columns = {
        "zinc_0_10": np.exp(4 + 0.4 * np.log(flow) + 0.4 * rng.normal(size=count)),
        "clay": np.where(np.arange(count) % 3 == 0, np.nan, clay),
        "profile": np.arange(count) % 12,
    }
    x, y = WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL
    points = str(landscape.folder / "points.gpkg")
    geopandas.GeoDataFrame(columns, geometry=geopandas.points_from_xy(x, y), crs=CRS).to_file(points)
    patches = str(landscape.folder / "patches.h5")
    job = ExtractPatches(
        points, TARGETS, landscape.covariates, patches, patch_size=patch_size, group="profile" if group else ""
    )
    extract_patches.run(job, Report(lambda event: None))
    return patches


def random_network(
    landscape: Landscape,
    architectures: tuple[tuple[str, int], ...] = (("ring", 15), ("padarian", 11)),
    patch_size: int = 15,
    has_forest: bool = True,
    has_location: bool = False,
    is_everywhere: bool = True,
    members: int = 2,
    seed: int = 3,
) -> TrainedNetwork:
    """A whole trained network, but for the training: `architectures` are names and patch sizes."""
    rng = np.random.default_rng(seed)
    summaries = landscape.summaries()
    location = Location(WEST + 200, NORTH - 200, (120.0, 120.0), is_everywhere) if has_location else None
    encoder = Encoder(summaries, location)
    shapes = tuple(Shape(name, size, members) for name, size in architectures)
    networks = tuple(
        randomize(build_network(shape, encoder, number_columns(len(TARGETS)), 0.0), seed) for shape in shapes
    )
    width = context_count(encoder.channel_count, len(encoder.continuous), patch_size)
    features = width + len(Location.ANGLES) * has_location
    forests = random_forests(features, seed) if has_forest else ()
    process = random_process(encoder, patch_size, number_columns(len(TARGETS)), seed) if has_forest else None
    weights = rng.dirichlet(np.ones(len(shapes) + 2 * has_forest), len(TARGETS)).T
    z = rng.normal(size=300)
    description = NetworkDescription(
        targets=TARGETS,
        covariates=summaries,
        grid=landscape.grid,
        patch_size=patch_size,
        shapes=shapes,
        predictor=BLEND if has_forest else NETWORK,
        weights=tuple(tuple(row) for row in weights.tolist()),
        location=location,
        outcomes=tuple(
            NumberOutcome(scale, calibrate(z, 0 * z, 1 + 0 * z))
            for scale in (TargetScale("log", 4.0, 0.5), TargetScale("none", 20.0, 3.0))
        ),
        coverage=0.9,
        observation_count=60,
        folds_sentence="5 random folds.",
        scores={target.field: {NETWORK: Scores(60, *[0.5] * 9)} for target in TARGETS},
        verdicts={target.field: "No clear difference." for target in TARGETS},
        settings={"seed": "0"},
        versions={"Soil CNN": "0.1.0"},
        provenance={"observations": "points.gpkg"},
    )
    predictor = Predictor(networks, tuple(map(to_trees, forests)), weights, patch_size, process)
    return TrainedNetwork(description, encoder, predictor)


def random_process(encoder: Encoder, patch_size: int, columns: ColumnLayout, seed: int) -> GaussianProcess:
    """A Gaussian process of 40 supports at random."""
    rng = np.random.default_rng(seed)
    width = context_count(encoder.channel_count, len(encoder.continuous), patch_size)
    layout = FeatureLayout(encoder.channel_count, width, encoder.location is not None)
    count = column_count(columns)
    return GaussianProcess(
        layout,
        columns,
        known=rng.normal(size=(40, layout.count)).astype(np.float32),
        centre=np.zeros(layout.count, np.float32),
        width=np.ones(layout.count, np.float32),
        means=np.zeros(count),
        parameters=np.tile(PRIOR_MEANS, (count, 1)),
        weights=rng.normal(size=(count, 40)),
        weights_of_parts=rng.normal(size=(5, count, 40)),
    )


def lesson_of(values: torch.Tensor) -> Lesson:
    """Plain numbers to learn, NaN where missing."""
    return Lesson(values, None, None, None, None)


def rows_of(inputs: torch.Tensor) -> InputRows:
    """All rows, in memory."""
    return InputRows(inputs, inputs.device)


def learned_of(values: Any) -> Learned:
    """Plain numbers (N, R) to learn, NaN where missing."""
    values = np.asarray(values, np.float64)
    nothing = np.zeros_like(values)
    return Learned(values, nothing.astype(bool), nothing, np.ones(len(values)), values, number_columns(values.shape[1]))


def random_forests(features: int, seed: int) -> tuple[Any, ...]:
    """A forest a target, as scikit-learn's lists of trees, of noise: many leaves, all features asked for."""
    rng = np.random.default_rng(seed)
    rows, answers = rng.normal(size=(200, features)).astype(np.float32), rng.normal(size=(200, len(TARGETS)))
    return tuple(
        RandomForestRegressor(8, max_features=0.5, random_state=seed).fit(rows, answer).estimators_
        for answer in answers.T
    )


def randomize(network: PackedNetwork, seed: int = 0) -> PackedNetwork:
    """All parameters drawn, so that each of them counts and outputs have a spread of about 1."""
    generator = torch.Generator().manual_seed(seed)
    network.draw_parameters(generator)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias") and not name.startswith("output"):
                parameter.normal_(0, 0.3, generator=generator)
            elif name == "output_weight":
                parameter.normal_(0, 1.5 / parameter.shape[1] ** 0.5, generator=generator)
    return network.eval()


def cut(values: NDArray[np.float32], rows: Any, cols: Any, patch_size: int) -> NDArray[np.float32]:
    """Patches (N, C, P, P) around pixels of (C, H, W), NaN beyond its border, cut one by one."""
    halo = patch_size // 2
    padded = np.pad(values, ((0, 0), (halo, halo), (halo, halo)), constant_values=np.nan)
    return np.stack([padded[:, row : row + patch_size, col : col + patch_size] for row, col in zip(rows, cols)])


def same_description(one: NetworkDescription, other: NetworkDescription) -> bool:
    return all(getattr(one, each.name) == getattr(other, each.name) for each in fields(NetworkDescription))


class Log(Report):
    """A report that keeps what is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        super().__init__(self.events.append)

    @property
    def infos(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Info)]

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Warning)]


def with_names(covariates: tuple[Covariate, ...], **names: str) -> tuple[Covariate, ...]:
    """The same rasters under other names."""
    return tuple(replace(each, name=names.get(each.name, each.name)) for each in covariates)


def normal_quantiles(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = norm.ppf(levels)
    return found
