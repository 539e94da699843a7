"""Colours and the SVG of figures."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from soil_cnn_plugin.engine.reports.drawing import diverging_ramp, draw, fold_look, sequential_ramp
from soil_cnn_plugin.engine.reports.words import sentence_case


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB (n, 3), the textbook formula."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_the_residual_ramp_is_light_in_the_middle_and_even_to_both_sides() -> None:
    light = lightness(np.asarray(diverging_ramp().colors))
    assert light.argmax() == 127 and light[127] > 95
    left, right = np.diff(light[:128]), -np.diff(light[127:])
    assert left.min() > 0 and right.min() > 0
    assert abs(light[0] - light[-1]) < 6
    assert left.max() / left.min() < 1.6 and right.max() / right.min() < 1.6


def test_each_fold_looks_different() -> None:
    assert len(set(fold_look(30))) == 30


def test_texts_of_a_figure_are_texts_and_escaped() -> None:
    def paint(figure: Figure) -> None:
        figure.text(0.5, 0.5, 'id="x_1" <b> 0.123456 & $m$')

    svg = draw("name", 2, 2, paint)
    assert svg.startswith("<svg") and "&lt;b&gt; 0.123456 &amp; $m$</text>" in svg


def test_values_darken_evenly() -> None:
    light = lightness(np.asarray(sequential_ramp().colors))
    assert light[0] > 90 and light[-1] < 35
    steps = -np.diff(light)
    assert steps.min() > 0 and steps.max() / steps.min() < 2


def test_ph_keeps_its_spelling() -> None:
    assert [sentence_case(text) for text in ("clay 0-5 cm", "pH", "")] == ["Clay 0-5 cm", "pH", ""]
