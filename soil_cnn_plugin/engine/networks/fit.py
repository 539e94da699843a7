"""Training all members of a packed network at once, each with early stopping on the observations it holds out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.learned import Lesson
from soil_cnn_plugin.engine.networks.likelihood import class_score, normal_score
from soil_cnn_plugin.engine.networks.packed import PackedNetwork

_WARM_UP_STEPS = 20  # the learning rate rises linearly over these
_AVERAGING = 0.97  # weight of the past in the moving average of the parameters, which is what is kept
_ROWS_AT_ONCE = 512  # observations a member predicts at once


@dataclass(frozen=True)
class FitSettings:
    """How members are trained. `patience` counts evaluations without improvement, `evaluate_every` steps apart."""

    batch_size: int
    learning_rate: float
    weight_decay: float
    steps: int
    evaluate_every: int
    patience: int
    seed: int


@dataclass(frozen=True)
class HeldOutPredictions:
    """Each member's predictions of what it held out: `location` and `scale` (K, N, T), NaN for its training rows."""

    location: Tensor
    scale: Tensor


def fit(
    network: PackedNetwork,
    inputs: Tensor,
    lesson: Lesson,
    held_out: NDArray[np.bool_],
    settings: FitSettings,
    progress: Callable[[float], None],
    tell: Callable[[str], None],
) -> tuple[HeldOutPredictions, LossCurve]:
    """Train `network` in place.

    `inputs` (N, ...) and the `lesson` of N observations lie on the device; `held_out` (K, N)
    says which rows each member does not train on. Each member keeps the moving average of its parameters at the step
    where the score of its held-out rows was lowest. `progress` gets the share done, `tell` a line now and then.

    Raises:
        EngineError: a member never predicts a number.
    """
    generator = torch.Generator(inputs.device).manual_seed(settings.seed)
    network.draw_parameters(generator)
    rng = np.random.default_rng(settings.seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    average = _Kept(network)
    best = _Best(network, settings.patience)
    batches = _Batches(~held_out, settings.batch_size, rng, inputs.device)
    tests = [torch.from_numpy(np.flatnonzero(rows)).to(inputs.device) for rows in held_out]
    losses: list[Tensor] = []
    evaluations = 0
    for step in range(1, settings.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, step / _WARM_UP_STEPS)
        rows = batches.next()  # (K, B)
        batch = _mirrored(inputs[rows], rng) if network.may_mirror else inputs[rows]
        loss = network.loss(network(batch), lesson.take(rows))
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimizer.step()
        average.update(network)
        losses.append(loss.detach())
        if step % settings.evaluate_every == 0 or step == settings.steps:
            with average.in_use(network):
                location, scale = predict_held_out(network, inputs, tests, len(lesson))
            score = class_score(location, lesson) if network.is_class else normal_score(location, scale, lesson)
            best.take(step, torch.stack(losses).mean(0), score, average, location, scale)
            losses.clear()
            evaluations += 1
            if evaluations.bit_count() == 1:  # 1, 2, 4, 8, ...: often enough to see where it goes
                tell(f"{network.NAME}: step {step} (epoch {step * batches.share_of_epoch:.0f}), {best.in_words()}")
            if best.is_exhausted:
                break
        progress(step / settings.steps)
    if best.has_failed:
        raise EngineError(
            f"The training of the {network.NAME} network diverged: its errors are no numbers from the start. Lower the"
            f" learning rate, which is {settings.learning_rate:g}, and check the targets for wild values."
        )
    tell(f"{network.NAME}: {best.kept_in_words()}")
    best.restore(network)
    return HeldOutPredictions(best.location, best.scale), best.curve(network.NAME)


@torch.no_grad()
def predict_held_out(network: PackedNetwork, inputs: Tensor, tests: list[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Every member predicts its own held-out rows: location and scale (K, N, T), NaN elsewhere."""
    network.eval()
    members, longest = len(tests), max(map(len, tests))
    location = torch.full((members, count, network.targets), torch.nan, device=inputs.device)
    scale = torch.full_like(location, torch.nan)
    member = torch.arange(members, device=inputs.device)[:, None]
    # Rows repeat at the end of a shorter list: every member gets as many, and the repeats change nothing.
    rows = torch.stack([test.repeat(-(-longest // len(test)))[:longest] for test in tests])
    for start in range(0, longest, _ROWS_AT_ONCE):
        piece = rows[:, start : start + _ROWS_AT_ONCE]
        location[member, piece], scale[member, piece] = network.predict(inputs[piece])
    network.train()
    return location, scale


@torch.no_grad()
def predict_all(network: PackedNetwork, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over members of location and scale for each row, (N, T)."""
    network.eval()
    pieces = []
    for batch in inputs.split(_ROWS_AT_ONCE):
        location, scale = network.predict(batch.expand(network.members, *batch.shape))
        pieces.append((location.mean(0), scale.mean(0)))
    return torch.cat([piece[0] for piece in pieces]), torch.cat([piece[1] for piece in pieces])


def _mirrored(patches: Tensor, rng: np.random.Generator) -> Tensor:
    """Each member's batch of (K, B, P, P, C), turned or mirrored by one of the eight symmetries of a square."""
    batches = []
    for batch, (down, across, exchange) in zip(patches, rng.integers(0, 2, (len(patches), 3))):
        dims = [dim for dim, chosen in ((1, down), (2, across)) if chosen]
        turned = torch.flip(batch, dims) if dims else batch
        batches.append(turned.transpose(1, 2) if exchange else turned)
    return torch.stack(batches)


class _Batches:
    """Rows of the next batch for every member; each member runs through its own rows in a new order each time."""

    def __init__(self, trains: NDArray[np.bool_], size: int, rng: np.random.Generator, device: torch.device) -> None:
        self._rows = [np.flatnonzero(train) for train in trains]
        self._size = min(size, min(map(len, self._rows)))
        self._rng, self._device = rng, device
        self._left: list[NDArray[np.int64]] = [np.empty(0, np.int64) for _ in self._rows]

    @property
    def share_of_epoch(self) -> float:
        """Of a member's training rows, in one batch."""
        return self._size / min(map(len, self._rows))

    def next(self) -> Tensor:
        for member, rows in enumerate(self._rows):
            if len(self._left[member]) < self._size:
                self._left[member] = self._rng.permutation(rows)
        batch = np.stack([left[: self._size] for left in self._left])
        self._left = [left[self._size :] for left in self._left]
        return torch.from_numpy(batch).to(self._device)


class _Kept:
    """A copy of a network's parameters, updated as their moving average."""

    def __init__(self, network: PackedNetwork) -> None:
        self.values = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        self._steps = 0

    @torch.no_grad()
    def update(self, network: PackedNetwork) -> None:
        self._steps += 1
        past = min(_AVERAGING, self._steps / (self._steps + 10))
        for name, parameter in network.named_parameters():
            self.values[name].lerp_(parameter, 1 - past)

    def in_use(self, network: PackedNetwork) -> _Borrowed:
        return _Borrowed(network, self.values)


class _Borrowed:
    """Puts other parameters into a network for the length of a `with`."""

    def __init__(self, network: PackedNetwork, values: dict[str, Tensor]) -> None:
        self._network, self._values = network, values

    def __enter__(self) -> None:
        self._own = {name: parameter.data for name, parameter in self._network.named_parameters()}
        self._put(self._values)

    def __exit__(self, *_: object) -> None:
        self._put(self._own)

    def _put(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._network.named_parameters():
            parameter.data = values[name]


class _Best:
    """The best state of each member so far, with its held-out predictions, and the curve on the way there."""

    def __init__(self, network: PackedNetwork, patience: int) -> None:
        self._values = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        self._score = torch.full((network.members,), torch.inf, device=next(network.parameters()).device)
        self._step = [0] * network.members
        self._waited = torch.zeros_like(self._score)
        self._patience = patience
        self._measure = "log score" if network.is_class else "CRPS in standard deviations"
        self._history: list[tuple[int, float, float]] = []
        self.location = self.scale = torch.empty(0)

    @property
    def is_exhausted(self) -> bool:
        return bool((self._waited >= self._patience).all())

    @property
    def has_failed(self) -> bool:
        """Whether there is a member whose held-out error was never a number."""
        return not bool(torch.isfinite(self._score).all())

    def take(self, step: int, loss: Tensor, score: Tensor, kept: _Kept, location: Tensor, scale: Tensor) -> None:
        # A member that has used up its patience is finished, whatever the others still do.
        better = (score < self._score) & (self._waited < self._patience)
        if not self._history:
            self.location, self.scale = torch.full_like(location, torch.nan), torch.full_like(scale, torch.nan)
        self._score = torch.where(better, score, self._score)
        self._waited = torch.where(better, 0, self._waited + 1)
        for name, values in kept.values.items():
            self._values[name][better] = values[better]
        self.location[better], self.scale[better] = location[better], scale[better]
        for member in better.nonzero().flatten().tolist():
            self._step[member] = step
        self._history.append((step, float(loss.median()), float(score.median())))

    def in_words(self) -> str:
        _, loss, score = self._history[-1]
        return f"loss {loss:.3f}, held-out error ({self._measure}) {score:.3f}, medians of the members"

    def kept_in_words(self) -> str:
        score = f"{float(self._score.median()):.3f}"
        return (
            f"{len(self._step)} members kept as of steps {min(self._step)} to {max(self._step)}, held-out error {score}"
        )

    def restore(self, network: PackedNetwork) -> None:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self._values[name])
        network.eval()

    def curve(self, name: str) -> LossCurve:
        steps, training, held_out = zip(*self._history)
        return LossCurve(name, steps, training, held_out, tuple(self._step))
