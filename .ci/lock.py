#!/usr/bin/env python3
"""Writes the lock files of the engine, with hashes, from its requirements: `build/engine/bin/python .ci/lock.py`.

Each system and Python is resolved by itself, from wheels alone; what they agree on has no marker. A lock for older
systems holds the newest versions that serve there, from "at least" of the requirements on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from soil_cnn_plugin.bridge.systems import CURRENT, SYSTEMS, System  # noqa: E402
from soil_cnn_plugin.contract.requirements import Locked, read_requirements  # noqa: E402

ENGINE = ROOT / "soil_cnn_plugin" / "engine"
LOCKS = ENGINE / "locks"
TOOLS = ("pip==26.3", "uv==0.13.9")
"""What the set-up fetches where Python comes without pip, or no Python serves."""
PLATFORMS = {"linux": "linux", "windows": "win32", "macos": "darwin"}
Pins = dict[str, str]


def main() -> None:
    LOCKS.mkdir(exist_ok=True)
    for name in dict.fromkeys(system.lock for system in SYSTEMS):
        pairs = {
            (system, python): resolve(system, python)
            for system in SYSTEMS
            if system.lock == name
            for python in system.pythons
        }
        write(LOCKS / name, lines_of(pairs))
    write(LOCKS / "tools.txt", list(TOOLS))


def holds_for(item: Locked, system: System, python: int) -> bool:
    """Whether a line of a lock is meant for a system and Python 3.`python`."""
    environment = {
        "sys_platform": PLATFORMS[system.kind],
        "platform_machine": "AMD64" if system.kind == "windows" else system.machine,
        "python_version": f"3.{python}",
        "python_full_version": f"3.{python}.3",
    }
    marker = re.search(r" ; (.+?) \\$", item.text.splitlines()[0])
    return marker is None or Marker(marker[1]).evaluate(environment)


def requirements_for(lock: str) -> str:
    """Return the requirements of a lock: exact versions for current systems, ranges for older ones."""
    items = read_requirements((ENGINE / "requirements.txt").read_text(encoding="utf-8"))
    if lock == "current.txt":
        return "\n".join(f"{item.name}=={item.version}" for item in items)
    return "\n".join(f"{item.name}>={item.lowest},<={item.version}" for item in items)


def resolve(system: System, python: int, constraints: Path | None = None) -> Pins:
    """Resolve the requirements from wheels alone for a system and Python 3.`python`, without installing anything.

    Raise subprocess.CalledProcessError, with uv's reason in `stderr`.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.in")
        wanted.write_text(requirements_for(system.lock), encoding="utf-8")
        options = ["--python-platform", system.target, "--python-version", f"3.{python}", "--only-binary", ":all:"]
        if constraints:
            options += ["--constraints", str(constraints)]
        found = compile_requirements(wanted, [*options, "--no-annotate"], release=system.release)
    return dict(line.split("==") for line in found.split())


def compile_requirements(path: Path, options: list[str], release: tuple[int, ...] = ()) -> str:
    """Return what `uv pip compile` writes."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--no-header",
        "--python",
        sys.executable,  # or uv looks for one of that version on this computer, for seconds
        *options,
        str(path),
    ]
    variables = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, release))}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


def lines_of(pairs: dict[tuple[System, int], Pins]) -> list[str]:
    """Return `name==version`, with a marker where not all pairs have it."""
    found: dict[tuple[str, str], set[tuple[System, int]]] = {}
    for pair, pins in pairs.items():
        for pin in pins.items():
            found.setdefault(pin, set()).add(pair)
    return [
        f"{name}=={version}" + ("" if len(users) == len(pairs) else f" ; {marker(users, set(pairs))}")
        for (name, version), users in sorted(found.items())
    ]


def marker(users: set[tuple[System, int]], all_pairs: set[tuple[System, int]]) -> str:
    """Return a marker that holds for these of all pairs."""
    parts = []
    for system in sorted({system for system, _ in all_pairs}, key=SYSTEMS.index):
        pythons = sorted(python for each, python in users if each == system)
        if not pythons:
            continue
        part = f"sys_platform == '{PLATFORMS[system.kind]}' and platform_machine in '{_machines(system)}'"
        if pythons != sorted(python for each, python in all_pairs if each == system):
            part += f" and python_version in '{' '.join(f'3.{python}' for python in pythons)}'"
        parts.append(f"({part})")
    return " or ".join(parts)


def _machines(system: System) -> str:
    return "AMD64 x86_64" if system.kind == "windows" else system.machine


def write(path: Path, lines: list[str]) -> None:
    """Write a lock with the hashes of all wheels of each version."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder, "pinned.in")
        pinned.write_text("\n".join(lines), encoding="utf-8")
        options = ["--universal", "--no-deps", "--generate-hashes", "--only-binary", ":all:", "--no-annotate"]
        text = compile_requirements(pinned, [*options, "--python-version", f"3.{min(CURRENT)}"])
    count = len(re.findall(r"^\S", text, re.MULTILINE))
    path.write_text(f"# {count} packages, written by .ci/lock.py.\n{text}", encoding="utf-8")
    sys.stdout.write(f"{path.relative_to(ROOT)}: {count} packages\n")


if __name__ == "__main__":
    main()
