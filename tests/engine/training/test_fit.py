"""Training: seeds, early stopping, missing targets, and that no member learns from what it holds out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.heads import Heads, VarianceHead
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.training import fit as training
from soil_cnn_plugin.engine.training.checkpoint import Average, Best
from soil_cnn_plugin.engine.training.ensemble import cross_fit
from soil_cnn_plugin.engine.training.fit import FitSettings, HeldOutPredictions, fit, predict_all, predict_held_out
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.plan import Plan, Shape, build_network
from tests.engine.landscape import Landscape, cut, learned_of, lesson_of, make_landscape, rows_of

N, MEMBERS = 48, 3
NUMBER = Heads.of(number_columns(1), VarianceHead)
SETTINGS = FitSettings(16, 3e-3, 0.01, steps=12, evaluate_every=4, patience=8, seed=5)
HELD_OUT = np.arange(N) % MEMBERS == np.arange(MEMBERS)[:, None]
NAMES = ("ring", "padarian")


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


def build(landscape: Landscape, name: str, dropout: float = 0.3, targets: int = 1) -> PackedNetwork:
    return build_network(Shape(name, 11, MEMBERS), Encoder(landscape.summaries()), number_columns(targets), dropout)


def data(network: PackedNetwork, landscape: Landscape) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs, and a target that follows elevation."""
    rows, cols = np.random.default_rng(0).integers(5, 35, (2, N))
    patches = torch.from_numpy(cut(landscape.values, rows, cols, 11))
    channels = network.encoder(patches)
    target = channels.values[:, 0, 5, 5] + 0.1 * torch.randn(N, generator=torch.Generator().manual_seed(0))
    return network.inputs(channels), target[:, None].expand(N, network.heads.columns).clone()


def train(
    landscape: Landscape, name: str, settings: FitSettings = SETTINGS, change: object = None, dropout: float = 0.3
) -> tuple[dict[str, torch.Tensor], HeldOutPredictions, PackedNetwork]:
    network = build(landscape, name, dropout)
    inputs, targets = data(network, landscape)
    if callable(change):
        change(targets)
    found, _ = fit(
        network, rows_of(inputs), lesson_of(targets), HELD_OUT, settings, lambda share: None, lambda line: None
    )
    return {name: values.detach().clone() for name, values in network.named_parameters()}, found, network


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_result_also_side_by_side(landscape: Landscape, name: str) -> None:
    first, found, _ = train(landscape, name)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(train, landscape, name, replace(SETTINGS, seed=seed)) for seed in (5, 6, 5)]
        same, other, again = (job.result() for job in jobs)
    for each, values in first.items():
        assert torch.equal(values, same[0][each]) and torch.equal(values, again[0][each])
    assert torch.equal(found.location.nan_to_num(), same[1].location.nan_to_num())
    assert not torch.equal(first["output_weight"], other[0]["output_weight"])


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_learns_as_much_and_keeps_parameters_in_float32(
    landscape: Landscape, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, steps=80, evaluate_every=20)
    target = data(build(landscape, name), landscape)[1]
    errors, weights = {}, {}
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(training, "training_dtype", lambda device, dtype=dtype: dtype)
        weights[dtype], found, _ = train(landscape, name, settings)
        errors[dtype] = float((found.location - target).square().nanmean().sqrt())
    assert errors[torch.float32] < 0.7 * float(target.std())
    assert errors[torch.bfloat16] < 1.05 * errors[torch.float32]
    assert all(values.dtype == torch.float32 for values in weights[torch.bfloat16].values())
    assert not torch.equal(weights[torch.float32]["output_weight"], weights[torch.bfloat16]["output_weight"])


@pytest.mark.parametrize("name", NAMES)
def test_no_member_learns_from_what_it_holds_out(landscape: Landscape, name: str) -> None:
    settings = replace(SETTINGS, evaluate_every=100)  # one evaluation, at the end: nothing is chosen by it

    def spoil(targets: torch.Tensor) -> None:
        targets[HELD_OUT[1]] = 1000.0

    weights, found, _ = train(landscape, name, settings)
    changed, _, _ = train(landscape, name, settings, spoil)
    for each, values in weights.items():
        assert torch.equal(values[1], changed[each][1])
    assert not torch.equal(weights["output_weight"][0], changed["output_weight"][0])
    assert (torch.isfinite(found.location[:, :, 0]).numpy() == HELD_OUT).all()


