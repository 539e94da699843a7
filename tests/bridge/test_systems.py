"""Which machines are served, and what the others are told."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.bridge import systems
from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.systems import kind_and_machine, served


@pytest.mark.parametrize(
    ("machine", "lock", "pythons"),
    [
        (("linux", "x86_64", (2, 36)), "current.txt", (11, 12, 13, 14)),
        (("linux", "aarch64", (2, 28)), "current.txt", (11, 12, 13, 14)),
        (("windows", "x86_64", ()), "current.txt", (11, 12, 13, 14)),
        (("windows", "aarch64", ()), "current.txt", (11, 12, 13, 14)),  # it runs programs for x86-64
        (("macos", "arm64", (15, 2)), "current.txt", (11, 12, 13, 14)),
        (("macos", "arm64", (13, 6)), "macos-12.txt", (11, 12)),
        (("linux", "x86_64", (2, 17)), "glibc-2.17.txt", (11, 12, 13)),
    ],
)
def test_each_machine_has_its_lock(machine, lock, pythons) -> None:
    assert (served(machine).lock, served(machine).pythons) == (lock, pythons)


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (("macos", "x86_64", (14, 5)), "This Mac has an Intel processor"),
        (("macos", "arm64", (11, 7)), "This is macOS 11.7, and PyTorch needs macOS 12.0 or later"),
        (("linux", "x86_64", (2, 12)), "This Linux has glibc 2.12, and PyTorch needs glibc 2.17"),
        (("linux", "aarch64", (2, 26)), "glibc 2.26, and PyTorch needs glibc 2.28"),
        (("linux", "x86_64", ()), "C library other than glibc"),
        (("linux", "riscv64", (2, 39)), r"not published for this machine .linux, riscv64."),
        (("windows", "x86", ()), r"not published for this machine .windows, x86."),
    ],
)
def test_a_machine_without_pytorch_is_told_so_with_what_its_user_can_do(machine, reason) -> None:
    with pytest.raises(WorkerFailed, match=reason) as error:
        served(machine)
    assert "Nothing was downloaded" in str(error.value)
    assert all(way in str(error.value) for way in ("in PYTHON", "WSL", "another computer"))


def test_names_of_processors_are_brought_together() -> None:
    assert kind_and_machine("win32", "AMD64") == ("windows", "x86_64")
    assert kind_and_machine("win32", "ARM64") == ("windows", "aarch64")
    assert kind_and_machine("darwin", "arm64") == ("macos", "arm64")
    assert kind_and_machine("linux", "aarch64") == ("linux", "aarch64")


def test_a_qgis_for_intel_on_apple_silicon_counts_as_apple_silicon(monkeypatch) -> None:
    monkeypatch.setattr(systems.sys, "platform", "darwin")
    monkeypatch.setattr(systems.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(systems.platform, "mac_ver", lambda: ("14.5", ("", "", ""), "x86_64"))
    monkeypatch.setattr(systems, "_is_apple_silicon", lambda: True)
    assert systems.this_machine() == ("macos", "arm64", (14, 5))
    monkeypatch.setattr(systems, "_is_apple_silicon", lambda: False)
    assert systems.this_machine() == ("macos", "x86_64", (14, 5))


def test_this_machine_is_served() -> None:
    assert systems.this_system().kind == "linux"
