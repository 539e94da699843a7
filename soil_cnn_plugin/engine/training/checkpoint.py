"""What a training keeps: moving averages, the best step, and checkpoints, so that an interrupted one goes on.

A checkpoint is a .safetensors file: numbers, and JSON in its header; reading one runs no code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.machine.memory import gibibytes
from soil_cnn_plugin.engine.machine.processes import leads
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.learned import Learned
from soil_cnn_plugin.engine.training.input_rows import Order
from soil_cnn_plugin.engine.training.loss_line import curve_of

_SECONDS = 60.0  # between checkpoints
_LEFT_FREE = 2**24  # bytes, beside room for two more files of the same size: about what the network file takes
_OF_BEST = ("score", "waited", "step", "history")


@dataclass
class TrainingState:
    """All that decides how a training goes on after an evaluation."""

    network: PackedNetwork
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    average: Average
    best: Best
    step: int = 0
    evaluations: int = 0
    is_finished: bool = False
    order: Order | None = None


@dataclass
class CheckpointFolder:
    """The folder of all trainings with the same patches; `warn` gets a sentence, once, when it cannot be written to."""

    path: Path
    warn: Callable[[str], None]
    _has_warned: bool = False

    def tidy(self) -> None:
        """Remove what runs that were killed have left half-written; no other run may write here now."""
        for left in self.path.glob("*.part"):
            with contextlib.suppress(OSError):
                left.unlink()

    def keep_room(self, size: int) -> None:
        """Raise OSError unless the disk takes `size` bytes more and still has room for the results."""
        self.path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.path).free
        if free < 3 * size + _LEFT_FREE:
            raise OSError(tr("{} are free on its disk, which are left to the results").format(gibibytes(free)))

    def tell(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            self.warn(
                tr(
                    "Checkpoints cannot be written to {}: {}. Training goes on, but once interrupted it begins"
                    " anew or from older ones."
                ).format(self.path, str(error).rstrip(". "))
            )


@dataclass
class Checkpoint:
    """The file of one training. It fits only a training of the same network, settings and observations on the same
    kind of device."""

    folder: CheckpointFolder
    path: Path
    _written: float = field(default_factory=time.monotonic)

    @classmethod
    def of(
        cls,
        folder: CheckpointFolder,
        network: PackedNetwork,
        settings: object,
        learned: Learned,
        held_out: Flags,
    ) -> Checkpoint:
        digest = hashlib.blake2b(digest_size=12)
        shapes = {name: tuple(values.shape) for name, values in network.named_parameters()}
        device = next(network.parameters()).device.type  # each kind of device draws random numbers of its own
        words = (network.NAME, network.patch_size, shapes, settings, network.encoder.covariates, device)
        digest.update(repr(words).encode())
        for array in (learned.values, learned.is_censored, learned.errors, learned.weights, held_out):
            digest.update(np.ascontiguousarray(array).tobytes())
        return cls(folder, folder.path / f"{network.NAME}-{digest.hexdigest()}.safetensors")

    def write(self, now: TrainingState) -> None:
        """Write if the last checkpoint is a minute old or the training is finished; whole or not at all, by one
        process. Where that fails, training goes on: a full disk may have room when the network is written."""
        is_due = now.is_finished or time.monotonic() - self._written >= _SECONDS
        if not is_due or not leads():
            return
        self._written = time.monotonic()
        try:
            self._save(now)
        except (OSError, SafetensorError) as error:
            self.folder.tell(error)
            with contextlib.suppress(OSError):
                Path(part(str(self.path))).unlink()

    def _save(self, now: TrainingState) -> None:
        best, order = now.best, now.order
        tensors = {f"parameter.{name}": values.detach() for name, values in now.network.named_parameters()}
        tensors |= {f"average.{name}": values for name, values in now.average.values.items()}
        tensors |= {f"best.{name}": values for name, values in best.values.items()}
        for name, parameter in now.network.named_parameters():
            for kind, values in now.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{kind}.{name}"] = values
        tensors["generator"] = now.generator.get_state()
        words: dict[str, object] = {
            "step": now.step,
            "evaluations": now.evaluations,
            "is_finished": now.is_finished,
            "average_steps": now.average.steps,
            "best": {name: getattr(best, name) for name in _OF_BEST},
            "random": _plain(order.random) if order else None,
        }
        for place, left in enumerate(order.left if order else ()):
            tensors[f"left.{place}"] = torch.from_numpy(left)
        plain = {name: values.cpu().contiguous().clone() for name, values in tensors.items()}
        self.folder.keep_room(sum(values.nbytes for values in plain.values()))
        save_file(plain, part(str(self.path)), {"progress": json.dumps(words)})
        os.replace(part(str(self.path)), self.path)

    def read(self, start: TrainingState) -> bool:
        """Bring a training that has not begun to where the file stands; False when there is no whole file."""
        try:
            with safe_open(self.path, framework="pt") as file:
                words = json.loads(file.metadata()["progress"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it has no __iter__
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return False
        device = next(start.network.parameters()).device

        def of(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): values.to(device)
                for name, values in tensors.items()
                if name.startswith(prefix)
            }

        with torch.no_grad():
            for name, parameter in start.network.named_parameters():
                parameter.copy_(tensors[f"parameter.{name}"])
                start.optimizer.state[parameter] = {
                    kind: tensors[f"optimizer.{kind}.{name}"].to(device) for kind in ("exp_avg", "exp_avg_sq", "step")
                }
        start.average.values, start.average.steps = of("average."), words["average_steps"]
        best = start.best
        best.values = of("best.")
        for name in _OF_BEST:
            setattr(best, name, words["best"][name])
        best.history = [(int(step), float(loss), float(score)) for step, loss, score in best.history]
        start.generator.set_state(tensors["generator"])
        left = tuple(tensors[f"left.{place}"].numpy() for place in range(start.network.members))
        start.step, start.evaluations, start.is_finished = words["step"], words["evaluations"], words["is_finished"]
        start.order = Order(left, words["random"])
        return True


def _plain(state: object) -> object:
    """The state of numpy's generator as JSON holds it."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return int(state) if isinstance(state, np.integer) else state


