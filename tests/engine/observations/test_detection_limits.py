"""Values below a detection limit: what a text or a field of limits says of them."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import JobError
from soil_cnn_plugin.engine.errors import EngineError
from tests.engine.layers import layer_of, located, read

ZINC = np.arange(1.0, 41)


def test_texts_below_a_limit_are_limits_with_their_share_told() -> None:
    texts = ["<0.5"] * 10 + ["< 2"] * 6 + [str(value) for value in range(3, 27)]
    found, _, notes, _ = located(layer_of(zinc=texts), "zinc")
    assert found.values[:, 0].tolist() == [0.5] * 10 + [2.0] * 6 + list(range(3, 27))
    assert found.is_censored[:, 0].tolist() == [True] * 16 + [False] * 24
    assert notes.facts[1:] == [
        "zinc: 16 of 40 values (40%) lie below their detection limit (0.5 to 2). They are learned and scored as lying"
        " anywhere below it."
    ]
    assert notes.doubts == []


def test_values_at_or_under_the_limit_of_a_field_are_below_it() -> None:
    found, notes, _ = read(layer_of(zinc=ZINC, lod=np.full(40, 5.0)), "zinc", detection_limits=("lod",))
    assert found.is_censored[:, 0].tolist() == [True] * 5 + [False] * 35
    assert found.values[:, 0].tolist() == [5.0] * 5 + list(range(6, 41))
    under, below = notes.facts
    assert under.startswith("zinc: 4 values lie under their detection limit in lod (for example 1 under 5).")
    assert below.startswith("zinc: 5 of 40 values (12%) lie below their detection limit (5).")


def test_limits_are_needed_only_where_something_was_not_detected() -> None:
    limits = np.where(ZINC <= 3, 3.0, np.nan)
    found, _, _ = read(layer_of(zinc=ZINC, zinc_dl=limits), "zinc", detection_limits=("zinc_dl",))
    assert found.is_censored[:, 0].tolist() == [True] * 3 + [False] * 37


def test_each_target_has_the_limits_that_are_named_after_it() -> None:
    columns = {"zinc": ZINC, "lead": ZINC + 10, "lead_dl": np.full(40, 12.0), "zinc_dl": np.full(40, 2.0)}
    found, _, _ = read(layer_of(**columns), "zinc", "lead", detection_limits=("lead_dl", "zinc_dl"))
    assert found.is_censored.sum(axis=0).tolist() == [2, 2]
    assert found.values.min(axis=0).tolist() == [2, 12]


def test_an_empty_value_with_a_limit_is_not_measured_but_told() -> None:
    zinc = np.where(ZINC <= 4, np.nan, ZINC)
    found, notes, _ = read(layer_of(zinc=zinc, zinc_dl=np.full(40, 5.0)), "zinc", detection_limits=("zinc_dl",))
    assert np.isnan(found.values[:4, 0]).all() and found.is_censored[:, 0].sum() == 1
    (doubt,) = notes.doubts
    assert doubt.startswith("4 observations have a detection limit in zinc_dl but no zinc: they count as not measured.")


def test_not_detected_is_below_the_limit_of_the_field() -> None:
    texts = ["n.d.", "BDL", "<0.2", *map(str, range(1, 38))]
    layer = layer_of(zinc=texts, zinc_dl=np.full(40, 0.5))
    found, _, _ = read(layer, "zinc", detection_limits=("zinc_dl",))
    assert found.values[:4, 0].tolist() == [0.5, 0.5, 0.2, 1.0]  # a text's own limit stands
    assert found.is_censored[:4, 0].tolist() == [True, True, True, False]
    with pytest.raises(EngineError, match="zinc of 'soil' says 'BDL', 'n.d.' at 2 observations, but nothing tells"):
        read(layer, "zinc")


def test_limits_may_be_written_with_their_sign() -> None:
    found, _, _ = read(layer_of(zinc=ZINC, lod=["<2"] * 40), "zinc", detection_limits=("lod",))
    assert found.is_censored[:, 0].sum() == 2


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.inf])
def test_a_limit_that_is_not_above_zero_is_refused(wrong: float) -> None:
    limits = np.full(40, 0.5)
    limits[7] = wrong
    with pytest.raises(EngineError, match=rf"zinc_dl of 'soil' is not above 0 at 1 of 40 .*{wrong:g} of feature 8"):
        read(layer_of(zinc=ZINC, zinc_dl=limits), "zinc", detection_limits=("zinc_dl",))


@pytest.mark.parametrize("text", ["<0", "<-0.5"])
def test_a_text_below_zero_is_refused(text: str) -> None:
    texts = [text, *map(str, range(39))]
    with pytest.raises(EngineError, match="zinc of 'soil' has 1 values below 0 or a negative number, such as <"):
        read(layer_of(zinc=texts), "zinc")


def test_limits_above_nearly_all_values_leave_too_little() -> None:
    with pytest.raises(EngineError, match="zinc is below its detection limit at 40 of 40 .*: 0 values.*the unit"):
        located(layer_of(zinc=ZINC, dl=np.full(40, 1000.0)), "zinc", detection_limits=("dl",))
    with pytest.raises(EngineError, match="at 31 of 40 .*: 9 values are left, but at least 10"):
        located(layer_of(zinc=ZINC, dl=np.full(40, 31.0)), "zinc", detection_limits=("dl",))
    found, *_ = located(layer_of(zinc=ZINC, dl=np.full(40, 30.0)), "zinc", detection_limits=("dl",))
    assert found.is_censored.sum() == 30


def test_negative_numbers_that_may_mean_not_detected_are_doubted() -> None:
    zinc = np.where(ZINC <= 20, -0.5, ZINC)
    zinc[:4] = -2
    _, notes, _ = read(layer_of(zinc=zinc), "zinc")
    (doubt,) = notes.doubts
    assert doubt.startswith("zinc: 20 of 40 values are negative (-0.5, -2). If the minus marks values below")
    assert "write <0.5 for -0.5 in a text field" in doubt


def test_a_field_of_limits_answers_the_question_of_negative_numbers() -> None:
    zinc = np.where(ZINC <= 20, -0.5, ZINC)
    found, notes, _ = read(layer_of(zinc=zinc, lod=np.full(40, 0.5)), "zinc", detection_limits=("lod",))
    assert notes.doubts == []
    assert found.values[0, 0] == 0.5 and found.is_censored[:, 0].sum() == 20


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-300, 400, 40),  # redox potential in mV
        np.linspace(-29, -20, 40),  # delta 13C
        np.where(ZINC == 3, -9999, ZINC),  # a code for missing, which is told as such
    ],
)
def test_other_negative_numbers_are_not_doubted(values: np.ndarray) -> None:
    _, notes, _ = read(layer_of(zinc=values), "zinc")
    assert notes.doubts == []


def test_values_above_a_limit_are_refused_in_words() -> None:
    texts = [">100", *map(str, range(39))]
    with pytest.raises(EngineError, match="1 of its 40 values are not numbers: '>100'. Values above a limit"):
        read(layer_of(zinc=texts), "zinc")


def test_classes_and_parts_of_a_composition_wait_for_no_limit() -> None:
    words = ["Gley", "Moor"] * 20
    layer = layer_of(zinc=ZINC, soil=words, sand=ZINC, clay=100 - ZINC, lod=np.full(40, 5.0))
    names = ("soil", "sand", "zinc", "clay")
    found, _, _ = read(layer, *names, composition=("sand", "clay"), detection_limits=("lod",))
    assert found.is_censored.sum(axis=0).tolist() == [0, 0, 5, 0]
    with pytest.raises(JobError, match=r"lod for 2 targets \(zinc, lead\)"):
        read(layer_of(zinc=ZINC, lead=ZINC, soil=words, lod=ZINC), "zinc", "lead", "soil", detection_limits=("lod",))


def test_a_field_that_mostly_says_not_detected_holds_numbers() -> None:
    texts = ["n.d."] * 25 + [str(value) for value in range(1, 16)]
    found, _, _ = read(layer_of(zinc=texts, dl=np.full(40, 0.5)), "zinc", detection_limits=("dl",))
    assert found.is_censored.sum() == 25
