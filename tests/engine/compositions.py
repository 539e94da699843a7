"""Networks and observations of sand, silt and clay at one or several depths, for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import NETWORK
from soil_cnn_plugin.engine.targets.compositions import CompositionOutcome
from soil_cnn_plugin.engine.targets.joint_calibration import calibrate_jointly
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.targets.scales import fit_composition
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from soil_cnn_plugin.engine.training.predictor import Predictor
from tests.engine.landscape import Landscape, random_network, randomize

PARTS = ("sand", "silt", "clay")


def composition_network(
    landscape: Landscape, depths: tuple[str, ...] = ("0_30",), parts: tuple[str, ...] = PARTS, whole: float = 100.0
) -> TrainedNetwork:
    """A ring network without training whose targets are the parts of a whole at each depth, the depths mixed up."""
    rng = np.random.default_rng(4)
    plain = random_network(landscape, (("ring", 15),), has_forest=False)
    columns = len(depths) * (len(parts) - 1)
    shape = Shape("ring", 15, 3)
    network = randomize(build_network(shape, plain.encoder, number_columns(columns), 0.0), 5)
    outcomes = []
    for _ in depths:
        scale = fit_composition(rng.dirichlet(2 + np.arange(len(parts)), 60) * whole)
        z = rng.normal(size=(300, len(parts) - 1)) @ rng.normal(size=(len(parts) - 1,) * 2)
        outcomes.append(CompositionOutcome(scale, calibrate_jointly(z, 0 * z, 1 + 0 * z)))
    fields = [f"{part}_{depth}" for part in parts for depth in depths]
    description = replace(
        plain.description,
        targets=tuple(SoilProperty(field, "%") for field in fields),
        compositions=tuple(tuple(f"{part}_{depth}" for part in parts) for depth in depths),
        shapes=(shape,),
        predictor=NETWORK,
        weights=((1.0,) * columns,),
        outcomes=tuple(outcomes),
        scores={},
        verdicts={},
    )
    return TrainedNetwork(description, plain.encoder, Predictor((network,), (), np.ones((1, columns)), 15))
