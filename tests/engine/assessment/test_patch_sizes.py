"""The patch size that is recommended, and the words for it, follow from the errors in the folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.patch_sizes import (
    PatchSizeComparison,
    SizedTarget,
    conclusion,
    error_curves,
    extent,
)
from soil_cnn_plugin.engine.targets.metrics import HeldOut, Scores

BEST = np.array([2.0, 3.0, 1.0, 4.0])
NEAR = BEST + [0.1, -0.1, 0.2, 0.0]
WORSE = BEST + [0.3, 0.4, 0.35, 0.45]
POINT_FOREST = BEST + [1.0, 1.1, 0.9, 1.0]
AVERAGE = BEST + [5.0, 5.2, 4.9, 5.1]


def held_out(errors: Sequence[float], n: int = 25) -> HeldOut:
    """Only what is asked for: the RMSE in each fold of `n` observations, none where it is NaN."""
    nothing = np.empty(0)
    scores = [Scores(0 if np.isnan(error) else n, 0, error, None, None, None, 0, 0, 0, 0) for error in errors]
    return HeldOut(nothing, nothing, nothing, nothing, scores[0], tuple(scores))


def target(
    by_size: dict[int, Sequence[float]], point: Sequence[float] = POINT_FOREST, mean: Sequence[float] = AVERAGE,
    deviation: float = 1.0, context: dict[int, Sequence[float]] | None = None,
) -> SizedTarget:  # fmt: skip
    """Networks and forest with context err like the blend unless told."""
    methods = {
        size: {
            BLEND: held_out(errors),
            NETWORK: held_out(errors),
            FOREST_CONTEXT: held_out((context or by_size)[size]),
        }
        for size, errors in by_size.items()
    }
    baselines = {FOREST: held_out(point), MEAN: held_out(mean)}
    return SizedTarget(SoilProperty("clay", "%"), 100, deviation, methods, baselines)


def compare(*targets: SizedTarget, metres: tuple[float, float] = (40.0, 40.0)) -> PatchSizeComparison:
    curves = error_curves(targets)
    each = tuple(error_curves([item]) for item in targets)
    return PatchSizeComparison(targets, tuple(targets[0].by_size), curves, each, metres, "4 random folds.", {})


def test_the_smallest_size_within_one_standard_error_of_the_best_is_recommended() -> None:
    curves = error_curves([target({3: WORSE, 7: NEAR, 15: BEST})])
    assert (curves.best, curves.recommended) == (15, 7)
    seven = curves.at(BLEND, 7)
    assert seven.above_best == pytest.approx(0.05)
    # 25 of 100 observations are held out: (1 / 4 + 25 / 75) times the variance of 0.1, -0.1, 0.2, 0
    assert seven.above_best_error == pytest.approx(np.sqrt((1 / 4 + 1 / 3) * 0.05 / 3))
    assert seven.standard_error == pytest.approx(np.sqrt(7 / 12) * np.std(NEAR, ddof=1))
    assert not curves.at(BLEND, 3).is_near_best


def test_hard_folds_do_not_hide_a_clear_difference() -> None:
    hard = np.array([0.0, 50.0, 0.0, 90.0])
    curves = error_curves([target({3: WORSE + hard, 7: NEAR + hard, 15: BEST + hard})])
    assert curves.recommended == 7
    three = curves.at(BLEND, 3)
    assert three.standard_error > 100 * three.above_best_error  # type: ignore[operator]


def test_the_unit_of_a_target_does_not_matter() -> None:
    small, large = target({3: WORSE, 7: NEAR}), target({3: 1.02 * NEAR, 7: BEST})
    thousandfold = target(
        {3: 1020 * NEAR, 7: 1000 * BEST}, point=1000 * POINT_FOREST, mean=1000 * AVERAGE, deviation=1000
    )
    one, other = error_curves([small, large]), error_curves([small, thousandfold])
    assert [item.error for item in one.sized[BLEND]] == pytest.approx([item.error for item in other.sized[BLEND]])
    assert one.at(BLEND, 7).error == pytest.approx((NEAR.mean() + BEST.mean()) / 2)
    assert one.recommended == other.recommended


def test_a_fold_without_observations_of_a_target_counts_for_the_others_only() -> None:
    gap = np.array([np.nan, 1.0, 1.0, 1.0])
    full = target({3: np.full(4, 3.0)})
    curves = error_curves([full, target({3: gap}, point=gap, mean=gap)])
    assert curves.at(BLEND, 3).error == pytest.approx((3 + 2 + 2 + 2) / 4)
    alone = error_curves([target({3: gap}, point=gap, mean=gap)])
    assert alone.at(BLEND, 3).error == 1


def test_the_answer_names_pixels_and_metres() -> None:
    answer, doubt, best, context = conclusion(compare(target({3: WORSE, 7: NEAR, 15: BEST})))
    assert answer == "Context beyond 280 m (7 × 7 pixels) does not clearly lower the error."
    assert doubt.startswith(
        "That is no proof that it does not matter: over 4 folds a gain of the largest patch, 600 m (15 × 15 pixels),"
        " shows only from "
    )
    assert "The lowest error of the blend is that of 600 m (15 × 15 pixels), 2.0 % below that of 280 m" in best
    assert context.startswith("The landscape matters here: with context of 280 m (7 × 7 pixels) the random forest's")


def test_an_error_that_falls_to_the_end_asks_for_larger_patches() -> None:
    answer, *_ = conclusion(compare(target({3: WORSE, 15: BEST})))
    assert answer.startswith("The error still falls up to the largest patch that was compared, 600 m (15 × 15 pixels)")


def test_context_that_changes_little_or_harms_is_called_so() -> None:
    unclear = conclusion(compare(target({3: NEAR, 7: BEST}, point=BEST + [0.1, -0.1, 0.0, 0.1])))
    assert unclear[-1].startswith("Whether the landscape matters at all is not clear: with context of 120 m")
    harm = conclusion(compare(target({3: NEAR, 7: BEST}, point=BEST - [0.5, 0.6, 0.5, 0.4])))
    assert harm[-1].startswith("The landscape misleads here") and "% higher (p = " in harm[-1]


def test_without_signal_no_size_is_praised() -> None:
    useless = target({3: NEAR, 7: BEST}, mean=BEST - 0.01)
    assert conclusion(compare(useless))[-1].startswith("No size clearly beats the mean of the observations")


def test_two_folds_far_below_the_mean_are_a_signal_and_a_little_below_are_no_evidence() -> None:
    mean = np.array([8.0, 12.0])
    far = target({3: [3.0, 9.0]}, point=mean, mean=mean)  # 40 % below
    assert not any("signal" in sentence for sentence in conclusion(compare(far)))
    near = target({3: [7.9, 10.8]}, point=mean, mean=mean)
    last = conclusion(compare(near))[-1]
    assert last.startswith(
        "No size clearly beats the mean of the observations, but that proves little: a gain shows only from "
    )
    assert "The lowest error is 6.5 % lower than the mean's." in last and "carry no usable signal" not in last


def test_no_signal_is_claimed_only_where_a_gain_is_ruled_out() -> None:
    alike = target({3: AVERAGE * 1.01}, mean=AVERAGE)
    assert (
        "a gain of 10 % can be ruled out (95 % confidence): the covariates carry no usable signal here"
        in (conclusion(compare(alike))[-1])
    )


def test_the_side_of_a_patch_on_the_ground() -> None:
    assert extent(7, (40.0, 40.0)) == "280 m"
    assert extent(3, (0.25, 0.25)) == "0.75 m"
    assert extent(15, (61.8, 92.6)) == "927 × 1389 m"
