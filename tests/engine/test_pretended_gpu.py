"""The pretended GPU refuses what CUDA refuses, and finds faults that are seeded into the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.kriging.kernels import Standardized
from soil_cnn_plugin.engine.mapping import one_block
from soil_cnn_plugin.engine.networks import heads
from soil_cnn_plugin.engine.training import checkpoint, fit, input_rows, predictor
from soil_cnn_plugin.engine.training.fit import FitSettings
from soil_cnn_plugin.engine.training.projection import Projection
from tests.engine import pretended_gpu, test_gpu
from tests.engine.landscape import Landscape, make_landscape, random_network
from tests.engine.training import test_dissimilarity, test_gpu_training

CPU = torch.device("cpu")
QUICK = FitSettings(16, 1e-2, 0.01, steps=4, evaluate_every=2, patience=9, seed=5)


@pytest.fixture(scope="module")
def gpu() -> Any:
    with pretended_gpu.pretended_gpu() as device:
        yield device


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"))


REFUSED: dict[str, Callable[[torch.Tensor, torch.Tensor], object]] = {
    "a sum": lambda here, there: here + there,
    "a product": lambda here, there: there[None] @ here[:, None],
    "a choice": lambda here, there: torch.where(here > 0, here, there),
    "rows by an index of the processor": lambda here, there: here.index_select(0, torch.tensor([0])),
    "a processor's tensor by an index from here": lambda here, there: there[(here > 1).nonzero().flatten()],
    "values put among others": lambda here, there: here.index_put_((torch.tensor([0, 1]),), there[:2]),
    "pieces side by side": lambda here, there: torch.cat([here, there]),
    "numpy": lambda here, there: here.numpy(),
    "an array": lambda here, there: np.asarray(here),
    "a generator of the processor": lambda here, there: here.normal_(generator=torch.Generator()),
    "a generator of the GPU": lambda here, there: there.normal_(generator=torch.Generator(here.device)),
}


@pytest.mark.parametrize("mixture", REFUSED)
def test_mixtures_are_refused(gpu: torch.device, mixture: str) -> None:
    with pytest.raises((RuntimeError, TypeError), match="device|pretend"):
        REFUSED[mixture](torch.ones(3, device=gpu), torch.ones(3))


def test_what_cuda_allows_is_computed(gpu: torch.device) -> None:
    here = torch.arange(6.0, device=gpu).reshape(2, 3).requires_grad_()
    (here[torch.tensor([1])] * torch.tensor(2.0)).square().sum().backward()
    assert here.grad is not None and here.grad.device.type == gpu.type
    assert here.grad.tolist() == [[0, 0, 0], [24, 32, 40]]
    kept = torch.zeros(2)
    kept.copy_(here.detach()[:, 0])
    assert kept.tolist() == [0, 3] and type(kept) is torch.Tensor
    drawn = torch.empty(3, device=gpu).normal_(generator=torch.Generator(gpu).manual_seed(1))
    assert torch.equal(drawn.cpu(), torch.empty(3).normal_(generator=torch.Generator().manual_seed(1)))


def train(landscape: Landscape, gpu: torch.device, folder: Path) -> None:
    """Killed once, it goes on from its checkpoint; inputs lie in the processor's memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "_SECONDS", 0.0)
        with pytest.raises(test_gpu_training.Killed):
            test_gpu_training.train(landscape, "ring", gpu, QUICK, folder, killed_at=0.7)
        test_gpu_training.train(landscape, "ring", gpu, QUICK, folder)


def predict(landscape: Landscape, gpu: torch.device, folder: Path) -> None:
    trained = random_network(landscape, (("ring", 9),), 9, has_location=True)
    test_gpu.mapped(landscape, test_gpu.on(gpu, trained, folder), gpu, 40)


def measure_dissimilarity(landscape: Landscape, gpu: torch.device, folder: Path) -> None:
    trained = test_dissimilarity.with_spaces(landscape, has_location=False)[0]
    there = test_gpu.on(gpu, trained, folder)
    test_gpu.mapped(landscape, there, gpu, 40, there.spaces[1])


def on_the_processor(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with the device forgotten."""
    return lambda *arguments, **options: function(*(CPU if isinstance(a, torch.device) else a for a in arguments))


def as_it_is(tensor: torch.Tensor, *_: Any) -> torch.Tensor:
    return tensor


def read_and_leave(read: Callable[..., bool]) -> Callable[..., bool]:
    """The same reading, with the averages forgotten on the processor."""

    def read_all(kept: checkpoint.Checkpoint, start: checkpoint.TrainingState) -> bool:
        has_read = read(kept, start)
        start.average.values = {name: values.cpu() for name, values in start.average.values.items()}
        return has_read

    return read_all


Run = Callable[[Landscape, torch.device, Path], None]
FAULTS: dict[str, tuple[Run, Any, str, Callable[[Any], Any]]] = {
    "a batch left behind": (train, input_rows, "bring", lambda _: as_it_is),
    "targets left behind": (train, test_gpu_training, "lesson_of", lambda make: lambda values: make(values.cpu())),
    "a generator of the processor": (train, fit.torch, "Generator", lambda make: lambda *_: make()),
    "levels of the loss left behind": (train, heads, "_levels", on_the_processor),
    "a checkpoint left behind": (
        train,
        checkpoint.Checkpoint,
        "read",
        read_and_leave,
    ),
    "a block left behind": (predict, one_block, "bring", lambda _: as_it_is),
    "a map that is not fetched": (predict, predictor, "_numpy", lambda _: lambda tensor: tensor.numpy()),
    "a Gaussian process left behind": (predict, Standardized, "to", lambda _: lambda self, *_: self),
    "axes of the embedding left behind": (measure_dissimilarity, Projection, "to", lambda _: as_it_is),
}


def test_sound_runs_meet_no_refusal(landscape: Landscape, gpu: torch.device, tmp_path: Path) -> None:
    for number, run in enumerate((train, predict, measure_dissimilarity)):
        (folder := tmp_path / str(number)).mkdir()
        run(landscape, gpu, folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_is_found(
    landscape: Landscape, gpu: torch.device, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, place, name, spoil = FAULTS[fault]
    monkeypatch.setattr(place, name, spoil(getattr(place, name)))
    with pytest.raises((RuntimeError, TypeError), match="device"):
        run(landscape, gpu, tmp_path)
