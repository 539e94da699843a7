"""Shapley values of a forest with covariates as players. They are exact, against single background observations.

These are the interventional values of Lundberg et al. 2020 (10.1038/s42256-019-0138-9): a covariate that does not take
part has the value of the background observation, with all of its means and deviations.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import factorial

import numba
import numpy as np
import torch

from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.forests.trees import Trees

_ROWS_A_TASK = 32


def tree_shapley(
    trees: Trees,
    features: Singles,
    background: Singles,
    player: Rows,
    players: int,
    column: int = 0,
) -> Array:
    """Return what each player contributes to the forest's answer for `features` (N, F), as (N, players), averaged over
    `background` (S, F).

    `column` is the output to explain. `player` (F,) is the player that each feature belongs to. The sum over players is
    the answer minus its mean over the background.
    """
    shares = np.zeros((len(features), players))
    arrays = (trees.roots, trees.children, trees.feature, trees.threshold, trees.value[:, column])
    weights = _weights(players)

    def share_out(rows: slice) -> None:
        _share_out(features[rows], background, player, *arrays, weights, shares[rows])

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


@numba.njit(nogil=True)
def _share_out(  # type: ignore[no-untyped-def]
    features, background, player, roots, children, feature, threshold, value, weights, shares
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
                    answer = value[at]
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
