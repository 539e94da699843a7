"""Every place that names versions of QGIS claims the same ones."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


METADATA = dict(re.findall(r"^(\w+)=(.*)$", read("metadata.txt"), re.MULTILINE))
LEAST, MOST = METADATA["qgisMinimumVersion"], METADATA["qgisMaximumVersion"]


def test_the_least_version_is_named_where_users_and_scripts_look() -> None:
    assert f"\nQGIS {LEAST} or newer" in read("README.md") and f"QGIS {LEAST} or newer" in read("CONTRIBUTING.md")
    assert re.search(rf"^minimum={re.escape(LEAST)}$", read(".ci/install_qgis"), re.MULTILINE)


def test_versions_that_were_seen_are_told_apart_from_those_that_were_not() -> None:
    """What continuous integration runs is what the README says was seen; the rest up to the greatest is said to be
    unseen."""
    (listed,) = re.findall(r"^ +qgis: \[(.*)\]$", read(".github/workflows/test.yml"), re.MULTILINE)
    seen = re.findall(r"[\d.]+", listed)
    assert seen[0] == LEAST
    (told,) = re.findall(r"Tests run in QGIS ([\d., and]+[\d])\b[^.]*\.", read("README.md"))
    assert re.findall(r"[\d.]+", told) == seen
    major = MOST.split(".")[0]
    assert f"{major}.99" == MOST and major != LEAST.split(".")[0]
    assert re.search(rf"QGIS {major}\b.*nobody has run it", " ".join(read("README.md").split()))


def test_no_other_version_of_qgis_is_claimed() -> None:
    claims = re.findall(
        r"QGIS (\d+\.\d+) or newer", read("README.md") + read("CONTRIBUTING.md") + read("docs/guide.md")
    )
    assert claims and set(claims) == {LEAST}
