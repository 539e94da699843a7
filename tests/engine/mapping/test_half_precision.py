"""Half precision is used where it is fast and measured to change little."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.mapping import half_precision
from soil_cnn_plugin.engine.mapping.blocks import read_trial_block
from soil_cnn_plugin.engine.mapping.half_precision import TrialBlock, choose_half, half_precision_error
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from tests.engine.landscape import Landscape, make_landscape, random_network

CPU = torch.device("cpu")


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


def read(landscape: Landscape, trained: TrainedNetwork) -> TrialBlock:
    with open_stack(landscape.covariates, landscape.grid) as stack:
        sample = read_trial_block(trained, stack, CPU)
    assert sample is not None
    return sample


@pytest.mark.parametrize("architectures", [(("ring", 15),), (("padarian", 11),), (("ring", 15), ("padarian", 11))])
def test_half_precision_changes_predictions_little_and_by_as_much_as_is_said(
    landscape: Landscape, architectures: tuple[tuple[str, int], ...]
) -> None:
    trained = random_network(landscape, architectures, has_forest=False)
    sample = read(landscape, trained)
    exact, half = (
        trained.predictor.predict_block(sample.channels, sample.wanted, dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    difference = (half[0] - exact[0])[:, sample.wanted]
    width = (half[1] / exact[1])[:, sample.wanted]
    location, scale = half_precision_error(trained.predictor, sample, torch.bfloat16)
    np.testing.assert_allclose(location, np.sqrt((difference**2).mean(1)))
    np.testing.assert_allclose(scale, np.sqrt(((width - 1) ** 2).mean(1)))
    assert location.shape == scale.shape == (2,)
    assert 1e-5 < location.max() < 0.03 * exact[0][:, sample.wanted].std() and 1e-5 < scale.max() < 0.03


def test_error_of_a_blend_is_that_of_its_networks_by_their_weight(landscape: Landscape) -> None:
    trained = random_network(landscape, (("ring", 15),))
    alone = random_network(landscape, (("ring", 15),), has_forest=False)
    share = trained.predictor.weights[0]
    location, _ = half_precision_error(trained.predictor, read(landscape, trained), torch.bfloat16)
    whole, _ = half_precision_error(alone.predictor, read(landscape, alone), torch.bfloat16)
    assert 0.999 * share.min() * whole.max() < location.max() < 1.001 * share.max() * whole.max()


def test_what_errs_too_much_or_is_slow_is_computed_in_float32(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = random_network(landscape)
    sample = read(landscape, trained)
    monkeypatch.setattr(half_precision, "_gain", lambda device, dtype: 2.0 if dtype == torch.bfloat16 else 0.1)
    monkeypatch.setattr(half_precision, "LARGEST_ERROR", 0.5)
    choice = choose_half(trained.predictor, sample)
    assert choice.dtype == torch.bfloat16 and f"on {sample.wanted.sum()} pixels" in choice.why
    monkeypatch.setattr(half_precision, "LARGEST_ERROR", 1e-6)
    choice = choose_half(trained.predictor, sample)
    assert choice.dtype == torch.float32 and "(bfloat16) would be faster, but" in choice.why
    assert choose_half(trained.predictor, sample, is_forced=True).dtype == torch.bfloat16
    monkeypatch.setattr(half_precision, "_gain", lambda device, dtype: 1.1)
    choice = choose_half(trained.predictor, sample, is_forced=True)
    assert choice.dtype == torch.float32 and "not faster" in choice.why


@pytest.mark.parametrize("is_forced", [False, True])
@pytest.mark.parametrize("errors", [(0.001, np.nan), (np.nan, 0.001), (np.inf, 0.001)])
def test_a_kind_that_cannot_hold_the_numbers_is_passed_over(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch, errors: tuple[float, float], is_forced: bool
) -> None:
    trained = random_network(landscape)
    sample = read(landscape, trained)
    bad = tuple(np.array([0.001, error]) for error in errors)  # in the second column alone
    found = {torch.float16: bad, torch.bfloat16: (np.array([0.001, 0.002]), np.array([0.003, 0.001]))}
    monkeypatch.setattr(half_precision, "_gain", lambda device, dtype: 2.0)
    monkeypatch.setattr(half_precision, "half_precision_error", lambda predictor, sample, dtype: found[dtype])
    assert choose_half(trained.predictor, sample, is_forced).dtype == torch.bfloat16
    found[torch.bfloat16] = bad
    choice = choose_half(trained.predictor, sample, is_forced)
    assert choice.dtype == torch.float32 and "(float16) would be faster, but cannot hold" in choice.why


def test_numbers_too_large_for_half_precision_make_its_error_infinite_or_none(landscape: Landscape) -> None:
    trained = random_network(landscape, (("ring", 15),), has_forest=False)
    sample = read(landscape, trained)
    with torch.no_grad():
        trained.predictor.networks[0].output_bias[:] *= 1e6  # beyond 65504, the largest number of float16
    assert not np.isfinite(half_precision_error(trained.predictor, sample, torch.float16)).all()
    assert np.isfinite(half_precision_error(trained.predictor, sample, torch.bfloat16)).all()


def test_the_gain_is_measured_on_this_processor() -> None:
    assert half_precision._gain(CPU, torch.float32) == pytest.approx(1, rel=0.7)
    assert half_precision._gain(CPU, torch.float64) < 1.3


@pytest.mark.parametrize(
    ("first", "later", "kinds", "trials"),
    [(0.2, 1e-4, [torch.bfloat16], 40), (0.2, 4e-4, [], 40), (0.2, 0.2, [], 5)],  # fast, as fast as float32, emulated
)
def test_the_set_up_of_the_first_trial_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, first: float, later: float, kinds: list[torch.dtype], trials: int
) -> None:
    """On a busy computer it takes longer than a hundred products of a float32 that is set up already."""
    now, calls = 0.0, 0

    def multiply(rows: torch.Tensor, *_: torch.Tensor) -> None:
        nonlocal now, calls
        calls += rows.dtype == torch.bfloat16
        now += 3e-4 if rows.dtype == torch.float32 else first if calls == 1 else later

    monkeypatch.setattr(half_precision, "multiply", multiply)
    monkeypatch.setattr(half_precision, "time", SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(half_precision, "_KINDS", {"cpu": (torch.bfloat16,)})
    assert half_precision.half_kinds(CPU) == kinds and calls == trials


@pytest.mark.parametrize(
    ("capability", "kinds"),
    [
        ((6, 1), []),
        ((7, 0), [torch.float16]),
        ((7, 5), [torch.float16]),
        ((8, 0), [torch.float16, torch.bfloat16]),
        ((9, 0), [torch.float16, torch.bfloat16]),
    ],
)
def test_gpus_compute_in_what_they_have_instructions_for(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], kinds: list[torch.dtype]
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert half_precision.half_kinds(torch.device("cuda")) == kinds


def test_a_sample_is_sought_where_the_map_has_data(landscape: Landscape) -> None:
    trained = random_network(landscape)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        whole = read_trial_block(trained, stack, CPU)
        assert whole is not None and whole.wanted.sum() == np.isfinite(landscape.values).all(0).sum()
        assert (
            read_trial_block(trained, stack, CPU, lambda block: np.zeros((block.height, block.width), np.bool_)) is None
        )
