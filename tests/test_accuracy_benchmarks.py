"""What the benchmarks of accuracy tell: tables without rasters, and whether distributions hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, score

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_components_without_rasters_learn_a_table_by_its_own_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import limesoda

    monkeypatch.setattr("soil_cnn_plugin.engine.forests.forest.TREES", 50)
    rng = np.random.default_rng(0)
    covariates, places = rng.normal(size=(48, 2)), rng.uniform(0, 500, (48, 2))
    values = covariates[:, :1] + np.sin(places[:, :1] / 100) + 0.1 * rng.normal(size=(48, 1))
    results = limesoda.measure("G.104", limesoda.Table(covariates, places, ("pH",), values, np.arange(48) % 2))
    found = {each.method: each for each in results}
    assert found["Gaussian process"].r2 > 0.7 > found["forest"].r2  # a forest of covariates sees no place
    assert found["blend"].r2 > found["forest"].r2
    assert 0.75 < found["blend"].picp <= 1
    lines = limesoda.to_markdown(results).splitlines()
    assert lines[2].startswith("| G.104 pH | 0.168 | ") and lines[3].startswith("| mean | 0.168 | ")


def test_a_table_tells_whether_probabilities_and_intervals_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import accuracy_table

    rng = np.random.default_rng(0)
    mean, spread = rng.normal(size=3000), rng.uniform(0.5, 2, 3000)
    observed = mean + spread * rng.uniform(-1, 1, 3000)
    quantiles = mean[:, None] + spread[:, None] * (2 * QUANTILE_LEVELS - 1)
    interval = quantiles[:, 4], quantiles[:, 94]
    held_out = HeldOut(mean, *interval, quantiles, score(observed, mean, *interval, 0.9, quantiles), ())
    found = accuracy_table._reliability([observed], [held_out])
    assert found.observed == pytest.approx((0.25, 0.1, 0.05))
    assert all(abs(a - b) < 3 * e for a, b, e in zip(found.expected, found.observed, found.error))
    assert all(0.87 < share < 0.93 for share in found.covered)
    narrow = HeldOut(mean, mean - 0.5, mean + 0.5, quantiles, held_out.scores, ())
    assert accuracy_table._reliability([observed], [narrow]).covered[0] < 0.87


def test_methods_of_others_stand_side_by_side_a_table_a_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import accuracy_table

    rng = np.random.default_rng(0)
    observed, spread = rng.normal(size=60), 2 * QUANTILE_LEVELS - 1

    def held_out(error: float) -> HeldOut:
        quantiles = (observed + error * rng.normal(size=60))[:, None] + spread
        parts = [slice(0, 30), slice(30, 60)]
        every, *folds = (
            score(observed[part], quantiles[part, 49], quantiles[part, 4], quantiles[part, 94], 0.9, quantiles[part])
            for part in (slice(None), *parts)
        )
        return HeldOut(quantiles[:, 49], quantiles[:, 4], quantiles[:, 94], quantiles, every, tuple(folds))

    own = {name: held_out(0.5) for name in accuracy_table.METHODS}
    repeat = accuracy_table.Repeat(0, 60.0, ({**own, "ordinary kriging": held_out(1.0)},), (observed,))
    row = accuracy_table.summarize("meuse", "zinc", 0, "random", [repeat])
    lines = accuracy_table.rivals_to_markdown([row]).splitlines()
    assert [lines[0], lines[1], lines[4]] == [
        "| RMSE of the blend against (p) | ordinary kriging |",
        "| --- | --- |",
        "| CRPS of the blend against (p) | ordinary kriging |",
    ]
    assert lines[2].startswith("| meuse zinc (60), random | -5") and len(lines) == 11
    without = accuracy_table.summarize(
        "meuse", "zinc", 0, "random", [accuracy_table.Repeat(0, 60.0, (own,), (observed,))]
    )
    assert accuracy_table.rivals_to_markdown([without]) == ""


def test_a_run_that_was_stopped_goes_on_with_the_same_options_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from kept_predictions import Kept

    rng = np.random.default_rng(0)
    observed, quantiles = rng.normal(size=6), np.sort(rng.normal(size=(6, 99)), axis=1)
    scores = score(observed, quantiles[:, 49], quantiles[:, 4], quantiles[:, 94], 0.9, quantiles)
    made = ({"a b": HeldOut(quantiles[:, 49], quantiles[:, 4], quantiles[:, 94], quantiles, scores, (scores, scores))},)

    def refuse() -> tuple[dict[str, HeldOut], ...]:
        raise AssertionError("it was made before")

    first = Kept(tmp_path / "predictions", {"seed": 1}, resume=False)
    first.prepare()
    first.read_or_make("random_1", lambda: made)
    again = Kept(tmp_path / "predictions", {"seed": 1}, resume=True)
    again.prepare()
    predictions, seconds = again.read_or_make("random_1", refuse)
    ((found,),) = (of.values() for of in predictions)
    assert 0 <= seconds < 10
    assert found.scores == scores and found.fold_scores == (scores, scores)
    np.testing.assert_array_equal(found.quantiles, quantiles)
    with pytest.raises(SystemExit, match="a run with other options"):
        Kept(tmp_path / "predictions", {"seed": 2}, resume=True).prepare()
    first.prepare()  # without resuming, nothing is left of the former
    with pytest.raises(AssertionError, match="made before"):
        first.read_or_make("random_1", refuse)
