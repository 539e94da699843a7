"""The next batch for every member: its rows, and what the networks see of them, turned or mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Flags, Rows
from soil_cnn_plugin.engine.machine.processes import own_rows
from soil_cnn_plugin.engine.training.input_rows import InputRows


@dataclass(frozen=True)
class Order:
    """How far the batches are: the rows (n,) that each member has left of its round, and the random numbers' state."""

    left: tuple[Rows, ...]
    random: dict[str, Any]

    def keep(self, members: Tensor) -> Order:
        """The order of these members only."""
        return Order(tuple(self.left[member] for member in members.tolist()), self.random)


@dataclass(frozen=True)
class Batch:
    """The part of each member's batch that this process takes: `rows` (K, B), and what is seen of them, `inputs` (K, B,
    ...); `order` is the state for the next batch."""

    rows: Tensor
    inputs: Tensor
    order: Order


@dataclass(frozen=True)
class _Draw:
    """A batch before it is fetched: `pixels` (K, n) hold the order of each member's pixels; None leaves them as is."""

    rows: Tensor
    pixels: Tensor | None
    order: Order


class Batches:
    """Batches in which each member runs through its own rows, in a new order each time; `size` is at most their
    number. Inputs that lie far are fetched ahead."""

    def __init__(self, inputs: InputRows, held_out: Flags, size: int, seed: int, symmetries: Tensor | None) -> None:
        self.inputs, self._symmetries = inputs, symmetries
        self._rows = [np.flatnonzero(~rows) for rows in held_out]
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._left: tuple[Rows, ...] = tuple(np.empty(0, np.int64) for _ in self._rows)

    @property
    def share_of_epoch(self) -> float:
        """Share of a member's training rows that one batch holds."""
        return self._size / min(map(len, self._rows))

    def go_on(self, order: Order) -> None:
        """Go on from where another run was interrupted."""
        self._left = order.left
        self._rng.bit_generator.state = order.random

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        return self.inputs.fetch(self._fetch, self._draws())

    def _draws(self) -> Iterator[_Draw]:
        """Draw random numbers in one thread and in one order, however batches are fetched."""
        while True:
            left = [
                self._rng.permutation(rows) if len(own) < self._size else own
                for rows, own in zip(self._rows, self._left)
            ]
            rows = torch.from_numpy(np.stack([each[: self._size] for each in left]))
            self._left = tuple(each[self._size :] for each in left)
            pixels = None
            if self._symmetries is not None:
                pixels = self._symmetries[self._rng.integers(0, len(self._symmetries), len(rows))]
            yield _Draw(own_rows(rows), pixels, Order(self._left, dict(self._rng.bit_generator.state)))

    def _fetch(self, draw: _Draw) -> Batch:
        rows, pixels = draw.rows, draw.pixels
        inputs = self.inputs.take(rows) if pixels is None else self.inputs.take_turned(rows, pixels)
        return Batch(draw.rows.to(self.inputs.device), inputs, draw.order)
