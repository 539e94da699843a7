"""The arrows of docs/architecture.md, checked in every import of the package."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "soil_cnn_plugin"
FILES = sorted(PACKAGE.rglob("*.py"))
ALLOWED = {  # room -> rooms it may import; paths is a leaf that all may use
    "__init__": {"plugin"},
    "paths": set(),
    "plugin": {"plugin", "processing", "bridge", "contract", "paths"},
    "processing": {"processing", "bridge", "contract", "paths"},
    "bridge": {"bridge", "contract", "paths"},
    "contract": {"contract"},
    "engine": {"engine", "contract", "paths"},
}
ENGINE_ROOMS = {"data", "networks", "assessment", "mapping", "pages"}
BROUGHT_BY = {
    "sklearn": "scikit-learn",
    "pyproj": "geopandas",
    "shapely": "geopandas",
    "markupsafe": "jinja2",
    "llvmlite": "numba",
    "toolz": "distributed",
}
"""Import name -> the requirement that brings it, where the names differ."""


def imports_of(path: Path) -> Iterator[str]:
    """Full dotted names of what a file imports, at its top or inside functions; relative ones resolved."""
    here = module_name(path).split(".")
    package = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


@cache
def own_imports(path: Path) -> frozenset[str]:
    """Own modules a file imports, without the package's name: `engine.data.grid`."""
    prefix = PACKAGE.name + "."
    return frozenset(name.removeprefix(prefix) for name in imports_of(path) if name.startswith(prefix))


def foreign_imports(path: Path) -> set[str]:
    """Top-level names of what a file imports that is neither its own nor Python's."""
    tops = {name.split(".")[0] for name in imports_of(path)}
    return tops - set(sys.stdlib_module_names) - {PACKAGE.name, ""}


def room(module: str) -> str:
    return module.split(".")[0]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_that_its_arrows_reach(path: Path) -> None:
    assert {room(name) for name in own_imports(path)} <= ALLOWED[room_of(path)]


@pytest.mark.parametrize("name", ["__init__", "paths", "plugin", "processing", "bridge"])
def test_the_qgis_half_imports_only_qgis_and_the_standard_library(name: str) -> None:
    found = {(path.name, top) for path in files_in(name) for top in foreign_imports(path)}
    assert {top for _, top in found} <= {"qgis", "processing"}, found  # processing: QGIS's own plugin


def test_the_contract_imports_only_the_standard_library() -> None:
    assert {top for path in files_in("contract") for top in foreign_imports(path)} == set()


def test_the_engine_imports_only_what_its_requirements_pin() -> None:
    text = (PACKAGE / "engine" / "requirements.txt").read_text(encoding="utf-8")
    pinned = {match.lower() for match in re.findall(r"^([A-Za-z0-9_.-]+)\s*==", text, re.MULTILINE)}
    used = {BROUGHT_BY.get(top, top) for path in files_in("engine") for top in foreign_imports(path)}
    assert used - pinned == set()


def test_jobs_are_imported_by_no_room_of_the_engine() -> None:
    for path in files_in("engine"):
        parts = path.relative_to(PACKAGE / "engine").with_suffix("").parts
        if parts[0] in ENGINE_ROOMS:
            for name in own_imports(path):
                if room(name) == "engine":
                    target = [*name.split(".")[1:], ""][0]
                    assert target in ENGINE_ROOMS | engine_leaves(), f"{'/'.join(parts)} imports {name}"


def test_nothing_imports_the_workers_door() -> None:
    assert not [path for path in FILES if "engine.__main__" in own_imports(path)]


def test_the_grid_imports_no_other_part_of_the_engine() -> None:
    names = own_imports(PACKAGE / "engine" / "data" / "grid.py")
    assert {name for name in names if room(name) == "engine"} <= {"engine.errors"}


def files_in(name: str) -> list[Path]:
    files = [path for path in FILES if room_of(path) == name]
    assert files, f"the room {name} is empty"
    return files


@cache
def engine_leaves() -> set[str]:
    """The engine's own modules that are no jobs: those without a `run`."""
    modules = (PACKAGE / "engine").glob("*.py")
    return {"", *(path.stem for path in modules if path.stem != "__main__" and not defines_run(path))}


def defines_run(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)
