"""A GPU that is none: tensors of a device `pretend` whose numbers lie in the processor's memory.

Operations that mix them with the processor's tensors or generators fail as they do on CUDA. All others are computed, so
that whole trainings and maps run and can be compared. Streams, pinned memory and a lack of memory it does not know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from soil_cnn_plugin.engine.machine import device as device_module
from soil_cnn_plugin.engine.mapping import blocks
from soil_cnn_plugin.engine.training.predictor import Predictor

NAME = "pretend"
_ATEN = torch.ops.aten
_COPIES = {_ATEN._to_copy.default, _ATEN.copy_.default}  # the ways between devices
_GATHERS = {_ATEN.index.Tensor}  # indices may lie on the processor, the indexed tensor decides
_SCATTERS = {_ATEN.index_put_.default, _ATEN.index_put.default, _ATEN._index_put_impl_.default}
_Generator, _Autocast, _tensor = torch.Generator, torch.autocast, torch.tensor


class Pretended(torch.Tensor):
    """A tensor on the pretended GPU; `raw` are its numbers, which only this file may touch."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> Pretended:
        made: Pretended = torch.Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device(NAME, 0),
        )
        made.raw = raw
        return made

    def __repr__(self, **_: Any) -> str:
        return f"Pretended({self.raw})"

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})

    @property
    def data(self) -> Any:
        return self.detach()

    @data.setter
    def data(self, value: Pretended) -> None:
        assert isinstance(value, Pretended) and value.shape == self.shape
        self.raw = value.raw

    def __getitem__(self, place: Any) -> Any:
        return super().__getitem__(_with_tensors(place))

    def __setitem__(self, place: Any, value: Any) -> None:
        super().__setitem__(_with_tensors(place), value)

    def tolist(self) -> Any:
        return self.raw.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()


def _with_tensors(place: Any) -> Any:
    """An index without lists, of which PyTorch itself would make tensors on the device without asking the mode."""
    if isinstance(place, tuple):
        return tuple(_with_tensors(each) for each in place)
    return torch.tensor(place, dtype=torch.long) if isinstance(place, list) else place


class PretendedGenerator(_Generator):
    """A generator that knows which device it was made for. Operations see another object for the same generator."""

    _pretended: ClassVar[set[int]] = set()

    def __new__(cls, device: Any = "cpu") -> PretendedGenerator:
        made = super().__new__(cls)
        forget_or_add = cls._pretended.add if torch.device(device).type == NAME else cls._pretended.discard
        forget_or_add(made._cdata)
        return made

    @classmethod
    def is_pretended(cls, generator: torch.Generator) -> bool:
        return generator._cdata in cls._pretended


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


class _Autocasting(_Autocast):
    """Autocast does not know the device: the processor's is used in its place."""

    def __init__(self, kind: str, *arguments: Any, **options: Any) -> None:
        super().__init__("cpu" if kind == NAME else kind, *arguments, **options)


def _compute(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Refuse what CUDA refuses; compute the rest on the raw numbers and wrap what comes of it."""
    flat = tree_flatten((args, kwargs))[0]
    tensors = [each for each in flat if isinstance(each, torch.Tensor)]
    ours = [each for each in tensors if isinstance(each, Pretended)]
    device = kwargs.get("device")
    is_asked_for = device is not None and torch.device(device).type == NAME
    is_here = bool(ours) or is_asked_for
    for generator in (each for each in flat if isinstance(each, _Generator)):
        if PretendedGenerator.is_pretended(generator) != is_here:
            here, there = (NAME, "cpu") if is_here else ("cpu", NAME)
            raise RuntimeError(f"Expected a '{here}' device type for generator but found '{there}'")
    if not is_here:
        return function(*args, **kwargs)
    _refuse_mixtures(function, args, tensors)
    wrapped = {id(each.raw): each for each in ours}
    raw_args, raw_kwargs = tree_map(_raw, args), dict(tree_map(_raw, kwargs))
    if "device" in raw_kwargs:
        raw_kwargs["device"] = torch.device("cpu") if is_asked_for or device is None else device
    found = function(*raw_args, **raw_kwargs)
    if function is _ATEN.copy_.default and not isinstance(args[0], Pretended):
        return args[0]
    if function is _ATEN._to_copy.default and device is not None and not is_asked_for:
        return found  # brought to the processor

    def wrap(each: Any) -> Any:
        if not isinstance(each, torch.Tensor):
            return each
        return wrapped[id(each)] if id(each) in wrapped else Pretended(each)

    return tree_map(wrap, found)


def _refuse_mixtures(function: Any, args: tuple[Any, ...], tensors: list[torch.Tensor]) -> None:
    if function in _COPIES:
        return
    if function in _GATHERS | _SCATTERS:
        if any(isinstance(each, Pretended) for each in tensors) and not isinstance(args[0], Pretended):
            raise RuntimeError(f"indices should be either on cpu or on the same device ({NAME}) as the indexed tensor")
        tensors = [args[2]] if function in _SCATTERS else []
    foreign = [each for each in tensors if not isinstance(each, Pretended) and each.dim() > 0]  # numbers go anywhere
    if foreign:
        shapes = [tuple(each.shape) for each in foreign]
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found {NAME}:0 and cpu ({function}, {shapes})"
        )


def _raw(each: Any) -> Any:
    return each.raw if isinstance(each, Pretended) else each


def _made_and_brought(values: Any, *, device: Any = None, **options: Any) -> torch.Tensor:
    """PyTorch itself would bring a new tensor to its device without asking the mode."""
    made = _tensor(values, **options)
    return made if device is None else made.to(device)


@cache
def register() -> torch.device:
    """Make the device known to PyTorch. Its autograd counts devices once, at the first gradient of a process, so this
    must come before all tests."""
    _setup_privateuseone_for_python_backend(NAME)
    return torch.device(NAME, 0)


@contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """The pretended GPU for the duration of a `with`; jobs that ask for cuda or auto get it."""
    device = register()
    run = threading.Thread.run

    def run_with_mode(thread: threading.Thread) -> None:
        with _Mode():
            run(thread)

    replaced: list[tuple[Any, str, Any]] = [
        (threading.Thread, "run", run_with_mode),
        (torch, "Generator", PretendedGenerator),
        (torch, "autocast", _Autocasting),
        (torch, "tensor", _made_and_brought),
        (torch, "inference_mode", torch.no_grad),  # whose tensors have no versions, which wrapped ones need
        (Predictor, "predict_block", _without_inference_mode(Predictor.predict_block)),
        (device_module, "_own_gpu", lambda: device),
        (device_module, "_trouble_with_cuda", lambda gpu: None),
        (device_module, "device_in_words", lambda device: "CPU" if device.type == "cpu" else "a pretended GPU"),
    ]
    with ExitStack() as stack:
        for place, name, value in replaced:
            stack.enter_context(patch.object(place, name, value))
        stack.enter_context(patch.dict(blocks._LAYERS, {NAME: blocks._LAYERS["cuda"]}))
        stack.enter_context(_Mode())
        yield device


def _without_inference_mode(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.no_grad()(function.__wrapped__)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def device() -> Iterator[torch.device]:
    """A GPU as a job has it, for all tests of a file: a real one where there is one, else the pretended one."""
    if torch.cuda.is_available():
        device_module.forbid_tf32()
        yield torch.device("cuda", 0)
    else:
        with pretended_gpu() as pretended:
            yield pretended
