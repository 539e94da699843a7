"""The network file: one .safetensors with the weights of all members and, as JSON in its header, all else.

Opening one never runs code: the weights are plain numbers, the header is decoded by declared types, and the networks
are built here from a few numbers that are checked against the weights before memory is taken.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from soil_cnn_plugin.contract.decode import DecodeError, decode
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.methods import NETWORK
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.trees import TREE_TYPES, Trees
from soil_cnn_plugin.engine.kriging.gaussian_process import PROCESS_ARRAYS, FeatureLayout, GaussianProcess
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.focal import context_count
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.rasters.plain_files import check_crs_files
from soil_cnn_plugin.engine.targets.learned import units
from soil_cnn_plugin.engine.training.dissimilarity import Space, kind_of_tensor
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.plan import build_network
from soil_cnn_plugin.engine.training.predictor import Predictor
from soil_cnn_plugin.engine.training.unseen import PlacedErrors, TrainingRows

FORMAT = "soil cnn network"
VERSION = 9
_WORDS = {np.int64: "I64", np.int32: "I32", np.float32: "F32", np.float64: "F64"}  # the format's kinds of numbers
Tensors = tuple[str, tuple[int, ...]]
"""Kind of number, in the format's word, and shape."""

_SPACES, _ROWS, _PROCESS, _ERRORS = "dissimilarity.", "rows.", "process.", "errors."
"""Prefixes of tensors that are not weights."""
_PROCESS_KINDS = {f"{_PROCESS}{name}": _WORDS[kind] for name, kind in PROCESS_ARRAYS.items()}


@dataclass(frozen=True)
class TrainedNetwork:
    """A description with its ensemble. `rows` says which observations the members had not seen, `errors` how far these
    lie from their predictions; it is there where the file tells the places of observations anyway."""

    description: NetworkDescription
    encoder: Encoder
    predictor: Predictor
    spaces: tuple[Space, ...] = ()
    rows: TrainingRows | None = None
    errors: PlacedErrors | None = None


def write_network(path: str, trained: TrainedNetwork) -> None:
    """Write `path` (.safetensors) whole or not at all."""
    predictor = trained.predictor
    tensors = {
        f"{shape.name}.{name}": parameter.detach().cpu().contiguous()
        for shape, network in zip(trained.description.shapes, predictor.networks)
        for name, parameter in network.named_parameters()
    }
    for index, trees in enumerate(predictor.forests):
        for part_of in fields(trees):
            tensors[f"forest{index}.{part_of.name}"] = torch.from_numpy(getattr(trees, part_of.name))
    if predictor.process:
        tensors |= {f"{_PROCESS}{name}": torch.from_numpy(array) for name, array in predictor.process.arrays().items()}
    for space in trained.spaces:
        tensors |= {f"{_SPACES}{name}": tensor for name, tensor in space.tensors().items()}
    if trained.rows:
        tensors |= {f"{_ROWS}{name}": tensor for name, tensor in trained.rows.tensors().items()}
    if trained.errors:
        tensors |= {f"{_ERRORS}{name}": tensor for name, tensor in trained.errors.tensors().items()}
    header = {
        "format": FORMAT,
        "version": str(VERSION),
        "description": json.dumps(asdict(trained.description), allow_nan=False),
    }
    write_whole(path, save(tensors, metadata=header))


def read_description(path: str) -> NetworkDescription:
    """What the file says of itself; EngineError when it is not a whole network file of this version."""
    description, _ = _read_header(path)
    return description


def read_network(path: str, device: torch.device) -> TrainedNetwork:
    """The whole network, ready to predict; EngineError as for `read_description`, and when weights do not fit."""
    description, tensors = _read_header(path)
    encoder = Encoder(description.covariates, description.location)
    _check_tensors(path, description, encoder, tensors)
    networks = []
    with _opened(path) as file:
        for shape in description.shapes:
            network = build_network(shape, encoder, description.layout, 0.0)
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    values = file.get_tensor(f"{shape.name}.{name}")
                    if not torch.isfinite(values).all():
                        raise _damaged(path, tr("the weights '{}.{}' are not all finite").format(shape.name, name))
                    parameter.copy_(values)
            networks.append(network.eval().to(device))
        forests = _read_forests(path, file, description, encoder)
        hidden = [tensors[f"{shape.name}.output_weight"][1][:2] for shape in description.shapes]
        spaces, rows = _read_spaces_and_rows(path, file, description, encoder, hidden)
        process = _read_process(path, file, description, encoder)
        errors = _read_errors(path, file, description)
    if rows and process and rows.held_out.fold.max() >= len(process.weights_of_parts):
        raise _damaged(path, "its training observations have folds that do not exist")
    predictor = Predictor(tuple(networks), forests, np.asarray(description.weights), description.patch_size, process)
    return TrainedNetwork(description, encoder.to(device), predictor, spaces, rows, errors)


def _read_forests(path: str, file: Any, description: NetworkDescription, encoder: Encoder) -> tuple[Trees, ...]:
    if description.predictor == NETWORK:
        return ()
    features = _layout(description, encoder).count
    forests = []
    for index, outputs in enumerate(_forest_outputs(description)):
        trees = Trees(**{each.name: file.get_tensor(f"forest{index}.{each.name}").numpy() for each in fields(Trees)})
        try:
            trees.check(features, outputs)
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        forests.append(trees)
    return tuple(forests)


