"""The page about a network file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pyproj

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.assessment.methods import MEAN, NETWORK
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.reports.network_page import write_network_page
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.metrics import Scores


def description(name: str = "zinc_0_30") -> SimpleNamespace:
    slope = Covariate("/data/slope.tif", "slope", unit="%")
    soil = Covariate("/data/stack.tif", "soil", band=3, kind="categorical")
    return SimpleNamespace(
        targets=(SoilProperty(name, "mg/kg"),),
        covariates=(
            CovariateSummary(slope, tuple(i / 8 for i in range(129)), (), ()),
            CovariateSummary(soil, (), tuple(range(1, 16)), tuple(f"unit {code}" for code in range(1, 16))),
        ),
        grid=Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (40.0, 0.0, 178440.0, 0.0, -40.0, 333760.0), 104, 78),
        patch_size=31,
        predictor=NETWORK,
        architectures={"ring": 10, "padarian": 5},
        transforms={name: "log"},
        coverage=0.9,
        error_correlation=None,
        scores={
            name: {
                NETWORK: Scores(155, -1.0, 155.5, 0.73, 0.82, 2.9, 0.93, 460.0, 610.0, 71.5),
                MEAN: Scores(155, 0.0, 301.0, 0.0, 0.0, 1.5, 0.9, 927.0, 1350.0, 160.0),
            }
        },
        words=SimpleNamespace(compositions=(), classes={}),
        verdicts={name: "The network is better."},
        folds_sentence="Held out in 5 spatial blocks.",
        observation_count=155,
        settings={"Seed": "0"},
        versions={"torch": "2.13.0"},
        provenance={"Observations": "/data/meuse.gpkg"},
        spaces=(
            SpaceInWords("covariates", {"slope": 0.25, "soil": 0.75}, 100, 155, 1.2, 0.4321),
            SpaceInWords("embedding", {}, 155, 155, 1.1, 0.25),
        ),
    )


def test_the_page_says_what_a_map_needs_and_what_it_is_worth(tmp_path: Path) -> None:
    write_network_page(str(tmp_path / "page.html"), description())
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in (
        "155 observations · 2 covariates · patches of 31 × 31 cells (1240 × 1240 m)",
        "networks: 10 × ring, 5 × padarian",
        "The map is predicted by the network, an ensemble",
        "0 to 30 cm",
        "logarithm",
        "0.00 to 16.0, median 8.00, 90 % from 0.750 to 15.2",
        "15 classes: unit 1, unit 2,",
        "and 3 more",
        "data/<wbr>stack.tif, band 3",
        "EPSG:28992",
        "The network is better.",
        ">156<",
        "/data/meuse.gpkg",
        "Where its maps may be used",
        "up to an index of 0.4321, of 100 of 155 observations, drawn at random",
        '<td>soil</td><td class="number">75.0 %</td>',
        "an addition of this program",
    ):
        assert words in page, words
    assert "RMSE by fold" not in page


def test_parts_of_a_whole_are_named_together(tmp_path: Path) -> None:
    depths, names = ("5_15", "0_5"), ("sand", "silt", "clay")
    fields = [f"{name}_{depth}" for name in names for depth in depths]
    parts = description()
    parts.targets = tuple(SoilProperty(field, "%") for field in fields)
    parts.transforms = dict.fromkeys(fields, "log-ratio")
    parts.words.compositions = tuple(tuple(f"{name}_{depth}" for name in names) for depth in depths)
    parts.scores, parts.verdicts = {}, {}
    write_network_page(str(tmp_path / "page.html"), parts)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    first = page.index("Sand 0-5 cm, silt 0-5 cm and clay 0-5 cm are parts of a whole")
    assert first < page.index("Sand 5-15 cm, silt 5-15 cm and clay 5-15 cm are parts of a whole")
    assert "<h1>Sand 0-5 and 5-15 cm, silt 0-5 and 5-15 cm, clay 0-5 and 5-15 cm</h1>" in page
    assert "log-ratio" in page


def test_a_strangers_network_cannot_put_scripts_into_the_page(tmp_path: Path) -> None:
    hostile = description("<script>alert(1)</script>")
    hostile.provenance = {"<img src=x onerror=alert(1)>": "<script>"}
    write_network_page(str(tmp_path / "page.html"), hostile)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<img" not in page and "&lt;script&gt;" in page


def test_a_network_of_classes_names_them_and_their_scores(tmp_path: Path) -> None:
    of_classes = description()
    of_classes.words.classes = {"zinc_0_30": ("Gley, nass", "<script>alert(1)</script>", "Böden")}
    of_classes.transforms = {"zinc_0_30": "classes"}
    of_classes.scores = {
        "zinc_0_30": {
            NETWORK: ClassScores(155, 0.623, 0.41, 0.512, 0.934),
            MEAN: ClassScores(155, 0.4, 0.0, 0.64, 1.1),
        }
    }
    path = tmp_path / "network.html"
    write_network_page(str(path), of_classes)
    page = path.read_text(encoding="utf-8")
    assert "3 classes: Gley, nass, &lt;script&gt;alert(1)&lt;/script&gt;, Böden." in page and "<script>" not in page
    for text in ("62.3 %", "0.512", "0.20", "0.934", "Brier skill", "calibrated on held-out"):
        assert text in page, text
    assert "RMSE" not in page and "interval" not in page
