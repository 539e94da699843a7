"""Which device is chosen, and what is said about it."""

from __future__ import annotations

import pytest
import torch

from soil_cnn_plugin.contract.events import Event, Info
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine import device as module
from soil_cnn_plugin.engine.machine.device import choose_device, training_dtype
from soil_cnn_plugin.engine.report import Report


def choose(wanted: str) -> tuple[torch.device, str]:
    events: list[Event] = []
    device = choose_device(wanted, Report(events.append))
    assert len(events) == 1 and isinstance(events[0], Info)
    return device, events[0].text


def test_the_processor_is_taken_when_it_is_asked_for() -> None:
    device, text = choose("cpu")
    assert device == torch.device("cpu")
    assert text.startswith("Device: CPU (") and text.endswith("because it was asked for.")


def test_auto_says_why_it_takes_the_processor_where_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    device, text = choose("auto")
    assert device == torch.device("cpu") and "finds no GPU" in text


def test_cuda_that_is_not_there_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(EngineError, match=r"build without CUDA.*Set up the compute environment.*auto or cpu"):
        choose("cuda")


def test_a_gpu_that_is_too_old_for_this_pytorch_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore lines")

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla K40")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**34, 2**35))
    monkeypatch.setattr(torch, "ones", fail)
    device, text = choose("auto")
    assert device == torch.device("cpu") and "Tesla K40 cannot compute" in text and "more lines" not in text


def test_processes_that_train_together_do_not_fall_back_to_the_processor_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "one", "WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        module, "_trouble_with_cuda", lambda gpu: module._Trouble("Tesla K40 cannot compute: out of memory")
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose("auto")[0] == torch.device("cpu")  # perhaps no machine has a GPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(EngineError, match="must all use a GPU or none, but Tesla K40 cannot compute.* device cpu"):
        choose("auto")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_auto_takes_a_gpu_that_computes() -> None:
    device, text = choose("auto")
    assert device.type == "cuda" and torch.cuda.get_device_name() in text


def test_processes_that_train_together_take_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(module, "_trouble_with_cuda", lambda gpu: None)
    monkeypatch.setattr(module, "device_in_words", lambda gpu: str(gpu))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    names = ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK")
    for name, value in zip(names, ("one", "4", "2", "3", "1")):
        monkeypatch.setenv(name, value)
    assert choose("auto")[0] == torch.device("cuda", 1) and chosen == [1]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(EngineError, match="3 processes are started on a machine with 2 GPUs"):
        choose("auto")


def test_no_gpu_computes_in_fewer_bits_than_float32_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_trouble_with_cuda", lambda gpu: None)
    monkeypatch.setattr(module, "device_in_words", lambda gpu: str(gpu))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.backends.cuda.matmul.allow_tf32 = True
    choose("auto")
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


def test_layers_are_trained_in_half_precision_where_a_gpu_has_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert training_dtype(gpu) == torch.bfloat16
    assert training_dtype(torch.device("cpu")) == torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert training_dtype(gpu) == torch.float32
