"""Predicts observations by what had not seen them, also with a covariate or surroundings taken from another one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.kriging.gaussian_process import GaussianProcess
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.focal import covariate_of_feature
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.training.fit import predict_held_out
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.predictor import predict_forests


@dataclass(frozen=True)
class HeldOutRows:
    """Which of N observations each part had not seen: `members` (K, N) of each network, and the part of the forests
    that left out the inner `fold` (N,)."""

    members: tuple[Flags, ...]
    fold: Rows

    def take(self, rows: Rows) -> HeldOutRows:
        return HeldOutRows(tuple(members[:, rows] for members in self.members), self.fold[rows])


@dataclass(frozen=True)
class TrainingRows:
    """The observations that a network was trained on, in a network file: `keys` (N,) identify their places without
    revealing them."""

    keys: Rows
    held_out: HeldOutRows

    def tensors(self) -> dict[str, Tensor]:
        """All arrays by name, for a file."""
        members = {f"members{index}": rows.astype(np.uint8) for index, rows in enumerate(self.held_out.members)}
        arrays = {"keys": self.keys, "fold": self.held_out.fold.astype(np.int16), **members}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], members: Sequence[int]) -> TrainingRows | None:
        """Read from a file, with so many `members` in each network; None when it says nothing of them. ValueError when
        it makes no sense."""
        if "keys" not in tensors:
            return None
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        count = arrays["keys"].size
        shapes: dict[str, tuple[int, ...]] = {"keys": (count,), "fold": (count,)}
        shapes |= {f"members{index}": (number, count) for index, number in enumerate(members)}
        if {name: array.shape for name, array in arrays.items()} != shapes or arrays["keys"].dtype != np.int64:
            raise ValueError("what it says of its training observations is incomplete")
        fold = arrays["fold"].astype(np.int64)
        if count == 0 or (fold < 0).any() or fold.max() >= count:
            raise ValueError("its training observations have folds that do not exist")
        held_out = tuple(arrays[f"members{index}"].astype(bool) for index in range(len(members)))
        return cls(arrays["keys"], HeldOutRows(held_out, fold))


@dataclass(frozen=True)
class PlacedErrors:
    """Errors of the training observations by parts that had not seen them: `scores` (N, R) in learned columns, NaN
    where missing, at `places` (N, 2), x and y in the CRS of the training."""

    places: Array
    scores: Array

    def tensors(self) -> dict[str, Tensor]:
        """Both arrays by name, for a file."""
        return {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in ("places", "scores")}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], count: int, columns: int) -> PlacedErrors | None:
        """Read from a file those of `count` observations; None when it holds none. ValueError when they make no
        sense."""
        if not tensors:
            return None
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != {"places": (count, 2), "scores": (count, columns)} or not np.isfinite(arrays["places"]).all():
            raise ValueError("what it says of its observations' errors is incomplete")
        return cls(arrays["places"], arrays["scores"])


def place_keys(coordinates: Array) -> Rows:
    """A number for each place of coordinates (N, 2); the place cannot be read from it."""
    digests = (hashlib.blake2b(pair.tobytes(), digest_size=8).digest() for pair in coordinates.astype("<f8"))
    return np.frombuffer(b"".join(digests), "<i8").astype(np.int64)


@dataclass(frozen=True)
class Views:
    """What the components see of N observations: a tensor (N, ...) for each network, and (N, F) for the forests.

    `covariates` says, for each component, which covariate each entry of the last axis comes from.
    """

    inputs: tuple[Tensor, ...]
    context: Singles
    covariates: tuple[Tensor, ...]

    @classmethod
    def of(
        cls, networks: Sequence[PackedNetwork], inputs: Sequence[Tensor], context: Singles, patch_size: int
    ) -> Views:
        of_context = covariate_of_feature(networks[0].encoder, patch_size).cpu()
        return cls(tuple(inputs), context, (*(network.covariate_of_input for network in networks), of_context))

    def take(self, rows: Rows) -> Views:
        return Views(tuple(part[rows] for part in self.inputs), self.context[rows], self.covariates)

    def exchange(self, covariate: int, order: Rows) -> Views:
        """The same views, with one covariate in all of the patch taken from the observations in `order` (N,).

        The share of known covariates, which a network may see beside them, stays as it is.
        """
        inputs = []
        for part, covariates in zip(self.inputs, self.covariates):
            columns = (covariates == covariate).nonzero().flatten()
            changed = part.clone()
            changed[..., columns] = part[torch.from_numpy(order).to(part.device)][..., columns]
            inputs.append(changed)
        in_context = (self.covariates[-1] == covariate).numpy()
        context = self.context.copy()
        context[:, in_context] = self.context[order][:, in_context]
        return Views(tuple(inputs), context, self.covariates)


@dataclass(frozen=True)
class UnseenPredictor:
    """Predicts rows by what had not seen them. `parts` are the forests' parts of each target, one for each inner fold,
    and `processes` those of the Gaussian process; empty where neither predicts."""

    networks: tuple[PackedNetwork, ...]
    parts: tuple[tuple[Trees, ...], ...]
    rows: HeldOutRows
    processes: tuple[GaussianProcess, ...] = ()

    def take(self, rows: Rows) -> UnseenPredictor:
        return UnseenPredictor(self.networks, self.parts, self.rows.take(rows), self.processes)

    def predict(self, views: Views) -> tuple[Array, Array]:
        """Location and scale (M, N, T), standardized, of M components: networks, forests and process."""
        locations, scales = [], []
        for network, part, held_out in zip(self.networks, views.inputs, self.rows.members):
            tests = [torch.from_numpy(np.flatnonzero(rows)).to(part.device) for rows in held_out]
            seen_by_all = [index for index, test in enumerate(tests) if len(test) == 0]
            for index in seen_by_all:  # a member may have seen every row of a part of the observations
                tests[index] = torch.zeros(1, dtype=torch.long, device=part.device)
            location, scale = predict_held_out(
                network, InputRows(part, part.device), tests, part.shape[0], network.predict
            )
            location[seen_by_all] = scale[seen_by_all] = torch.nan
            locations.append(location.nanmean(0).cpu().numpy().astype(np.float64))
            scales.append(scale.nanmean(0).cpu().numpy().astype(np.float64))
        if self.parts:
            centre, spread = self._predict_forests(views.context)
            locations.append(centre)
            scales.append(spread)
        if self.processes:
            found = np.full(locations[0].shape, np.nan)
            for fold in np.unique(self.rows.fold):
                rows = self.rows.fold == fold
                found[rows] = self.processes[fold].locations(torch.from_numpy(views.context[rows]))
            locations.append(found)
            scales.append(np.zeros_like(found))  # it has no part in the spread of a blend
        return np.stack(locations), np.stack(scales)

    def _predict_forests(self, context: Singles) -> tuple[Array, Array]:
        result = np.full((2, len(context), sum(parts[0].outputs for parts in self.parts)), np.nan)
        for fold in np.unique(self.rows.fold):
            rows = self.rows.fold == fold
            result[:, rows] = predict_forests([parts[fold] for parts in self.parts], context[rows])
        return result[0], result[1]


def covariate_names(encoder: Encoder) -> list[str]:
    """Names of all that can be exchanged: the covariates, and the location where it is an input."""
    return [summary.covariate.name for summary in encoder.covariates] + ["location"] * (encoder.location is not None)
