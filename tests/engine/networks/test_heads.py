"""The heads of networks: each against independent formulas, and several as each of them alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import norm
from torch import Tensor

from soil_cnn_plugin.engine.networks.heads import RING_QUANTILES, ClassHead, Head, Heads, QuantileHead, VarianceHead
from soil_cnn_plugin.engine.targets.learned import (
    CLASSES,
    NUMBERS,
    ColumnLayout,
    Columns,
    Learned,
    Lesson,
    class_columns,
    number_columns,
)

MEMBERS, N = 2, 10
LEVELS = np.arange(1, 20) / 20
MIXED = (Columns(NUMBERS, 2), Columns(CLASSES, 3), Columns(NUMBERS, 1), Columns(CLASSES, 2))
SINGLE = ((0, 2), (2, 5), (5, 6), (6, 8))
"""Where the columns of each entry lie."""
HEADS = [VarianceHead, QuantileHead]


def numbers_of(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def lesson_of(layout: ColumnLayout, is_plain: bool = False, seed: int = 1) -> Lesson:
    """What N observations tell: some of each kind are missing, and unless it is plain some numbers lie below a limit or
    have an error, and observations count differently."""
    rng = np.random.default_rng(seed)
    parts = []
    for index, each in enumerate(layout):
        missing = (np.arange(N) + index) % 4 == 0
        if each.head == NUMBERS:
            values = rng.normal(size=(N, each.count))
        else:
            values = np.eye(each.count)[rng.integers(0, each.count, N)]
        parts.append(np.where(missing[:, None], np.nan, values))
    values = np.concatenate(parts, axis=1)
    is_censored, errors = np.zeros(values.shape, np.bool_), np.zeros(values.shape)
    if not is_plain:
        is_censored[:, 0] = np.isfinite(values[:, 0]) & (np.arange(N) % 3 == 1)
        errors[:, 0] = 0.3
    weights = np.ones(N) if is_plain else rng.uniform(0.3, 2, N)
    return Learned(values, is_censored, errors, weights, values, layout).lesson(torch.device("cpu"))


def batch_of(lesson: Lesson) -> Lesson:
    """All observations, for each member in an order of its own."""
    return lesson.take(torch.stack([torch.arange(N), torch.arange(N).flip(0)]))


def test_an_untrained_network_predicts_the_standard_normal_and_equal_probabilities() -> None:
    for kind in HEADS:
        heads = Heads.of(MIXED, kind)
        location, scale = heads.location_scale(heads.start())
        assert heads.start().shape == (heads.outputs,) and heads.columns == 8
        np.testing.assert_allclose(location, [0, 0, *[1 / 3] * 3, 0, 0.5, 0.5], atol=1e-6)
        np.testing.assert_allclose(scale, 1, atol=1e-6)


def test_the_quantiles_of_an_untrained_network_are_those_of_the_standard_normal() -> None:
    steps = QuantileHead(2).start().reshape(2, RING_QUANTILES).double().numpy()
    found = np.cumsum(np.concatenate([steps[:, :1], np.log1p(np.exp(steps[:, 1:]))], axis=1), axis=1)
    np.testing.assert_allclose(found, [norm.ppf(LEVELS)] * 2, atol=1e-6)


def test_each_head_has_its_own_number_of_raw_numbers() -> None:
    assert Heads.of(MIXED, VarianceHead).outputs == 2 * 2 + 3 + 2 + 2
    assert Heads.of(MIXED, QuantileHead).outputs == 2 * 19 + 3 + 19 + 2
    assert [type(head) for head in Heads.of(MIXED, QuantileHead).parts] == [QuantileHead, ClassHead] * 2


def test_what_the_error_is_called_names_each_measure_once() -> None:
    assert Heads.of(number_columns(4), QuantileHead).measure == "CRPS in standard deviations"
    assert Heads.of(class_columns(4), QuantileHead).measure == "log score"
    assert Heads.of(MIXED, VarianceHead).measure == "CRPS in standard deviations and log score"


def test_the_loss_of_variances_is_the_likelihood_by_the_variance_to_the_power_of_beta() -> None:
    lesson = batch_of(lesson_of(number_columns(2), is_plain=True))
    raw = numbers_of((MEMBERS, N, 4))
    losses, known = VarianceHead(2).losses(raw, lesson)
    np.testing.assert_array_equal(known, torch.isfinite(lesson.values))
    for place in np.argwhere(known.numpy()):
        member, row, column = place
        mean, log_variance = raw[member, row, 2 * column : 2 * column + 2].double().numpy()
        deviation = np.exp(log_variance / 2)
        density = norm.logpdf(float(lesson.values[tuple(place)]), mean, deviation) + 0.5 * math.log(2 * math.pi)
        assert float(losses[tuple(place)]) == pytest.approx(-(deviation**1.4) * density, rel=1e-4, abs=1e-5)


def test_the_loss_of_quantiles_is_pinball_and_squared_error() -> None:
    lesson = batch_of(lesson_of(number_columns(2), is_plain=True))
    raw = numbers_of((MEMBERS, N, 2 * RING_QUANTILES))
    losses, known = QuantileHead(2).losses(raw, lesson)
    np.testing.assert_array_equal(known, torch.isfinite(lesson.values))
    for place in np.argwhere(known.numpy()):
        member, row, column = place
        own = raw[member, row, RING_QUANTILES * column : RING_QUANTILES * (column + 1)].double().numpy()
        quantiles = np.cumsum([own[0], *np.log1p(np.exp(own[1:]))])
        value = float(lesson.values[tuple(place)])
        pinball = np.mean([(level - (value < each)) * (value - each) for level, each in zip(LEVELS, quantiles)])
        expected = 4 * pinball + 0.25 * (value - quantiles.mean()) ** 2
        assert float(losses[tuple(place)]) == pytest.approx(expected, rel=1e-4)


def test_only_quantiles_of_columns_with_limits_or_errors_are_learned_by_the_likelihood() -> None:
    raw = numbers_of((MEMBERS, N, 2 * RING_QUANTILES))
    lesson, plain = (batch_of(lesson_of(number_columns(2), is_plain=each)) for each in (False, True))
    losses, _ = QuantileHead(2).losses(raw, lesson)
    without, _ = QuantileHead(2).losses(raw, plain)
    np.testing.assert_array_equal(losses[..., 1], without[..., 1])
    location, scale = QuantileHead(2).location_scale(raw)
    known = torch.isfinite(lesson.values[..., 0])
    for member, row in np.argwhere(known.numpy()):
        centre, spread = float(location[member, row, 0]), float(scale[member, row, 0])
        deviation, value = math.hypot(spread, 0.3), float(lesson.values[member, row, 0])
        if lesson.is_censored is not None and lesson.is_censored[member, row, 0]:
            likelihood = norm.logcdf(value, centre, deviation) - 0.15 * min(centre + 1, 0) ** 2
        else:
            likelihood = norm.logpdf(value, centre, deviation) + 0.5 * math.log(2 * math.pi)
        expected = -(spread**1.4) * likelihood
        assert float(losses[member, row, 0]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_loss_of_classes_is_the_cross_entropy_where_a_class_is_known() -> None:
    lesson = batch_of(lesson_of(class_columns(3)))
    raw = numbers_of((MEMBERS, N, 3))
    losses, known = ClassHead(3).losses(raw, lesson)
    assert losses.shape == known.shape == (MEMBERS, N, 1)
    expected = -np.nansum(lesson.values.numpy() * log_softmax(raw.double().numpy(), axis=-1), axis=-1)
    is_known = np.isfinite(lesson.values.numpy()).all(axis=-1)
    assert 0 < is_known.sum() < is_known.size
    np.testing.assert_array_equal(known[..., 0], is_known)
    np.testing.assert_allclose(losses[..., 0][is_known], expected[is_known], rtol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("is_plain", [True, False])
def test_observations_without_a_class_or_number_give_no_gradient(kind: type[Head], is_plain: bool) -> None:
    heads = Heads.of(MIXED, kind)
    lesson = batch_of(lesson_of(MIXED, is_plain))
    raw = numbers_of((MEMBERS, N, heads.outputs)).requires_grad_()
    heads.loss(raw, lesson).sum().backward()
    assert raw.grad is not None and torch.isfinite(raw.grad).all()
    for head, columns, outputs in heads._places():
        missing = ~torch.isfinite(lesson.values[..., columns]).all(-1)
        assert missing.any() and (raw.grad[..., outputs][missing] == 0).all(), head
        assert (raw.grad[..., outputs][~missing] != 0).any(-1).all(), head


def test_a_lesson_without_any_class_gives_no_gradient_and_no_loss() -> None:
    heads = Heads.of(class_columns(3), QuantileHead)
    nothing = torch.full((MEMBERS, N, 3), torch.nan)
    raw = numbers_of((MEMBERS, N, 3)).requires_grad_()
    loss = heads.loss(raw, Lesson(nothing, None, None, None, None))
    loss.sum().backward()
    assert raw.grad is not None and loss.tolist() == [0.0] * MEMBERS and (raw.grad == 0).all()
    assert torch.isnan(heads.score(raw.detach(), raw.detach(), Lesson(nothing, None, None, None, None))).all()


@pytest.mark.parametrize("kind", HEADS)
def test_heads_together_are_the_heads_alone_on_their_own_columns(kind: type[Head]) -> None:
    heads, lesson = Heads.of(MIXED, kind), lesson_of(MIXED)
    batch = batch_of(lesson)
    raw = numbers_of((MEMBERS, N, heads.outputs))
    location, scale = heads.location_scale(raw)
    assert location.shape == scale.shape == (MEMBERS, N, 8)
    start, losses, scores = 0, [], []
    held_out = torch.arange(N) % 2 == torch.arange(MEMBERS)[:, None]
    place = [torch.where(held_out[..., None], part, torch.nan) for part in (location, scale)]
    for each, (first, last) in zip(MIXED, SINGLE):
        alone = Heads.of((each,), kind)
        own = raw[..., start : start + alone.outputs]
        start += alone.outputs
        columns = slice(first, last)
        for found, expected in zip(alone.location_scale(own), (location, scale)):
            torch.testing.assert_close(found, expected[..., columns], rtol=0, atol=0)
        (head,) = alone.parts
        losses.append(head.losses(own, batch.of(columns)))
        scores.append(head.scores(place[0][..., columns], place[1][..., columns], lesson.of(columns)))
    assert start == heads.outputs and batch.weights is not None
    # Each number, and all classes of a target at once, count as much as any other.
    total = sum((loss.double() * known * batch.weights[..., None]).nansum(dim=(1, 2)) for loss, known in losses)
    count = sum((known * batch.weights[..., None]).sum(dim=(1, 2)) for _, known in losses)
    torch.testing.assert_close(heads.loss(raw, batch).double(), (total / count).double(), rtol=1e-5, atol=1e-6)
    total = sum(score.sum(dim=(1, 2)) for score, _ in scores)
    count = sum(known.sum(dim=(1, 2)) for _, known in scores)
    torch.testing.assert_close(heads.score(*place, lesson), total / count, rtol=1e-5, atol=1e-6)


def test_the_loss_is_the_mean_over_what_is_told_of_each_observation() -> None:
    """A class counts once, however many columns it has."""
    layout = (Columns(NUMBERS, 1), Columns(CLASSES, 5))
    heads = Heads.of(layout, VarianceHead)
    values = torch.zeros(1, 2, 6)
    values[..., 0] = torch.tensor([1.0, torch.nan])
    values[0, 0, 1:], values[0, 1, 3] = torch.nan, 1.0  # the first tells a number, the second a class
    raw = numbers_of((1, 2, 7))
    mean, log_variance = raw[0, 0, :2].tolist()
    number = math.exp(0.7 * log_variance) * 0.5 * ((1 - mean) ** 2 / math.exp(log_variance) + log_variance)
    entropy = -float(log_softmax(raw[0, 1, 2:].double().numpy())[2])
    found = heads.loss(raw, Lesson(values, None, None, None, None))
    assert float(found) == pytest.approx((number + entropy) / 2, rel=1e-5)
    weighted = heads.loss(raw, Lesson(values, None, None, torch.tensor([[3.0, 1.0]]), None))
    assert float(weighted) == pytest.approx((3 * number + entropy) / 4, rel=1e-5)


def test_the_score_of_classes_leaves_out_what_is_not_told_or_not_predicted() -> None:
    probabilities = np.random.default_rng(5).dirichlet(np.ones(3), (MEMBERS, N))
    held_out = np.arange(N) % 2 == np.arange(MEMBERS)[:, None]
    location = torch.from_numpy(np.where(held_out[..., None], probabilities, np.nan)).float()
    lesson = lesson_of(class_columns(3))
    values = lesson.values.numpy()
    known = np.isfinite(values).all(axis=1)
    found = Heads.of(class_columns(3), QuantileHead).score(location, torch.ones_like(location), lesson)
    for member in range(MEMBERS):
        rows = np.flatnonzero(held_out[member] & known)
        expected = -np.log(probabilities[member, rows, values[rows].argmax(axis=1)]).mean()
        assert float(found[member]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("layout", [MIXED, number_columns(3), class_columns(4)], ids=["mixed", "numbers", "classes"])
def test_the_mean_over_members_is_the_mean_of_what_each_predicts(kind: type[Head], layout: ColumnLayout) -> None:
    heads = Heads.of(layout, kind)
    raw = numbers_of((5, 20, heads.outputs))
    for found, each in zip(heads.mean_location_scale(list(raw)), heads.location_scale(raw)):
        assert found.shape == (20, heads.columns)
        torch.testing.assert_close(found, each.mean(0), rtol=1e-5, atol=1e-5)


def test_classes_are_located_at_their_probabilities() -> None:
    raw = numbers_of((7, 4))
    location, scale = ClassHead(4).location_scale(raw)
    np.testing.assert_allclose(location, softmax(raw.double().numpy(), axis=-1), rtol=1e-5)
    assert (scale == 1).all()


def test_changes_are_told_of_the_worst_column_of_each_head() -> None:
    heads = Heads.of((Columns(NUMBERS, 2), Columns(CLASSES, 2)), QuantileHead)
    words = heads.change_in_words(np.array([0.01, 0.02, 0.003, 0.001]), np.array([0.04, 0.03, 0.0, 0.0]))
    assert words == (
        "predictions by 2 % of the target's standard deviation and the width of intervals by 4 % and probabilities by"
        " 0.3 percentage points"
    )
