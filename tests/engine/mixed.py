"""Targets of all kinds together: two numbers, a composition and classes, and networks of them with random weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from benchmarks.scikit_trees import to_trees
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import MEAN, NETWORK
from soil_cnn_plugin.engine.networks.focal import context_count
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.classes import ClassOutcome
from soil_cnn_plugin.engine.targets.compositions import CompositionOutcome
from soil_cnn_plugin.engine.targets.joint_calibration import calibrate_jointly
from soil_cnn_plugin.engine.targets.learned import CLASSES, NUMBERS, Columns
from soil_cnn_plugin.engine.targets.measured import TargetsInWords, TargetValues
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.targets.numbers import NumberOutcome
from soil_cnn_plugin.engine.targets.scales import TargetScale, fit_composition
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.plan import build_network
from soil_cnn_plugin.engine.training.predictor import Predictor
from tests.engine.landscape import Landscape, random_network, random_process, randomize

PARTS = ("sand", "silt", "clay")
NAMES = ("Auenboden", "Gley", "Moor")
FIELDS = ("zinc", "sand", "type", "silt", "ph", "clay")
"""Parts of the composition and classes stand between the numbers."""
WORDS = TargetsInWords(
    tuple(SoilProperty(field, {"zinc": "mg/kg", **dict.fromkeys(PARTS, "%")}.get(field, "")) for field in FIELDS),
    {"type": NAMES},
    (PARTS,),
)
LAYOUT = (Columns(NUMBERS, 3), Columns(CLASSES, 3), Columns(NUMBERS, 1))
"""Zinc and two log-ratios, the classes, pH."""


def measured_of(count: int, seed: int = 0) -> TargetValues:
    """Values of all targets, each kind missing at other observations; some of zinc are below a limit, and some of pH
    have an error."""
    rng = np.random.default_rng(seed)
    rows = np.arange(count)
    parts = rng.dirichlet((3, 4, 2), count) * 100
    parts[rows % 5 == 1] = np.nan
    columns = {
        "zinc": np.where(rows % 4 == 2, np.nan, np.exp(rng.normal(4, 0.5, count))),
        "type": np.where(rows % 3 == 2, np.nan, rng.integers(0, len(NAMES), count)),
        "ph": np.where(rows % 6 == 4, np.nan, rng.normal(6, 1, count)),
        **dict(zip(PARTS, parts.T)),
    }
    values = np.column_stack([columns[field] for field in FIELDS])
    is_censored, errors = np.zeros(values.shape, np.bool_), np.zeros(values.shape)
    is_censored[:, 0] = (rows % 8 == 1) & np.isfinite(values[:, 0])
    errors[:, 4] = np.where((rows % 2 == 0) & np.isfinite(values[:, 4]), 0.3, 0.0)
    return TargetValues(values, is_censored, errors, rng.uniform(0.5, 1.5, count))


def mixed_network(landscape: Landscape, has_forest: bool = True, seed: int = 3) -> TrainedNetwork:
    """As `random_network`, of all targets."""
    rng = np.random.default_rng(seed)
    plain = random_network(landscape, has_forest=has_forest, seed=seed)
    encoder, shapes = plain.encoder, plain.description.shapes
    networks = tuple(randomize(build_network(shape, encoder, LAYOUT, 0.0), seed) for shape in shapes)
    features = context_count(encoder.channel_count, len(encoder.continuous), 15)
    forests = []
    for outputs in (1, 1, 1, 3, 1) if has_forest else ():
        rows = rng.normal(size=(200, features)).astype(np.float32)
        answers = rng.dirichlet(np.ones(3), 200) if outputs > 1 else rng.normal(size=200)
        forests.append(to_trees(RandomForestRegressor(8, random_state=seed).fit(rows, answers).estimators_))
    process = random_process(encoder, 15, networks[0].layout, seed) if has_forest else None
    weights = rng.dirichlet(np.ones(len(shapes) + 2 * has_forest), 7).T
    weights[:, 3:6] = weights[:, [3]]  # one a component for all classes
    z, pairs = rng.normal(size=300), rng.normal(size=(300, 2))
    calibration = calibrate(z, 0 * z, 1 + 0 * z)
    description = replace(
        plain.description,
        targets=WORDS.targets,
        compositions=WORDS.compositions,
        weights=tuple(tuple(row) for row in weights.tolist()),
        outcomes=(
            NumberOutcome(TargetScale("log", 4.0, 0.5), calibration),
            CompositionOutcome(
                fit_composition(rng.dirichlet((3, 4, 2), 60) * 100), calibrate_jointly(pairs, 0 * pairs, 1 + 0 * pairs)
            ),
            ClassOutcome(NAMES, 1.4),
            NumberOutcome(TargetScale("none", 6.0, 1.0), calibration),
        ),
        scores={
            field: {
                name: ClassScores(60, 0.6, 0.4, 0.5, 0.9) if field == "type" else Scores(60, *[0.5] * 9)
                for name in (NETWORK, MEAN)
            }
            for field in FIELDS
        },
        verdicts=dict.fromkeys(FIELDS, "No clear difference."),
    )
    return TrainedNetwork(description, encoder, Predictor(networks, tuple(forests), weights, 15, process))
