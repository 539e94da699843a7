"""How whole compositions are scored: by their ratios, and by the texture class that they make."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.targets.compositions import assess_composition, score_composition
from soil_cnn_plugin.engine.targets.texture import find_texture

OBSERVED = np.array([[40.0, 40.0, 20.0], [20.0, 65.0, 15.0], [10.0, 10.0, 80.0], [92.0, 5.0, 3.0]])
TEXTURE = find_texture(("sand", "silt", "clay"))


def test_the_distance_compares_the_ratios_of_the_parts() -> None:
    predicted = np.array([[30.0, 50.0, 20.0], [25.0, 60.0, 15.0], [12.0, 13.0, 75.0], [80.0, 10.0, 10.0]])
    squares = []
    for one, other in zip(OBSERVED, predicted):
        pairs = [(0, 1), (0, 2), (1, 2)]
        squares.append(sum((np.log(one[i] / one[j]) - np.log(other[i] / other[j])) ** 2 for i, j in pairs) / 3)
    scores = score_composition(OBSERVED, predicted, None)
    assert scores.n == 4
    assert scores.aitchison_distance == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-12)
    assert (scores.right_class, scores.right_or_next) == (None, None)
    assert score_composition(OBSERVED / 100, predicted / 100, None).aitchison_distance == pytest.approx(
        scores.aitchison_distance
    )


def test_a_part_that_is_zero_has_a_finite_distance() -> None:
    observed = np.vstack([OBSERVED, [[100.0, 0.0, 0.0]]])
    scores = score_composition(observed, observed + [-1.0, 0.5, 0.5], TEXTURE)
    assert 0 < scores.aitchison_distance < 2


def test_classes_are_right_or_next_to_the_right_one() -> None:
    predicted = np.array(
        [
            [38.0, 41.0, 21.0],  # loam, as observed
            [55.0, 35.0, 10.0],  # sandy loam where silt loam was observed: they share a border
            [60.0, 15.0, 25.0],  # sandy clay loam where clay was observed: they share none
            [80.0, 15.0, 5.0],  # loamy sand, next to sand
        ]
    )
    scores = score_composition(OBSERVED, predicted, TEXTURE)
    assert (scores.right_class, scores.right_or_next) == (0.25, 0.75)


@pytest.mark.parametrize(
    ("fields", "name", "title"),
    [
        (("sand_0_30", "silt_0_30", "clay_0_30"), "0-30 cm", "sand, silt and clay 0-30 cm"),
        (("SNDMHT_A", "SLTMHT_A", "CLYMHT_A"), "A", "SNDMHT_A, SLTMHT_A and CLYMHT_A"),
        (("sand", "silt", "clay"), "", "sand, silt and clay"),
    ],
    ids=str,
)
def test_titles_name_the_parts_and_the_depth(fields: tuple[str, ...], name: str, title: str) -> None:
    parts = tuple(SoilProperty(field, "%") for field in fields)
    found = assess_composition(name, parts, OBSERVED, {"network": OBSERVED})
    assert found.title == title
    assert found.texture == TEXTURE
    assert found.scores["network"].right_class == 1.0
    assert found.scores["network"].aitchison_distance == 0.0