def _read_process(path: str, file: Any, description: NetworkDescription, encoder: Encoder) -> GaussianProcess | None:
    if description.predictor == NETWORK:
        return None
    layout = _layout(description, encoder)
    arrays = {name: file.get_tensor(f"{_PROCESS}{name}").numpy() for name in PROCESS_ARRAYS}
    try:
        return GaussianProcess.of(layout, description.layout, arrays)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _layout(description: NetworkDescription, encoder: Encoder) -> FeatureLayout:
    """What forests and Gaussian process see."""
    width = context_count(encoder.channel_count, len(encoder.continuous), description.patch_size)
    return FeatureLayout(encoder.channel_count, width, encoder.location is not None)


def _read_spaces_and_rows(
    path: str, file: Any, description: NetworkDescription, encoder: Encoder, hidden: list[tuple[int, ...]]
) -> tuple[tuple[Space, ...], TrainingRows | None]:
    """Read spaces and rows; `hidden` holds members and width of each network's last hidden layer."""
    of_spaces, of_rows = (
        {name.removeprefix(prefix): file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118
        for prefix in (_SPACES, _ROWS)
    )
    members = [shape.members for shape in description.shapes]
    try:
        spaces = tuple(Space.of(words, of_spaces, encoder, hidden) for words in description.spaces)
        return spaces, TrainingRows.of(of_rows, members)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _read_errors(path: str, file: Any, description: NetworkDescription) -> PlacedErrors | None:
    names = [name for name in file.keys() if name.startswith(_ERRORS)]  # noqa: SIM118
    try:
        tensors = {name.removeprefix(_ERRORS): file.get_tensor(name) for name in names}
        return PlacedErrors.of(tensors, description.observation_count, description.columns)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _read_header(path: str) -> tuple[NetworkDescription, dict[str, Tensors]]:
    """The description, and the kind and shape of each tensor in the file."""
    if not Path(path).is_file():
        raise EngineError(
            tr("There is no network file {}. Choose a .safetensors file that 'Train network' wrote.").format(path)
        )
    with _opened(path) as file:
        header: dict[str, str] = file.metadata() or {}
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it has no __iter__
        tensors = {name: (str(each.get_dtype()), tuple(each.get_shape())) for name, each in slices.items()}
    if header.get("format") != FORMAT:
        raise EngineError(
            tr(
                "{} is a safetensors file of another program, not a network of Soil CNN. Choose a file that"
                " 'Train network' wrote."
            ).format(path)
        )
    if header.get("version") != str(VERSION):
        raise EngineError(
            tr(
                "{} has format version {}; this plugin reads version {}. Update the plugin, or train the network again."
            ).format(path, header.get("version", tr("unknown"))[:20], VERSION)
        )
    try:
        description = decode(NetworkDescription, json.loads(header["description"]), "The description")
        check_crs_files(description.grid.crs_wkt)
    except (DecodeError, ValueError, KeyError, RecursionError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error
    return description, tensors


def _check_tensors(path: str, description: NetworkDescription, encoder: Encoder, found: dict[str, Tensors]) -> None:
    """Compare the file's tensors with those that the description asks for, without taking memory for either."""
    expected: dict[str, Tensors] = {}
    for shape in description.shapes:
        with torch.device("meta"):
            network: PackedNetwork = build_network(shape, encoder, description.layout, 0.0)
        expected |= {
            f"{shape.name}.{name}": ("F32", tuple(values.shape)) for name, values in network.named_parameters()
        }
    blended: dict[str, str] = {}
    if description.predictor != NETWORK:
        blended = _forest_kinds(len(_forest_outputs(description))) | _PROCESS_KINDS
    if not blended.keys() <= found.keys():
        raise _damaged(path, tr("its forests or its Gaussian process are incomplete"))
    for name, tensor in found.items():
        kind = _kind_beside_weights(name, blended)
        if kind is not None and kind != tensor[0]:
            raise _damaged(path, tr("the numbers of '{}' are of another kind").format(name))
        if kind is not None:
            expected[name] = tensor  # the reader of its values checks its shape
    if expected != found:
        different = sorted(set(expected.items()) ^ set(found.items()))
        raise _damaged(path, tr("its weights are not those of its networks ({})").format(different[0][0]))


def _forest_outputs(description: NetworkDescription) -> list[int]:
    """Outputs of each forest: as many as the classes of a target, or one for each number."""
    return [own.stop - own.start for own in units(description.layout)]


def _forest_kinds(count: int) -> dict[str, str]:
    """Map each tensor of a forest to the kind of its numbers, in the format's words."""
    return {f"forest{t}.{name}": _WORDS[kind] for t in range(count) for name, kind in TREE_TYPES.items()}


def _kind_beside_weights(name: str, blended: dict[str, str]) -> str | None:
    """The kind of numbers of a tensor that holds no weights of a network."""
    if name.startswith(_SPACES):
        return kind_of_tensor(name.removeprefix(_SPACES))
    if name.startswith(_ROWS):
        return {"keys": "I64", "fold": "I16"}.get(name.removeprefix(_ROWS), "U8")
    if name.startswith(_ERRORS):
        return "F64"
    return blended.get(name)


def _opened(path: str) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: str, why: str) -> EngineError:
    return EngineError(
        tr(
            "{} is damaged or is no network file: {}. Copy it again from its source, or train the network again."
        ).format(path, why.rstrip("."))
    )
