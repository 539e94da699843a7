"""What a reader meets first: a sentence at the top of every file, files and functions of a size that can be read."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE_FILES = sorted((ROOT / "soil_cnn_plugin").rglob("*.py"))
FILES = PACKAGE_FILES + sorted(path for room in ("tests", "benchmarks", ".ci") for path in (ROOT / room).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_file_begins_with_a_sentence() -> None:
    first = {name(path): ast.get_docstring(tree_of(path)) or "" for path in FILES if path.name != "__init__.py"}
    assert len(first) > 700
    assert not {path: text[:80] for path, text in first.items() if not text.split("\n\n")[0].rstrip().endswith(".")}


def test_no_file_has_more_than_300_lines() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE_FILES}
    assert not {path: count for path, count in lines.items() if count > 300}


def test_no_function_has_more_than_60_lines() -> None:
    functions = {
        f"{name(path)}: {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in PACKAGE_FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef)
    }
    assert not {function: lines for function, lines in functions.items() if lines > 60}


def test_what_runs_inside_qgis_is_python_3_9() -> None:
    """QGIS 3.40 brings Python 3.9 on macOS; the engine has a Python of its own."""
    for path in PACKAGE_FILES:
        if "engine" not in path.parts:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
