"""What a reader meets first: a sentence at the top of every file, files and functions of a size that can be read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE_FILES = sorted((ROOT / "soil_cnn_plugin").rglob("*.py"))
FILES = PACKAGE_FILES + sorted(path for room in ("tests", "benchmarks", ".ci") for path in (ROOT / room).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__init__.py"], ids=name)
def test_a_file_begins_with_a_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert docstring.split("\n\n")[0].rstrip().endswith("."), f"first lines: {docstring[:80]!r}"


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=name)
def test_a_file_has_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=name)
def test_a_function_has_at_most_60_lines(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


def test_what_runs_inside_qgis_is_python_3_9() -> None:
    """QGIS 3.40 brings Python 3.9 on macOS; the engine has a Python of its own."""
    for path in PACKAGE_FILES:
        if "engine" not in path.parts:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
