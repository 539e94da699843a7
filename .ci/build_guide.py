"""Writes the pages of the guide into build/guide/: those of docs/, and one per algorithm, made from the code.

`make docs` runs it in QGIS's Python; MkDocs then makes the site of them. QGIS shows the same pages without it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from qgis.core import QgsApplication  # noqa: E402

from soil_cnn_plugin.processing import help_page  # noqa: E402
from soil_cnn_plugin.processing.provider import ALGORITHMS  # noqa: E402

PAGES = ROOT / "build" / "guide"


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES)
    shutil.copy(ROOT / "resources" / "icon.svg", PAGES / "images")
    folder = PAGES / "algorithms"
    folder.mkdir()
    algorithms = []
    for each in ALGORITHMS:
        algorithm = each()
        algorithm.initAlgorithm()
        algorithms.append(algorithm)
        (folder / f"{algorithm.name()}.md").write_text(help_page.page(algorithm), encoding="utf-8")
    (folder / "index.md").write_text(help_page.overview(algorithms), encoding="utf-8")
    application.exitQgis()


if __name__ == "__main__":
    main()
