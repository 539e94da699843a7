"""The help beside a dialog, and the page with all parameters in the guide."""

from __future__ import annotations

import re

import pytest
import qgis.utils
from qgis.core import QgsApplication

from soil_cnn_plugin.processing import help_page


@pytest.fixture
def mapping(provider, qgis_iface, monkeypatch):
    monkeypatch.setattr(qgis.utils, "iface", qgis_iface)
    return QgsApplication.processingRegistry().createAlgorithmById("soilcnn:mapsoilproperties")


def test_the_panel_explains_the_parameters_of_the_first_screen(mapping) -> None:
    text = mapping.shortHelpString()
    assert "<b>Observations</b><br>Points where soil properties were measured." in text
    assert "<b>Categorical covariates</b>" in text and "Learning rate" not in text
    assert set(re.findall(r"<[^>]*>", text)) == {"<b>", "</b>", "<br>"}


def test_the_help_button_opens_the_algorithms_page_of_the_guide(mapping, monkeypatch) -> None:
    assert mapping.helpUrl() == "soilcnn:guide/algorithms/mapsoilproperties.md"
    monkeypatch.setattr(qgis.utils, "iface", None)
    assert mapping.helpUrl() == ""


def test_the_page_explains_every_parameter_and_output(mapping) -> None:
    text = help_page.page(mapping)
    names = re.findall(r"^(?:\*\*|- ).* `(\w+)`", text, re.MULTILINE)
    values = {item.name() for item in mapping.outputDefinitions()}
    assert sorted(names) == sorted(values | {item.name() for item in mapping.parameterDefinitions()})
    parts = ("OBSERVATIONS", "## Advanced parameters", "## Outputs", "## Returned", "`soilcnn:mapsoilproperties`")
    assert sorted(parts, key=text.index) == list(parts)


def test_choices_are_explained_in_the_words_that_the_dialog_shows(mapping) -> None:
    text = help_page.page(mapping)
    assert "As the map needs (kNNDM): held-out observations lie" in text
    assert "In scripts: `knndm` (as the map needs (kNNDM)), `spatial_blocks`" in text
    assert "What was best on held-out observations: whichever" in text


def test_markup_in_a_help_text_is_shown_as_it_stands() -> None:
    assert help_page.plain("<0.5 [mg] *a* clay_0_5") == r"&lt;0.5 \[mg\] \*a\* clay_0_5"
