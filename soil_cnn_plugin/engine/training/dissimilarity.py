"""How far a map's pixels lie from the observations: fitted when a network is trained, evaluated block by block.

In covariate space the index is that of Meyer & Pebesma 2021 (10.1111/2041-210X.13650). In embedding space it is the
same rule applied to the networks' last hidden layers, an addition of this program without published experience.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.assessment.applicability import Dissimilarity, fit_dissimilarity
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch, rows_at_once
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.unseen import covariate_names

COVARIATES, EMBEDDING = "covariates", "embedding"
MOST_OBSERVATIONS = 20_000
"""The most observations that are kept; a random part is drawn of more."""
_EAST, _NORTH = 0, 3  # of the six oblique coordinates, the two that are not combinations of others


@dataclass(frozen=True)
class SpaceInWords:
    """What a network file's header says of a space. `weights` are the covariates' importance, in shares of their sum;
    `observations` of `drawn_from` are kept."""

    space: str
    weights: dict[str, float]
    observations: int
    drawn_from: int
    mean_distance: float
    threshold: float


@dataclass(frozen=True)
class Space:
    """A space. `projections`, one a network, lead from hidden layers to the embedding; covariate space has none."""

    words: SpaceInWords
    dissimilarity: Dissimilarity
    projections: tuple[Projection, ...] = ()

    def tensors(self) -> dict[str, Tensor]:
        """All but the words, by name, for a file."""
        arrays = {name: getattr(self.dissimilarity, name).astype(np.float32) for name in _ARRAYS}
        tensors = {f"{self.words.space}.{name}": torch.from_numpy(array) for name, array in arrays.items()}
        for index, projection in enumerate(self.projections):
            for name in _OF_PROJECTION:
                tensors[f"{self.words.space}.{name}{index}"] = getattr(projection, name).cpu().contiguous()
        return tensors

    @classmethod
    def of(
        cls, words: SpaceInWords, tensors: Mapping[str, Tensor], encoder: Encoder, hidden: Sequence[tuple[int, ...]]
    ) -> Space:
        """Read a space from a file; `hidden` holds members and width (K, W) of each network's last hidden layer.
        ValueError when something is missing or makes no sense."""
        if words.space not in (COVARIATES, EMBEDDING):
            raise ValueError(f"the space {words.space!r} is unknown")
        found = {name: tensors.get(f"{words.space}.{name}") for name in _ARRAYS}
        arrays = {name: tensor.numpy().astype(np.float64) for name, tensor in found.items() if tensor is not None}
        if len(arrays) < len(_ARRAYS) or arrays["training"].ndim != 2:
            raise ValueError(f"what its dissimilarity in {words.space} space needs is incomplete")
        count, width = arrays["training"].shape
        shapes = {"centre": (width,), "factor": (width,), "training_index": (count,)}
        if any(arrays[name].shape != shape for name, shape in shapes.items()) or count != words.observations:
            raise ValueError(f"the arrays of its {words.space} space do not fit each other")
        numbers = np.concatenate([*map(np.ravel, arrays.values()), [words.mean_distance, words.threshold]])
        if not np.isfinite(numbers).all() or words.mean_distance <= 0:
            raise ValueError(f"a number of its {words.space} space is not finite")
        fitted = Dissimilarity(mean_distance=words.mean_distance, threshold=words.threshold, **arrays)
        projections = _read_projections(tensors, hidden) if words.space == EMBEDDING else ()
        expected = sum(projection.width for projection in projections) or len(_columns(encoder)[0])
        if width != expected:
            raise ValueError(f"its {words.space} space has {width} instead of {expected} dimensions")
        return cls(words, fitted, projections)


_ARRAYS = ("centre", "factor", "training", "training_index")
_OF_PROJECTION = ("centre", "axes", "spread")


def _read_projections(tensors: Mapping[str, Tensor], hidden: Sequence[tuple[int, ...]]) -> tuple[Projection, ...]:
    projections = []
    for index, shape in enumerate(hidden):
        parts = {name: tensors.get(f"{EMBEDDING}.{name}{index}") for name in _OF_PROJECTION}
        found = {name: part for name, part in parts.items() if part is not None}
        if len(found) < len(parts) or found["spread"].ndim or found["axes"].ndim != 3:
            raise ValueError("a projection of its embedding is incomplete")
        if found["axes"].shape[:2] != shape or found["centre"].shape != shape:
            raise ValueError("a projection of its embedding does not fit its networks")
        if not all(torch.isfinite(part).all() for part in found.values()) or not found["spread"] > 0:
            raise ValueError("a projection of its embedding is not finite")
        projections.append(Projection(**found))
    return tuple(projections)


def fit_covariate_space(point: Singles, encoder: Encoder, importance: Array, fold: Rows, seed: int) -> Space:
    """Fit the space of the encoded covariates at the observations, `point` (N, D [+ 6]). They are weighted by the
    `importance` (C [+ 1],) of each covariate, and of the location where it is an input. The map's error was measured
    with the folds `fold` (N,). EngineError as for `fit_dissimilarity`."""
    columns, of_column = _columns(encoder)
    rows = _draw(len(point), seed)
    fitted = fit_dissimilarity(point[rows][:, columns].astype(np.float64), importance[of_column], fold[rows])
    positive = np.clip(importance, 0, None)
    shares = positive / positive.sum() if positive.any() else np.full(len(positive), 1 / len(positive))
    weights = dict(zip(covariate_names(encoder), shares.tolist()))
    return Space(_in_words(COVARIATES, fitted, len(point), weights), _narrow(fitted))


def fit_embedding_space(
    networks: tuple[PackedNetwork, ...], inputs: tuple[InputRows, ...], fold: Rows, seed: int
) -> Space:
    """Fit the space of the networks' last hidden layers at the observations, N rows of `inputs` for each network."""
    rows = _draw(len(fold), seed)
    projections, columns = [], []
    for network, part in zip(networks, inputs):
        hidden = hidden_layer(network, part.take(torch.from_numpy(rows))).cpu()  # not every GPU has float64
        projections.append(fit_projection(hidden))
        columns.append(projections[-1](hidden).numpy().astype(np.float64))
    space = np.concatenate(columns, axis=1)
    # The axes keep their lengths: a direction in which the networks hardly vary matters little to them.
    fitted = fit_dissimilarity(space, space.std(axis=0, ddof=1), fold[rows])
    return Space(_in_words(EMBEDDING, fitted, len(fold), {}), _narrow(fitted), tuple(projections))


