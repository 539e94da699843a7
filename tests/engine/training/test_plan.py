"""Presets, and what users set beside them."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.training.plan import Shape, left_out_in_words, make_plans

MANY = TrainNetwork.ENOUGH_FOR_BOTH


def plans(patch_size: int = 31, observations: int = MANY, **changes: object) -> list[tuple[str, int, int]]:
    job = TrainNetwork("p.h5", "n.safetensors", **changes)  # type: ignore[arg-type]
    made = make_plans(job, patch_size, observations)
    return [(plan.shape.name, plan.shape.patch_size, plan.shape.members) for plan in made]


def test_presets_differ_in_members_and_architectures() -> None:
    assert plans() == [("ring", 31, 5), ("padarian", 15, 3)]
    assert plans(preset="fast") == [("ring", 31, 5)]
    assert plans(preset="best") == [("ring", 31, 10), ("padarian", 15, 6)]
    assert plans(preset="fast", architecture="padarian") == [("padarian", 15, 3)]
    assert plans(members=3) == [("ring", 31, 3), ("padarian", 15, 3)]


def test_standard_leaves_convolutions_out_where_observations_are_few_and_says_so() -> None:
    few = MANY - 1
    assert plans(observations=few) == [("ring", 31, 5)]
    assert plans(observations=few, preset="best") == [("ring", 31, 10), ("padarian", 15, 6)]
    assert plans(observations=few, architecture="padarian") == [("padarian", 15, 3)]
    job = TrainNetwork("p.h5", "n.safetensors")
    assert f"fewer than {MANY} observations" in left_out_in_words(job, 31, few)
    assert not left_out_in_words(job, 31, MANY) and not left_out_in_words(job, 9, few)
    assert not left_out_in_words(TrainNetwork("p.h5", "n.safetensors", preset="best"), 31, few)


def test_convolutions_see_the_middle_of_a_large_patch_and_all_of_a_small_one() -> None:
    assert plans(51) == [("ring", 51, 5), ("padarian", 15, 3)]
    assert plans(13) == [("ring", 13, 5), ("padarian", 13, 3)]
    assert plans(9) == [("ring", 9, 5)]
    with pytest.raises(EngineError, match="9 pixels wide, but the 'padarian' network needs at least 11"):
        plans(9, architecture="padarian")


def test_what_users_set_overrides_the_preset() -> None:
    job = TrainNetwork("p", "n", epochs=7, batch_size=16, learning_rate=0.01, weight_decay=0.0, patience=3)
    for plan in make_plans(job, 31, 100):
        settings = plan.fit_settings(100, seed=5)
        assert (settings.batch_size, settings.learning_rate, settings.weight_decay) == (16, 0.01, 0.0)
        assert (settings.patience, settings.seed, settings.steps) == (3, 5, 7 * (100 // 16))


@pytest.mark.parametrize(
    ("observations", "steps", "evaluate_every"),
    [(50, 600, 10), (1000, 600, 10), (12_800, 20 * 100, 20), (128_000, 20 * 1000, 200)],
)
def test_large_samples_are_seen_often_enough(observations: int, steps: int, evaluate_every: int) -> None:
    ring = make_plans(TrainNetwork("p", "n"), 31, observations)[0]
    settings = ring.fit_settings(observations, 0)
    assert (settings.steps, settings.evaluate_every) == (steps, evaluate_every)


@pytest.mark.parametrize("wrong", [("ring", 4, 1), ("ring", 1, 1), ("padarian", 9, 1), ("ring", 9, 0), ("u-net", 9, 1)])
def test_shapes_that_cannot_be_built_are_refused(wrong: tuple[str, int, int]) -> None:
    with pytest.raises(ValueError, match=wrong[0]):
        Shape(*wrong)