@pytest.mark.parametrize("name", NAMES)
def test_rows_whose_targets_are_missing_teach_nothing(landscape: Landscape, name: str) -> None:
    missing = np.random.default_rng(1).random(N) < 0.5
    results = []
    for noise in (0.0, 10.0):
        network = build(landscape, name, targets=2)
        inputs, targets = data(network, landscape)
        targets[missing] = torch.nan
        targets[::3, 1] = torch.nan  # and of one target some more
        inputs[missing] += noise
        lesson = lesson_of(targets)
        found, curve = fit(network, rows_of(inputs), lesson, HELD_OUT, SETTINGS, lambda share: None, lambda line: None)
        results.append({each: values.detach().clone() for each, values in network.named_parameters()})
        assert np.isfinite(curve.training).all() and np.isfinite(curve.held_out).all()
        assert torch.isfinite(found.location.nanmean(0)).all()  # predicted also where the target is missing
    assert all(torch.equal(values, results[1][each]) for each, values in results[0].items())


@pytest.mark.parametrize("name", NAMES)
def test_early_stopping_keeps_the_step_with_the_lowest_held_out_error(landscape: Landscape, name: str) -> None:
    network = build(landscape, name)
    inputs, targets = data(network, landscape)
    settings = replace(SETTINGS, learning_rate=0.05, steps=400, evaluate_every=2, patience=4)
    lines: list[str] = []
    shares: list[float] = []
    found, curve = fit(network, rows_of(inputs), lesson_of(targets), HELD_OUT, settings, shares.append, lines.append)
    assert len(curve.steps) < 200  # ended before its time
    assert curve.kept_step == curve.steps[np.argmin(curve.held_out)] == curve.steps[-1] - 4 * 2  # and waited as told
    # The predictions are those of the weights that were kept.
    with torch.no_grad():
        location, scale = network.predict(inputs.expand(MEMBERS, *inputs.shape))
    for member in range(MEMBERS):
        rows = HELD_OUT[member]
        np.testing.assert_allclose(found.location[member, rows], location[member, rows], atol=1e-5)
        np.testing.assert_allclose(found.scale[member, rows], scale[member, rows], atol=1e-5)
    epochs = curve.kept_step * 16 / (~HELD_OUT).sum(1).min()
    assert shares == sorted(shares) and f"kept as of step {curve.kept_step} (epoch {epochs:.0f})" in lines[-1]
    # Stopping at once would have been worse, and so would going on to the end.
    kept = network.heads.score(found.location, found.scale, lesson_of(targets)).mean()
    assert kept < curve.held_out[0] and kept <= curve.held_out[-1] + 1e-6


def test_one_step_is_kept_for_all_members(landscape: Landscape) -> None:
    network = build(landscape, "ring")
    best = Best.of(network)
    average = Average(network)
    for step, scores in enumerate([(3.0, 3.0, 3.0), (0.5, 2.0, 2.0), (2.0, 1.0, 2.0)], start=1):
        average.values = {name: torch.full_like(values, step) for name, values in average.values.items()}
        best.take(step, torch.zeros(MEMBERS), torch.tensor(scores), average)
    assert (best.step, best.score, best.waited) == (2, 1.5, 1)  # though the second member was better later
    best.restore(network)
    assert all((parameter == 2).all() for parameter in network.parameters())


