"""Losses and scores of normal distributions against scipy and numerical integration, and what training finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate
from scipy.stats import norm
from torch import Tensor

from soil_cnn_plugin.engine.networks.heads import Heads, VarianceHead
from soil_cnn_plugin.engine.networks.likelihood import BETA, normal_loss, weighted_mean
from soil_cnn_plugin.engine.targets.learned import Learned, Lesson, number_columns

VALUES = [0.3, -1.2, 2.0, 0.8, float("nan")]
CENSORED = [False, True, False, True, False]
ERRORS = [0.0, 0.4, 0.9, 0.0, 0.0]
LOCATION = [0.1, 0.6, -0.5, -1.0, 0.0]
SCALE = [0.7, 1.1, 0.5, 2.0, 1.0]
HEADS = Heads.of(number_columns(1), VarianceHead)


def column(values: list[float]) -> Tensor:
    """(1, N, 1): one member, one column."""
    return torch.tensor(values, dtype=torch.float64)[None, :, None]


def lesson(limits: list[float] | None = None, errors: bool = True) -> Lesson:
    return Lesson(
        values=column(VALUES)[0],
        is_censored=torch.tensor(CENSORED)[:, None],
        errors=column(ERRORS)[0] if errors else None,
        weights=None,
        by_likelihood=torch.tensor([True]),
        limits=None if limits is None else column(limits)[0],
    )


def test_the_loss_is_minus_the_log_likelihood_times_the_predicted_variance_to_the_power_of_beta() -> None:
    found = normal_loss(column(LOCATION), column(SCALE), lesson())[0, :, 0].numpy()
    for value, is_censored, error, location, scale, loss in zip(VALUES, CENSORED, ERRORS, LOCATION, SCALE, found):
        deviation = np.hypot(scale, error)
        if np.isnan(value):
            assert loss == 0
            continue
        density = norm.logpdf(value, location, deviation) + 0.5 * np.log(2 * np.pi)  # without the constant
        log_likelihood = norm.logcdf(value, location, deviation) if is_censored else density
        assert loss == pytest.approx(-(scale ** (2 * BETA)) * log_likelihood, rel=1e-6)


def test_gradients_far_above_a_limit_are_numbers() -> None:
    location = column([60.0, -60.0]).requires_grad_()
    scale = column([0.1, 0.1]).requires_grad_()
    two = Lesson(torch.zeros(2, 1).double(), torch.ones(2, 1, dtype=torch.bool), None, None, torch.tensor([True]))
    normal_loss(location, scale, two).sum().backward()
    assert torch.isfinite(location.grad).all() and torch.isfinite(scale.grad).all()
    assert location.grad[0, 0, 0] > 0 > location.grad[0, 1, 0]  # from either side, back to where values are


def test_only_far_below_the_mean_are_locations_of_censored_values_drawn_back() -> None:
    places = column([-4.0, -3.0, -1.0, -0.5]).requires_grad_()
    values = torch.full((4, 1), 6.0).double()  # so high that the limit says nothing
    four = Lesson(values, torch.ones(4, 1, dtype=torch.bool), None, None, torch.tensor([True]))
    normal_loss(places, torch.ones_like(places), four).sum().backward()
    np.testing.assert_allclose(places.grad[0, :, 0], [-0.9, -0.6, 0.0, 0.0], atol=1e-6)
    plain = Lesson(values, None, None, None, torch.tensor([True]))
    loss = normal_loss(places.detach(), torch.ones_like(places), plain)
    np.testing.assert_allclose(loss[0, :, 0], [50, 40.5, 24.5, 21.125])  # a measured value's are not


def crps(value: float, location: float, scale: float, limit: float) -> float:
    """Of the distribution with all below the limit put on it, by integration."""

    def difference(x: float) -> float:
        predicted = norm.cdf(x, location, scale) if x >= limit else 0.0
        return (predicted - (x >= value)) ** 2

    return integrate.quad(difference, -15, 15, points=sorted({value, max(limit, -15)}), limit=200)[0]


@pytest.mark.parametrize("errors", [False, True])
def test_the_score_is_the_crps_of_what_is_reported(errors: bool) -> None:
    limits = [-1.0, -1.2, -np.inf, 0.8, -np.inf]
    found = HEADS.score(column(LOCATION), column(SCALE), lesson(limits, errors))
    scales = np.hypot(SCALE, ERRORS) if errors else np.array(SCALE)
    expected = np.mean([crps(VALUES[i], LOCATION[i], scales[i], limits[i]) for i in range(4)])
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_the_score_without_limits_is_that_of_the_whole_distribution() -> None:
    expected = np.mean([crps(VALUES[i], LOCATION[i], SCALE[i], -np.inf) for i in range(4)])
    found = HEADS.score(column(LOCATION), column(SCALE), lesson(errors=False))
    assert float(found) == pytest.approx(expected, abs=1e-6)


def learned(values: np.ndarray, is_censored: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> Lesson:
    one = Learned(values[:, None], is_censored[:, None], errors[:, None], weights, values[:, None], number_columns(1))
    return one.lesson(torch.device("cpu"))


def fit_line(x: np.ndarray, lesson: Lesson, steps: int = 250) -> tuple[float, float, float]:
    """Slope, intercept and scale that training finds."""
    parameters = torch.zeros(3, requires_grad=True)
    inputs = torch.tensor(x, dtype=torch.float32)[None, :, None]
    optimizer = torch.optim.Adam([parameters], lr=0.05)
    for _ in range(steps):
        scale = parameters[2].exp().expand(inputs.shape)
        losses = normal_loss(parameters[0] * inputs + parameters[1], scale, lesson)
        loss = weighted_mean(
            losses, torch.isfinite(losses), lesson.weights[None] if lesson.weights is not None else None
        )
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    slope, intercept, logarithm = parameters.detach().tolist()
    return slope, intercept, float(np.exp(logarithm))


@pytest.mark.parametrize("limits", [[-0.9], [0.25], [-0.5, 0.2, 0.9]])  # a fifth, three fifths, a half
def test_training_recovers_a_line_from_censored_values(limits: list[float]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    values = 0.8 * x + 0.6 * rng.normal(size=2000)
    limit = rng.choice(limits, 2000)
    is_censored = values < limit
    nothing, one = np.zeros(2000), np.ones(2000)
    found = fit_line(x, learned(np.maximum(values, limit), is_censored, nothing, one))
    assert found == pytest.approx((0.8, 0.0, 0.6), abs=0.07)  # drawn back a little where nothing is told


def test_errors_of_measurement_are_taken_out_of_the_scale_and_weigh_by_their_variance() -> None:
    rng = np.random.default_rng(1)
    slopes = []
    for _ in range(20):
        x = rng.normal(size=150)
        errors = np.where(np.arange(150) < 75, 0.1, 4.0)
        values = 0.8 * x + np.hypot(0.5, errors) * rng.normal(size=150)
        lesson = learned(values, np.zeros(150, bool), errors, np.ones(150))
        slope, _, scale = fit_line(x, lesson, 120)
        assert scale == pytest.approx(0.5, abs=0.2)
        slopes.append(slope)
    # The best unbiased line weighs by the inverse of the variance: its slope has this standard error.
    best = np.sqrt(1 / (75 / (0.25 + 0.01) + 75 / (0.25 + 16)))
    assert np.mean(slopes) == pytest.approx(0.8, abs=3 * best / np.sqrt(20))
    assert np.std(slopes) < 1.5 * best


def test_weights_count_like_repeated_observations() -> None:
    rng = np.random.default_rng(2)
    x, values = rng.normal(size=60), rng.normal(size=60)
    repeats = rng.integers(1, 4, 60)
    nothing = np.zeros(60)
    weighted = fit_line(x, learned(values, nothing > 0, nothing + 1e-9, repeats.astype(float)), 200)
    again = np.repeat(np.arange(60), repeats)
    repeated = fit_line(
        x[again], learned(values[again], nothing[again] > 0, nothing[again] + 1e-9, np.ones(len(again))), 200
    )
    assert weighted == pytest.approx(repeated, abs=1e-3)
