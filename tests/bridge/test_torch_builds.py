"""Which build of PyTorch a computer gets, and from where."""

from __future__ import annotations

from pathlib import Path

import pytest
from qgis.core import QgsProcessingFeedback

from soil_cnn_plugin.bridge import torch_builds
from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.systems import SYSTEMS
from soil_cnn_plugin.bridge.torch_builds import Card, Source, nvidia_card, sources

LINUX, WINDOWS, MACOS = (next(each for each in SYSTEMS if each.kind == kind) for kind in ("linux", "windows", "macos"))
OLDER_MACOS = next(each for each in SYSTEMS if each.lock == "macos-12.txt")


@pytest.fixture
def feedback(qgis_app) -> QgsProcessingFeedback:
    return QgsProcessingFeedback(False)


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The addresses of PyTorch's index that were asked for; it has all of them."""
    found: list[str] = []
    monkeypatch.setattr(torch_builds, "answers", lambda url: found.append(url) or True)
    return found


@pytest.fixture
def card(monkeypatch, tmp_path: Path):
    """Return a function that puts a card into the computer, which has none before."""
    monkeypatch.setattr(torch_builds.shutil, "which", lambda _name: "")

    def put(answer: str, knows_capability: bool = True) -> None:
        refusal = "" if knows_capability else 'case "$1" in *compute_cap*) exit 2;; esac\n'
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{refusal}echo '{answer}'\n")
        program.chmod(0o755)
        monkeypatch.setattr(torch_builds.shutil, "which", lambda _name: str(program))

    return put


def test_without_a_card_the_small_build_is_taken(feedback, asked, card) -> None:
    assert sources("auto", LINUX, feedback) == Source("cpu", "cpu", f"{torch_builds.TORCH_INDEX}/cpu")
    assert sources("auto", WINDOWS, feedback) == sources("auto", MACOS, feedback) == Source("cpu")
    assert asked == [f"{torch_builds.TORCH_INDEX}/cpu/torch/"]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("NVIDIA H200, 580.95.05, 9.0", "cu130"),
        ("NVIDIA GeForce RTX 5090, 590.10, 12.0", "cu130"),
        ("NVIDIA GeForce RTX 3060, 550.54.14, 8.6", "cu126"),  # the driver is too old for CUDA 13
        ("NVIDIA GeForce GTX 1080, 580.95.05, 6.1", "cu126"),  # the card is too old for CUDA 13
        ("NVIDIA GeForce RTX 5090, 570.10, 12.0", ""),  # the card is too new for CUDA 12.6, the driver too old for 13
        ("Tesla K80, 470.10, 3.7", ""),
    ],
)
def test_the_build_for_cuda_follows_driver_and_card(feedback, asked, card, answer, name) -> None:
    card(answer)
    expected = {"cu130": Source("cuda"), "": Source("cpu", "cpu", f"{torch_builds.TORCH_INDEX}/cpu")}
    assert sources("auto", LINUX, feedback) == expected.get(
        name, Source("cuda", name, f"{torch_builds.TORCH_INDEX}/{name}")
    )
    windows = Source("cuda", name, f"{torch_builds.TORCH_INDEX}/{name}") if name else Source("cpu")
    assert sources("auto", WINDOWS, feedback) == windows


def test_an_old_driver_does_not_know_the_cards_capability(card) -> None:
    card("Quadro P400, 470.10", knows_capability=False)
    assert nvidia_card() == Card("Quadro P400", 470)
    card("NVIDIA-SMI has failed because it could not communicate with the driver")
    assert nvidia_card() == Card()


def test_a_card_that_cannot_be_used_is_told_with_the_remedy(feedback, asked, card) -> None:
    card("Quadro P400, 470.10, 6.1")
    assert sources("auto", LINUX, feedback).build == "cpu"
    assert "Quadro P400 has driver 470, but this PyTorch needs driver 525 or later" in feedback.textLog()
    with pytest.raises(WorkerFailed, match="driver 525 or later. Update the driver. Or use BUILD=cpu"):
        sources("cuda", LINUX, feedback)
    card("Tesla K80, 470.10, 3.7")
    with pytest.raises(WorkerFailed, match=r"Tesla K80 .compute capability 3.7. is too old"):
        sources("cuda", LINUX, feedback)
    with pytest.raises(WorkerFailed, match="There is no CUDA on macOS"):
        sources("cuda", MACOS, feedback)


def test_a_card_of_amd_is_told_with_the_way_to_use_it(feedback, asked, card, monkeypatch) -> None:
    monkeypatch.setattr(torch_builds, "has_amd_card", lambda: True)
    assert sources("auto", LINUX, feedback).build == "cpu"
    assert "install PyTorch for ROCm" in feedback.textLog() and "in PYTHON" in feedback.textLog()


def test_older_systems_take_the_build_that_the_index_has(feedback, asked, card) -> None:
    older_linux = next(each for each in SYSTEMS if each.lock == "glibc-2.17.txt")
    assert sources("auto", OLDER_MACOS, feedback) == Source("cpu")
    assert sources("auto", older_linux, feedback) == Source("cuda")
    assert asked == []


def test_an_index_that_does_not_answer_is_no_error() -> None:
    assert torch_builds._has_page("http://127.0.0.1:9/torch/") is False
