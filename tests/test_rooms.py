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
    "__init__": {"plugin", "contract"},
    "paths": set(),
    "plugin": {"plugin", "desktop", "processing", "bridge", "contract", "paths"},
    "desktop": {"desktop", "processing", "bridge", "contract", "paths"},
    "processing": {"processing", "bridge", "contract", "paths"},
    "bridge": {"bridge", "contract", "paths"},
    "contract": {"contract"},
    "engine": {"engine", "contract", "paths"},
}
ENGINE_ROOMS = (
    "arrays",
    "errors",
    "versions",
    "loading",
    "report",
    "machine",
    "outputs",
    "failures",
    "targets",
    "rasters",
    "observations",
    "profiles",
    "checks",
    "assessment",
    "networks",
    "forests",
    "kriging",
    "training",
    "mapping",
    "explaining",
    "sampling",
    "areas",
    "reports",
    "jobs",
    "spare",
    "__main__",
)
"""Rooms of the engine in their order: each imports itself and rooms above it only."""
BROUGHT_BY = {
    "sklearn": "scikit-learn",
    "pandas": "geopandas",
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
    """Own modules a file imports, without the package's name: `engine.rasters.grid`."""
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


def test_rooms_import_only_rooms_that_their_arrows_reach() -> None:
    for path in FILES:
        assert {room(name) for name in own_imports(path)} <= ALLOWED[room_of(path)], path


@pytest.mark.parametrize("name", ["__init__", "paths", "plugin", "desktop", "processing", "bridge"])
def test_the_qgis_half_imports_only_qgis_and_the_standard_library(name: str) -> None:
    found = {(path.name, top) for path in files_in(name) for top in foreign_imports(path)}
    assert {top for _, top in found} <= {"qgis", "osgeo", "processing"}, found  # processing: QGIS's own plugin


def test_the_contract_imports_only_the_standard_library() -> None:
    assert {top for path in files_in("contract") for top in foreign_imports(path)} == set()


def test_the_engine_imports_only_what_its_requirements_pin() -> None:
    text = (PACKAGE / "engine" / "requirements.txt").read_text(encoding="utf-8")
    pinned = {match.lower() for match in re.findall(r"^([A-Za-z0-9_.-]+)\s*==", text, re.MULTILINE)}
    used = {BROUGHT_BY.get(top, top) for path in files_in("engine") for top in foreign_imports(path)}
    assert used - pinned == set()


def test_every_room_of_the_engine_has_its_place_in_the_order() -> None:
    rooms = {engine_room(module_of(path)) for path in files_in("engine")}
    assert rooms == set(ENGINE_ROOMS)


def test_rooms_of_the_engine_import_no_room_below_them() -> None:
    for path in files_in("engine"):
        own = ENGINE_ROOMS.index(engine_room(module_of(path)))
        for name in own_imports(path):
            if name.startswith("engine."):
                assert ENGINE_ROOMS.index(engine_room(name)) <= own, f"{module_of(path)} imports {name}"


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports behind TYPE_CHECKING and inside functions count, too."""
    modules = {module_of(path): path for path in FILES}
    done: set[str] = set()

    def follow(module: str, above: tuple[str, ...]) -> None:
        if module in above:
            raise AssertionError(" -> ".join([*above[above.index(module) :], module]))
        if module not in done:
            for name in sorted(own_imports(modules[module])):
                if name in modules and name != module:
                    follow(name, (*above, module))
            done.add(module)

    for module in modules:
        follow(module, ())


def test_nothing_imports_the_workers_door() -> None:
    assert not [path for path in FILES if "engine.__main__" in own_imports(path)]


def test_the_grid_imports_no_other_part_of_the_engine() -> None:
    names = own_imports(PACKAGE / "engine" / "rasters" / "grid.py")
    assert {name for name in names if room(name) == "engine"} <= {
        "engine.errors",
        "engine.arrays",
        "engine.rasters.crs",
    }


@pytest.mark.parametrize(
    "name",
    ["contract", "processing", "bridge", *(each for each in ENGINE_ROOMS if (PACKAGE / "engine" / each).is_dir())],
)
def test_each_room_is_named_in_the_docs(name: str) -> None:
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{name}/", text), f"docs/architecture.md does not tell what lies in {name}/"


def test_no_public_name_is_defined_in_two_files_of_the_engine() -> None:
    """But `run`, which each job has."""
    found: dict[str, set[str]] = {}
    for path in files_in("engine"):
        for name in public_names(path):
            found.setdefault(name, set()).add(module_of(path))
    assert "run" in found and "Grid" in found and "FORESTS" in found  # functions, classes and constants are seen
    twice = {name: files for name, files in found.items() if len(files) > 1 and name != "run"}
    assert not twice


def public_names(path: Path) -> Iterator[str]:
    """Classes, functions and constants at a file's top, but those that begin with an underscore."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def files_in(name: str) -> list[Path]:
    files = [path for path in FILES if room_of(path) == name]
    assert files, f"the room {name} is empty"
    return files


def engine_room(name: str) -> str:
    """`engine.rasters.grid` -> rooms of the engine: rasters; the engine's own files are rooms of their own."""
    return [*name.split(".")[1:], "arrays"][0]


def module_of(path: Path) -> str:
    """`engine.rasters.grid` of its path; a package is named by its folder."""
    return module_name(path).removeprefix(PACKAGE.name).lstrip(".")
