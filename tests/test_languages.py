"""Every text that a user reads is translated into every language, with all its placeholders."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import string
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo

from soil_cnn_plugin.contract import language
from soil_cnn_plugin.contract.language import CATALOGUES, LANGUAGES, tr, tr_n, use

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "soil_cnn_plugin").rglob("*.py"))
OTHERS = [name for name in LANGUAGES if name != "en"]
_spec = importlib.util.spec_from_file_location("languages", ROOT / ".ci" / "languages.py")
assert _spec is not None and _spec.loader is not None
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


@pytest.fixture
def german() -> None:
    use("de_AT")
    yield
    use("en")


@cache
def source() -> Catalog:
    return tool.template()


@cache
def catalogue(name: str) -> Catalog:
    return tool.read(CATALOGUES / f"{name}.po")


def strings(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def pairs(message: Message) -> list[tuple[str, str]]:
    """Return the English forms of a text with its translations. Some languages count in one form, some in three."""
    others = strings(message)
    if not isinstance(message.id, tuple):
        return [(message.id, others[0])]
    one, many = message.id
    return list(zip((many,) if len(others) == 1 else (one, many, many), others, strict=False))


def placeholders(text: str) -> Counter[tuple[str, ...]]:
    """Count the placeholders with their formats; those without a name are numbered from 0."""
    found: Counter[tuple[str, ...]] = Counter()
    number = 0
    for _, name, spec, conversion in string.Formatter().parse(text):
        if name is None:
            continue
        if not name:
            name, number = str(number), number + 1
        if "{" in (spec or ""):
            number += (spec or "").count("{}")
        found[name, spec or "", conversion or ""] += 1
    return found


@pytest.mark.parametrize("name", OTHERS)
def test_no_text_is_missing(name: str) -> None:
    translated = {message.id for message in catalogue(name) if message.id and all(strings(message))}
    missing = [message.id for message in source() if message.id and message.id not in translated]
    assert not missing, f"{len(missing)} texts; run `make languages` and translate, for example {missing[:5]}"


@pytest.mark.parametrize("name", OTHERS)
def test_no_text_is_left_that_the_source_does_not_hold(name: str) -> None:
    known = {message.id for message in source()}
    assert [message.id for message in catalogue(name) if message.id not in known] == []


@pytest.mark.parametrize("name", OTHERS)
def test_no_placeholder_is_lost(name: str) -> None:
    wrong = [
        (one, other)
        for message in catalogue(name)
        if message.id
        for one, other in pairs(message)
        if other and _has_placeholders(one) and placeholders(one) != placeholders(other)
    ]
    assert not wrong, wrong[:5]


class Anything:
    """A value that every format suits."""

    def __format__(self, _spec: str) -> str:
        return "x"


@pytest.mark.parametrize("name", OTHERS)
def test_every_text_can_be_filled(name: str) -> None:
    """Python refuses, for example, a text in which some placeholders have numbers and others have none."""
    filling = [Anything()] * 20
    for message in catalogue(name):
        for one, other in pairs(message) if message.id else ():
            if _has_placeholders(one):
                names = {key: Anything() for key, *_ in placeholders(one) if not key.isdigit()}
                assert language.Text(other).format(*filling, **names)


def _has_placeholders(text: str) -> bool:
    try:
        return bool(placeholders(text))
    except ValueError:  # a brace of a text that nothing is put into
        return False


@pytest.mark.parametrize("name", OTHERS)
def test_tags_and_spaces_at_the_ends_are_kept(name: str) -> None:
    def shape(text: str) -> tuple[object, ...]:
        is_space = (text[:1].isspace(), text[-1:].isspace())
        return (
            *is_space,
            Counter(
                re.findall(r"</?(?:a|b|br|code|div|em|h\d|hr|i|li|ol|p|span|strong|sub|sup|table|td|th|tr|ul)\b", text)
            ),
            text.count("\n") > 0,
        )

    wrong = [
        (one, other)
        for message in catalogue(name)
        if message.id
        for one, other in pairs(message)
        if other and shape(one) != shape(other)
    ]
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("name", OTHERS)
def test_the_compiled_catalogue_is_that_of_the_texts(name: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(name))
    assert (CATALOGUES / f"{name}.mo").read_bytes() == compiled.getvalue(), "run `make languages`"


def test_every_text_stands_in_the_source_as_a_literal() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "tr_n"):
                texts = node.args[:1] if node.func.id == "tr" else node.args[:2]
                literal = all(isinstance(text, ast.Constant) and isinstance(text.value, str) for text in texts)
                assert literal and texts, f"{path}:{node.lineno}"


TELLING = {"EngineError", "JobError", "WorkerFailed", "Paragraph", "Subheading", "info", "warning", "GpuFull"}
"""Calls whose first text a user reads."""


def test_what_a_user_is_told_is_in_tr() -> None:
    """A text without words, such as a path, may stand alone."""
    bare = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or path.name == "language.py":
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in TELLING and _words(node.args[0]):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert bare == []


def _words(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and re.search("[a-z]{2}", node.value) is not None
    if isinstance(node, ast.JoinedStr):
        return any(_words(part) for part in node.values if isinstance(part, ast.Constant))
    if isinstance(node, ast.BinOp):
        return _words(node.left) or _words(node.right)
    if isinstance(node, ast.IfExp):
        return _words(node.body) or _words(node.orelse)
    return False


def test_numbers_are_written_as_the_language_does(german: None) -> None:
    assert tr("{:,.1f} m").format(1234.56) == "1.234,6 m"
    assert tr("{}").format("1.5") == "1.5"
    assert tr("{!r}").format("1.5") == "'1.5'"
    assert language.localized("0.25") == "0,25"


@pytest.mark.parametrize(
    ("locale", "written"),
    [("en", "994,968"), ("de", "994.968"), ("es", "994\u00a0968"), ("fr", "994\u202f968"), ("pt_BR", "994.968")],
)
def test_thousands_of_long_whole_numbers_stand_apart_and_codes_are_left_alone(locale: str, written: str) -> None:
    use(locale)
    try:
        assert language.whole(994968) == written
        assert language.Text("{} {} {}").format(994968, np.int64(9999), "28992") == f"{written} 9999 28992"
    finally:
        use("en")


def test_large_numbers_have_no_exponent() -> None:
    assert tr("{:.3g} m, {:g} m").format(1500.0, 1234567.0) == "1500 m, 1,234,567 m"
    assert tr("{:g}, {:.3g}, {:.1e}").format(1e20, 0.00001234, 12345.0) == "1e+20, 1.23e-05, 1.2e+04"


def test_numbers_are_left_alone_in_english() -> None:
    assert tr("{:,.1f} m").format(1234.56) == "1,234.6 m"
    assert tr_n("{} point", "{} points", 1).format(1) == "1 point"
    assert tr_n("{} point", "{} points", 0).format(0) == "0 points"


@pytest.mark.parametrize(
    ("locale", "chosen"), [("de_AT", "de"), ("pt-BR", "pt"), ("C", "en"), ("nl_NL", "en"), ("", "en")]
)
def test_a_language_without_a_catalogue_gets_english(locale: str, chosen: str) -> None:
    use(locale)
    try:
        assert language.language() == chosen
    finally:
        use("en")
