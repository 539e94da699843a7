"""Which names of QGIS and Qt a source file uses, looked up in the running QGIS, and which of them Qt 6 and QGIS 4 lack.

QGIS 4 keeps the interface of QGIS 3. It comes with Qt 6 and PyQt6, which want members of enums through their enum, and
which lack the names in lost_in_qt6.txt.
"""

from __future__ import annotations

import ast
import enum
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LINES = Path(__file__).with_name("lost_in_qt6.txt").read_text(encoding="utf-8").splitlines()
LOST = {name for line in _LINES if not line.startswith("#") for name in line.split()}
"""What Qt 6 lacks. QVariant's types are not among it, because QGIS puts them back."""
LOST |= {"QWebView", "QWebPage", "QWebFrame", "WidgetWrapper", "resources_rc"}
"""Not in QGIS's builds with Qt 6: WebKit and compiled resources. To be given up in QGIS 4: Python's widget wrappers."""
DIRECT = ("PyQt5", "PyQt6", "sip", "PySide2", "PySide6")


def doubts(source: str) -> list[str]:
    """What stands in the way of Qt 6 and QGIS 4, or does not exist in this QGIS, as `line: sentence`."""
    tree = ast.parse(source)
    names = dict(_imported(tree))
    found = [*_doubtful_imports(tree)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr in LOST:
                found.append((node.lineno, f"{node.attr} is gone"))
            chain = _chain(node)
            if chain and chain[0] in names:
                found += [(node.lineno, doubt) for doubt in _doubts_of_chain(names[chain[0]], chain)]
    return [f"{line}: {sentence}" for line, sentence in sorted(set(found))]


def _imported(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Names that a file imports from QGIS, with what they are here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "qgis" and not node.level:
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                if hasattr(module, alias.name):
                    yield alias.asname or alias.name, getattr(module, alias.name)


def _doubtful_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules, names = [alias.name for alias in node.names], []
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules, names = [node.module or ""], [alias.name for alias in node.names]
        else:
            continue
        for module in modules:
            if module.split(".")[0] in DIRECT:
                yield node.lineno, f"{module} is imported directly: qgis.PyQt"
        for name in names:
            if name in LOST:
                yield node.lineno, f"{name} is gone"
            elif modules[0].split(".")[0] == "qgis" and not _exists(modules[0], name):
                yield node.lineno, f"{modules[0]} has no {name}"


def _exists(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True


def _chain(node: ast.expr) -> list[str]:
    """`Qt.AlignmentFlag.AlignLeft` as its parts; empty where it does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return [node.id, *parts] if isinstance(node, ast.Name) else []


def _doubts_of_chain(start: Any, chain: list[str]) -> Iterator[str]:
    parent = start
    for place, name in enumerate(chain[1:], 1):
        if not isinstance(parent, type):
            return
        member = getattr(parent, name, _MISSING)
        if member is _MISSING:
            yield f"{'.'.join(chain[: place + 1])} does not exist"
            return
        if _is_enum_member(member) and not isinstance(member, parent):
            yield f"{'.'.join(chain[: place + 1])} is reached without its enum: {type(member).__qualname__}.{name}"
        parent = member


_MISSING = object()


def _is_enum_member(value: Any) -> bool:
    kind = type(value)
    is_of_sip = (
        isinstance(value, int) and kind not in (int, bool) and kind.__module__.split(".")[0] in ("qgis", "PyQt5")
    )
    return isinstance(value, enum.Enum) or is_of_sip
