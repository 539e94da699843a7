"""How far a map's pixels lie from the observations: fitted when a network is trained, evaluated block by block.

In covariate space the index is that of Meyer & Pebesma 2021 (10.1111/2041-210X.13650), of covariates as they were read.
In embedding space it is the same rule applied to the networks' last hidden layers, an addition of this program without
published experience. Networks see a value beyond the training raster's range as the end of that range, so that the
embedding stands still there; see `flag_beyond` for what is added to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.assessment.applicability import Dissimilarity, SpaceInWords, fit_dissimilarity
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.projection import Projection, fit_projection, hidden_layer
from soil_cnn_plugin.engine.training.unseen import covariate_names

COVARIATES, EMBEDDING = "covariates", "embedding"
MOST_OBSERVATIONS = 20_000
"""The most observations that are kept; a random part is drawn of more."""
_EAST, _NORTH = 0, 3  # of the six oblique coordinates, the two that are not combinations of others
_ROWS_AT_ONCE = 2**16  # pixels whose class codes become columns together


@dataclass(frozen=True)
class Space:
    """A space. `rows` (n, C [+ 2]) are the observations' covariates as they were read, with east and north where the
    location is an input; in embedding space they are the embedding. `projections`, one a network, lead from hidden
    layers to the embedding; covariate space has none."""

    words: SpaceInWords
    rows: Singles
    dissimilarity: Dissimilarity
    projections: tuple[Projection, ...] = ()

    def tensors(self) -> dict[str, Tensor]:
        """All but the words, by name, for a file."""
        tensors = {f"{self.words.space}.training": torch.from_numpy(self.rows)}
        for name in _CONSTANTS:
            tensors[f"{self.words.space}.{name}"] = torch.from_numpy(getattr(self.dissimilarity, name))
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
        found = {name: tensors.get(f"{words.space}.{name}") for name in ("training", *_CONSTANTS)}
        arrays = {name: tensor.numpy() for name, tensor in found.items() if tensor is not None}
        if len(arrays) <= len(_CONSTANTS) or arrays["training"].ndim != 2:
            raise ValueError(f"what its dissimilarity in {words.space} space needs is incomplete")
        projections = _read_projections(tensors, hidden) if words.space == EMBEDDING else ()
        rows = arrays.pop("training")
        count, width = rows.shape
        expected = sum(projection.width for projection in projections) or _row_width(encoder)
        if width != expected:
            raise ValueError(f"its {words.space} space has {width} instead of {expected} dimensions")
        columns = rows.astype(np.float64) if projections else in_columns(rows, encoder)
        shapes = {"centre": columns.shape[1:], "factor": columns.shape[1:], "training_index": (count,)}
        if any(arrays[name].shape != shape for name, shape in shapes.items()) or count != words.observations:
            raise ValueError(f"the arrays of its {words.space} space do not fit each other")
        numbers = np.concatenate([rows.ravel(), *arrays.values(), [words.mean_distance, words.threshold]])
        if not np.isfinite(numbers).all() or words.mean_distance <= 0:
            raise ValueError(f"a number of its {words.space} space is not finite")
        training = (columns - arrays["centre"]) * arrays["factor"]
        fitted = Dissimilarity(
            training=training, mean_distance=words.mean_distance, threshold=words.threshold, **arrays
        )
        return cls(words, rows, fitted, projections)


_CONSTANTS = ("centre", "factor", "training_index")
_OF_PROJECTION = ("centre", "axes", "spread")


def kind_of_tensor(name: str) -> str:
    """The kind of numbers of a tensor of `Space.tensors`, in the network file's word."""
    return "F64" if name.partition(".")[2] in _CONSTANTS else "F32"


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


def fit_covariate_space(rows: Singles, encoder: Encoder, importance: Array, fold: Rows, seed: int) -> Space:
    """Fit the space of the covariates at the observations, `rows` (N, C [+ 2]). They are weighted by the `importance`
    (C [+ 1],) of each covariate, and of the location where it is an input; all columns of a covariate's class codes
    have its weight. The map's error was measured with the folds `fold` (N,). EngineError as for `fit_dissimilarity`."""
    drawn = _draw(len(rows), seed)
    kept = drawn[np.isfinite(rows[drawn]).all(axis=1)]
    columns, of_column = in_columns(rows[kept], encoder), _covariate_of_column(encoder)
    varies = (
        np.isin(np.arange(len(importance)), of_column[np.ptp(columns, axis=0) > 0]) if len(kept) else importance > 0
    )
    positive = np.where(varies, np.clip(importance, 0, None), 0.0)
    weights = positive if positive.any() else varies.astype(np.float64)
    shares = weights / max(weights.sum(), 1e-300)
    fitted = fit_dissimilarity(columns, shares[of_column], fold[kept])
    words = dict(zip(covariate_names(encoder), shares.tolist()))
    return Space(_in_words(COVARIATES, fitted, len(rows), words), rows[kept], fitted)


