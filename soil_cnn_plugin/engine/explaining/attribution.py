"""What each covariate contributes to predictions: integrated gradients of networks, Shapley values of forests.

Networks are explained by expected gradients (Erion et al. 2021, 10.1038/s42256-021-00343-w): integrated gradients, here
from captum, averaged over a background. Forests are explained by Shapley values. Contributions add up to the prediction
minus its mean over the background: exactly for forests, and nearly for networks.

These are the interventional values of Lundberg et al. 2020 (10.1038/s42256-019-0138-9): a covariate that does not take
part has the value of the background observation, with all of its means and deviations.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import factorial

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.kriging.gaussian_process import GaussianProcess
from soil_cnn_plugin.engine.machine.compiled import compiled
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.kinds import Explained, LearnedAs
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import Views, covariate_names

_STEPS = 2  # from a background observation to the pixel, at Gauss-Legendre points
_STEPS_OF_PROCESS = 4  # the same for the Gaussian process, whose gradient bends more
_STEPS_OF_CLASSES = 6  # probabilities bend more on the way
_PIXELS_AT_ONCE = 64
_ROWS_A_TASK = 32


class Attribution:
    """The attribution of a target, `explained` by the learned columns `own`. `background` holds the observations that
    predictions are compared with."""

    def __init__(self, trained: TrainedNetwork, background: Views, explained: Explained, own: slice) -> None:
        self._trained, self._background, self._explained, self._own = trained, background, explained, own
        self._columns = self._predict(background)
        self.base = float(explained.value(self._columns).mean())
        self.players = covariate_names(trained.encoder)

    def contributions(self, views: Views) -> Array:
        """Return the contributions (N, players) to the predictions of N patches.

        What a target that is no sum of columns gets is a sum over pairs: for each background observation, the columns'
        contributions times the slopes between both (Chen et al. 2022, 10.1038/s41467-022-31384-3).
        """
        predictor, columns = self._trained.predictor, self._predict(views)
        factors = self._explained.slopes(columns, self._columns)[None] * predictor.weights[:, None, None, self._own]
        total = np.zeros((len(views.context), len(self.players)))
        for index, network in enumerate(predictor.networks):
            total += self._of_network(network, views.inputs[index], self._background.inputs[index], factors[index])
        of_others = factors[len(predictor.networks) :]  # of forests and process
        if predictor.forests and of_others[0].any():
            total += self._of_forests(views, of_others[0])
        if predictor.process and of_others[-1].any():
            total += self._of_process(predictor.process, views, of_others[-1])
        return total if isinstance(self._explained, LearnedAs) else self._complete(total, columns)

    def _predict(self, views: Views) -> Array:
        location: Array = self._trained.predictor.predict(views.inputs, views.context)[0][:, self._own]
        return location

    def _complete(self, total: Array, columns: Array) -> Array:
        """Share out what steps along the way left over, in proportion to the contributions' sizes."""
        rest = self._explained.value(columns) - self.base - total.sum(axis=1)
        size = np.abs(total)
        whole = size.sum(axis=1, keepdims=True)
        share = np.where(whole > 0, size / np.where(whole > 0, whole, 1), 1 / total.shape[1])
        complete: Array = total + rest[:, None] * share
        return complete

    def _of_forests(self, views: Views, factors: Array) -> Array:
        """Attribute the forests of the target's columns; one forest has all classes of a target."""
        player, background = views.covariates[-1].numpy(), self._background.context
        total, start = np.zeros((len(views.context), len(self.players))), 0
        for forest in self._trained.predictor.forests:
            first = start - self._own.start
            start += forest.outputs
            if 0 <= first < factors.shape[2]:
                of_forest = factors[..., first : first + forest.outputs]
                total += tree_shapley(forest, views.context, background, player, len(self.players), of_forest)
        return total

    def _of_process(self, process: GaussianProcess, views: Views, factors: Array) -> Array:
        """Attribute the Gaussian process's columns times `factors` (N, S, C) by expected gradients."""
        inputs, background = torch.from_numpy(views.context), torch.from_numpy(self._background.context)
        player = nn.functional.one_hot(views.covariates[-1].cpu(), len(self.players)).double()  # (F, players)
        steps, parts = np.polynomial.legendre.leggauss(_STEPS_OF_PROCESS)
        total = torch.zeros((len(inputs), len(self.players)), dtype=torch.float64)
        for number, other in enumerate(background):
            difference, of_pairs = (inputs - other).double(), torch.from_numpy(factors[:, number])
            for step, part in zip((steps + 1) / 2, parts / 2):
                between = (other + step * difference).requires_grad_()
                explained = process.differentiable(between, of_pairs, self._own).sum()
                (gradient,) = torch.autograd.grad(explained, between)
                total += part * (gradient * difference) @ player
        return (total / len(background)).numpy()

    def _of_network(self, network: PackedNetwork, inputs: Tensor, background: Tensor, factors: Array) -> Array:
        """Attribute a network's columns times `factors` (N, S, C). Gradients are taken only behind the first layer: it
        is linear, so what each covariate adds to it is known."""
        of_pieces = np.split(factors, range(_PIXELS_AT_ONCE, len(inputs), _PIXELS_AT_ONCE))
        shares = [
            self._of_piece(network, piece, background, of_piece)
            for piece, of_piece in zip(inputs.split(_PIXELS_AT_ONCE), of_pieces)
        ]
        array: Array = (torch.cat(shares) / len(background)).cpu().numpy().astype(np.float64)
        return array

    def _of_piece(self, network: PackedNetwork, inputs: Tensor, background: Tensor, factors: Array) -> Tensor:
        """Attribute `inputs` (n, ...) against `background` (S, ...) give (n, players), summed over the
        background."""
        steps = _STEPS if isinstance(self._explained, LearnedAs) else _STEPS_OF_CLASSES
        with torch.no_grad():
            first, base = (network.first_layer(rows).transpose(0, 1) for rows in (inputs, background))
            added, base_added = self._added(network, inputs), self._added(network, background)  # (players, n or S, L)
        total = torch.zeros_like(first.flatten(1))
        shares = first.new_zeros(len(inputs), len(self.players))
        for other in range(len(background)):
            explainer = IntegratedGradients(
                _AfterFirstLayer(network, factors[:, other], self._own), multiply_by_inputs=False
            )
            gradient = explainer.attribute(first, base[other : other + 1], n_steps=steps)
            gradient = gradient.detach().to(first.dtype).flatten(1)  # (n, L)
            total += gradient
            shares -= gradient @ base_added[:, other].T
        return shares + torch.einsum("nl,pnl->np", total, added)

    def _added(self, network: PackedNetwork, inputs: Tensor) -> Tensor:
        """Return what each player adds to the first layer, (players, n, L)."""
        of_input = network.covariate_of_input
        columns = [(of_input == player).nonzero().flatten() for player in range(len(self.players))]
        parts = [network.first_layer(inputs, own).transpose(0, 1).flatten(1) if len(own) else None for own in columns]
        nothing = torch.zeros_like(next(part for part in parts if part is not None))  # of a player that it does not see
        return torch.stack([nothing if part is None else part for part in parts])