def _columns(encoder: Encoder) -> tuple[Rows, Rows]:
    """Which columns of the channels and oblique coordinates count, and the covariate of each."""
    of_channel = encoder.covariate_of_channel.cpu().numpy()
    columns = np.arange(len(of_channel))
    if encoder.location is None or not encoder.location.is_everywhere:
        return columns, of_channel
    location = len(of_channel) + np.array([_EAST, _NORTH])
    return np.append(columns, location), np.append(of_channel, [len(encoder.covariates)] * 2)


def _draw(count: int, seed: int) -> Rows:
    if count <= MOST_OBSERVATIONS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST_OBSERVATIONS, replace=False))


def _in_words(space: str, fitted: Dissimilarity, count: int, weights: dict[str, float]) -> SpaceInWords:
    return SpaceInWords(space, weights, len(fitted.training), count, fitted.mean_distance, fitted.threshold)


def _narrow(fitted: Dissimilarity) -> Dissimilarity:
    """Round as a file does, so that a map is the same with the network in memory."""
    arrays = {name: getattr(fitted, name).astype(np.float32).astype(np.float64) for name in _ARRAYS}
    return replace(fitted, **arrays)


class BlockIndex:
    """The index of a map's pixels, block by block. For the embedding, `watches` must get the block's hidden layers."""

    def __init__(self, space: Space, encoder: Encoder, device: torch.device) -> None:
        self._space, self._columns = space, _columns(encoder)[0]
        self._projections = tuple(projection.to(device) for projection in space.projections)
        self._pieces: list[list[Tensor]] = [[] for _ in self._projections]
        self.threshold = space.dissimilarity.threshold

    def for_one_block(self) -> BlockIndex:
        """The same index with watches of its own: blocks predicted side by side must not share them."""
        own = copy(self)
        own._pieces = [[] for _ in self._projections]
        return own

    @property
    def watches(self) -> tuple[Watch, ...]:
        def watch(projection: Projection, pieces: list[Tensor]) -> Watch:
            return lambda hidden: pieces.append(projection(hidden))

        return tuple(watch(projection, pieces) for projection, pieces in zip(self._projections, self._pieces))

    def take(self, channels: Channels, halo: int, wanted: Flags) -> Array:
        """The index (h, w) of the block predicted last, NaN where not `wanted`."""
        points = self._embedded(wanted) if self._projections else self._at_the_pixel(channels, halo, wanted)
        index = np.full(wanted.shape, np.nan)
        index[wanted] = self._space.dissimilarity.index(points)
        return index

    def _embedded(self, wanted: Flags) -> Array:
        columns = [torch.cat(pieces).cpu().numpy()[wanted.ravel()] for pieces in self._pieces]
        for pieces in self._pieces:
            pieces.clear()
        return np.concatenate(columns, axis=1).astype(np.float64)

    def _at_the_pixel(self, channels: Channels, halo: int, wanted: Flags) -> Array:
        centre = channels.crop(halo)
        layers = [centre.values[0]] + ([] if centre.location is None else [centre.location[0].to(centre.values.device)])
        values = torch.cat(layers)[torch.from_numpy(self._columns).to(centre.values.device)]
        points: Array = values.cpu().numpy()[:, wanted].T.astype(np.float64)  # (F, h, w) -> (n, F)
        return points


