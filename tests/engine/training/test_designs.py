"""Repeats of the cross-validation: how many, on other folds, and scores that are means over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.folds import Folds, PlacedTargets, make_folds
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.metrics import HeldOut, Scores
from soil_cnn_plugin.engine.training import designs as trainings
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation
from tests.engine.landscape import Log

RNG = np.random.default_rng(0)
AREA = RNG.uniform(0, 1000, (2000, 2))
SPREAD = RNG.uniform(0, 1000, (100, 2))
CLUSTERED = np.vstack([RNG.normal(centre, 15, (4, 2)) for centre in RNG.uniform(0, 1000, (25, 2))])


def job(**changes: Any) -> TrainNetwork:
    return TrainNetwork("p.h5", "n.safetensors", **changes)


@pytest.mark.parametrize(
    ("preset", "observations", "wanted"),
    [
        ("fast", 50, 1),
        ("standard", 150, 3),
        ("standard", 500, 3),
        ("standard", 501, 2),
        ("standard", 2001, 1),
        ("best", 150, 5),
        ("best", 2000, 3),
        ("best", 100_000, 1),
    ],
)
def test_the_preset_and_the_number_of_observations_decide(preset: str, observations: int, wanted: int) -> None:
    assert trainings.choose_repeats(job(preset=preset), observations) == wanted
    assert trainings.choose_repeats(job(preset=preset, repeats=7), observations) == 7


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


@pytest.mark.parametrize(
    ("kind", "places"), [("random", SPREAD), ("spatial_blocks", SPREAD), ("groups", SPREAD), ("knndm", SPREAD),
                         ("knndm", CLUSTERED)]
)  # fmt: skip
def test_each_repeat_has_other_folds_of_the_same_kind(kind: str, places: np.ndarray) -> None:
    placed = PlacedTargets(places, np.arange(100) // 2)
    found = [make_folds(kind, placed, 5, 0, domain=AREA, repeat=repeat) for repeat in range(4)]
    assert all(each.kind == kind and each.is_random == found[0].is_random for each in found)
    for number, one in enumerate(found):
        assert not any(same(one.fold, other.fold) for other in found[:number])
        assert same(one.fold, make_folds(kind, placed, 5, 0, domain=AREA, repeat=number).fold)
        assert (one.fold[::2] == one.fold[1::2]).all()  # a site is never torn apart


@dataclass(frozen=True)
class Drawn:
    """What `repeated_designs` needs of a design."""

    fold: np.ndarray
    seed: int = 0
    make_inner_folds: dict[str, int] = field(default_factory=dict)


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch):
    def designs(kind: str, placed: PlacedTargets, asked: TrainNetwork, count: int = 5):
        def hold_out(file: Any, kind: str, count: int, seed: int, domain: str, repeat: int) -> Folds:
            return make_folds(kind, placed, count, seed, domain=AREA, repeat=repeat)

        monkeypatch.setattr(trainings, "hold_out", hold_out)
        first, log = make_folds(kind, placed, count, 0, domain=AREA), Log()
        file = type("File", (), {"count": len(placed.sites)})
        return trainings.repeated_designs(asked, file, first, Drawn(first.fold), 5, log), log

    return designs


def test_the_log_tells_repeats_and_their_time(draw) -> None:
    found, log = draw("random", PlacedTargets(SPREAD, np.arange(100)), job(validation="random"))
    assert len(found) == 2 and len({each.seed for each in found} | {0}) == 3
    told = "\n".join(log.infos)
    assert "3 times in all (by the preset 'standard' for so many observations): 21 trainings instead of 11" in told
    assert "about 1.9 times as long" in told and "Repeat 3: 5 random folds of 100 sites" in told


def test_one_repeat_says_what_more_would_bring(draw) -> None:
    found, log = draw("random", PlacedTargets(SPREAD, np.arange(100)), job(validation="random", repeats=1))
    assert found == () and "The cross-validation is done once (11 trainings" in "\n".join(log.infos)


def test_folds_that_can_be_drawn_in_one_way_only_are_not_repeated(draw) -> None:
    """Five groups make five folds, whoever deals them."""
    found, log = draw("groups", PlacedTargets(SPREAD, np.arange(100) % 5), job(validation="groups", repeats=4))
    assert found == ()
    assert any("is done once instead of 4 times" in text for text in log.warnings)


def other_folds(monkeypatch: pytest.MonkeyPatch, kind: str, placed: PlacedTargets) -> tuple[Folds, tuple[Any, ...]]:
    def hold_out(file: Any, kind: str, count: int, seed: int) -> Folds:
        return make_folds(kind, placed, count, seed, domain=AREA)

    monkeypatch.setattr(trainings, "hold_out", hold_out)
    monkeypatch.setattr(trainings, "inner_folds", lambda file, kind: {})
    chosen = make_folds(kind, placed, 5, 0, domain=AREA)
    asked, file = job(validation=kind), type("File", (), {"count": len(placed.sites)})
    return chosen, trainings._with_other_folds(asked, file, chosen, Drawn(chosen.fold), Log())


@pytest.mark.parametrize("kind", ["random", "groups", "spatial_blocks", "knndm"])
def test_folds_beside_the_chosen_ones_hold_out_other_observations(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random folds are folds of whole groups, so they say nothing beside these."""
    chosen, (other,) = other_folds(monkeypatch, kind, PlacedTargets(CLUSTERED, np.arange(100) // 4))
    assert not same(chosen.fold, other.fold)


@pytest.mark.parametrize("kind", ["random", "groups"])
def test_no_folds_are_set_beside_the_same_ones(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five sites make five folds, of whatever kind."""
    places = np.array([[0, 0], [900, 0], [0, 900], [900, 900], [450, 450]])[np.arange(100) % 5] + 0.1 * CLUSTERED
    assert other_folds(monkeypatch, kind, PlacedTargets(places, np.arange(100) % 5))[1] == ()


def scores(rmse: float, mec: float | None = 0.5, n: int = 10) -> Scores:
    return Scores(n, 0.0, rmse, mec, None, None, 0.9, 1.0, 1.0, 1.0)


def test_scores_are_means_over_repeats_and_predictions_those_of_the_first() -> None:
    def validation(rmse: float, mec: float | None) -> CrossValidation:
        nothing = np.full(10, rmse)
        folds = (scores(rmse - 1, n=5), scores(rmse + 1, n=5))
        return CrossValidation([{"mean": HeldOut(nothing, nothing, nothing, nothing, scores(rmse, mec), folds)}], ())

    found = trainings.over_repeats([validation(4.0, 0.5), validation(6.0, 0.7)]).methods[0]["mean"]
    assert (found.scores.rmse, found.scores.n, found.scores.ccc) == (5.0, 10, None)
    assert found.scores.mec == pytest.approx(0.6)
    assert [each.rmse for each in found.fold_scores] == [3.0, 5.0, 5.0, 7.0]
    assert (found.mean == 4.0).all()
    assert trainings.over_repeats([validation(4.0, None), validation(6.0, 0.7)]).methods[0]["mean"].scores.mec is None
    alone = validation(4.0, 0.5)
    assert trainings.over_repeats([alone]).methods[0]["mean"] is alone.methods[0]["mean"]


def test_scores_of_classes_are_means_over_repeats() -> None:
    found = trainings.mean_scores([ClassScores(8, 0.5, None, 0.4, 1.0), ClassScores(8, 0.75, 0.1, 0.2, 2.0)])
    assert found == ClassScores(8, 0.625, None, pytest.approx(0.3), 1.5)
