"""Formulas of soil properties that users type: `carbon stock (t/ha) = soc_0_30 * bd_0_30 * 3`. Nothing is ever run."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from .job import JobError
from .language import tr
from .quoting import split_items

FUNCTIONS = ("abs", "exp", "log", "max", "min", "sqrt")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub)
_LONGEST = 500
_DEEPEST = 40
_HEAD = re.compile(r"^\s*(?P<name>[^()\[\]=]+?)\s*(?:[(\[](?P<unit>[^()\[\]]*)[)\]])?\s*=(?P<formula>.*)$", re.DOTALL)
_QUOTED = re.compile(r'"([^"]+)"')
_EXAMPLE = tr(
    'carbon stock (t/ha) = soc_0_30 * bd_0_30 * 3. A name with blanks or signs stands in quotes: "Clay <2 um".'
)


@dataclass(frozen=True)
class Expression:
    """A named formula of targets; `unit` is that of its values, empty where the user gave none."""

    name: str
    unit: str
    formula: str

    def __post_init__(self) -> None:
        parse_formula(self.formula)


def parse_expressions(text: str) -> tuple[Expression, ...]:
    """Read `name (unit) = formula; ...`; raise a JobError that names the part that cannot be read."""
    found = []
    for piece in split_items(text, ";\n"):
        match = _HEAD.match(piece)
        if match is None or not match["formula"].strip():
            raise JobError(
                tr("The expression {!r} cannot be read. Write a name, = and a formula: {}").format(
                    piece.strip(), _EXAMPLE
                )
            )
        found.append(Expression(match["name"].strip(), (match["unit"] or "").strip(), match["formula"].strip()))
    names = [each.name for each in found]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise JobError(
            tr("Two expressions have the name {}. Give each a name of its own.").format(", ".join(map(repr, twins)))
        )
    return tuple(found)


def parse_formula(text: str) -> tuple[ast.expr, tuple[str, ...]]:
    """Return the formula as a tree of allowed nodes, and the targets that it names; in the tree a name `_3` stands for
    the target of that number.

    Raises:
        JobError: it holds anything but numbers, names, + - * / **, brackets and a few functions.
    """
    names: list[str] = []

    def number_of(name: str) -> str:
        if name not in names:
            names.append(name)
        return f"_{names.index(name)}"

    if len(text) > _LONGEST:
        raise JobError(
            tr("The formula {!r}... has {} characters; at most {} are read.").format(text[:40], len(text), _LONGEST)
        )
    plain = _QUOTED.sub(lambda match: f" {number_of(match[1])} ", text)
    if re.search(r"(?<![\w.])_\d+\b", _QUOTED.sub("", text)):
        raise JobError(tr("The formula {!r} holds a name such as _1. Put it in quotes.").format(text))
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise JobError(tr("The formula {!r} cannot be read. Write, for example, {}").format(text, _EXAMPLE)) from error
    _check(tree, text, 0)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in FUNCTIONS and not re.fullmatch(r"_\d+", node.id):
            node.id = number_of(node.id)
    if not names:
        raise JobError(tr("The formula {!r} names no soil property. Write, for example, {}").format(text, _EXAMPLE))
    return tree, tuple(names)


def _check(node: ast.expr, text: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise JobError(tr("The formula {!r} is nested too deeply. Divide it into several.").format(text[:40]))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return
    if isinstance(node, ast.Name) and node.id not in FUNCTIONS:
        return
    if isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
        _check(node.left, text, depth + 1)
        _check(node.right, text, depth + 1)
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, _OPERATORS):
        _check(node.operand, text, depth + 1)
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        is_pair = node.func.id in ("max", "min")
        if not node.keywords and (len(node.args) >= 2 if is_pair else len(node.args) == 1):
            for each in node.args:
                _check(each, text, depth + 1)
            return
    raise JobError(
        tr(
            "The formula {!r} holds {!r}, which is not allowed. Use numbers, the fields of targets, + - * / **"
            " and brackets, and the functions {}."
        ).format(text, ast.unparse(node)[:60], ", ".join(FUNCTIONS))
    )
