"""The Gaussian process: its predictions beside textbook formulas, held-out rows, and what a file may hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.kriging import fitted_process, gaussian_process, kernel_sums
from soil_cnn_plugin.engine.kriging.fitted_process import fit_process
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout, GaussianProcess
from soil_cnn_plugin.engine.kriging.kernels import PARAMETERS
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, Learned, class_columns, number_columns

LAYOUT = FeatureLayout(2, 5, True)


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


def process_of(features: Singles, targets: Array, **changes: object) -> GaussianProcess:
    count, columns = targets.shape
    return replace(
        GaussianProcess(
            LAYOUT,
            number_columns(columns),
            known=features,
            targets=targets,
            noise=np.stack([np.ones((count, columns)), np.zeros((count, columns))]),
            centre=np.zeros(11, np.float32),
            width=np.ones(11, np.float32),
            means=np.zeros(columns),
            parameters=np.log(np.tile([0.3, 0.2, 0.4, 0.8, 0.1, 0.9, 1.2, 0.3], (columns, 1))),
            rows=np.arange(count),
        ),
        **changes,
    )


def covariance(first: Singles, second: Singles) -> Array:
    """The kernel of `process_of`, written down once more."""
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


def test_predictions_are_those_of_the_textbook() -> None:
    features, new = features_of(30), features_of(8, seed=5)
    values = np.random.default_rng(2).normal(size=(30, 1))
    across = covariance(new, features)
    inverse = np.linalg.inv(covariance(features, features) + (0.1 + 1e-6) * np.eye(30))
    location, scale = process_of(features, values).predict(new)
    assert location[:, 0] == pytest.approx(across @ inverse @ values[:, 0], abs=1e-6)
    variance = np.diag(covariance(new, new) - across @ inverse @ across.T) + 0.1
    assert scale[:, 0] == pytest.approx(np.sqrt(variance), abs=1e-6)


@pytest.mark.parametrize("has_place", [True, False])
def test_a_map_gets_the_same_locations_in_single_precision(has_place: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(size=(30, 2))
    values[:7, 1] = np.nan
    process = process_of(features_of(30), values, layout=replace(LAYOUT, has_place=has_place))
    new = features_of(50, seed=5)
    new[0, :5] = 1e6  # a pixel unlike all others: rounding moves it by its share of the linear part
    expected, _ = process.predict(new)
    for at_once in (2**17, 70):  # all at once, and two pixels at a time
        monkeypatch.setattr(kernel_sums, "_AT_ONCE", at_once)
        found = process.locations(torch.from_numpy(new))
        assert found[1:] == pytest.approx(expected[1:], abs=1e-5)
        assert found[0] == pytest.approx(expected[0], rel=1e-5)


def test_many_observations_are_predicted_alike_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(size=(30, 2))
    values[4, 1] = np.nan
    process, new = process_of(features_of(30), values), features_of(50, seed=5)
    expected = process.predict(new)
    monkeypatch.setattr(gaussian_process, "_MOST_IN_DOUBLE", 10)
    for found, exact in zip(process.predict(new), expected, strict=True):
        assert found == pytest.approx(exact, abs=1e-3)


def test_missing_values_count_for_nothing_and_far_away_the_mean_remains() -> None:
    features, values = features_of(30), np.random.default_rng(2).normal(size=(30, 1))
    values[10:, 0] = np.nan
    few = process_of(features[:10], values[:10])
    found = process_of(features, values).predict(features_of(5, seed=9))
    assert np.allclose(found, few.predict(features_of(5, seed=9)))
    far = features_of(1, place=np.array([[500.0, 500.0]]))
    far[:, :5] = 1e6
    plain = process_of(features, values, means=np.array([3.0]))
    plain = replace(plain, parameters=plain.parameters - np.eye(8)[0] * 30)  # without the linear part
    assert plain.predict(far)[0][0, 0] == pytest.approx(3.0, abs=1e-6)


def test_neighbours_are_found_in_space_and_held_out_rows_are_unseen() -> None:
    features = features_of(150)
    values = field(features)[:, None]
    fold = np.random.default_rng(3).integers(0, 5, 150)
    fitted = fit_process(features, LAYOUT, learned_of(values), fold, seed=0)
    error = np.sqrt(np.mean((fitted.location - values) ** 2))
    assert error < 0.75  # of a standard deviation of 1
    without = fit_process(features[:, :5], replace(LAYOUT, has_place=False), learned_of(values), fold, seed=0)
    assert np.sqrt(np.mean((without.location - values) ** 2)) > error + 0.1
    changed = values.copy()
    changed[fold == 2] += 100
    for number, part in enumerate(fitted.parts):
        assert not np.isin(part.rows, np.flatnonzero(fold == number)).any()
    spoiled = replace(fitted.process, targets=changed).without(fold == 2)
    assert np.array_equal(spoiled.predict(features[fold == 2])[0], fitted.location[fold == 2])
    assert 0.8 < np.mean(np.abs(fitted.location - values) < 1.645 * fitted.scale) < 0.97


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


def test_many_observations_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted_process, "MOST_KNOWN", 40)
    features = features_of(100)
    fitted = fit_process(features, LAYOUT, learned_of(field(features)[:, None]), np.arange(100) % 5, seed=0)
    assert len(fitted.process.known) == 40
    assert np.isfinite(fitted.location).all()


def test_an_observation_of_little_weight_counts_little() -> None:
    features = features_of(40)
    values, weights = np.zeros((40, 1)), np.ones(40)
    values[0], weights[0] = 3.0, 1e-6
    process = process_of(features, values)
    light = replace(process, noise=np.stack([1 / weights[:, None], np.zeros((40, 1))]))
    assert process.predict(features[:1])[0] > 1.5
    assert abs(light.predict(features[:1])[0]) < 0.01


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("known", lambda array: array[:, :-1], "incomplete"),
        ("targets", lambda array: array[:-1], "incomplete"),
        ("parameters", lambda array: array + np.nan, "not all finite"),
        ("targets", lambda array: array * np.nan, "not all finite"),
        ("width", lambda array: 0 * array, "out of range"),
        ("parameters", lambda array: array + 50, "out of range"),
        ("rows", lambda array: array + 30, "out of range"),
        ("noise", lambda array: -array, "out of range"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(name, change, words) -> None:  # type: ignore[no-untyped-def]
    process = process_of(features_of(30), np.random.default_rng(2).normal(size=(30, 1)))
    arrays = process.arrays()
    read = GaussianProcess.of(LAYOUT, number_columns(1), arrays, 30)
    assert np.array_equal(read.predict(features_of(3, seed=4))[0], process.predict(features_of(3, seed=4))[0])
    with pytest.raises(ValueError, match=words):
        GaussianProcess.of(LAYOUT, number_columns(1), {**arrays, name: change(arrays[name])}, 30)


def test_there_are_as_many_parameters_as_the_kernel_has() -> None:
    assert len(PARAMETERS) == process_of(features_of(3), np.zeros((3, 1))).parameters.shape[1]