def test_large_inputs_are_fetched_in_small_pieces_to_predict(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(landscape, "padarian")
    network.draw_parameters(torch.Generator().manual_seed(0))
    far = replace(rows_of(data(network, landscape)[0]), is_far=True)
    tests = [torch.from_numpy(np.flatnonzero(rows)) for rows in HELD_OUT]
    taken: list[int] = []
    take = InputRows.take

    def counted(self: InputRows, rows: torch.Tensor) -> torch.Tensor:
        found = take(self, rows)
        taken.append(found.nbytes)
        return found

    def predict() -> list[torch.Tensor]:
        taken.clear()
        held_out = predict_held_out(network.eval(), far, tests, N, network.predict)
        return [*held_out, *predict_all(network, far)]

    monkeypatch.setattr(InputRows, "take", counted)
    whole = predict()
    assert len(taken) == 2
    most = MEMBERS * 5 * far.tensor[0].nbytes
    monkeypatch.setattr(training, "_BYTES_AT_ONCE", most)
    for one, expected in zip(predict(), whole):
        torch.testing.assert_close(one, expected, equal_nan=True)
    assert max(taken) == most and len(taken) == 4 + 4  # 16 rows by fives, and 48 by fifteens


def test_training_learns_what_there_is_to_learn(landscape: Landscape) -> None:
    for name in NAMES:
        settings = replace(SETTINGS, steps=150, evaluate_every=10, learning_rate=1e-2)
        _, found, network = train(landscape, name, settings, dropout=0.0)
        _, targets = data(network, landscape)
        error = (found.location.nanmean(0) - targets).std() / targets.std()
        assert error < 0.75, name


def test_score_is_the_crps_of_a_normal_distribution() -> None:
    location, scale, observed = 0.3, 1.7, -1.1
    grid = np.linspace(-30, 30, 600_001)
    step = (norm.cdf(grid, location, scale) - (grid >= observed)) ** 2
    expected = np.trapezoid(step, grid)  # the integral that defines it (Gneiting & Raftery 2007, eq. 20)
    found = NUMBER.score(
        torch.tensor([[[location], [torch.nan]]]),
        torch.tensor([[[scale], [torch.nan]]]),
        lesson_of(torch.tensor([[observed], [0.0]])),
    )
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_a_member_that_predicts_no_number_is_never_the_best(landscape: Landscape) -> None:
    nothing = torch.full((2, 5, 1), torch.nan)
    assert torch.isnan(NUMBER.score(nothing, nothing, lesson_of(torch.zeros(5, 1)))).all()
    with pytest.raises(EngineError, match="ring network diverged.*learning rate, which is 0.003"):
        train(landscape, "ring", change=lambda targets: targets.fill_(1e38))


def test_members_predict_as_one_by_their_mean(landscape: Landscape) -> None:
    _, _, network = train(landscape, "ring")
    inputs, _ = data(network, landscape)
    with torch.no_grad():
        location, scale = network.predict(inputs.expand(MEMBERS, *inputs.shape))
    found = predict_all(network, rows_of(inputs))
    np.testing.assert_allclose(found[0], location.mean(0), atol=1e-6)
    np.testing.assert_allclose(found[1], scale.mean(0), atol=1e-6)


def test_every_observation_is_held_out_by_some_member_of_each_network(landscape: Landscape) -> None:
    encoder = Encoder(landscape.summaries())
    plans = tuple(Plan(Shape(name, 11, 7), 0.3, 16, 3e-3, 0.1, 4, 8, epochs=1) for name in NAMES)
    networks = [build_network(plan.shape, encoder, number_columns(1), 0.0) for plan in plans]
    pairs = [data(network, landscape) for network in networks]
    asked: list[tuple[int, int]] = []

    def make_folds(count: int, seed: int) -> np.ndarray:
        asked.append((count, seed))
        return np.random.default_rng(seed).permutation(N) % count

    learned = learned_of(pairs[0][1])
    fitted = cross_fit(
        plans,
        encoder,
        [rows_of(pair[0]) for pair in pairs],
        learned,
        make_folds,
        3,
        lambda name, share: None,
        lambda line: None,
    )
    assert asked == [(5, 3), (5, 4)] * 2  # 7 members: five folds, and two of a fresh deal
    assert fitted.location.shape == fitted.scale.shape == (2, N, 1)
    assert np.isfinite(fitted.location).all() and (fitted.scale > 0).all()
    assert [curve.architecture for curve in fitted.curves] == list(NAMES)


def test_dropout_drops_its_share_anew_each_time_also_together_with_gelu(landscape: Landscape) -> None:
    network = build(landscape, "ring", dropout=0.3)
    generator = torch.Generator().manual_seed(1)
    network.draw_parameters(generator)
    state, ones = generator.get_state(), torch.ones(10, 101, 99)
    dropped, again = network.drop(ones, 1), network.drop(ones, 1)
    kept = dropped > 0
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=5 * (0.21 / ones.numel()) ** 0.5)
    torch.testing.assert_close(dropped[kept], torch.full((int(kept.sum()),), 1 / 0.7), rtol=1e-4, atol=0)
    assert float((kept == (again > 0)).float().mean()) == pytest.approx(0.7**2 + 0.3**2, abs=0.01)
    generator.set_state(state)
    numbers = torch.randn(ones.shape)
    torch.testing.assert_close(network.gelu_and_drop(numbers, 1), torch.nn.functional.gelu(numbers) * dropped)
    network.eval()
    assert torch.equal(network.drop(numbers, 1), numbers)
