"""Design-based estimates equal the textbook formulas, and their intervals hold over repeated samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from soil_cnn_plugin.engine.assessment.design_based import estimate_from_sample, estimate_mean, estimate_share
from soil_cnn_plugin.engine.errors import EngineError

RNG = np.random.default_rng(8)
OBSERVED = np.array([1.0, 3.0, 2.0, 8.0, 10.0, 6.0])
PREDICTED = np.array([2.0, 3.0, 4.0, 7.0, 8.0, 6.0])  # errors 1, 0, 2, -1, -2, 0


def test_a_simple_random_sample_gives_the_textbook_interval_of_the_mean_error() -> None:
    result = estimate_from_sample(OBSERVED, PREDICTED)
    assert result.me.value == pytest.approx(0)
    assert result.me.standard_error == pytest.approx(np.sqrt(2 / 6))  # s^2 = 10 / 5
    expected = stats.ttest_1samp(PREDICTED - OBSERVED, 0).confidence_interval()
    assert (result.me.low, result.me.high) == pytest.approx((expected.low, expected.high))
    squares = stats.ttest_1samp((PREDICTED - OBSERVED) ** 2, 0).confidence_interval()
    assert result.mse.value == pytest.approx(10 / 6)
    assert (result.mse.low, result.mse.high) == pytest.approx((squares.low, squares.high))
    assert result.rmse.value == pytest.approx(np.sqrt(10 / 6))
    assert result.rmse.high == pytest.approx(np.sqrt(squares.high))
    assert result.rmse.low == 0  # the interval of the MSE reaches below 0
    assert result.mec is not None
    assert result.mec.value == pytest.approx(1 - (10 / 6) / 12.8)  # variance 64 / 5
    assert "simple random sample of 6 observations" in result.sentence


def test_a_stratified_sample_is_weighted_by_area() -> None:
    result = estimate_from_sample(OBSERVED, PREDICTED, strata=list("aaabbb"), areas={"a": 30, "b": 10})
    # mean errors 1 and -1, variances 1 and 1; 0.75^2 / 3 + 0.25^2 / 3
    assert result.me.value == pytest.approx(0.5)
    assert result.me.standard_error == pytest.approx(np.sqrt(0.625 / 3))
    # Satterthwaite: (0.1875 + 0.0208333)^2 / (0.1875^2 / 2 + 0.0208333^2 / 2)
    margin = stats.t.ppf(0.975, 0.0434028 / 0.0177951) * np.sqrt(0.625 / 3)
    assert result.me.high == pytest.approx(0.5 + margin, rel=1e-4)
    assert result.mse.value == pytest.approx(0.75 * 5 / 3 + 0.25 * 5 / 3)
    # mean of z 3.5, of z^2 0.75 * 14 / 3 + 0.25 * 200 / 3; variance of the mean 0.75^2 * 1 / 3 + 0.25^2 * 4 / 3
    assert result.mec is not None
    assert result.mec.value == pytest.approx(1 - (5 / 3) / (0.75 * 14 / 3 + 0.25 * 200 / 3 - 3.5**2 + 0.8125 / 3))
    assert "stratified random sample of 6 observations in 2 strata" in result.sentence


def test_inclusion_probabilities_of_a_stratified_sample_give_the_same_as_its_areas() -> None:
    by_area = estimate_from_sample(OBSERVED, PREDICTED, strata=list("aaaabb"), areas={"a": 2, "b": 6})
    inclusion = np.array([4 / 2] * 4 + [2 / 6] * 2)
    by_inclusion = estimate_from_sample(OBSERVED, PREDICTED, strata=list("aaaabb"), inclusion=inclusion)
    assert by_inclusion.me == by_area.me
    assert by_inclusion.mec == by_area.mec


@pytest.mark.parametrize("design", ["simple", "stratified", "unequal"])
def test_intervals_hold_the_truth_as_often_as_they_say(design: str) -> None:
    stratum = np.repeat([0, 1, 2], (6000, 3000, 1000))
    truth = RNG.normal(10, 2, 10_000) + 4 * stratum + RNG.gamma(2, 1, 10_000)
    predicted = 0.8 * truth + 1 + RNG.normal(0, 1 + stratum, 10_000)
    error = predicted - truth
    expected = {"me": error.mean(), "mse": (error**2).mean(), "mec": 1 - (error**2).mean() / truth.var()}
    hits, values = dict.fromkeys(expected, 0), {name: [] for name in expected}
    probability = (1 + stratum) / (1 + stratum).sum()  # more where errors are larger
    for _ in range(400):
        if design == "simple":
            rows = RNG.choice(10_000, 90)
            result = estimate_from_sample(truth[rows], predicted[rows])
        elif design == "stratified":
            rows = np.concatenate([RNG.choice(np.flatnonzero(stratum == number), 30) for number in range(3)])
            areas = {0: 6.0, 1: 3.0, 2: 1.0}
            result = estimate_from_sample(truth[rows], predicted[rows], strata=stratum[rows].tolist(), areas=areas)
        else:
            rows = RNG.choice(10_000, 90, p=probability)
            result = estimate_from_sample(truth[rows], predicted[rows], inclusion=probability[rows])
        for name, value in expected.items():
            estimate = getattr(result, name)
            hits[name] += estimate.low <= value <= estimate.high
            values[name].append(estimate.value)
    for name, value in expected.items():
        assert 0.89 <= hits[name] / 400 <= 0.985, name
        standard_error = np.std(values[name]) / 20
        assert abs(np.mean(values[name]) - value) < 4 * standard_error + 0.004 * abs(value), name


def test_equal_observations_have_no_efficiency_and_a_perfect_map_no_error() -> None:
    perfect = estimate_from_sample(OBSERVED, OBSERVED)
    assert (perfect.rmse.value, perfect.rmse.low, perfect.rmse.high) == (0, 0, 0)
    assert perfect.mec is not None and perfect.mec.value == 1
    assert estimate_from_sample(np.ones(3), np.array([1.0, 2.0, 3.0])).mec is None


def test_designs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EngineError, match="single observation in stratum b"):
        estimate_from_sample(OBSERVED, PREDICTED, strata=list("aaaaab"), areas={"a": 1, "b": 1})
    with pytest.raises(EngineError, match="Stratum c has an area but no observation"):
        estimate_from_sample(OBSERVED, PREDICTED, strata=list("aaabbb"), areas={"a": 1, "b": 1, "c": 1})
    with pytest.raises(EngineError, match="area of stratum b is missing"):
        estimate_from_sample(OBSERVED, PREDICTED, strata=list("aaabbb"), areas={"a": 1})
    with pytest.raises(EngineError, match="needs the strata's areas"):
        estimate_from_sample(OBSERVED, PREDICTED, strata=list("aaabbb"))
    with pytest.raises(EngineError, match="2 of 6 observations have no inclusion probability"):
        estimate_from_sample(OBSERVED, PREDICTED, inclusion=np.array([0.1, 0.1, 0.0, np.nan, 0.2, 0.2]))
    with pytest.raises(EngineError, match="has 1 observations"):
        estimate_from_sample(OBSERVED[:1], PREDICTED[:1])


def test_a_mean_of_anything_has_the_interval_of_the_mean_error() -> None:
    design = {"strata": list("aaabbb"), "areas": {"a": 30, "b": 10}}
    assert estimate_mean(PREDICTED - OBSERVED, **design) == estimate_from_sample(OBSERVED, PREDICTED, **design).me


def test_a_share_that_held_everywhere_is_not_taken_for_certain() -> None:
    share = estimate_share(np.ones(10, bool))
    assert (share.value, share.standard_error, share.high) == (1.0, 0.0, 1.0)
    assert share.low == pytest.approx(0.025 ** (1 / 10))  # Clopper and Pearson's when all of 10 are inside
    assert estimate_share(np.zeros(10, bool)).high == pytest.approx(1 - 0.025 ** (1 / 10))


def test_the_interval_of_a_share_is_clopper_and_pearsons() -> None:
    is_inside = np.arange(41) >= 10  # 31 of 41; the variance with n - 1 makes 40 of them
    share = estimate_share(is_inside)
    assert share.value == pytest.approx(31 / 41)
    exact = stats.beta(31 / 41 * 40, 10 / 41 * 40 + 1).ppf(0.025), stats.beta(31 / 41 * 40 + 1, 10 / 41 * 40).ppf(0.975)
    assert (share.low, share.high) == pytest.approx(exact)


def test_the_share_of_a_stratified_sample_is_weighted_by_area() -> None:
    is_inside = np.array([True, True, True, False, True, False])
    share = estimate_share(is_inside, strata=list("aaabbb"), areas={"a": 30, "b": 10})
    assert share.value == pytest.approx(0.75 + 0.25 / 3)
    assert share.standard_error == pytest.approx(0.25 * np.sqrt((1 / 3) / 3))
    assert 0 < share.low < share.value < share.high < 1