_AVERAGING = 0.97  # weight of the past in the moving average of the parameters, which is kept


class Average:
    """A copy of a network's parameters, updated as their moving average."""

    def __init__(self, network: PackedNetwork) -> None:
        self.values = _copies(network)
        self.steps = 0

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


@dataclass
class Best:
    """The best state of a network so far, and the curve on the way there.

    All members are kept as of one step, where the mean of their held-out scores was lowest. A step of its own for each
    member would be chosen by the very rows that it predicts for weights and calibration, and make these look better
    than rows that nothing was chosen by (docs/choices.md).

    `score` is the best mean, `waited` counts evaluations since then; `history` holds step, training loss and held-out
    score at each evaluation, means over the members.
    """

    values: dict[str, Tensor]
    measure: str
    score: float = math.inf
    waited: int = 0
    step: int = 0
    history: list[tuple[int, float, float]] = field(default_factory=list)

    @classmethod
    def of(cls, network: PackedNetwork) -> Best:
        """The state before the first evaluation."""
        return cls(_copies(network), network.heads.measure)

    @property
    def has_failed(self) -> bool:
        """Whether a member's held-out error was never a number."""
        return not math.isfinite(self.score)

    def take(self, step: int, loss: Tensor, score: Tensor, average: Average) -> None:
        """Take in loss and score (K,) of the average."""
        found = float(score.mean())
        self.waited += 1
        if found < self.score:
            self.score, self.waited, self.step = found, 0, step
            self.values = {name: values.clone() for name, values in average.values.items()}
        self.history.append((step, float(loss.mean()), found))

    def in_words(self) -> str:
        """Say how the error on observations that were held out went, with its curve since the start."""
        scores = [score for _, _, score in self.history]
        first, last = scores[0], scores[-1]
        change = (
            tr(", {:+.0f} % since the start").format(100 * (last - first) / abs(first))
            if first and len(scores) > 1
            else ""
        )
        told = tr("error on held-out observations {:.3f} ({}){}").format(last, self.measure, change.replace("-", "−"))
        return f"{told}  {curve_of(scores)}"

    def kept_in_words(self, epochs: float) -> str:
        return tr("kept as of step {} (epoch {:.0f}), held-out error {:.3f}").format(self.step, epochs, self.score)

    def restore(self, network: PackedNetwork) -> None:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.values[name])
        network.eval()

    def curve(self, name: str) -> LossCurve:
        steps, training, held_out = zip(*self.history)
        return LossCurve(name, steps, training, held_out, self.step)


def _copies(network: PackedNetwork) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
