"""The Gaussian process: its predictions beside textbook formulas, held-out rows, and what a file may hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.kriging import fitted_process, kernel_sums
from soil_cnn_plugin.engine.kriging.evidence import Evidence, KnownValues
from soil_cnn_plugin.engine.kriging.fitted_process import fit_process
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout, GaussianProcess
from soil_cnn_plugin.engine.kriging.kernels import PARAMETERS, Standardized
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, Learned, class_columns, number_columns

LAYOUT = FeatureLayout(2, 5, True)
PARAMETERS_OF_KERNEL = np.log([0.3, 0.2, 0.4, 0.8, 0.1, 0.9, 1.2, 0.3])


def features_of(count: int, seed: int = 0, place: Array | None = None) -> Singles:
    """Five features and the oblique coordinates of places between -1.7 and 1.7."""
    rng = np.random.default_rng(seed)
    x, y = (rng.uniform(-1.7, 1.7, (count, 2)) if place is None else place).T
    angles = np.radians(Location.ANGLES)
    oblique = x[:, None] * np.cos(angles) + y[:, None] * np.sin(angles)
    return np.hstack([rng.normal(size=(count, 5)), oblique]).astype(np.float32)


def learned_of(values: Array, layout: ColumnLayout | None = None, weights: Array | None = None) -> Learned:
    count, columns = values.shape
    nothing = np.zeros((count, columns))
    return Learned(
        values,
        nothing.astype(bool),
        nothing,
        np.ones(count) if weights is None else weights,
        values.copy(),
        layout or number_columns(columns),
    )


def field(features: Singles, seed: int = 1, range_: float = 0.4) -> Array:
    """A field of standard deviation 1, mostly of the place, with a little noise."""
    rng = np.random.default_rng(seed)
    place = features[:, [5, 8]].astype(np.float64)
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    root = np.linalg.cholesky(np.exp(-distance / range_) + 1e-9 * np.eye(len(place)))
    values: Array = root @ rng.normal(size=len(place)) + 0.5 * features[:, 0] + 0.2 * rng.normal(size=len(place))
    return (values - values.mean()) / values.std()


def process_of(features: Singles, weights: Array, **changes: object) -> GaussianProcess:
    """A process with kernels around `features` (M, 11) that count `weights` (R, M)."""
    columns = len(weights)
    return replace(
        GaussianProcess(
            LAYOUT,
            number_columns(columns),
            known=features,
            centre=np.zeros(11, np.float32),
            width=np.ones(11, np.float32),
            means=np.zeros(columns),
            parameters=np.tile(PARAMETERS_OF_KERNEL, (columns, 1)),
            weights=weights,
            weights_of_parts=np.stack([weights, 2 * weights]),
        ),
        **changes,
    )


def observed_of(features: Singles, values: Array, fold: Array | None = None) -> KnownValues:
    """Values (n, C) without errors of measurement."""
    noise = np.stack([np.ones(len(values)), np.zeros(len(values))])
    numbers = np.zeros(len(values), int) if fold is None else fold
    return KnownValues(places(features), *(torch.from_numpy(part) for part in (values, noise, numbers)))


def places(features: Singles) -> Standardized:
    return process_of(features, np.zeros((1, len(features)))).places


def gathered(supports: Singles, observed: KnownValues, folds: int = 1) -> Evidence:
    return Evidence.gather(places(supports), torch.from_numpy(PARAMETERS_OF_KERNEL), observed, folds)


def covariance(first: Singles, second: Singles) -> Array:
    """The kernel of PARAMETERS_OF_KERNEL, written down once more."""
    one, two = first.astype(np.float64), second.astype(np.float64)

    def distance(columns: list[int], scale: float) -> Array:
        return np.asarray(np.linalg.norm((one[:, None, columns] - two[None, :, columns]) / scale, axis=2))

    def matern(r: Array) -> Array:
        return np.asarray((1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r))

    linear = one[:, :2] @ two[:, :2].T / 2
    point, context, place = distance([0, 1], 2), distance([0, 1, 2, 3, 4], np.sqrt(10)), distance([5, 8], 2)
    return np.asarray(
        0.3 * linear + 0.2 * matern(point / 0.9) + 0.4 * matern(context / 1.2) + 0.8 * np.exp(-place / 0.3)
    )


def test_with_all_observations_as_supports_predictions_are_those_of_the_textbook() -> None:
    features, new = features_of(30), features_of(8, seed=5)
    values = np.random.default_rng(2).normal(size=(30, 2))
    across = covariance(new, features)
    inverse = np.linalg.inv(covariance(features, features) + 0.1 * np.eye(30))
    known = gathered(features, observed_of(features, values)).weigh()
    assert across @ known.weights.numpy() == pytest.approx(across @ inverse @ values, abs=1e-4)
    variance = np.diag(covariance(new, new) - across @ inverse @ across.T) + 0.1
    assert known.variance(places(new)).numpy() == pytest.approx(variance, abs=1e-4)


def test_few_supports_learn_from_all_observations() -> None:
    features, new = features_of(60), features_of(20, seed=5)
    values = np.random.default_rng(2).normal(size=(60, 1))
    some, all_ = covariance(features[:25], features[:25]), covariance(features, features[:25])
    inside = np.linalg.inv(0.1 * some + all_.T @ all_)  # Seeger, Williams and Lawrence 2003
    known = gathered(features[:25], observed_of(features, values)).weigh()
    across = covariance(new, features[:25])
    assert across @ known.weights.numpy() == pytest.approx(across @ inside @ all_.T @ values, abs=1e-4)
    explained = np.diag(across @ (np.linalg.inv(some) - 0.1 * inside) @ across.T)
    expected = np.diag(covariance(new, new)) - explained + 0.1
    assert known.variance(places(new)).numpy() == pytest.approx(expected, abs=1e-4)


def test_a_part_knows_nothing_of_its_inner_fold() -> None:
    features, fold = features_of(40), np.arange(40) % 4
    values = np.random.default_rng(2).normal(size=(40, 1))
    changed = values + 100 * (fold == 2)[:, None]
    one, other = (gathered(features[:20], observed_of(features, each, fold), 4) for each in (values, changed))
    assert np.allclose(one.weigh(2).weights, other.weigh(2).weights, atol=1e-6)
    others = fold != 2
    alone = gathered(features[:20], observed_of(features[others], values[others])).weigh()
    assert np.allclose(one.weigh(2).weights, alone.weights, atol=1e-6)
    assert np.allclose(one.weigh(2).variance(places(features)), alone.variance(places(features)))
    assert not np.allclose(one.weigh().weights, other.weigh().weights)


@pytest.mark.parametrize("has_place", [True, False])
def test_a_map_gets_the_same_locations_in_single_precision(has_place: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(2).normal(size=(2, 30))
    process = process_of(features_of(30), weights, layout=replace(LAYOUT, has_place=has_place))
    new = features_of(50, seed=5)
    new[0, :5] = 1e6  # a pixel unlike all others: rounding moves it by its share of the linear part
    pixels = torch.from_numpy(new)
    expected = np.stack([in_double(process, pixels, column) for column in (0, 1)], axis=1)
    for at_once in (2**17, 70):  # all at once, and two pixels at a time
        monkeypatch.setattr(kernel_sums, "_AT_ONCE", at_once)
        found = process.locations(pixels)
        assert found[1:] == pytest.approx(expected[1:], abs=1e-5)
        assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert len(kernel_sums._add_up.signatures) == 1  # what the trial compiles serves blocks of any size


def in_double(process: GaussianProcess, pixels: torch.Tensor, column: int) -> Array:
    found: Array = process.differentiable(pixels, torch.ones(len(pixels), 1), slice(column, column + 1)).numpy()
    return found


def test_far_away_the_mean_remains() -> None:
    far = features_of(1, place=np.array([[500.0, 500.0]]))
    far[:, :5] = 1e6
    plain = process_of(features_of(30), np.ones((1, 30)), means=np.array([3.0]))
    plain = replace(plain, parameters=plain.parameters - np.eye(8)[0] * 30)  # without the linear part
    assert plain.locations(torch.from_numpy(far))[0, 0] == pytest.approx(3.0, abs=1e-6)


def test_the_linear_part_goes_no_farther_than_a_deviation_beyond_the_observations() -> None:
    features = features_of(80)
    features[:, 1] = 0.5 + 1e-3 * features[:, 1]  # they all lie close together, in a covariate that varies elsewhere
    fitted = fit_process(features, LAYOUT, learned_of(field(features_of(80))[:, None]), np.arange(80) % 5, seed=0)
    elsewhere = features_of(200, seed=5)
    location, scale = fitted.predict(elsewhere)
    assert np.abs(location).max() < 4 and scale.max() < 4
    parts = [part.locations(torch.from_numpy(elsewhere)) for part in fitted.process.parts]
    assert np.abs(parts).max() < 4


def test_a_feature_that_varies_by_rounding_alone_is_not_blown_up() -> None:
    features = features_of(80)
    features[:, 3] = 0.01 + 2e-5 * features[:, 3]  # the deviation of a covariate, on flat ground
    values = np.sin(features[:, [4]]).astype(np.float64)  # of the context alone
    fitted = fit_process(features, LAYOUT, learned_of(values), np.arange(80) % 5, seed=0)
    uneven = features.copy()
    uneven[:, 3] = 0.2
    flat, other = fitted.predict(features)[0], fitted.predict(uneven)[0]
    assert np.abs(flat - other).max() < 0.1 < flat.std()


def test_missing_values_count_for_nothing() -> None:
    features, fold = features_of(60), np.arange(60) % 5
    values = np.random.default_rng(2).normal(size=(60, 2))
    gaps = values.copy()
    gaps[10:, 1] = np.nan
    full, some = (fit_process(features, LAYOUT, learned_of(each), fold, seed=0) for each in (values, gaps))
    assert np.array_equal(np.isnan(some.location), np.isnan(gaps))
    assert np.array_equal(full.location[:, 0], some.location[:, 0])
    assert np.isfinite(some.predict(features)[0]).all()


def test_neighbours_are_found_in_space_and_held_out_rows_are_unseen() -> None:
    features = features_of(150)
    values = field(features)[:, None]
    fold = np.random.default_rng(3).integers(0, 5, 150)
    fitted = fit_process(features, LAYOUT, learned_of(values), fold, seed=0)
    error = np.sqrt(np.mean((fitted.location - values) ** 2))
    assert error < 0.75  # of a standard deviation of 1
    without = fit_process(features[:, :5], replace(LAYOUT, has_place=False), learned_of(values), fold, seed=0)
    assert np.sqrt(np.mean((without.location - values) ** 2)) > error + 0.1
    for number, part in enumerate(fitted.process.parts):  # which have means and parameters of all rows
        rows = fold == number
        assert part.locations(torch.from_numpy(features[rows])) == pytest.approx(fitted.location[rows], abs=0.3)
    assert 0.8 < np.mean(np.abs(fitted.location - values) < 1.645 * fitted.scale) < 0.97


def test_many_held_out_rows_are_predicted_by_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    features, fold = features_of(60), np.arange(60) % 5
    monkeypatch.setattr(fitted_process, "_ENOUGH", 50)
    fitted = fit_process(features, LAYOUT, learned_of(field(features)[:, None]), fold, seed=0)
    for number, part in enumerate(fitted.process.parts):
        rows = fold == number
        assert np.array_equal(part.locations(torch.from_numpy(features[rows])), fitted.location[rows])


def test_held_out_rows_have_no_part_in_means_and_parameters() -> None:
    features = features_of(80)
    values = field(features)[:, None]
    fold = np.arange(80) % 4
    changed = values + 3.0 * (fold == 2)[:, None]
    first, second = (fit_process(features, LAYOUT, learned_of(each), fold, seed=0) for each in (values, changed))
    assert np.abs(second.process.means - first.process.means) > 0.5
    np.testing.assert_allclose(second.location[fold == 2], first.location[fold == 2], atol=0.1)


def test_scales_of_many_rows_are_those_of_few_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_of(60)
    fitted = fit_process(features, LAYOUT, learned_of(field(features)[:, None]), np.arange(60) % 5, seed=0)
    _, expected = fitted.predict(features)
    monkeypatch.setattr(fitted_process, "_MOST_IN_DOUBLE", 10)
    assert fitted.predict(features)[1] == pytest.approx(expected, abs=1e-3)


def test_probabilities_of_classes_sum_to_one_and_share_parameters() -> None:
    features = features_of(90)
    kind = (field(features) > 0).astype(int) + (features[:, 1] > 0.8)
    indicators = np.eye(3)[kind]
    fold = np.arange(90) % 5
    fitted = fit_process(features, LAYOUT, learned_of(indicators, class_columns(3)), fold, seed=0)
    assert fitted.location.sum(axis=1) == pytest.approx(np.ones(90))
    assert (fitted.location > 0).all()
    assert np.array_equal(*fitted.process.parameters[:2])
    given = (fitted.location * indicators).sum(axis=1)
    assert given.mean() > (indicators.mean(axis=0) ** 2).sum() + 0.05


def test_many_observations_inform_few_supports(monkeypatch: pytest.MonkeyPatch) -> None:
    features, fold = features_of(300), np.arange(300) % 5
    learned = learned_of(field(features)[:, None])
    exact = fit_process(features, LAYOUT, learned, fold, seed=0)
    monkeypatch.setattr(fitted_process, "MOST_SUPPORTS", 60)
    monkeypatch.setattr(fitted_process, "_FOR_SPREAD", 30)
    projected = fit_process(features, LAYOUT, learned, fold, seed=0)
    parameters = [fitted.process.parameters for fitted in (projected, exact)]
    np.testing.assert_allclose(*parameters, atol=0.05)  # few supports reach less far
    monkeypatch.setattr(fitted_process, "MOST_INFORMING", 60)
    of_few = fit_process(features, LAYOUT, learned, fold, seed=0)
    assert len(projected.process.known) == 60
    best, mean, worst = (np.sqrt(np.mean((each.location - learned.values) ** 2)) for each in (exact, projected, of_few))
    assert best < mean < worst - 0.02
    assert 0.8 < np.mean(np.abs(projected.location - learned.values) < 1.645 * projected.scale) < 0.97


def test_of_a_target_that_few_of_many_have_all_values_inform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted_process, "MOST_SUPPORTS", 30)
    monkeypatch.setattr(fitted_process, "MOST_INFORMING", 20)
    features, fold = features_of(400), np.arange(400) % 5
    values = np.full((400, 2), np.nan)
    values[:, 0], values[200:210, 1] = field(features), np.linspace(2, 3, 10)
    fitted = fit_process(features, LAYOUT, learned_of(values), fold, seed=0)
    assert fitted.process.means[1] == pytest.approx(2.5)
    assert np.array_equal(np.isnan(fitted.location), np.isnan(values))


def test_an_observation_of_little_weight_counts_little() -> None:
    features = features_of(40)
    values = np.zeros((40, 1))
    values[0] = 3.0
    heavy = observed_of(features, values)
    factor = heavy.noise.clone()
    factor[0, 0] = 1e6
    across = covariance(features[:1], features)
    assert across @ gathered(features, heavy).weigh().weights.numpy() > 1.5
    assert abs(across @ gathered(features, replace(heavy, noise=factor)).weigh().weights.numpy()) < 0.01


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("known", lambda array: array[:, :-1], "incomplete"),
        ("weights", lambda array: array[:, :-1], "incomplete"),
        ("weights_of_parts", lambda array: array[:, :, :-1], "incomplete"),
        ("parameters", lambda array: array + np.nan, "not all finite"),
        ("weights", lambda array: array * np.nan, "not all finite"),
        ("width", lambda array: 0 * array, "out of range"),
        ("parameters", lambda array: array + 50, "out of range"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(name, change, words) -> None:  # type: ignore[no-untyped-def]
    process = process_of(features_of(30), np.random.default_rng(2).normal(size=(1, 30)))
    arrays, new = process.arrays(), torch.from_numpy(features_of(3, seed=4))
    read = GaussianProcess.of(LAYOUT, number_columns(1), arrays)
    assert np.array_equal(read.locations(new), process.locations(new))
    with pytest.raises(ValueError, match=words):
        GaussianProcess.of(LAYOUT, number_columns(1), {**arrays, name: change(arrays[name])})


def test_there_are_as_many_parameters_as_the_kernel_has() -> None:
    assert len(PARAMETERS) == len(PARAMETERS_OF_KERNEL)
