"""The zip as QGIS's plugin repository takes it: its rules, as far as they can be checked from outside."""

from __future__ import annotations

import ast
import configparser
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1 << 20
TEXT = {".py", ".txt", ".svg", ".qml", ".html", ".css", ".j2", ".model3", ".json", ".md", ".po"}
PICTURES = {".png", ".jpg"}
CATALOGUES = {".mo"}  # compiled from the .po beside each
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "imp", "telnetlib"}
FORBIDDEN_CALLS = {"exec", "eval", "compile", "__import__", "print"}


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "soil_cnn_plugin.zip"
    subprocess.run([ROOT / ".ci" / "package", path], cwd=ROOT, check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def plugin(zipped: Path) -> Path:
    """The folder that the zip unpacks to."""
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(zipped.parent)
    return zipped.parent / "soil_cnn_plugin"


@pytest.fixture(scope="module")
def metadata(plugin: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(plugin / "metadata.txt", encoding="utf-8")
    return parser["general"]


def test_the_zip_is_one_folder_of_at_most_25_megabytes(zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"soil_cnn_plugin"}
    assert zipped.stat().st_size <= 25 * MEGABYTE


def test_the_folder_holds_what_the_repository_asks_for(plugin: Path) -> None:
    missing = [name for name in ("__init__.py", "metadata.txt", "LICENSE") if not (plugin / name).is_file()]
    assert missing == []
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 2" in (plugin / "LICENSE").read_text()


def test_metadata_has_the_keys_that_are_required(metadata: configparser.SectionProxy) -> None:
    required = ("name", "description", "about", "version", "qgisMinimumVersion", "author", "email", "repository")
    assert [key for key in (*required, "tracker", "homepage", "license") if not metadata.get(key, "").strip()] == []


def test_metadata_says_where_the_plugin_runs(metadata: configparser.SectionProxy) -> None:
    assert metadata["qgisMinimumVersion"] == "3.40"
    assert metadata["qgisMaximumVersion"] == "4.99"
    assert metadata["hasProcessingProvider"] == "yes"
    assert metadata["experimental"] == "True"


def test_metadata_has_a_plain_name_and_version(metadata: configparser.SectionProxy) -> None:
    assert "plugin" not in metadata["name"].lower()
    assert [part.isdigit() for part in metadata["version"].split(".")] == [True, True, True]


def test_the_newest_entry_of_the_changelog_is_the_version(metadata: configparser.SectionProxy) -> None:
    lines = metadata["changelog"].strip().splitlines()
    assert re.fullmatch(rf"{re.escape(metadata['version'])} \(\d{{4}}-\d\d-\d\d\)", lines[0])


def test_the_changelog_is_that_of_the_released_versions(plugin: Path) -> None:
    sections = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## [")[1:]
    released = [section for section in sections if not section.startswith("Unreleased]")]
    entries = [line for section in released for line in section.splitlines() if line.startswith("- ")]
    parser = configparser.ConfigParser()  # as QGIS reads it: with interpolation
    parser.read(plugin / "metadata.txt", encoding="utf-8")
    packaged = parser["general"]["changelog"].splitlines()
    assert [line for line in packaged if line.startswith("- ")] == [re.sub("[*`]", "", line) for line in entries]
    assert len(entries) > 0


def test_the_icon_that_metadata_names_is_in_the_zip(plugin: Path, metadata: configparser.SectionProxy) -> None:
    assert (plugin / metadata["icon"]).is_file()


def test_resources_hold_no_code(plugin: Path) -> None:
    """What builds them stays in the checkout."""
    assert (plugin / "resources" / "models" / "map_in_three_steps.model3").is_file()
    assert list((plugin / "resources").rglob("*.py")) == []


def test_all_files_are_texts_or_pictures(plugin: Path) -> None:
    kinds = TEXT | PICTURES | CATALOGUES
    strange = [
        str(path.relative_to(plugin))
        for path in plugin.rglob("*")
        if path.is_file() and path.suffix not in kinds and path.name not in {"LICENSE", ".bandit"}
    ]
    assert strange == []


def test_no_file_is_hidden_binary_or_executable(plugin: Path, zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as archive:
        assert [
            item.filename for item in archive.infolist() if item.external_attr >> 16 & 0o111 and not item.is_dir()
        ] == []
    for path in plugin.rglob("*"):
        if path.is_file() and path.suffix not in PICTURES | CATALOGUES:
            assert b"\0" not in path.read_bytes(), path
    names = {part for path in plugin.rglob("*") for part in path.relative_to(plugin).parts}
    assert names.isdisjoint({"__pycache__", "__MACOSX", ".git", ".DS_Store"})


def test_no_code_is_of_a_forbidden_kind(plugin: Path) -> None:
    for path in plugin.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Assert, ast.Import, ast.ImportFrom, ast.Call)):
                assert not is_forbidden(node), f"{path.relative_to(plugin)}:{node.lineno}"


def is_forbidden(node: ast.AST) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        return not FORBIDDEN_IMPORTS.isdisjoint(name.split(".")[0] for name in names)
    if isinstance(node, ast.Call):
        called = node.func
        return (
            (isinstance(called, ast.Name) and called.id in FORBIDDEN_CALLS)
            or any(word.arg == "shell" for word in node.keywords)
            or (isinstance(called, ast.Attribute) and called.attr == "extractall")
        )
    return isinstance(node, ast.Assert)


def test_bandit_finds_nothing(plugin: Path) -> None:
    result = run_tool("bandit", "-r", plugin, "--ini", plugin / ".bandit", "-f", "json", "-q")
    found = json.loads(result.stdout)["results"]
    assert [f"{item['test_id']} {item['filename']}:{item['line_number']}" for item in found] == [], result.stderr


def test_detect_secrets_finds_nothing(plugin: Path) -> None:
    found = json.loads(run_tool("detect_secrets", "scan", "--all-files", plugin).stdout)["results"]
    assert found == {}


def run_tool(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
