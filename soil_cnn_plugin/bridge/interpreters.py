"""Finds the Python that comes with QGIS, to build an environment from it, and examines interpreters."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..contract.requirements import Requirement
from .environment import clean_variables, requirements
from .errors import WorkerFailed

LOWEST, HIGHEST = (3, 11), (3, 14)
"""Python versions for which all packages of the engine are published."""
PROBE = Path(__file__).with_name("probe.py")
PROBE_SECONDS = 180  # importing torch from a cold disk
_PROBE_MARK = "soilcnn-probe "


def find_base_python() -> Path:
    """Return an interpreter of a supported version; raise WorkerFailed if there is none.

    Inside QGIS, `sys.executable` may be QGIS itself (Windows, macOS), so the usual places are searched instead.
    """
    seen = {}
    for candidate in _candidates():
        if candidate in seen or not candidate.is_file():
            continue
        seen[candidate] = _version(candidate)
        if seen[candidate] and LOWEST <= seen[candidate] <= HIGHEST:
            return candidate
    found = ", ".join(f"{path} ({'.'.join(map(str, version)) or 'does not run'})" for path, version in seen.items())
    raise WorkerFailed(
        f"No Python from {_text(LOWEST)} to {_text(HIGHEST)} was found to build the compute environment with (found:"
        f" {found or 'none'}). Install one, build a virtual environment with the packages of the plugin's"
        " engine/requirements.txt, and name its interpreter in PYTHON."
    )


def examine(python: Path) -> dict[str, str]:
    """Return package -> version of an interpreter that can run the engine; raise WorkerFailed with what is missing."""
    answer = _probe(python, [item.name for item in requirements()])
    if tuple(answer["python"][:2]) < LOWEST:
        raise WorkerFailed(
            f"{python} is Python {_text(answer['python'])}, but the engine needs {_text(LOWEST)} or later."
        )
    wanted = requirements()
    faults = [f"{name} cannot be imported ({reason})" for name, reason in answer["problems"].items()]
    faults += [
        f"{item.name} is version {version}, but at least {item.lowest} is needed"
        for item in wanted
        if (version := answer["versions"].get(item.name)) and _numbers(version) < _numbers(item.lowest)
    ]
    if faults:
        raise WorkerFailed(
            f"{python} cannot run the engine: {'; '.join(faults)}. Install the missing packages there, or leave PYTHON"
            " empty to build an environment."
        )
    versions: dict[str, str] = answer["versions"]
    return versions


def untested(versions: dict[str, str]) -> list[tuple[Requirement, str]]:
    """Return the requirements for which an interpreter has a version other than the tested one, with that version."""
    return [
        (item, versions[item.name])
        for item in requirements()
        if _numbers(versions[item.name]) != _numbers(item.version)
    ]


def _candidates() -> Iterator[Path]:
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    executable = Path(sys.executable or "")
    if executable.name.lower().startswith("python"):
        yield executable
    prefix = Path(sys.exec_prefix)
    if os.name == "nt":  # OSGeo4W: apps/Python312/python.exe; the stand-alone installer: the same below its folder
        yield from (prefix / "python.exe", prefix / "python3.exe")
        root = os.environ.get("OSGEO4W_ROOT", "")
        if root:
            yield from sorted(Path(root, "apps").glob("Python3*/python.exe"), reverse=True)
        return
    if sys.platform == "darwin":  # QGIS.app/Contents/MacOS/bin, or a framework's bin
        yield from (executable.parent / "bin" / "python3", executable.parent / "python3")
    yield from (prefix / "bin" / name, prefix / "bin" / "python3")
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for minor in range(HIGHEST[1], LOWEST[1] - 1, -1):
        yield from (folder / f"python3.{minor}" for folder in folders)
    yield from (folder / "python3" for folder in folders)


def _version(python: Path) -> tuple[int, ...]:
    """Return, for example, (3, 12), or () if the interpreter does not run."""
    try:
        return tuple(_probe(python, [])["python"][:2])
    except WorkerFailed:
        return ()


def _probe(python: Path, packages: list[str]) -> dict[str, Any]:
    try:
        result = subprocess.run(
            [str(python), "-X", "utf8", str(PROBE), *packages],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=clean_variables(python, os.environ),
            timeout=PROBE_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkerFailed(f"{python} cannot be run: {error}.") from error
    lines = [line for line in result.stdout.splitlines() if line.startswith(_PROBE_MARK)]
    if result.returncode != 0 or not lines:
        raise WorkerFailed(f"{python} is not a working Python (exit code {result.returncode}): {result.stderr[-500:]}")
    answer: dict[str, Any] = json.loads(lines[-1][len(_PROBE_MARK) :])
    return answer


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
