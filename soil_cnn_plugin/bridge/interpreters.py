"""Asks another Python what it is and can do: whether it runs the engine, or an environment can be built from it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

from ..contract.language import any_of, tr
from ..contract.requirements import Requirement, numbers_in
from .environment import clean_variables, requirements
from .errors import WorkerFailed
from .process_tree import no_window
from .systems import System, kind_and_machine, system_of, this_machine

LOWEST = (3, 11)
PROBE = Path(__file__).with_name("probe.py")
PROBE_SECONDS = 180  # importing torch from a cold disk
_PROBE_MARK = "soilcnn-probe "


def examine(python: Path) -> dict[str, str]:
    """Return package -> version of an interpreter that can run the engine; raise WorkerFailed with what is missing."""
    wanted = requirements()
    answer = _probe(python, [item.name for item in wanted])
    if tuple(answer["python"][:2]) < LOWEST:
        raise WorkerFailed(
            tr("{} is Python {}, but the engine needs {} or later.").format(
                python, _text(answer["python"]), _text(LOWEST)
            )
        )
    faults = [tr("{} cannot be imported ({})").format(name, reason) for name, reason in answer["problems"].items()]
    faults += [
        tr("{} is version {}, but at least {} is needed").format(item.name, version, item.lowest)
        for item in wanted
        if (version := answer["versions"].get(item.name)) and not item.is_met_by(version)
    ]
    if faults:
        raise WorkerFailed(
            tr(
                "{} cannot run the engine: {}. Install the missing packages there, or leave PYTHON empty to"
                " build an environment."
            ).format(python, "; ".join(faults))
        )
    versions: dict[str, str] = answer["versions"]
    return versions


def untested(versions: dict[str, str]) -> list[tuple[Requirement, str]]:
    """Return the requirements for which an interpreter has a version other than the tested one, with that version."""
    return [
        (item, versions[item.name])
        for item in requirements()
        if numbers_in(versions[item.name]) != numbers_in(item.version)
    ]


def facts_of(python: Path) -> dict[str, Any]:
    """Return what probe.py tells of an interpreter; raise WorkerFailed if it does not run."""
    return _probe(python, [])


def system_for(facts: dict[str, Any]) -> Optional[System]:
    """Return the system whose packages an interpreter of this machine takes; None if there are none for it."""
    return system_of(*kind_and_machine(facts["platform"], facts["machine"]), this_machine()[2])


def why_not(facts: dict[str, Any], minors: Optional[Iterable[int]] = None) -> str:
    """Say why no environment can be built from an interpreter; empty if nothing speaks against it.

    `minors`: Pythons 3.x that a folder of wheels is for; None if packages come from the index.
    """
    version, system = tuple(facts["python"][:2]), system_for(facts)
    if facts["implementation"] != "cpython":
        return tr("it is {}, and PyTorch is published for CPython only").format(facts["implementation"])
    if facts["bits"] != 64 or system is None:
        return tr("it is built for {} ({} bits), and PyTorch is not").format(facts["machine"], facts["bits"])
    if facts["is_free_threaded"]:
        return tr("it is the free-threaded Python, for which some packages are not published")
    pythons = sorted(set(system.pythons) & set(system.pythons if minors is None else minors))
    if version not in [(3, minor) for minor in pythons]:
        wanted = any_of(f"3.{minor}" for minor in pythons)
        return tr("it is Python {}, and the packages are for {}").format(
            _text(version), wanted or tr("none that fits this system")
        )
    missing = "; ".join(f"{name} ({problem})" for name, problem in facts["missing"].items())
    return tr("it lacks {}").format(missing) if missing else ""


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
            creationflags=no_window(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkerFailed(tr("{} cannot be run: {}.").format(python, error)) from error
    lines = [line for line in result.stdout.splitlines() if line.startswith(_PROBE_MARK)]
    if result.returncode != 0 or not lines:
        raise WorkerFailed(
            tr("{} is not a working Python (exit code {}): {}").format(
                python, str(result.returncode), result.stderr[-500:]
            )
        )
    answer: dict[str, Any] = json.loads(lines[-1][len(_PROBE_MARK) :])
    return answer


def _text(version: Iterable[int]) -> str:
    return ".".join(map(str, version))
