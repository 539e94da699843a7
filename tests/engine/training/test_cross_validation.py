"""Held-out predictions of all methods on the same folds, and the fit of all observations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST_CONTEXT
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.targets.class_scores import ClassHeldOut
from soil_cnn_plugin.engine.targets.groups import kinds_of, own_columns
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut
from soil_cnn_plugin.engine.training import cross_validation
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation, fit_and_cross_validate
from soil_cnn_plugin.engine.training.design import Design, encode_patches
from soil_cnn_plugin.engine.training.ensemble import MakeFolds
from soil_cnn_plugin.engine.training.fitting import Fitted
from soil_cnn_plugin.engine.training.folds_of_file import inner_folds
from soil_cnn_plugin.engine.training.guessed_pace import stages_of
from soil_cnn_plugin.engine.training.pace import Pace
from soil_cnn_plugin.engine.training.plan import make_plans
from soil_cnn_plugin.engine.training.predictor import mix, spread_weights
from tests.engine.landscape import Log, extract, make_landscape
from tests.engine.mixed import FIELDS as MIXED_FIELDS
from tests.engine.mixed import LAYOUT, WORDS, measured_of

N = 48
FIELDS = ("zinc_0_10", "clay")


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 20)
        yield


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    folder = tmp_path_factory.mktemp("landscape")
    path = extract(make_landscape(folder), count=N, patch_size=9)
    job = TrainNetwork(path, str(folder / "n.safetensors"), architecture="ring", members=2, epochs=2)
    with PatchFile(path) as file:
        return Design(
            data=encode_patches(file, make_plans(job, 9, N), torch.device("cpu")),
            measured=file.measured,
            kinds=kinds_with(file, ("log", "none")),
            fold=np.arange(N) % 3,
            make_inner_folds=inner_folds(file, "random"),
            plans=make_plans(job, 9, N),
            coverage=0.9,
            seed=0,
            device=torch.device("cpu"),
        )


def kinds_with(file: PatchFile, transforms: tuple[str, ...]) -> tuple[Kind, ...]:
    """Each target on the scale of its transform."""
    pairs = zip(kinds_of(file.words), transforms)
    return tuple(kind.on_scale(transform, file.measured.of(kind.targets)) for kind, transform in pairs)


def validate(*designs: Design) -> tuple[list[CrossValidation], Log]:
    log = Log()
    return fit_and_cross_validate(designs, BLEND, log)[1], log


Validated = tuple[Fitted, CrossValidation, Log]


def fit_and_validate(design: Design) -> Validated:
    """The fit of all observations of a design, what is held out, and the log."""
    final, (found,) = fit_and_cross_validate([design], BLEND, log := Log())
    return final, found, log


@pytest.fixture(scope="module")
def validated(design: Design) -> Validated:
    return fit_and_validate(design)


def test_each_observation_is_predicted_once_by_every_method(design: Design, validated: Validated) -> None:
    _, found, log = validated
    assert [sorted(methods) for methods in found.methods] == [
        ["blend", "forest", "forest_context", "gaussian_process", "mean", "network"]
    ] * 2
    for t, methods in enumerate(found.methods):
        known = np.isfinite(design.measured.values[:, t])
        for held_out in methods.values():
            assert held_out.mean.shape == (known.sum(),) and held_out.quantiles.shape == (known.sum(), 99)
            assert np.isfinite(held_out.quantiles).all() and (np.diff(held_out.quantiles, axis=1) >= 0).all()
            np.testing.assert_allclose(held_out.lower, held_out.quantiles[:, 4])  # 5 %
            np.testing.assert_allclose(held_out.upper, held_out.quantiles[:, 94])
            assert [scores.n for scores in held_out.fold_scores] == np.bincount(design.fold[known]).tolist()
    lines = [line for line in log.infos if line.startswith("Fold ")]
    assert all(
        line.startswith(f"Fold {number}: 16 observations held out") for number, line in enumerate(sorted(lines), 1)
    )
    assert all(field in line for line in lines for field in FIELDS)


def test_the_mean_predicts_the_other_folds_mean_and_quantiles(design: Design, validated: Validated) -> None:
    _, found, _ = validated
    values, held_out = design.measured.values[:, 0], found.methods[0]["mean"]
    for row in range(N):
        others = np.sort(values[design.fold != design.fold[row]])
        assert held_out.mean[row] == pytest.approx(others.mean())
        # 32 values: the quantile at p is the one at place 33 p, between neighbours where that is no whole number.
        places = np.clip(QUANTILE_LEVELS * 33, 1, 32)
        np.testing.assert_allclose(held_out.quantiles[row], np.interp(places, np.arange(1, 33), others))


def test_a_target_known_in_few_places_is_refused_before_anything_is_trained(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All clay that a training part knows may fall into one of its inner folds."""
    values = design.measured.values.copy()
    values[:4, 1] = np.nan
    gaps = replace(design, measured=replace(design.measured, values=values))

    def deal(rows: Rows) -> MakeFolds:
        if len(rows) < N:
            raise EngineError("All 30 values of target 'clay' fall into one fold.")
        return design.make_inner_folds(rows)

    monkeypatch.setattr(cross_validation, "fit_design", lambda *given, **more: pytest.fail("something was trained"))
    with pytest.raises(EngineError, match="clay"):
        fit_and_cross_validate([replace(gaps, make_inner_folds=deal)], BLEND, Log())