def fit_embedding_space(
    networks: tuple[PackedNetwork, ...], inputs: tuple[InputRows, ...], fold: Rows, seed: int
) -> Space:
    """Fit the space of the networks' last hidden layers at the observations, N rows of `inputs` for each network."""
    rows = _draw(len(fold), seed)
    projections, columns = [], []
    for network, part in zip(networks, inputs):
        hidden = hidden_layer(network, part.take(torch.from_numpy(rows))).cpu()  # not every GPU has float64
        projections.append(fit_projection(hidden))
        columns.append(projections[-1](hidden).numpy())
    narrow = np.concatenate(columns, axis=1)
    space = narrow.astype(np.float64)
    # The axes keep their lengths: a direction in which the networks hardly vary matters little to them.
    fitted = fit_dissimilarity(space, space.std(axis=0, ddof=1), fold[rows])
    return Space(_in_words(EMBEDDING, fitted, len(fold), {}), narrow, fitted, tuple(projections))


def covariate_rows(raw: Singles, oblique: Singles | None) -> Singles:
    """Covariates (n, C) and, where the location is an input, oblique coordinates (n, 6), as rows (n, C [+ 2])."""
    return raw if oblique is None else np.concatenate([raw, oblique[:, [_EAST, _NORTH]]], axis=1)


def in_columns(rows: Singles, encoder: Encoder) -> Array:
    """Rows (n, C [+ 2]) as numbers (n, F): a column of 0 and 1 for each class code, NaN where the covariate is
    missing."""
    parts = []
    for index, summary in enumerate(encoder.covariates):
        own = rows[:, index : index + 1].astype(np.float64)
        codes = np.array(summary.categories)
        parts.append(np.where(np.isnan(own), np.nan, own == codes) if len(codes) else own)
    return np.concatenate([*parts, rows[:, len(parts) :]], axis=1, dtype=np.float64)


def _covariate_of_column(encoder: Encoder) -> Rows:
    """The covariate of each column (F,); east and north count as one more."""
    of_channel: Rows = encoder.covariate_of_channel.cpu().numpy()
    return of_channel if not encoder.shows_location else np.append(of_channel, [len(encoder.covariates)] * 2)


def _row_width(encoder: Encoder) -> int:
    return len(encoder.covariates) + 2 * encoder.shows_location


def beyond_range(raw: Singles, encoder: Encoder) -> Array:
    """How far pixels (n, C) lie beyond the range of the training raster, (n,): 0 within it, else in widths of the
    range, in the covariate in which it is most. The width of a single value is its size, or 1."""
    most = np.zeros(len(raw))
    for index, summary in enumerate(encoder.covariates):
        if not summary.categories:
            low, high = (float(np.float32(summary.quantiles[end])) for end in (0, -1))
            own = raw[:, index].astype(np.float64)
            np.maximum(most, np.maximum(low - own, own - high) / (high - low or abs(high) or 1.0), out=most)
    return most


def flag_beyond(index: Array, beyond: Array, threshold: float) -> Array:
    """The index (n,) in embedding space of pixels that lie `beyond` (n,) the range, an addition of this program.

    What the networks see of such a pixel is the end of the range, so that the embedding does not tell how far it lies.
    It is not applicable: its index counts as the threshold at least, and grows by itself with each width of the range.
    """
    above = np.nextafter(np.float32(threshold), np.float32(np.inf))  # a raster of float32 holds it above the threshold
    return np.where(beyond > 0, np.maximum(np.maximum(index, threshold) * (1 + beyond), above), index)


def _draw(count: int, seed: int) -> Rows:
    if count <= MOST_OBSERVATIONS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST_OBSERVATIONS, replace=False))


def _in_words(space: str, fitted: Dissimilarity, count: int, weights: dict[str, float]) -> SpaceInWords:
    return SpaceInWords(space, weights, len(fitted.training), count, fitted.mean_distance, fitted.threshold)


class BlockIndex:
    """The index of a map's pixels, block by block. For the embedding, `watches` must get the block's hidden layers."""

    def __init__(self, space: Space, encoder: Encoder, device: torch.device) -> None:
        self._space, self._encoder = space, encoder
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

    def take(self, raw: Singles, location: Tensor | None, wanted: Flags) -> tuple[Array, int]:
        """The index (h, w) of the block predicted last, NaN where not `wanted`, and how many pixels lie beyond the
        range of a covariate but near enough to be applicable without that. `raw` (C, h, w) are its covariates,
        `location` (1, 6, h, w) its oblique coordinates, where they are an input."""
        oblique = None if location is None else location[0].cpu().numpy()[:, wanted].T
        rows = covariate_rows(raw[:, wanted].T, oblique)
        beyond = beyond_range(rows, self._encoder)
        found = self._space.dissimilarity.index(self._embedded(wanted)) if self._projections else self._of_rows(rows)
        near = int(np.count_nonzero((found <= self.threshold) & (beyond > 0)))
        index = np.full(wanted.shape, np.nan)
        index[wanted] = flag_beyond(found, beyond, self.threshold) if self._projections else found
        return index, near

    def _embedded(self, wanted: Flags) -> Array:
        columns = [torch.cat(pieces).cpu().numpy()[wanted.ravel()] for pieces in self._pieces]
        for pieces in self._pieces:
            pieces.clear()
        return np.concatenate(columns, axis=1).astype(np.float64)

    def _of_rows(self, rows: Singles) -> Array:
        fitted, starts = self._space.dissimilarity, range(0, len(rows), _ROWS_AT_ONCE)
        pieces = (in_columns(rows[start : start + _ROWS_AT_ONCE], self._encoder) for start in starts)
        return np.concatenate([np.empty(0), *map(fitted.index, pieces)])
