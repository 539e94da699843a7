"""Patches as the components of a trained network see them, also with the surroundings of other observations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import Views

_PATCHES_AT_ONCE = 128


@torch.no_grad()
def encode(trained: TrainedNetwork, patches: Singles, coordinates: Array) -> Channels:
    """Encode patches (N, C, P, P), in pieces; `coordinates` (N, 2) are x, y of their middle pixels."""
    device = next(trained.predictor.networks[0].parameters()).device
    places = torch.from_numpy(coordinates)[:, :, None, None]  # -> (N, 2, 1, 1)
    pieces = []
    for start in range(0, len(patches), _PATCHES_AT_ONCE):
        some = slice(start, start + _PATCHES_AT_ONCE)
        pieces.append(trained.encoder(torch.from_numpy(patches[some]).to(device), places[some]))
    return join(pieces)


def join(pieces: list[Channels]) -> Channels:
    """Join the pieces, one after the other."""
    location = [piece.location for piece in pieces if piece.location is not None]
    return replace(
        pieces[0],
        values=torch.cat([piece.values for piece in pieces]),
        known=torch.cat([piece.known for piece in pieces]),
        location=torch.cat(location) if location else None,
        context={},
    )


@torch.no_grad()
def see(trained: TrainedNetwork, channels: Channels) -> Views:
    """Return what networks and forests see of patches."""
    predictor = trained.predictor
    pieces = [_see_some(trained, channels, start) for start in range(0, len(channels.values), _PATCHES_AT_ONCE)]
    inputs = [torch.cat([piece[0][index] for piece in pieces]) for index in range(len(predictor.networks))]
    context = np.concatenate([piece[1] for piece in pieces])
    return Views.of(predictor.networks, inputs, context, predictor.patch_size)


def _see_some(trained: TrainedNetwork, channels: Channels, start: int) -> tuple[list[torch.Tensor], Singles]:
    some = slice(start, start + _PATCHES_AT_ONCE)
    location = None if channels.location is None else channels.location[some]
    piece = replace(channels, values=channels.values[some], known=channels.known[some], location=location, context={})
    context = context_features(piece, trained.predictor.patch_size).flatten(1).cpu().numpy()
    inputs = []
    for network in trained.predictor.networks:
        margin = (trained.predictor.patch_size - network.patch_size) // 2
        inputs.append(network.inputs(piece.crop(margin) if margin else piece))
    return inputs, context


def join_views(pieces: Iterable[Views]) -> Views:
    """Join the views of pieces, one after the other."""
    parts = list(pieces)
    inputs = tuple(torch.cat(rows) for rows in zip(*(part.inputs for part in parts)))
    return Views(inputs, np.concatenate([part.context for part in parts]), parts[0].covariates)


def exchange_beyond(channels: Channels, order: Rows, radius: int) -> Channels:
    """Return the patches with all pixels exchanged that lie more than `radius` rows or columns from the middle one.
    These pixels come from the observations in `order` (N,), in all covariates together."""
    side = channels.values.shape[-1]
    away = (torch.arange(side) - side // 2).abs()
    is_beyond = (torch.maximum(away[:, None], away) > radius).to(channels.values.device)
    other = torch.from_numpy(order).to(channels.values.device)
    return replace(
        channels,
        values=torch.where(is_beyond, channels.values[other], channels.values),
        known=torch.where(is_beyond, channels.known[other], channels.known),
        context={},
    )
