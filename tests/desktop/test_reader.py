"""The guide inside QGIS: pages of docs/, pages made from the algorithms, and sections that links name."""

from __future__ import annotations

from qgis.PyQt.QtCore import QUrl

from soil_cnn_plugin.desktop import reader
from soil_cnn_plugin.paths import page


def test_the_guide_opens_at_its_first_page_and_follows_its_links(qgis_app) -> None:
    window = reader.guide(None)
    browser = window.browser
    assert browser.source().toLocalFile() == str(page("docs", "index.md"))
    browser.anchorClicked.emit(QUrl("install.md"))
    assert browser.document().begin().text() == "Install"


def test_an_algorithms_page_is_made_from_the_algorithm(provider) -> None:
    window = reader.guide(None, "algorithms/predictmap.md")
    browser = window.browser
    assert browser.document().begin().text() == "Predict map"
    assert "DISSIMILARITY_SPACE" in browser.toPlainText()
    browser.anchorClicked.emit(QUrl("index.md"))
    assert "Shows what a network file holds" in browser.toPlainText()


def test_a_link_to_a_section_scrolls_to_its_heading(qgis_app) -> None:
    window = reader.guide(None, "troubleshooting.md#memory-runs-out")
    assert window.browser.textCursor().block().text() == "Memory runs out"
    window.show()
    assert window.browser.verticalScrollBar().value() > 0
    window.close()
    window = reader.guide(None, "troubleshooting.md")
    assert window.browser.textCursor().position() == 0


def test_a_heading_is_linked_as_on_the_web_page() -> None:
    assert reader.anchor("Below detection limits") == "below-detection-limits"
    assert reader.anchor("What's (new)?") == "whats-new"
