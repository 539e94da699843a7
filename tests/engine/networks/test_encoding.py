"""Normal scores, class codes and what is missing, one pixel at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm, rankdata
from torch.utils._python_dispatch import TorchDispatchMode

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.networks.encoding import Encoder, Location
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary

LEVELS = np.linspace(0, 1, 129)


def summary(values: np.ndarray, kind: str = "continuous") -> CovariateSummary:
    return CovariateSummary(Covariate("c.tif", "c", kind=kind), tuple(np.quantile(values, LEVELS).tolist()), (), ())


SOIL = CovariateSummary(Covariate("soil.tif", "soil", kind="categorical"), (), (1, 3, 12), ("a", "b", "c"))


def encode(encoder: Encoder, values: object) -> tuple[np.ndarray, np.ndarray]:
    """Values of one covariate, (n,), as pixels -> (n, D) and whether they are known, (n,)."""
    channels = encoder(torch.tensor(values, dtype=torch.float32)[:, None, None, None])
    return channels.values[:, :, 0, 0].numpy(), channels.known[:, 0, 0, 0].numpy()


def test_values_become_their_normal_scores() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=20000))  # however skewed
    found, known = encode(Encoder([summary(values)]), values)
    expected = norm.ppf(rankdata(values) / (len(values) + 1))  # van der Waerden's scores
    middle = np.abs(expected) < 2
    assert np.abs(found[middle, 0] - expected[middle]).max() < 0.1
    assert np.corrcoef(found[:, 0], expected)[0, 1] > 0.998
    assert found.mean() == pytest.approx(0, abs=0.02) and found.std() == pytest.approx(1, abs=0.05)
    assert (known == 1).all() and (np.diff(found[np.argsort(values), 0]) >= 0).all()


def test_values_beyond_the_training_range_count_as_its_end() -> None:
    found, known = encode(Encoder([summary(np.arange(100.0))]), [-1e30, 0.0, 99.0, 1e30])
    assert found[0] == found[1] and found[2] == found[3] == pytest.approx(-found[0])
    assert (known == 1).all()


def test_ties_share_one_score() -> None:
    values = np.concatenate([np.zeros(700), np.arange(1.0, 301.0)])  # 70 % are zero
    found, _ = encode(Encoder([summary(values)]), values)
    assert len(np.unique(found[:700])) == 1
    # The mean of the normal scores below the 70th percentile.
    mean_score = -norm.pdf(norm.ppf(0.7)) / 0.7
    upper_mean = norm.pdf(norm.ppf(0.7)) / 0.3
    assert found[0, 0] < 0 < found[900, 0] and (np.diff(found[700:, 0]) > 0).all()
    assert found[0, 0] / found[700:].mean() == pytest.approx(mean_score / upper_mean, rel=0.05)


def test_a_constant_covariate_is_zero_everywhere() -> None:
    found, known = encode(Encoder([summary(np.full(10, 7.0))]), [7.0, 6.0, 8.0, np.nan])
    assert (found == 0).all() and known.tolist() == [1, 1, 1, 0]


DRAWN = np.random.default_rng(6)
EXTREMES = {
    "nine of ten are zero": np.where(DRAWN.random(5000) < 0.9, 0.0, DRAWN.lognormal(3, 2, 5000)),
    "nearly all are zero": np.where(DRAWN.random(5000) < 0.999, 0.0, DRAWN.lognormal(3, 2, 5000)),
    "one is giant": np.append(DRAWN.normal(size=5000), 1e30),
    "two are the ends of float32": np.append(DRAWN.normal(size=5000), [-3.4e38, 3.4e38]),
    "all are giant": DRAWN.uniform(-3.4e38, 3.4e38, 5000),
    "three levels": DRAWN.integers(0, 3, 5000).astype(float),
    "all are as small as float32 holds": DRAWN.normal(size=5000) * 1e-40,
    "one in a hundred is 1": (DRAWN.random(5000) < 0.01).astype(float),
}


@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_values_get_finite_scores_in_their_order(case: str) -> None:
    values = np.sort(EXTREMES[case].astype(np.float32))
    found, known = encode(Encoder([summary(values.astype(np.float64))]), values)
    assert np.isfinite(found).all() and (known == 1).all() and np.abs(found).max() < 12
    assert (np.diff(found[:, 0]) >= 0).all() and found[0, 0] < 0 < found[-1, 0]


def test_neighbours_in_float64_that_float32_cannot_tell_apart_are_ties() -> None:
    values = 1e8 + np.arange(129.0) / 16  # float32 has steps of 8 there
    found, _ = encode(Encoder([summary(values)]), values)
    assert np.isfinite(found).all() and len(np.unique(found)) == 2


def test_missing_and_infinite_values_become_zero_and_unknown() -> None:
    found, known = encode(Encoder([summary(np.arange(100.0))]), [np.nan, np.inf, -np.inf, 10.0])
    assert found[:3, 0].tolist() == [0, 0, 0] and found[3, 0] < 0
    assert known.tolist() == [0, 0, 0, 1]


def test_classes_become_one_channel_each_and_an_unknown_class_is_missing() -> None:
    found, known = encode(Encoder([SOIL]), [1, 3, 12, 2, np.nan])
    assert found.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert known.tolist() == [1, 1, 1, 0, 0]


def test_channels_know_their_covariate() -> None:
    encoder = Encoder([summary(np.arange(10.0)), SOIL, summary(np.arange(5.0), "directional")])
    assert encoder.channel_count == 5 and encoder.is_directional
    assert encoder.covariate_of_channel.tolist() == [0, 1, 1, 1, 2]
    assert encoder.continuous.tolist() == [0, 4]
    assert not Encoder([summary(np.arange(10.0)), SOIL]).is_directional


def test_each_pixel_is_encoded_by_itself() -> None:
    encoder = Encoder([summary(np.arange(100.0)), SOIL])
    rng = np.random.default_rng(0)
    raw = np.stack([rng.uniform(-5, 105, (6, 7)), rng.choice([1, 2, 3, np.nan], (6, 7))]).astype(np.float32)
    block = encoder(torch.from_numpy(raw)[None])
    for row, col in np.ndindex(6, 7):
        pixel = encoder(torch.from_numpy(raw[None, :, row : row + 1, col : col + 1].copy()))
        assert torch.equal(pixel.values[0, :, 0, 0], block.values[0, :, row, col])
        assert torch.equal(pixel.known[0, :, 0, 0], block.known[0, :, row, col])


def test_cropping_takes_pixels_off_all_sides() -> None:
    channels = Encoder([summary(np.arange(100.0))])(torch.arange(49.0).reshape(1, 1, 7, 7))
    assert torch.equal(channels.crop(2).values, channels.values[..., 2:5, 2:5])
    assert torch.equal(channels.crop(2).known, channels.known[..., 2:5, 2:5])
    assert channels.crop(0) is channels


def test_location_becomes_six_oblique_coordinates_in_full_precision() -> None:
    location = Location(x=178_500.0, y=5_330_000.0, spread=(1000.0, 500.0))
    x, y = 179_500.0, 5_332_000.0  # 1 and 4 spreads off the middle
    found = location.encode(torch.tensor([x, y], dtype=torch.float64).reshape(1, 2, 1, 1)).flatten().numpy()
    angles = np.deg2rad([0, 30, 60, 90, 120, 150])
    np.testing.assert_allclose(found, np.cos(angles) * 1 + np.sin(angles) * 4, rtol=1e-6)
    without = Encoder([SOIL])(torch.ones(1, 1, 1, 1), torch.zeros(1, 2, 1, 1))
    assert without.location is None


class CopiesToDevice(TorchDispatchMode):
    """Counts what is copied to a device while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function is torch.ops.aten._to_copy.default and (kwargs or {}).get("device") is not None
        return function(*args, **(kwargs or {}))


def test_what_encodes_lies_on_the_device_before_pixels_come() -> None:
    """Each copy would wait for what a GPU has to do."""
    encoder = Encoder([summary(np.arange(100.0)), SOIL]).to("meta")
    raw = torch.zeros(1, 2, 4, 4, device="meta")
    with CopiesToDevice() as copies:
        channels = encoder(raw)
    assert channels.values.shape == (1, 4, 4, 4) and copies.count == 0