class _AfterFirstLayer(torch.nn.Module):
    """A network from its first layer on, (N, K, ...) -> (N,): `factors` (n, C) times its locations in the columns
    `own`, averaged over members. N is n, or n at several steps, one after the other."""

    def __init__(self, network: PackedNetwork, factors: Array, own: slice) -> None:
        super().__init__()
        self._network, self._factors, self._own = network, torch.tensor(factors), own

    def forward(self, first: Tensor) -> Tensor:
        location, _ = self._network.heads.location_scale(self._network.after_first_layer(first.transpose(0, 1)))
        mean = location.mean(0)[:, self._own]
        factors = self._factors.to(location).repeat(len(mean) // len(self._factors), 1)
        return (mean * factors).sum(1)


def choose_background(predicted: Array, count: int) -> Rows:
    """Choose `count` observations, or all if there are fewer, whose predictions spread like all the predictions
    (N,)."""
    order = np.argsort(predicted)
    if len(order) <= count:
        return order
    return order[((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)]


def tree_shapley(
    trees: Trees,
    features: Singles,
    background: Singles,
    player: Rows,
    players: int,
    factors: Array,
) -> Array:
    """Return what each player contributes to the forest's answer for `features` (N, F), as (N, players), averaged over
    `background` (S, F).

    The answer is the sum of the outputs times `factors` (N, S, outputs), which may differ for each pair. `player` (F,)
    is the player that each feature belongs to. The sum over players is the answer minus its mean over the background.
    """
    shares = np.zeros((len(features), players))
    arrays = (trees.roots, trees.children, trees.feature, trees.threshold, trees.value)
    weights = _weights(players)

    known = np.ascontiguousarray(background)

    def share_out(rows: slice) -> None:
        # Each order of an array in memory would be compiled anew.
        own, by_own = (np.ascontiguousarray(array[rows]) for array in (features, factors))
        _share_out(own, known, player, *arrays, weights, by_own, shares[rows])

    pieces = [slice(start, start + _ROWS_A_TASK) for start in range(0, len(features), _ROWS_A_TASK)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(share_out, pieces))
    return shares / (len(background) * trees.count)


def _weights(players: int) -> Array:
    """Return the shares (players + 1, players + 1) of one of `a` players that a leaf needs when it must not have `b`
    others."""
    weights = np.zeros((players + 1, players + 1))
    for needed in range(1, players + 1):
        for barred in range(players + 1 - needed):
            weights[needed, barred] = factorial(needed - 1) * factorial(barred) / factorial(needed + barred)
    return weights


@compiled
def _share_out(  # type: ignore[no-untyped-def]
    features, background, player, roots, children, feature, threshold, value, weights, factors, shares
):
    """Walk down each tree wherever a coalition of observation and background can lead, and share out each leaf."""
    players = shares.shape[1]
    # At most one branch waits per player. For each, keep its node, how many players are asked before it, and who they
    # are, in order.
    waiting_node = np.zeros(players + 1, np.int64)
    waiting_count = np.zeros(players + 1, np.int64)
    asked_players = np.zeros(players + 1, np.int64)
    side = np.zeros(players, np.int8)  # 0: not asked; 1: must be of the observation; 2: of the background
    for row in range(features.shape[0]):
        for other in range(background.shape[0]):
            for tree in range(len(roots) - 1):
                root = roots[tree]
                waiting, node, count, needed = 0, 0, 0, 0
                while True:
                    at = root + node
                    left, right = children[at, 0], children[at, 1]
                    if left != right:
                        asked, limit = feature[at], threshold[at]
                        own = left if features[row, asked] <= limit else right
                        its = left if background[other, asked] <= limit else right
                        one = player[asked]
                        if own == its or side[one] == 1:
                            node = own
                        elif side[one] == 2:
                            node = its
                        else:
                            waiting_node[waiting], waiting_count[waiting] = its, count
                            waiting += 1
                            asked_players[count] = one
                            count += 1
                            side[one] = 1
                            needed += 1
                            node = own
                        continue
                    answer = 0.0
                    for output in range(value.shape[1]):
                        answer += value[at, output] * factors[row, other, output]
                    gain, loss = answer * weights[needed, count - needed], answer * weights[count - needed, needed]
                    for place in range(count):
                        one = asked_players[place]
                        shares[row, one] += gain if side[one] == 1 else -loss
                    if waiting == 0:
                        break
                    waiting -= 1
                    node = waiting_node[waiting]
                    while count > waiting_count[waiting] + 1:  # no longer asked: they were asked below the branch
                        count -= 1
                        needed -= side[asked_players[count]] == 1
                        side[asked_players[count]] = 0
                    side[asked_players[count - 1]] = 2
                    needed -= 1
                for place in range(count):
                    side[asked_players[place]] = 0
