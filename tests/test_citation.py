"""What CITATION.cff says of the plugin is what metadata.txt and CHANGELOG.md say."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def metadata() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    return parser["general"]


@pytest.mark.parametrize(
    ("cited", "key"),
    [("version", "version"), ("license", "license"), ("repository-code", "repository"), ("url", "homepage")],
)
def test_the_citation_agrees_with_the_metadata(
    citation: dict[str, Any], metadata: configparser.SectionProxy, cited: str, key: str
) -> None:
    assert citation[cited] == metadata[key]


def test_the_authors_are_those_of_the_metadata(citation: dict[str, Any], metadata: configparser.SectionProxy) -> None:
    assert citation["authors"] == [{"name": metadata["author"], "email": metadata["email"]}]


def test_the_date_is_that_of_the_version_in_the_changelog(citation: dict[str, Any]) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    assert f"## [{citation['version']}] - {citation['date-released']}" in changelog
