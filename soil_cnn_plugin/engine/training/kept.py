"""What training keeps of a network: the moving average of its parameters, and the best state of each member."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.networks.packed import PackedNetwork

_BLOCKS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 40
_AVERAGING = 0.97  # weight of the past in the moving average of the parameters, which is kept


class Average:
    """A copy of a network's parameters, updated as their moving average."""

    def __init__(self, network: PackedNetwork) -> None:
        self.values = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        self.steps = 0

    def keep(self, members: Tensor) -> None:
        """Keep these members only."""
        self.values = {name: values[members] for name, values in self.values.items()}

    @torch.no_grad()
    def update(self, network: PackedNetwork) -> None:
        self.steps += 1
        past = min(_AVERAGING, self.steps / (self.steps + 10))
        own = [(self.values[name], parameter) for name, parameter in network.named_parameters()]
        torch._foreach_lerp_([average for average, _ in own], [parameter for _, parameter in own], 1 - past)

    def in_use(self, network: PackedNetwork) -> _Borrowed:
        return _Borrowed(network, self.values)


class _Borrowed:
    """Puts other parameters into a network for the duration of a `with`."""

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


def curve_of(values: list[float]) -> str:
    """Draw values as a line of text, at most 40 characters long, from the lowest block to the highest."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return ""
    step = max(1, math.ceil(len(known) / _CURVE_WIDTH))
    means = [
        sum(known[start : start + step]) / len(known[start : start + step]) for start in range(0, len(known), step)
    ]
    low, height = min(means), max(means) - min(means) or 1.0
    return "".join(_BLOCKS[round((value - low) / height * (len(_BLOCKS) - 1))] for value in means)


@dataclass
class Best:
    """The best state of each member so far, and the curve on the way there.

    `score` (the best), `waited` (evaluations since then), `latest_loss` and `latest_score` are (K,); `history` holds
    step, training loss and held-out score at each evaluation, medians over the members; `steps` holds the step whose
    parameters each member keeps.
    """

    values: dict[str, Tensor]
    score: Tensor
    waited: Tensor
    latest_loss: Tensor
    latest_score: Tensor
    steps: list[int]
    history: list[tuple[int, float, float]]
    measure: str

    @classmethod
    def of(cls, network: PackedNetwork) -> Best:
        """The state before the first evaluation."""
        values = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        device = next(network.parameters()).device
        score = torch.full((network.members,), torch.inf, device=device)
        waited, steps = torch.zeros_like(score), [0] * network.members
        return cls(values, score, waited, score.clone(), score.clone(), steps, [], network.heads.measure)

    def still_learn(self, patience: int) -> Tensor:
        """Which members have not used up their patience, (K,)."""
        return self.waited < patience

    @property
    def has_failed(self) -> bool:
        """Whether any member's held-out error was never a number."""
        return not bool(torch.isfinite(self.score).all())

    def take(self, step: int, members: Tensor, loss: Tensor, score: Tensor, average: Average) -> None:
        """Take in loss and score (k,) of the average of the numbered members."""
        is_better = score < self.score[members]
        better = members[is_better]
        self.waited[members] += 1
        self.waited[better], self.score[better] = 0, score[is_better]
        self.latest_loss[members], self.latest_score[members] = loss, score
        for name, values in average.values.items():
            self.values[name][better] = values[is_better]
        for member in better.tolist():
            self.steps[member] = step
        self.history.append((step, float(self.latest_loss.median()), float(self.latest_score.median())))

    def in_words(self) -> str:
        """Say how the error on observations that were held out went, with its curve since the start."""
        scores = [score for _, _, score in self.history]
        first, last = scores[0], scores[-1]
        change = f", {100 * (last - first) / abs(first):+.0f} % since the start" if first and len(scores) > 1 else ""
        told = f"error on held-out observations {last:.3f} ({self.measure}){change.replace('-', '−')}"
        return f"{told}  {curve_of(scores)}"

    def kept_in_words(self) -> str:
        steps, score = f"{min(self.steps)} to {max(self.steps)}", f"{float(self.score.median()):.3f}"
        return f"{len(self.steps)} members kept as of steps {steps}, held-out error {score}"

    def restore(self, network: PackedNetwork) -> None:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.values[name])
        network.eval()

    def curve(self, name: str) -> LossCurve:
        steps, training, held_out = zip(*self.history)
        return LossCurve(name, steps, training, held_out, tuple(self.steps))
