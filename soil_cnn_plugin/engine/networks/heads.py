"""The heads of a network say what raw numbers mean, column by column: numbers by variance or by quantiles, or classes.

Learned columns lie beside each other as their layout says. Each entry has a head with raw numbers of its own. The heads
of a network together, which also lie beside each other, are `Heads`. Raw numbers are (..., O), columns (..., R).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional

from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.networks.likelihood import (
    class_loss,
    class_scores,
    normal_loss,
    normal_scores,
    weighted_mean,
)
from soil_cnn_plugin.engine.targets.learned import NUMBERS, ColumnLayout, Lesson, column_slices

RING_QUANTILES = 19
_LEVELS = [(i + 1) / (RING_QUANTILES + 1) for i in range(RING_QUANTILES)]
_NORMAL_QUANTILES = [float(ndtri(level)) for level in _LEVELS]


class Head(ABC):
    """One entry of the layout: `count` columns, each from `outputs` raw numbers."""

    outputs: int
    measure: str
    """What the held-out error is called."""

    def __init__(self, count: int) -> None:
        self.count = count

    @abstractmethod
    def start(self) -> Tensor:
        """The raw numbers of an untrained network, (count * outputs,)."""

    @abstractmethod
    def losses(self, raw: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Losses (K, B, L) of its own columns of a lesson, and a mask of where they count."""

    @abstractmethod
    def scores(self, location: Tensor, scale: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Errors (K, N, L) of held-out predictions, which stop the training, and a mask of where they count."""

    @abstractmethod
    def location_scale(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread, each (..., count)."""

    def mean_location_scale(self, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean over members of centre and spread, (n, count) each, from each member's raw numbers (n, O)."""
        location, scale = self.location_scale(torch.stack(list(raw)))
        return location.mean(0), scale.mean(0)

    @abstractmethod
    def change_in_words(self, location: float, scale: float) -> str:
        """What errors of location and relative errors of scale mean for a map."""

    def by_column(self, raw: Tensor) -> Tensor:
        """Split (..., count * outputs) into (..., count, outputs)."""
        columns: Tensor = raw.unflatten(-1, (self.count, self.outputs))
        return columns


class _NumberHead(Head):
    """Standardized numbers: location and scale are centre and spread of the predicted distribution."""

    measure = tr("CRPS in standard deviations")

    def scores(self, location: Tensor, scale: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        return normal_scores(location, scale, lesson)

    def change_in_words(self, location: float, scale: float) -> str:
        return tr(
            "predictions by {:.2g} % of the target's standard deviation and the width of intervals by {:.2g} %"
        ).format(100 * location, 100 * scale)


class VarianceHead(_NumberHead):
    """Mean and logarithm of the variance, learned by the likelihood of a normal distribution."""

    outputs = 2

    def start(self) -> Tensor:
        return torch.zeros(self.count * self.outputs)

    def losses(self, raw: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        location, scale = self.location_scale(raw)
        return normal_loss(location, scale, lesson), torch.isfinite(lesson.values)

    def location_scale(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread; the variance is kept between (0.01 sd)^2 and (10 sd)^2."""
        output = self.by_column(raw)
        variance = output[..., 1].clamp(2 * math.log(0.01), 2 * math.log(10.0)).exp()
        return output[..., 0], variance.sqrt()


class QuantileHead(_NumberHead):
    """19 quantiles, which cannot cross: each is the one below plus a positive step.

    The loss is 4 x pinball over the quantiles + 0.25 x squared error of their mean. Columns with censored values or
    errors of measurement are learned by the likelihood of a normal distribution with the quantiles' centre and spread
    instead: a pinball loss has no place for either.
    """

    outputs = RING_QUANTILES

    def start(self) -> Tensor:
        steps = torch.tensor(_NORMAL_QUANTILES).diff()
        first = torch.cat([torch.tensor(_NORMAL_QUANTILES[:1]), torch.log(torch.expm1(steps))])
        return first.repeat(self.count)

    def losses(self, raw: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        known = torch.isfinite(lesson.values)
        output = self._quantiles(raw)
        levels = _levels(raw.device)
        targets = lesson.values.nan_to_num(0.0)  # (K, B, T)
        error = targets[..., None] - output
        pinball = torch.maximum(levels * error, (levels - 1) * error).mean(-1)
        losses = 4 * pinball + 0.25 * (targets - output.mean(-1)) ** 2
        if lesson.by_likelihood is None:
            return losses, known
        location, spread = self._centre_spread(output)
        normal = normal_loss(location, spread.clamp(min=0.01), lesson)
        return torch.where(lesson.by_likelihood, normal, losses), known

    def location_scale(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        return self._centre_spread(self._quantiles(raw))

    def mean_location_scale(self, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(raw[0])
        for each in raw:
            total += functional.softplus(each)  # of all, even the lowest quantiles: faster than leaving gaps
        steps = self.by_column(total)
        steps[..., 0] = torch.stack([each[:, ::RING_QUANTILES] for each in raw]).sum(0)
        # Centre and spread are linear in the quantiles, so those of the mean quantiles are the mean over members.
        return self._centre_spread((steps / len(raw)).cumsum(-1))

    def _quantiles(self, raw: Tensor) -> Tensor:
        """Raw numbers (..., count * 19) -> quantiles (..., count, 19)."""
        output = self.by_column(raw)
        steps = torch.cat([output[..., :1], functional.softplus(output[..., 1:])], dim=-1)
        return steps.cumsum(-1)

    def _centre_spread(self, quantiles: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the quantiles, and the spread between the outermost, in standard deviations of a normal."""
        spread = (quantiles[..., -1] - quantiles[..., 0]) / (_NORMAL_QUANTILES[-1] - _NORMAL_QUANTILES[0])
        return quantiles.mean(-1), spread


class ClassHead(Head):
    """The classes of one target: location is the probability of each, scale is 1."""

    outputs = 1
    measure = tr("log score")

    def start(self) -> Tensor:
        return torch.zeros(self.count)

    def losses(self, raw: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        return class_loss(raw, lesson)

    def scores(self, location: Tensor, scale: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
        return class_scores(location, lesson)

    def location_scale(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = raw.softmax(-1)
        return probabilities, torch.ones_like(probabilities)

    def change_in_words(self, location: float, scale: float) -> str:
        return tr("probabilities by {:.2g} percentage points").format(100 * location)


@dataclass(frozen=True)
class Heads:
    """All heads of a network, in the order of its columns."""

    parts: tuple[Head, ...]

    @classmethod
    def of(cls, layout: ColumnLayout, numbers: type[Head]) -> Heads:
        """The heads of a layout; `numbers` is this architecture's head for numbers."""
        return cls(tuple((numbers if each.head == NUMBERS else ClassHead)(each.count) for each in layout))

    @property
    def columns(self) -> int:
        return sum(head.count for head in self.parts)

    @property
    def outputs(self) -> int:
        """How many raw numbers all columns have."""
        return sum(head.count * head.outputs for head in self.parts)

    @property
    def measure(self) -> str:
        """What the held-out error is called."""
        return all_of(dict.fromkeys(head.measure for head in self.parts))

    def start(self) -> Tensor:
        """The raw numbers of an untrained network, (O,)."""
        # On the device "meta", on which networks are built to compare a file with them, these few operations would load
        # all of PyTorch's compiler.
        with torch.device("cpu"):
            return torch.cat([head.start() for head in self.parts])

    def loss(self, raw: Tensor, lesson: Lesson) -> Tensor:
        """Training loss of each member, (K,), on its own batch (K, B, O) of the lesson: mean over observations and
        units, each a number or the classes of a target."""
        losses, known = _joined([head.losses(raw[..., out], lesson.of(at)) for head, at, out in self._places()])
        return weighted_mean(losses, known, lesson.weights)

    def score(self, location: Tensor, scale: Tensor, lesson: Lesson) -> Tensor:
        """Held-out error of each member, (K,), from predictions (K, N, R), NaN for its training rows; NaN for a member
        that predicts no number."""
        places = self._places()
        scores, known = _joined(
            [head.scores(location[..., at], scale[..., at], lesson.of(at)) for head, at, _ in places]
        )
        return scores.sum(dim=(1, 2)) / known.sum(dim=(1, 2))

    def location_scale(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread, each (..., R), from raw numbers (..., O)."""
        return _joined([head.location_scale(raw[..., out]) for head, _, out in self._places()])

    def mean_location_scale(self, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean over members of centre and spread, (n, R) each, from each member's raw numbers (n, O)."""
        places = self._places()
        return _joined([head.mean_location_scale([each[..., out] for each in raw]) for head, _, out in places])

    def change_in_words(self, location: Array, scale: Array) -> str:
        """What errors (R,) of locations and relative errors of scales mean for a map: the worst column of each head."""
        found = [
            head.change_in_words(float(location[at].max()), float(scale[at].max())) for head, at, _ in self._places()
        ]
        return all_of(dict.fromkeys(found))

    def _places(self) -> list[tuple[Head, slice, slice]]:
        """Each head with the places of its columns and of its raw numbers."""
        columns = column_slices([head.count for head in self.parts])
        outputs = column_slices([head.count * head.outputs for head in self.parts])
        return list(zip(self.parts, columns, outputs))


@cache
def _levels(device: torch.device) -> Tensor:
    return torch.tensor(_LEVELS, device=device)


def _joined(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Join the pairs along the last axis; one pair stays as it is."""
    if len(pairs) == 1:
        return pairs[0]
    first, second = zip(*pairs)
    return torch.cat(first, dim=-1), torch.cat(second, dim=-1)
