"""Which networks a job trains, and how: the presets, overridden by what the user set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.networks.ring import RingNetwork
from soil_cnn_plugin.engine.targets.learned import ColumnLayout
from soil_cnn_plugin.engine.training.fit import FitSettings

_LARGE_SAMPLE_EPOCHS = 20  # more steps are taken where the preset's would see an observation less often than this


@dataclass(frozen=True)
class Shape:
    """What decides a network's parameters beside its covariates and targets."""

    name: str
    patch_size: int
    members: int

    def __post_init__(self) -> None:
        smallest = 3 if self.name == RingNetwork.NAME else PadarianNetwork.SMALLEST_PATCH
        if self.name not in (RingNetwork.NAME, PadarianNetwork.NAME):
            raise ValueError(f"no architecture is called {self.name!r}")
        if self.patch_size < smallest or self.patch_size % 2 == 0 or self.members < 1:
            raise ValueError(f"{self.members} members of {self.name} with patches of {self.patch_size} pixels")


def build_network(shape: Shape, encoder: Encoder, layout: ColumnLayout, dropout: float) -> PackedNetwork:
    """Build a network whose parameters are not yet drawn or read."""
    kind = RingNetwork if shape.name == RingNetwork.NAME else PadarianNetwork
    return kind(encoder, shape.patch_size, layout, shape.members, dropout)


@dataclass(frozen=True)
class Plan:
    """One architecture: what to build and how to train it."""

    shape: Shape
    dropout: float
    batch_size: int
    learning_rate: float
    weight_decay: float
    steps: int
    patience: int
    epochs: int | None

    def fit_settings(self, observations: int, seed: int) -> FitSettings:
        """Settings for training on `observations` rows; large samples are evaluated less often, five times an epoch."""
        steps_an_epoch = max(1, observations // self.batch_size)
        steps = max(self.steps, _LARGE_SAMPLE_EPOCHS * steps_an_epoch)
        if self.epochs is not None:
            steps = self.epochs * steps_an_epoch
        return FitSettings(
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            steps=steps,
            evaluate_every=max(10, steps_an_epoch // 5),
            patience=self.patience,
            seed=seed,
        )


_RING = Plan(Shape("ring", 31, 5), 0.4, 128, 3e-3, 0.1, 600, 8, None)
_PADARIAN = Plan(Shape("padarian", 15, 3), 0.3, 64, 2e-3, 0.03, 500, 8, None)


def make_plans(job: TrainNetwork, patch_size: int, observations: int) -> tuple[Plan, ...]:
    """The networks to train on patches of this size.

    Of both architectures, `fast` trains the ring network alone; so does `standard` with few `observations`. `best`
    doubles the members.
    """
    names = ("ring", "padarian") if job.architecture == "both" else (job.architecture,)
    is_small = patch_size < PadarianNetwork.SMALLEST_PATCH
    if job.architecture == "both" and (job.preset == "fast" or is_small or _are_too_few(job, observations)):
        names = ("ring",)
    if "padarian" in names and patch_size < PadarianNetwork.SMALLEST_PATCH:
        raise EngineError(
            tr(
                "The patches are {} pixels wide, but the 'padarian' network needs at least {}. Extract larger"
                " patches, or choose the architecture 'ring'."
            ).format(patch_size, PadarianNetwork.SMALLEST_PATCH)
        )
    return tuple(_make_plan(job, _RING if name == "ring" else _PADARIAN, patch_size) for name in names)


def left_out_in_words(job: TrainNetwork, patch_size: int, observations: int) -> str:
    """Say that convolutions are left out because observations are few; empty where that is not so."""
    if patch_size < PadarianNetwork.SMALLEST_PATCH or not _are_too_few(job, observations):
        return ""
    return tr(
        "Convolutions ('padarian') are left out: with fewer than {} observations they made maps no better, and they"
        " take longer than the ring network. The preset 'best' trains them, and so does the architecture 'padarian'."
    ).format(job.ENOUGH_FOR_BOTH)


def _are_too_few(job: TrainNetwork, observations: int) -> bool:
    return job.architecture == "both" and job.preset == "standard" and observations < job.ENOUGH_FOR_BOTH


def _make_plan(job: TrainNetwork, standard: Plan, patch_size: int) -> Plan:
    members = (2 if job.preset == "best" else 1) * standard.shape.members
    size = patch_size if standard.shape.name == "ring" else min(patch_size, standard.shape.patch_size)
    asked = {
        "epochs": job.epochs,
        "batch_size": job.batch_size,
        "learning_rate": job.learning_rate,
        "weight_decay": job.weight_decay,
        "patience": job.patience,
    }
    chosen: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    return replace(standard, shape=Shape(standard.shape.name, size, job.members or members), **chosen)