def test_designs_side_by_side_do_not_mix(design: Design, validated: Validated) -> None:
    other, (_, alone, _) = replace(design, fold=np.arange(N) // 16), validated
    (first, second), log = validate(design, other)
    (swapped, _), _ = validate(other, design)
    for t in range(2):
        for name, held_out in alone.methods[t].items():
            np.testing.assert_array_equal(first.methods[t][name].mean, held_out.mean)
            np.testing.assert_array_equal(second.methods[t][name].mean, swapped.methods[t][name].mean)
            assert not np.array_equal(second.methods[t][name].mean, held_out.mean)
    assert len([line for line in log.infos if line.startswith("Fold ")]) == 3  # of the first alone


def test_the_forest_at_the_point_may_be_left_out(design: Design, validated: Validated) -> None:
    (found,), _ = validate(replace(design, forests=(FOREST_CONTEXT,)))
    _, whole, _ = validated
    assert sorted(found.methods[0]) == ["blend", "forest_context", "gaussian_process", "mean", "network"]
    for name, held_out in found.methods[0].items():
        np.testing.assert_array_equal(held_out.mean, whole.methods[0][name].mean)


def test_errors_are_scored_where_they_are_asked_for_alone(design: Design) -> None:
    other = replace(design, fold=np.arange(N) // 16)
    final, (first, second) = fit_and_cross_validate([design, other], BLEND, Log(), [design])
    assert list(first.scores) == [BLEND] and second.scores == {}
    (scores,) = first.scores[BLEND]
    assert np.isfinite(scores.outer[:, 0]).all() and len(scores.inner) == 3
    assert len(final.parts) == 2 and all(len(each) == 5 for each in final.parts)


def test_the_network_and_the_forests_share_the_features_that_both_see(design: Design) -> None:
    (inputs,) = design.data.inputs
    width = inputs.tensor.shape[1]
    np.testing.assert_array_equal(inputs.take(torch.arange(N)).numpy(), design.data.context[:, :width])
    assert np.shares_memory(inputs.tensor.numpy(), design.data.context)


def test_few_trees_narrow_the_intervals_of_forest_and_blend_alone(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forest, "TREES", 100)
    monkeypatch.setattr(forest, "MOST_DRAWN", 0)
    monkeypatch.setattr(forest, "FEWEST_TREES", 50)
    final, _ = fit_and_cross_validate([design], BLEND, Log())
    plain = replace(final, half={})

    def width(fitted: Fitted, method: str) -> float:
        calibration = fitted.mixture(method).outcomes[0].calibration
        return np.ptp([calibration.shape.at_level(level, np.zeros(1))[0] for level in (0.05, 0.95)])

    assert width(final, "network") == width(plain, "network")
    for method in ("forest_context", "blend"):
        assert 0.7 < width(final, method) / width(plain, method) < 1


def test_a_blend_lies_between_its_components(design: Design, validated: Validated) -> None:
    final, _, _ = validated
    weights = final.weights("blend")
    assert weights.shape == (3, 2) and (weights > 0).all()  # drawn towards equal ones
    np.testing.assert_allclose(weights.sum(0), 1)
    assert final.weights("network").tolist() == [[1, 1], [0, 0], [0, 0]]
    assert final.predictor("blend", 9).weights.shape == (3, 2) and len(final.predictor("blend", 9).forests) == 2
    assert final.predictor("network", 9).weights.tolist() == [[1, 1]] and final.predictor("network", 9).forests == ()
    # Whatever was held out within is finite wherever the target is, and nothing was seen before.
    known = np.isfinite(design.measured.values)
    assert np.isfinite(final.location[:, known]).all() and (final.scale[:, known] > 0).all()


def test_an_error_in_one_fold_is_the_error_of_all(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="two folds only"):

        def make(rows: np.ndarray) -> object:
            if len(rows) < N:
                raise ValueError("two folds only")
            return design.make_inner_folds(rows)

        validate(replace(design, make_inner_folds=make))


def test_progress_is_that_of_all_fits_together(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    shares: list[float] = []
    monkeypatch.setattr(log, "progress", lambda share, force=False: shares.append(share))
    guesses = dict.fromkeys(stages_of(design.plans, design.forests), 10.0)
    monkeypatch.setattr(cross_validation, "guess_pace", lambda *_: Pace(guesses, {}))
    monkeypatch.setattr(cross_validation, "seconds_after", lambda rows: 0.0)
    fit_and_cross_validate([design], BLEND, log)
    assert shares[0] < 0.2 and shares[-1] > 0.9  # the report keeps the bar from going back between them
    assert len({round(share, 2) for share in shares}) > 5


@pytest.fixture(scope="module")
def mixed(design: Design) -> Design:
    """The same observations with targets of all kinds, each missing at some of them."""
    measured = measured_of(N)
    kinds = tuple(kind.on_scale("none", measured.of(kind.targets)) for kind in kinds_of(WORDS))
    return replace(design, measured=measured, kinds=kinds, fold=np.arange(N) // 16)


@pytest.fixture(scope="module")
def mixed_validated(mixed: Design) -> Validated:
    return fit_and_validate(mixed)


def test_numbers_parts_and_classes_are_held_out_together(mixed: Design, mixed_validated: Validated) -> None:
    _, found, log = mixed_validated
    assert len(found.methods) == len(WORDS.targets)
    values = mixed.measured.values
    for t, (field, methods) in enumerate(zip(MIXED_FIELDS, found.methods)):
        known = np.isfinite(values[:, t])
        assert sorted(methods) == ["blend", "forest", "forest_context", "gaussian_process", "mean", "network"]
        for held_out in methods.values():
            assert [scores.n for scores in held_out.fold_scores] == np.bincount(mixed.fold[known]).tolist()
            assert held_out.scores.n == known.sum() < N
            if field == "type":
                assert isinstance(held_out, ClassHeldOut) and held_out.probabilities.shape == (known.sum(), 3)
                np.testing.assert_allclose(held_out.probabilities.sum(axis=1), 1)
            else:
                assert isinstance(held_out, HeldOut) and np.isfinite(held_out.quantiles).all()
                assert (held_out.lower <= held_out.upper).all()
    parts = [MIXED_FIELDS.index(part) for part in ("sand", "silt", "clay")]
    for name in ("blend", "network", "forest", "forest_context"):
        np.testing.assert_allclose(sum(found.methods[t][name].mean for t in parts), 100)
    # Nothing but the frequencies of the others' classes is known without a map.
    rows = np.flatnonzero(np.isfinite(values[:, 2]))
    for row, probabilities in zip(rows, found.methods[2]["mean"].probabilities):
        others = values[rows[mixed.fold[rows] != mixed.fold[row]], 2].astype(int)
        counts = np.bincount(others, minlength=3) + 0.5
        np.testing.assert_allclose(probabilities, counts / counts.sum())
    lines = sorted(line for line in log.infos if line.startswith("Fold "))
    assert len(lines) == 3
    for line in lines:
        numbers, classes = line.split("; misclassified: ")
        words = [f"{field} network " for field in MIXED_FIELDS if field != "type"]
        assert f"RMSE: {words[0]}" in numbers
        assert [numbers.index(each) for each in words] == sorted(numbers.index(each) for each in words)
        assert classes.startswith("type network ") and "most frequent class" in classes and "mean" not in classes


def test_a_fit_of_all_kinds_has_a_forest_and_weights_for_each(mixed: Design, mixed_validated: Validated) -> None:
    final, _, _ = mixed_validated
    assert final.learned.layout == LAYOUT and all(network.layout == LAYOUT for network in final.networks)
    weights = final.weights("blend")
    assert weights.shape == (3, 7)
    np.testing.assert_allclose(weights.sum(0), 1)
    assert (weights[:, 3:6] == weights[:, [3]]).all()  # one a component for all classes
    predictor = final.predictor("blend", 9)
    assert [forest.outputs for forest in predictor.forests] == [1, 1, 1, 3, 1]
    for outcome, kind in zip(final.mixture("blend").outcomes, mixed.kinds, strict=True):
        outcome.check(kind)
    known = np.isfinite(final.learned.values)
    assert np.isfinite(final.location[:, known]).all() and (final.scale[:, known] > 0).all()
    np.testing.assert_allclose(final.location[..., 3:6].sum(axis=-1)[:, known[:, 3]], 1, atol=1e-5)


def test_each_kind_of_a_mix_is_calibrated_as_if_it_were_alone(mixed_validated: Validated) -> None:
    final, _, _ = mixed_validated
    mixture, weights = final.mixture("blend"), final.weights("blend")
    location = mix(final.location, weights)
    scale = mix(final.scale, spread_weights(weights, final.components))
    for outcome, each, own, share in zip(
        mixture.outcomes, final.scaled, own_columns(final.scaled), mixture.independent, strict=True
    ):
        alone = final.learned.of(own)
        assert each.calibrate(alone, location[:, own], scale[:, own], share) == outcome
        chosen = final.location[[0, 1, 2]][:, :, own]
        told = final._told(final.location[[0, 1, 2]].mean(axis=0))[:, own]
        np.testing.assert_array_equal(each.blend(chosen, told, np.full(3, 1 / 3)), weights[:, own])
