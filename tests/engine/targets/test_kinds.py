"""Kinds of targets together: which columns each learns, and what comes back to the targets in their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from soil_cnn_plugin.contract.jobs import parse_thresholds
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.targets.classes import ClassKind, ClassOutcome, ScaledClasses, renumber
from soil_cnn_plugin.engine.targets.compositions import CompositionKind, CompositionOutcome, ScaledComposition
from soil_cnn_plugin.engine.targets.groups import (
    by_target,
    kinds_of,
    learn_all,
    map_values,
    observed_values,
    own_columns,
    pair_with_targets,
    told_together,
    words_of,
)
from soil_cnn_plugin.engine.targets.joint_calibration import JointCalibration
from soil_cnn_plugin.engine.targets.kinds import Kind, Outcome, Scaled
from soil_cnn_plugin.engine.targets.learned import Learned, units
from soil_cnn_plugin.engine.targets.numbers import NumberKind, NumberOutcome, ScaledNumber
from soil_cnn_plugin.engine.targets.scales import CompositionScale, TargetScale
from tests.engine.mixed import FIELDS, LAYOUT, NAMES, WORDS, measured_of

N = 120
MEASURED = measured_of(N)
PARTS = (1, 3, 5)
"""Numbers of sand, silt and clay among the targets."""


@pytest.fixture
def kinds() -> tuple[Kind, ...]:
    return tuple(kind.on_scale("none", MEASURED.of(kind.targets)) for kind in kinds_of(WORDS))


@pytest.fixture
def scaled(kinds: tuple[Kind, ...]) -> tuple[Scaled, ...]:
    return tuple(kind.fit(MEASURED.of(kind.targets), np.arange(N)) for kind in kinds)


@pytest.fixture
def learned(kinds: tuple[Kind, ...], scaled: tuple[Scaled, ...]) -> Learned:
    return learn_all(kinds, scaled, MEASURED)


@pytest.fixture
def outcomes(scaled: tuple[Scaled, ...], learned: Learned) -> tuple[Outcome, ...]:
    """Of predictions that hit what was measured but for a little."""
    rng = np.random.default_rng(1)
    location = np.clip(learned.values + 0.05 * rng.normal(size=learned.values.shape), -4, 4)
    location[:, 3:6] = np.clip(location[:, 3:6], 0.01, None)
    location[:, 3:6] /= location[:, 3:6].sum(axis=1, keepdims=True)
    scale = np.full(location.shape, 0.05)
    own = own_columns(scaled)
    return tuple(each.calibrate(learned.of(at), location[:, at], scale[:, at]) for each, at in zip(scaled, own))


def test_kinds_follow_the_first_target_of_each(kinds: tuple[Kind, ...]) -> None:
    zinc, texture, soil_type, ph = kinds
    assert isinstance(zinc, NumberKind) and isinstance(ph, NumberKind)
    assert isinstance(texture, CompositionKind) and isinstance(soil_type, ClassKind)
    assert [kind.targets for kind in kinds] == [(0,), PARTS, (2,), (4,)]
    assert [kind.fields for kind in kinds] == [("zinc",), ("sand", "silt", "clay"), ("type",), ("ph",)]
    assert soil_type.names == NAMES and texture.number == 0
    assert [kind.measure.name for kind in kinds] == ["RMSE", "RMSE", "Brier score", "RMSE"]
    assert [kind.is_measured_as for kind in kinds] == ["numbers", "numbers", "soil classes", "numbers"]


def test_what_each_kind_tells_of_its_targets_comes_in_their_order(kinds: tuple[Kind, ...]) -> None:
    assert by_target(kinds, [kind.fields for kind in kinds]) == list(FIELDS)
    assert by_target(kinds, [kind.transforms for kind in kinds]) == [
        *("none", "log-ratio", "classes", "log-ratio", "none", "log-ratio")
    ]
    assert by_target(kinds, [kind.error_names for kind in kinds]) == [
        "root Brier score" if field == "type" else "RMSE" for field in FIELDS
    ]


def test_columns_of_all_kinds_lie_beside_each_other(learned: Learned, scaled: tuple[Scaled, ...]) -> None:
    assert own_columns(scaled) == [slice(0, 1), slice(1, 3), slice(3, 6), slice(6, 7)]
    assert learned.layout == LAYOUT and learned.columns == 7
    told = [slice(0, 1), slice(1, 2), slice(2, 3), slice(3, 6), slice(6, 7)]
    assert units(learned.layout) == told
    assert [lesson.targets.shape[1] for lesson in learned.forest_lessons()] == [1, 1, 1, 3, 1]
    assert [lesson.is_choice for lesson in learned.forest_lessons()] == [False] * 3 + [True, False]
    assert learned.weights is MEASURED.weights


def test_each_kind_learns_its_own_targets_alone(
    learned: Learned, kinds: tuple[Kind, ...], scaled: tuple[Scaled, ...]
) -> None:
    for kind, each, own in zip(kinds, scaled, own_columns(scaled)):
        alone, part = each.learn(MEASURED.of(kind.targets)), learned.of(own)
        assert part.layout == alone.layout == (each.columns,)
        for name in ("values", "is_censored", "errors", "estimate"):
            np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))
    values = MEASURED.values
    np.testing.assert_array_equal(np.isfinite(learned.values[:, [0, 3, 6]]), np.isfinite(values[:, [0, 2, 4]]))
    known = np.isfinite(values[:, 0])
    centre, spread = learned_moments(scaled[0])
    np.testing.assert_allclose(learned.values[known, 0], (values[known, 0] - centre) / spread)
    np.testing.assert_array_equal(learned.is_censored, np.eye(7)[0].astype(bool) & MEASURED.is_censored[:, :1])
    _, ph_spread = learned_moments(scaled[3])
    np.testing.assert_allclose(learned.errors[:, 6], MEASURED.errors[:, 4] / ph_spread)
    assert not learned.errors[:, :6].any()
    classes = learned.values[:, 3:6]
    has_class = np.isfinite(values[:, 2])
    np.testing.assert_array_equal(classes[has_class].argmax(axis=1), values[has_class, 2])
    assert (classes[has_class].sum(axis=1) == 1).all() and np.isnan(classes[~has_class]).all()


def learned_moments(scaled: Scaled) -> tuple[float, float]:
    assert isinstance(scaled, ScaledNumber)
    return scaled.scale.centre, scaled.scale.spread


def test_a_part_of_what_is_learned_may_cross_entries_of_the_layout(learned: Learned) -> None:
    part = learned.of(slice(2, 6))
    assert [(each.head, each.count) for each in part.layout] == [("numbers", 1), ("classes", 3)]
    np.testing.assert_array_equal(part.values, learned.values[:, 2:6])
    lesson = learned.lesson(torch.device("cpu"))
    assert lesson.by_likelihood is not None and lesson.by_likelihood.tolist() == [True, *[False] * 5, True]
    own = lesson.of(slice(3, 6))
    assert own.by_likelihood is not None and not own.by_likelihood.any()
    np.testing.assert_array_equal(own.values, learned.values[:, 3:6].astype(np.float32))


def test_values_that_maps_show_are_told_by_target(kinds: tuple[Kind, ...]) -> None:
    assert told_together(kinds) == [
        slice(0, 1),  # zinc
        slice(1, 2),  # sand
        slice(4, 7),  # the classes
        slice(2, 3),  # silt
        slice(7, 8),  # pH
        slice(3, 4),  # clay
    ]
    found = observed_values(kinds, MEASURED.values)
    assert found.shape == (N, 8)
    for own, values in zip(told_together(kinds), MEASURED.values.T):
        expected = values[:, None]
        if own.stop - own.start == 3:
            expected = np.where(np.isnan(expected), np.nan, np.eye(3)[np.nan_to_num(values).astype(int)])
        np.testing.assert_array_equal(found[:, own], expected)


def test_what_is_predicted_as_it_was_measured_comes_back_as_it_was(
    kinds: tuple[Kind, ...], learned: Learned, outcomes: Sequence[Outcome]
) -> None:
    location, scale = learned.values.T, np.full(learned.values.T.shape, 0.05)
    found, observed = map_values(outcomes, location, scale).T, observed_values(kinds, MEASURED.values)
    assert found.shape == observed.shape
    for own, spread in zip(told_together(kinds), (10, 5, 0.05, 5, 0.3, 5)):
        known = np.isfinite(observed[:, own]).all(axis=1)
        assert 0.5 * N < known.sum() < N
        np.testing.assert_array_equal(np.isfinite(found[:, own]).all(axis=1), known)
        np.testing.assert_allclose(found[known, own], observed[known, own], atol=spread)
    np.testing.assert_allclose(np.nansum(found[:, 1:4], axis=1)[np.isfinite(found[:, 1])], 100)
    np.testing.assert_allclose(found[:, 4:7].sum(axis=1)[np.isfinite(found[:, 4])], 1)


def test_outcomes_tell_the_words_of_a_network(outcomes: Sequence[Outcome]) -> None:
    assert words_of(WORDS.targets, WORDS.compositions, outcomes) == WORDS  # type: ignore[arg-type]


def make_outcomes() -> dict[str, NumberOutcome | CompositionOutcome | ClassOutcome]:
    z = np.random.default_rng(0).normal(size=50)
    joint = JointCalibration(((0.1, 0.2), (-0.1, 0.0)), ((1.0, 1.0), (1.0, 1.0)))
    ratios = CompositionScale(100.0, (0.1, 0.1, 0.1), (0.0, 0.0), (1.0, 1.0))
    return {
        "number": NumberOutcome(TargetScale("none", 0.0, 1.0), calibrate(z, 0 * z, 1 + 0 * z)),
        "composition": CompositionOutcome(ratios, joint),
        "class": ClassOutcome(("a", "b"), 1.0),
    }


@pytest.mark.parametrize("name", ["number", "composition", "class"])
def test_an_outcome_is_refused_beside_a_kind_of_another_sort(kinds: tuple[Kind, ...], name: str) -> None:
    of_sort = {"number": (0, 3), "composition": (1,), "class": (2,)}[name]
    for index, kind in enumerate(kinds):
        outcome = make_outcomes()[name]
        if index in of_sort:
            outcome.check(kind)
        else:
            with pytest.raises(ValueError, match="does not belong together"):
                outcome.check(kind)


def test_an_outcome_of_other_parts_is_refused(kinds: tuple[Kind, ...]) -> None:
    two = CompositionScale(100.0, (0.1, 0.1), (0.0,), (1.0,))
    with pytest.raises(ValueError, match="other parts"):
        CompositionOutcome(two, JointCalibration(((0.1,), (0.2,)), ((1.0, 1.0),))).check(kinds[1])


def test_an_outcome_is_that_of_what_it_was_scaled_with(
    outcomes: Sequence[Outcome], scaled: Sequence[Scaled], kinds: tuple[Kind, ...]
) -> None:
    for outcome, each, kind in zip(outcomes, scaled, kinds):
        outcome.check(kind)
        assert outcome.scaled == each and outcome.scaled.columns == each.columns
        assert outcome.transform == kind.transforms[0]
    assert isinstance(scaled[1], ScaledComposition) and isinstance(scaled[2], ScaledClasses)


def test_a_target_is_a_sum_of_learned_columns_but_for_classes(outcomes: Sequence[Outcome]) -> None:
    zinc = outcomes[0].explained(0, "")
    assert (zinc.transform, zinc.factors.shape) == ("none", (1,))
    for part in range(3):
        found = outcomes[1].explained(part, "")
        assert (found.transform, found.factors.shape) == ("log-ratio", (2,))
    # Centred log-ratios of all parts sum to 0, whatever is predicted.
    parts = [outcomes[1].explained(part, "") for part in range(3)]
    np.testing.assert_allclose(sum(part.factors for part in parts), 0, atol=1e-12)
    assert sum(part.offset for part in parts) == pytest.approx(0, abs=1e-12)


def test_the_log_odds_of_a_class_are_those_of_its_calibrated_probability() -> None:
    rng = np.random.default_rng(3)
    location, other = rng.dirichlet(np.full(4, 0.4), 30), rng.dirichlet(np.full(4, 0.4), 7)
    location[0] = (1 - 3e-9, 1e-9, 1e-9, 1e-9)
    location[1, :2] = other[2, :2]  # two columns that do not differ
    outcome = ClassOutcome(("a", "b", "c", "d"), 0.7)
    for number, name in enumerate(outcome.names):
        odds = outcome.explained(0, name)
        powers = np.maximum(location, 1e-6) ** (1 / 0.7)
        shares = powers / powers.sum(axis=1, keepdims=True)
        expected = np.log(shares[:, number] / np.delete(shares, number, axis=1).sum(axis=1))
        np.testing.assert_allclose(odds.value(location), expected, atol=1e-9)
        steps = (odds.slopes(location, other) * (location[:, None] - other)).sum(axis=2)
        np.testing.assert_allclose(steps, odds.value(location)[:, None] - odds.value(other), atol=2e-3)


def test_thresholds_find_their_numbers_and_are_refused_for_classes(kinds: tuple[Kind, ...]) -> None:
    pairs = pair_with_targets(parse_thresholds("ph < 5; clay > 30"), WORDS.targets, kinds)
    assert [(target, threshold.value) for target, threshold in pairs] == [(4, 5.0), (5, 30.0)]
    with pytest.raises(
        EngineError,
        match="^n: the threshold 'type > 2' names type, which holds soil classes, and these exceed none. Leave it out",
    ):
        pair_with_targets(parse_thresholds("type > 2"), WORDS.targets, kinds, "n: ")
    with pytest.raises(EngineError, match="^n: .*'lead > 2' names no target"):
        pair_with_targets(parse_thresholds("lead > 2"), WORDS.targets, kinds, "n: ")


def test_classes_are_renumbered_by_name_and_strange_ones_are_named() -> None:
    found = renumber(np.array([0.0, 2.0, np.nan, 1.0]), ("a", "b", "c"), ("c", "b", "x", "a"))
    np.testing.assert_array_equal(found, [3.0, 0.0, np.nan, 1.0])
    np.testing.assert_array_equal(renumber(np.array([1.0, np.nan]), ("a", "b"), ("b",)), [0.0, np.nan])  # no a occurs
    with pytest.raises(ValueError, match="^a, c$"):
        renumber(np.array([0.0, 1.0, 2.0]), ("a", "b", "c"), ("b",))
