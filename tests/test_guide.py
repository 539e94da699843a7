"""The guide holds together, seen without MkDocs: pages, links, pictures, names that QGIS shows, and works."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PICTURES = DOCS / "images"
FILES = (ROOT / "soil_cnn_plugin" / "processing" / "algorithms").glob("[!_]*.py")
ALGORITHMS = [path.stem.replace("_", "") for path in FILES]
GENERATED = {"algorithms/index.md", *(f"algorithms/{name}.md" for name in ALGORITHMS)}
PAGES = sorted(DOCS.glob("*.md"))
FOR_USERS = [
    ROOT / "README.md",
    *(page for page in PAGES if page.stem not in ("accuracy", "architecture", "choices", "qgis", "speed")),
]
KILOBYTE = 1000
NAMES_IN_QGIS = {
    "Advanced",
    "Cancel",
    "Close",
    "Copy as Python Command",
    "Copy as qgis_process Command",
    "Horizons to depth maps",
    "Information",
    "Install Plugin",
    "Layer Properties",
    "Install from ZIP",
    "Log",
    "Manage and Install Plugins",
    "Map in three steps",
    "Network",
    "Options",
    "Plugins",
    "Processing",
    "Print all sections",
    "Results Viewer",
    "Run",
    "Settings",
    "Show Map Tips",
    "Toolbox",
    "View",
}
"""What QGIS itself or a shipped model is the source of."""


def name(path: Path) -> str:
    return path.name


def nav(items: object) -> list[str]:
    """Return all pages below an entry of the navigation."""
    if isinstance(items, str):
        return [items]
    inner = items.values() if isinstance(items, dict) else items if isinstance(items, list) else []
    return [page for item in inner for page in nav(item)]


def links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("http")]


def headings(page: Path) -> set[str]:
    """Return the anchors of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def test_every_page_is_in_the_navigation_once() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(nav(settings["nav"])) == sorted({page.name for page in PAGES} | GENERATED)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=name)
def test_links_lead_to_pages_sections_and_pictures(page: Path) -> None:
    for link in links(page):
        file, _, anchor = link.partition("#")
        if file.removeprefix("docs/") in GENERATED:
            continue
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def test_every_algorithm_has_a_picture_of_its_dialog() -> None:
    missing = [
        each for each in ALGORITHMS if not (PICTURES / f"algorithms/{each.replace('_', '')}_dialog.png").exists()
    ]
    assert missing == [], "make screenshots takes them"


def test_pictures_are_used_and_small() -> None:
    shown = {link for page in PAGES for link in links(page)}
    pictures = list(PICTURES.rglob("*.png"))
    by_algorithm = re.compile(r"images/algorithms/\w+_(dialog|result)\.png")
    names = {str(path.relative_to(DOCS)): path.stat().st_size for path in pictures}
    assert [each for each in names if each not in shown and not by_algorithm.fullmatch(each)] == []
    assert [each for each, size in names.items() if size > 150 * KILOBYTE] == []
    assert sum(names.values()) < 3000 * KILOBYTE


@pytest.fixture(scope="module")
def words_of_the_code() -> set[str]:
    """Return all texts of the QGIS half, among them what its window shows, without the dots of menus."""
    rooms = [ROOT / "soil_cnn_plugin" / room for room in ("processing", "desktop")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for room in rooms for path in room.rglob("*.py")]
    constants = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {node.value.rstrip("…") for node in constants if isinstance(node.value, str)}


@pytest.mark.parametrize("page", FOR_USERS, ids=name)
def test_names_in_italics_are_what_qgis_shows(page: Path, words_of_the_code: set[str]) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    italics = re.findall(r"(?<![*\w])\*([^*\s][^*]*?)\*(?![*\w])", text)
    named = {part.strip() for phrase in italics for part in re.sub(r"\s+", " ", phrase).split(">")}
    assert sorted(named - words_of_the_code - NAMES_IN_QGIS) == []


def test_works_have_the_doi_under_which_reports_cite_them() -> None:
    path = ROOT / "soil_cnn_plugin" / "engine" / "reports" / "publications.json"
    cited = {work.get("doi") for works in json.loads(path.read_text(encoding="utf-8")).values() for work in works}
    cited.add("10.5194/egusphere-egu2020-20363")  # an observation of metals, no method
    text = "\n".join(page.read_text(encoding="utf-8") for page in FOR_USERS)
    found = re.findall(r"https://doi\.org/([^)\s]+)", text)
    assert [doi for doi in found if doi.replace("%28", "(").replace("%29", ")") not in cited] == []
    assert len(found) > 10
