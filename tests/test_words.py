"""The words of docs/architecture.md, and sentences in the order of plain English: subject, verb, object."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INSTEAD_OF = {  # pattern of what the project does not say -> what it says; only what has no other meaning here
    r"chips?": "patch",
    r"pedons?": "profile",
    r"geobox|geo ?transform": "grid",
    r"depth slices?": "depth interval",
    r"ground truth": "observations",
    r"(trained|CNN|neural network) models?": "trained network",
    r"(predictor|explanatory) (variable|raster|layer)s?|co-variates?": "covariate",
    r"hyper-?parameters?": "settings",
    r"(training|validation|test) sets?": "observations of a fold, or those outside it",
    r"e\.g\.|i\.e\.": "for example, that is",
    r"utili[sz]e[sd]?|leverages?": "use",
    r"behaviors?|neighbors|colors?": "behaviour, neighbours, colour",
}
PLAIN = {"bridge", "contract", "processing", "docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"}
PLAIN |= {"targets", "networks", "forests", "training", "machine", "assessment"}
PLAIN |= {"mapping", "explaining", "sampling", "reports", "jobs"}
PLAIN |= {"rasters", "observations", "profiles", "checks"}
PLAIN |= {"arrays.py", "errors.py", "failures.py", "report.py", "versions.py"}
"""Rooms, files and pages whose sentences begin with their subject."""
PYTHON = sorted((ROOT / "soil_cnn_plugin").rglob("*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "metadata.txt"]
PLAIN_FILES = [path for path in (*PYTHON, *PAGES) if PLAIN & set(path.relative_to(ROOT).parts)]
LATE_SUBJECT = re.compile(
    r"\b(which|what|whether|where|how)\b[^.;:]*\b(tells?|says?) (`[^`\n]+`|\w+\.(py|md))[.;]", re.I
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_all_texts_say_what_the_project_says() -> None:
    assert [f"{name(path)}, {words}" for path in (*PYTHON, *PAGES) for words in strange_words(path)] == []


def test_strange_words_are_found_in_texts_and_comments_but_not_in_code(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('"""Cut\nchips."""\n# `chips` of the ground truth\ncolor = f("color", f"{a} Pedon of {b}")\n')
    assert [line.split(": say")[0] for line in strange_words(path)] == ["3: 'ground truth'", "2: 'chips'", "4: 'Pedon'"]


def test_sentences_begin_with_their_subject() -> None:
    """A docstring that begins with Of, or a clause whose subject comes last, keeps the reader waiting."""
    for path in PLAIN_FILES:
        assert [text for _, text in docstrings(path) if re.match(r"\s*Of\b", text)] == [], name(path)
        assert [match[0] for _, text in texts_of(path) for match in LATE_SUBJECT.finditer(text)] == [], name(path)


def test_a_late_subject_is_found() -> None:
    assert LATE_SUBJECT.search("and which targets belong together say `Targets.groups`.")
    assert not LATE_SUBJECT.search(
        "docs/speed.md tells what was measured; `Targets.groups` says which belong together."
    )


def strange_words(path: Path) -> list[str]:
    found = []
    for first_line, text in texts_of(path):
        words = prose(text)
        for pattern, use in INSTEAD_OF.items():
            for match in re.finditer(rf"\b(?:{pattern})(?!\w)", words, re.IGNORECASE):
                line = first_line + words[: match.start()].count("\n")
                found.append(f"{line}: {match[0]!r}: say {use}")
    return found


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """(first line, text) of what is there to be read: a page, or the comments, docstrings and messages of Python."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\s", node.value):
            yield node.lineno, node.value


def prose(text: str) -> str:
    """Without code, and without the table that explains the words; lines stay where they are."""
    for pattern in (r"```.*?```", r"\| word \| means \| not \|\n.*?\n\n"):
        text = re.sub(pattern, lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    return re.sub(r"`[^`\n]*`|https?://\S+", "", text)


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text), also those below attributes; none of a page."""
    tree = ast.parse(path.read_text(encoding="utf-8") if path.suffix == ".py" else "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
