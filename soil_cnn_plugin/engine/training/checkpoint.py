"""Checkpoints of a training, so that an interrupted one goes on as if nothing had happened.

A checkpoint is a .safetensors file: numbers, and JSON in its header; reading one runs no code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
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
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.learned import Learned
from soil_cnn_plugin.engine.training.input_rows import Order
from soil_cnn_plugin.engine.training.kept import Average, Best

_SECONDS = 60.0  # between checkpoints
_OF_BEST = ("score", "waited", "latest_loss", "latest_score")


@dataclass
class TrainingState:
    """All that decides how a training goes on after an evaluation.

    `members` (k,) number the members that still learn; network, optimizer, average and order are theirs alone.
    """

    network: PackedNetwork
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    average: Average
    best: Best
    members: Tensor
    step: int = 0
    evaluations: int = 0
    is_finished: bool = False
    order: Order | None = None

    def keep(self, chosen: Tensor) -> None:
        """Go on with some of the members: `chosen` are places in `members`."""
        network = self.network.keep(chosen)
        states = {name: self.optimizer.state[values] for name, values in self.network.named_parameters()}
        self.optimizer.param_groups.clear()
        self.optimizer.state.clear()
        self.optimizer.add_param_group({"params": list(network.parameters())})
        for name, parameter in network.named_parameters():
            state = states[name].items()
            self.optimizer.state[parameter] = {
                kind: values[chosen] if values.dim() else values for kind, values in state
            }
        self.network, self.members = network, self.members[chosen]
        self.average.keep(chosen)
        self.order = self.order.keep(chosen) if self.order else None


@dataclass
class CheckpointFolder:
    """The folder of all trainings with the same patches; `warn` gets a sentence, once, when it cannot be written to."""

    path: Path
    warn: Callable[[str], None]
    _has_warned: bool = False

    def tell(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            self.warn(
                f"Checkpoints cannot be written to {self.path}: {str(error).rstrip('. ')}. Training goes on, but once"
                " interrupted it begins anew or from older ones."
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
        if not is_due or process_number() != 0:
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
        tensors |= {name: getattr(best, name) for name in _OF_BEST}
        tensors["members"] = now.members
        tensors["generator"] = now.generator.get_state()
        words: dict[str, object] = {
            "step": now.step,
            "evaluations": now.evaluations,
            "is_finished": now.is_finished,
            "average_steps": now.average.steps,
            "best_steps": best.steps,
            "history": best.history,
            "random": _plain(order.random) if order else None,
        }
        for place, left in enumerate(order.left if order else ()):
            tensors[f"left.{place}"] = torch.from_numpy(left)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        plain = {name: values.cpu().contiguous().clone() for name, values in tensors.items()}
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

        start.keep(tensors["members"].to(device))
        with torch.no_grad():
            for name, parameter in start.network.named_parameters():
                parameter.copy_(tensors[f"parameter.{name}"])
                start.optimizer.state[parameter] = {
                    kind: tensors[f"optimizer.{kind}.{name}"].to(device) for kind in ("exp_avg", "exp_avg_sq", "step")
                }
        start.average.values, start.average.steps = of("average."), words["average_steps"]
        best = start.best
        best.values, best.steps = of("best."), list(words["best_steps"])
        best.history = [(int(step), float(loss), float(score)) for step, loss, score in words["history"]]
        for name in _OF_BEST:
            setattr(best, name, tensors[name].to(device))
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
