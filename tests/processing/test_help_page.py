"""The help beside a dialog, and the page with all parameters."""

from __future__ import annotations

import re

import pytest
import qgis.utils
from qgis.core import QgsApplication


@pytest.fixture
def mapping(provider, qgis_iface, monkeypatch):
    monkeypatch.setattr(qgis.utils, "iface", qgis_iface)
    return QgsApplication.processingRegistry().createAlgorithmById("soilcnn:mapsoilproperties")


def test_the_panel_explains_the_parameters_of_the_first_screen(mapping) -> None:
    text = mapping.shortHelpString()
    assert "<b>Observations</b><br>Points where soil properties were measured." in text
    assert "<b>Categorical covariates</b>" in text and "Learning rate" not in text
    assert set(re.findall(r"<[^>]*>", text)) == {"<b>", "</b>", "<br>"}


def test_the_help_button_opens_a_page_with_every_parameter(mapping) -> None:
    assert mapping.helpUrl() == "soilcnn:guide/mapsoilproperties"
    text = mapping.guide_page()
    names = re.findall(r"<code>(\w+)</code>", text)
    assert sorted(names) == sorted(item.name() for item in mapping.parameterDefinitions())
    assert text.index("OBSERVATIONS") < text.index("Advanced parameters") < text.index("<h2>Outputs</h2>")


def test_choices_are_explained_in_the_words_that_the_dialog_shows(mapping) -> None:
    text = mapping.guide_page()
    assert "As the map needs (kNNDM): held-out observations lie" in text and "knndm:" not in text
    assert "What was best on held-out observations: whichever" in text


def test_without_a_window_there_is_no_help_button(mapping, monkeypatch) -> None:
    monkeypatch.setattr(qgis.utils, "iface", None)
    assert mapping.helpUrl() == ""
