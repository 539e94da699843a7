"""The requirements and their locks: they resolve, from wheels alone, on every system and Python that is supported."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from soil_cnn_plugin.bridge.systems import SYSTEMS, System
from soil_cnn_plugin.contract.requirements import Locked, read_lock, read_requirements

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "soil_cnn_plugin" / "engine"
LOCKS = sorted((ENGINE / "locks").glob("*.txt"))
PAIRS = [(system, python) for system in SYSTEMS for python in system.pythons]
UNREACHABLE = ("client error (Connect)", "dns error", "Failed to fetch", "operation timed out")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.path.append(str(ROOT / ".ci"))  # where the scripts find each other
lock, bundle = load(ROOT / ".ci" / "lock.py"), load(ROOT / ".ci" / "bundle.py")


def read(name: str) -> tuple[Locked, ...]:
    return read_lock((ENGINE / "locks" / name).read_text(encoding="utf-8"))


def pins_for(system: System, python: int) -> dict[str, str]:
    """The lines of a lock whose markers hold on a system."""
    items = [item for item in read(system.lock) if lock.holds_for(item, system, python)]
    assert len({item.name for item in items}) == len(items), f"a package twice in {system.lock}"
    return {item.name: item.version for item in items}


@pytest.fixture(scope="module")
def resolved() -> dict[tuple[System, int], dict[str, str]]:
    """What uv finds for each system and Python that obeys requirements and lock. The first fills uv's cache."""

    def resolve(pair: tuple[System, int]) -> dict[str, str]:
        return lock.resolve(*pair, constraints=ENGINE / "locks" / pair[0].lock)

    try:
        first = resolve(PAIRS[0])
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(PAIRS, [first, *pool.map(resolve, PAIRS[1:])], strict=True))
    except subprocess.CalledProcessError as error:
        if any(sign in error.stderr for sign in UNREACHABLE):
            pytest.skip("the package index cannot be reached")
        raise AssertionError(error.stderr) from error


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].target}-{pair[0].release}-3.{pair[1]}")
def test_the_lock_is_what_the_requirements_resolve_to(resolved, pair) -> None:
    assert resolved[pair] == pins_for(*pair)


def test_all_pairs_that_are_promised_are_resolved() -> None:
    current = {(system.kind, system.machine, python) for system, python in PAIRS if system.lock == "current.txt"}
    machines = [("windows", "x86_64"), ("macos", "arm64"), ("linux", "x86_64"), ("linux", "aarch64")]
    assert current == {(*machine, python) for machine in machines for python in (11, 12, 13, 14)}


def test_current_systems_get_the_tested_versions_and_older_ones_none_below_the_lowest() -> None:
    items = read_requirements((ENGINE / "requirements.txt").read_text(encoding="utf-8"))
    for system, python in PAIRS:
        pins = pins_for(system, python)
        for item in items:
            if system.lock == "current.txt":
                assert pins[item.name] == item.version
            assert item.is_met_by(pins[item.name])


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_of_a_lock_has_hashes_and_none_names_an_index(path) -> None:
    text = path.read_text(encoding="utf-8")
    items = read_lock(text)
    starts = re.findall(r"^[A-Za-z0-9].*", text, re.MULTILINE)
    assert len(items) == len(starts) >= 2
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", item.text) for item in items)
    assert "://" not in text and "--index" not in text


def test_only_the_build_for_cuda_needs_packages_beside_pytorch_itself() -> None:
    windows = next(system for system in SYSTEMS if system.kind == "windows")
    names = set(pins_for(windows, 12))
    assert {item.name for item in read("current.txt") if item.is_of_torch and item.name in names} == {"torch"}
    assert {"nvidia-cublas", "triton"} <= {item.name for item in read("current.txt") if item.is_of_torch}


def test_a_bundle_for_another_system_asks_for_its_packages_whatever_this_one_is() -> None:
    windows = next(system for system in SYSTEMS if system.kind == "windows")
    items = [item for item in read("current.txt") if lock.holds_for(item, windows, 12)]
    lines = {item.name: bundle.without_marker(item).splitlines() for item in items}
    assert lines["colorama"][0] == "colorama==0.4.6 \\"
    assert all(" ;" not in first and hashes for first, *hashes in lines.values())
    assert "triton" not in lines and "torch" in lines


@pytest.mark.parametrize(
    ("kind", "machine", "first", "last"),
    [
        ("windows", "x86_64", "win_amd64", "win_amd64"),
        ("macos", "arm64", "macosx_14_0_arm64", "macosx_10_9_universal2"),
        ("linux", "aarch64", "manylinux_2_28_aarch64", "manylinux1_aarch64"),
    ],
)
def test_a_bundle_takes_wheels_of_older_releases_too(kind, machine, first, last) -> None:
    system = next(each for each in SYSTEMS if (each.kind, each.machine) == (kind, machine))
    tags = list(bundle.tags(system))
    assert (tags[0], tags[-1]) == (first, last) and len(set(tags)) == len(tags)
