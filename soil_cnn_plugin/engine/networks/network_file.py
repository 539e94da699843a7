"""The network file: one .safetensors with the weights of all members and, as JSON in its header, all else.

Opening one never runs code: the weights are plain numbers, the header is decoded by declared types, and the networks
are built here from a few numbers that are checked against the weights before memory is taken.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from soil_cnn_plugin.contract.decode import DecodeError, decode
from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Scores
from soil_cnn_plugin.engine.assessment.calibration import Calibration
from soil_cnn_plugin.engine.assessment.target_scale import TargetScale
from soil_cnn_plugin.engine.data.covariates import CovariateSummary
from soil_cnn_plugin.engine.data.grid import Grid
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.ensemble import Ensemble
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.networks.plan import Shape, build_network

FORMAT = "soil cnn network"
VERSION = 1


@dataclass(frozen=True)
class NetworkDescription:
    """What a network file says of itself. `blend` (shapes, targets) weighs the architectures; scores and verdicts are
    by target field, scores by method (assessment.METHODS), from held-out folds."""

    targets: tuple[SoilProperty, ...]
    covariates: tuple[CovariateSummary, ...]
    grid: Grid
    patch_size: int
    shapes: tuple[Shape, ...]
    blend: tuple[tuple[float, ...], ...]
    scales: tuple[TargetScale, ...]
    calibrations: tuple[Calibration, ...]
    coverage: float
    observation_count: int
    folds_sentence: str
    scores: dict[str, dict[str, Scores]]
    verdicts: dict[str, str]
    settings: dict[str, str]
    versions: dict[str, str]
    provenance: dict[str, str]

    @property
    def architectures(self) -> dict[str, int]:
        """Name -> number of members."""
        return {shape.name: shape.members for shape in self.shapes}

    @property
    def transforms(self) -> dict[str, str]:
        """Target field -> the scale it was learned on."""
        return {target.field: scale.transform for target, scale in zip(self.targets, self.scales)}


@dataclass(frozen=True)
class TrainedNetwork:
    """A description with the ensemble that it describes."""

    description: NetworkDescription
    encoder: Encoder
    ensemble: Ensemble


def write_network(path: str, trained: TrainedNetwork) -> None:
    """Write `path` (.safetensors) whole or not at all."""
    tensors = {
        f"{shape.name}.{name}": parameter.detach().cpu().contiguous()
        for shape, network in zip(trained.description.shapes, trained.ensemble.networks)
        for name, parameter in network.named_parameters()
    }
    header = {
        "format": FORMAT,
        "version": str(VERSION),
        "description": json.dumps(asdict(trained.description), allow_nan=False),
    }
    Path(part(path)).write_bytes(save(tensors, metadata=header))
    os.replace(part(path), path)


def read_description(path: str) -> NetworkDescription:
    """What the file says of itself; EngineError when it is no whole network file of this version."""
    description, _ = _read_header(path)
    return description


def read_network(path: str, device: torch.device) -> TrainedNetwork:
    """The whole network, ready to predict; EngineError as for `read_description`, and when weights do not fit."""
    description, shapes = _read_header(path)
    encoder = Encoder(description.covariates)
    _check_shapes(path, description, shapes)
    networks = []
    with _opened(path) as file:
        for shape in description.shapes:
            network = build_network(shape, encoder, len(description.targets), dropout=0.0)
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    values = file.get_tensor(f"{shape.name}.{name}")
                    if not torch.isfinite(values).all():
                        raise _damaged(path, f"the weights '{shape.name}.{name}' are not all finite")
                    parameter.copy_(values)
            networks.append(network.eval().to(device))
    ensemble = Ensemble(tuple(networks), np.asarray(description.blend))
    return TrainedNetwork(description, encoder.to(device), ensemble)


def _read_header(path: str) -> tuple[NetworkDescription, dict[str, tuple[int, ...]]]:
    """The description, and the shape of each tensor in the file."""
    if not Path(path).is_file():
        raise EngineError(f"There is no network file {path}. Choose a .safetensors file that 'Train network' wrote.")
    with _opened(path) as file:
        header: dict[str, str] = file.metadata() or {}
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - it has no __iter__
    if header.get("format") != FORMAT:
        raise EngineError(
            f"{path} is a safetensors file of another program, not a network of Soil CNN."
            " Choose a file that 'Train network' wrote."
        )
    if header.get("version") != str(VERSION):
        raise EngineError(
            f"{path} has format version {header.get('version', 'unknown')[:20]}; this plugin reads version {VERSION}."
            " Update the plugin, or train the network again."
        )
    try:
        description = decode(NetworkDescription, json.loads(header["description"]), "The description")
        _check(description)
    except (DecodeError, ValueError, KeyError, RecursionError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error
    return description, shapes


def _check(description: NetworkDescription) -> None:
    """What the declared types cannot say; raises ValueError."""
    targets, shapes = len(description.targets), description.shapes
    if not targets or not shapes or not description.covariates:
        raise ValueError("targets, networks or covariates are missing")
    if len({target.field for target in description.targets}) != targets:
        raise ValueError("two targets have one name")
    if len({shape.name for shape in shapes}) != len(shapes):
        raise ValueError("an architecture occurs twice")
    if len(description.scales) != targets or len(description.calibrations) != targets:
        raise ValueError("scales or calibrations are not one a target")
    if len(description.blend) != len(shapes) or any(len(row) != targets for row in description.blend):
        raise ValueError("blending weights are not one an architecture and target")
    for summary in description.covariates:
        is_categorical = summary.covariate.kind == "categorical"
        if len(summary.categories if is_categorical else summary.quantiles) == 0:
            raise ValueError(f"covariate {summary.covariate.name!r} has neither quantiles nor categories")
    numbers = [description.coverage, *(number for row in description.blend for number in row)]
    for scale, calibration in zip(description.scales, description.calibrations):
        numbers += [scale.centre, scale.spread, scale.upper, scale.squeeze]
        numbers += [*calibration.quantiles, *calibration.nodes, *calibration.weights]
        if len(calibration.nodes) != len(calibration.weights) or len(calibration.quantiles) != 199:
            raise ValueError("a calibration is incomplete")
    numbers += [number for summary in description.covariates for number in summary.quantiles]
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    description.grid.crs  # noqa: B018 - raises CRSError, a ValueError, when the CRS is none


def _check_shapes(path: str, description: NetworkDescription, found: dict[str, tuple[int, ...]]) -> None:
    """Compare the file's tensors with those that the description asks for, without taking memory for either."""
    expected: dict[str, tuple[int, ...]] = {}
    encoder = Encoder(description.covariates)
    for shape in description.shapes:
        with torch.device("meta"):
            network: PackedNetwork = build_network(shape, encoder, len(description.targets), dropout=0.0)
        expected |= {f"{shape.name}.{name}": tuple(values.shape) for name, values in network.named_parameters()}
    if expected != found:
        different = sorted(set(expected.items()) ^ set(found.items()))
        raise _damaged(path, f"its weights are not those of its networks ({different[0][0]})")


def _opened(path: str) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: str, why: str) -> EngineError:
    return EngineError(
        f"{path} is damaged or is no network file: {why}. Copy it again from its source, or train the network again."
    )
