"""The contribution of each covariate to a prediction, compared with predictions for observations of the training.

Networks are explained by expected gradients (Erion et al. 2021, 10.1038/s42256-021-00343-w): integrated gradients, here
from captum, averaged over a background. Forests are explained by Shapley values. Contributions add up to the prediction
minus its mean over the background: exactly for forests, and nearly for networks.
"""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.explaining.tree_shapley import tree_shapley
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import Views, covariate_names

_STEPS = 2  # from a background observation to the pixel, at Gauss-Legendre points
_PIXELS_AT_ONCE = 64


class Attribution:
    """The attribution of `factors` (R,) times the learned columns. `background` holds the observations that predictions
    are compared with."""

    def __init__(self, trained: TrainedNetwork, background: Views, factors: Array) -> None:
        self._trained, self._background, self._factors = trained, background, factors
        self.players = covariate_names(trained.encoder)

    def contributions(self, views: Views) -> Array:
        """Return the contributions (N, players) to the predictions of N patches."""
        predictor = self._trained.predictor
        factors = predictor.weights * self._factors  # (M, R)
        total = np.zeros((len(views.context), len(self.players)))
        for index, network in enumerate(predictor.networks):
            total += self._of_network(network, views.inputs[index], self._background.inputs[index], factors[index])
        if predictor.forests:
            for column in np.flatnonzero(factors[-1]):
                total += factors[-1, column] * self._of_forest(views, int(column))
        return total

    def _of_forest(self, views: Views, column: int) -> Array:
        """Attribute the forest that predicts the column; one forest has all classes of a target."""
        forests = self._trained.predictor.forests
        places = [(forest, output) for forest in forests for output in range(forest.outputs)]
        forest, output = places[column]
        player, background = views.covariates[-1].numpy(), self._background.context
        return tree_shapley(forest, views.context, background, player, len(self.players), output)

    def _of_network(self, network: PackedNetwork, inputs: Tensor, background: Tensor, factors: Array) -> Array:
        """Attribute a network. Gradients are taken only behind the first layer: it is linear, so what each covariate
        adds to it is known.

        The views over which predictions are averaged take turns over the background.
        """
        shares = []
        others = network.views(background)
        for piece in inputs.split(_PIXELS_AT_ONCE):
            views = enumerate(network.views(piece))
            parts = [self._of_view(network, view, others[turn][turn :: len(others)], factors) for turn, view in views]
            shares.append(torch.stack(parts).sum(0) / len(background))
        array: Array = torch.cat(shares).cpu().numpy().astype(np.float64)
        return array

    def _of_view(self, network: PackedNetwork, inputs: Tensor, background: Tensor, factors: Array) -> Tensor:
        """Attribute one view: `inputs` (n, ...) against `background` (S, ...) give (n, players), summed over the
        background."""
        explainer = IntegratedGradients(_AfterFirstLayer(network, factors), multiply_by_inputs=False)
        with torch.no_grad():
            first, base = (network.first_layer(rows).transpose(0, 1) for rows in (inputs, background))
            added, base_added = self._added(network, inputs), self._added(network, background)  # (players, n or S, L)
        total = torch.zeros_like(first.flatten(1))
        shares = first.new_zeros(len(inputs), len(self.players))
        for other in range(len(background)):
            gradient = explainer.attribute(first, base[other : other + 1], n_steps=_STEPS)
            gradient = gradient.detach().to(first.dtype).flatten(1)  # (n, L)
            total += gradient
            shares -= gradient @ base_added[:, other].T
        return shares + torch.einsum("nl,pnl->np", total, added)

    def _added(self, network: PackedNetwork, inputs: Tensor) -> Tensor:
        """Return what each player adds to the first layer, (players, n, L)."""
        of_input = network.covariate_of_input
        parts = [
            network.first_layer(inputs, (of_input == player).nonzero().flatten()).transpose(0, 1).flatten(1)
            for player in range(len(self.players))
        ]
        return torch.stack(parts)


class _AfterFirstLayer(torch.nn.Module):
    """A network from its first layer on, (N, K, ...) -> (N,): `factors` times its locations, averaged over members."""

    def __init__(self, network: PackedNetwork, factors: Array) -> None:
        super().__init__()
        self._network, self._factors = network, torch.from_numpy(factors)

    def forward(self, first: Tensor) -> Tensor:
        location, _ = self._network.heads.location_scale(self._network.after_first_layer(first.transpose(0, 1)))
        return location.mean(0) @ self._factors.to(location)


def choose_background(predicted: Array, count: int) -> Rows:
    """Choose `count` observations, or all if there are fewer, whose predictions spread like all the predictions
    (N,)."""
    order = np.argsort(predicted)
    if len(order) <= count:
        return order
    return order[((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)]
