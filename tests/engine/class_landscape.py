"""Soil classes in the small landscape: observations, a patch file, and networks of classes with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from benchmarks.scikit_trees import to_trees
from soil_cnn_plugin.contract.jobs import ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import MEAN, NETWORK
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.networks.focal import context_count
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.classes import ClassOutcome
from soil_cnn_plugin.engine.targets.learned import class_columns
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.plan import build_network
from soil_cnn_plugin.engine.training.predictor import Predictor
from tests.engine.landscape import CELL, CRS, NORTH, WEST, Landscape, random_network, random_process, randomize

FIELD = "soil type"
NAMES = ("Gley, nass", 'Moor "tief"', "Böden & <script>alert(1)</script>")
"""Names as users have them; what they must not do is in the last one."""


def classes_of(elevation: NDArray[Any], flow: NDArray[Any], count: int = 3) -> NDArray[np.int64]:
    """(N,) numbers of classes that follow elevation and flow, the last ones rarer."""
    score = (elevation - 50) / 20 + 0.5 * np.log(flow) / 2
    limits = np.quantile(score, np.cumsum(np.linspace(2, 1, count) / np.linspace(2, 1, count).sum())[:-1])
    return np.asarray(np.digitize(score, limits))


def extract_classes(
    landscape: Landscape,
    count: int = 120,
    names: Sequence[Any] = NAMES,
    target_type: str = "auto",
    noise: float = 0.1,
    group: bool = False,
    seed: int = 2,
) -> str:
    """A patch file of observations of classes; a share `noise` of them is any class. With `group` they belong to 8
    groups, and the last class to one of them alone."""
    rng = np.random.default_rng(seed)
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    rows, cols = valid[rng.choice(len(valid), count, replace=False)].T
    numbers = classes_of(*landscape.values[:2, rows, cols].astype(np.float64), len(names))
    numbers = np.where(rng.random(count) < noise, rng.integers(0, len(names), count), numbers)
    x, y = WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL
    groups = np.where(numbers == len(names) - 1, 7, np.arange(count) % 8)
    columns = {FIELD: [names[number] for number in numbers], "group": groups}
    points = str(landscape.folder / "soil types.gpkg")
    geopandas.GeoDataFrame(columns, geometry=geopandas.points_from_xy(x, y), crs=CRS).to_file(points)
    patches = str(landscape.folder / "classes.h5")
    job = ExtractPatches(
        points,
        (SoilProperty(FIELD),),
        landscape.covariates,
        patches,
        patch_size=15,
        target_type=target_type,
        group="group" if group else "",
    )
    extract_patches.run(job, Report(lambda event: None))
    return patches


def random_class_network(
    landscape: Landscape, names: tuple[str, ...] = NAMES, temperature: float = 1.4, seed: int = 3, **options: Any
) -> TrainedNetwork:
    """As `random_network`, of classes."""
    of_numbers = random_network(landscape, seed=seed, **options)
    encoder, count = of_numbers.encoder, len(names)
    shapes = of_numbers.description.shapes
    networks = tuple(randomize(build_network(shape, encoder, class_columns(count), 0.0), seed) for shape in shapes)
    features = context_count(encoder.channel_count, len(encoder.continuous), 15)
    rng = np.random.default_rng(seed)
    forests = ()
    if of_numbers.predictor.forests:
        rows, answers = rng.normal(size=(200, features)).astype(np.float32), rng.dirichlet(np.ones(count), 200)
        forests = (to_trees(RandomForestRegressor(8, random_state=seed).fit(rows, answers).estimators_),)
    process = random_process(encoder, 15, class_columns(count), seed) if forests else None
    weights = np.repeat(rng.dirichlet(np.ones(len(shapes) + 2 * len(forests)))[:, None], count, axis=1)
    description = replace(
        of_numbers.description,
        targets=(SoilProperty(FIELD),),
        weights=tuple(tuple(row) for row in weights.tolist()),
        outcomes=(ClassOutcome(names, temperature),),
        scores={FIELD: {name: ClassScores(120, 0.6, 0.4, 0.5, 0.9) for name in (NETWORK, MEAN)}},
        verdicts={FIELD: "No clear difference."},
    )
    return TrainedNetwork(description, encoder, Predictor(networks, forests, weights, 15, process))