AXES = 16  # of each network; the distance off them is kept as one number
_AT_ONCE = 4096  # pixels; more of them drop out of a processor's cache


@dataclass(frozen=True)
class Projection:
    """A projection of the last hidden layer of all members, K x W numbers: their `centre` (K, W) over the observations,
    principal `axes` (K, W, A), and `spread`, their overall standard deviation."""

    centre: Tensor
    axes: Tensor
    spread: Tensor

    @property
    def width(self) -> int:
        """How many numbers are left of a pixel."""
        return self.axes.shape[2] + 1

    def __call__(self, hidden: Tensor) -> Tensor:
        """Project (K, n, W) to (n, A + 1): along the axes, and the distance from all places that the axes reach.

        The last number sees what is new in a direction in which the observations do not vary.
        """
        members, _, width = hidden.shape
        at_once = _AT_ONCE if hidden.device.type == "cpu" else rows_at_once(members, width, hidden.device)
        return torch.cat([self._project(piece) for piece in hidden.split(at_once, dim=1)])

    def _project(self, hidden: Tensor) -> Tensor:
        centred = hidden - self.centre[:, None]
        along = torch.matmul(centred.transpose(0, 1).flatten(1), self.axes.flatten(0, 1))  # -> (n, A)
        off = (centred.square().sum(dim=(0, 2)) - along.square().sum(1)).clamp_(min=0).sqrt_()
        return torch.cat([along, off[:, None]], dim=1) / self.spread

    def to(self, device: torch.device) -> Projection:
        return Projection(self.centre.to(device), self.axes.to(device), self.spread.to(device))


@torch.no_grad()
def hidden_layer(network: PackedNetwork, inputs: Tensor) -> Tensor:
    """Last hidden layer (K, N, W) of observations (N, ...)."""
    network.eval()
    return torch.cat([network.hidden(piece) for piece in inputs.split(_AT_ONCE // 8)], dim=1)


def fit_projection(hidden: Tensor) -> Projection:
    """Find the principal axes of the observations' hidden layer (K, N, W)."""
    members, count, width = hidden.shape
    flat = hidden.transpose(0, 1).flatten(1)  # -> (N, K * W)
    centre = flat.mean(0)
    variance = (flat - centre).square().sum() / max(count - 1, 1)
    _, vectors = torch.linalg.eigh((flat - centre).double().T @ (flat - centre).double())
    axes = vectors[:, -min(AXES, count - 1) :].flip(1).float()
    spread = variance.sqrt() if variance > 0 else torch.ones_like(variance)
    return Projection(centre.unflatten(0, (members, width)), axes.unflatten(0, (members, width)).contiguous(), spread)
