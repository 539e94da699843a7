"""Layers of whole maps: fused or not, in single or half precision, and networks of any patch size made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.networks import packed as dense_layers
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, convolve, multiply, rows_at_once, running_maximum
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.targets.learned import class_columns, number_columns
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from tests.engine.landscape import cut, randomize

HEIGHT, WIDTH = 19, 23
GENERATOR = torch.Generator().manual_seed(4)


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR).to(dtype)


@pytest.fixture(params=["fused", "plain"])
def fused_or_plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":  # as on processors that PyTorch has no oneDNN for
        monkeypatch.setattr(dense_layers, "_is_fused", lambda device, dtype: False)


@pytest.mark.usefixtures("fused_or_plain")
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("outputs", [1, 2, 7])
def test_layers_are_those_of_torch(outputs: int, dtype: torch.dtype, error: float) -> None:
    image, weight, bias = draw(1, 11, 20, 17, dtype=dtype), draw(40, 11, 2, 2, dtype=dtype), draw(40, dtype=dtype)
    image = image.contiguous(memory_format=torch.channels_last)
    expected = functional.conv2d(image.double(), weight.double(), bias.double(), dilation=4).relu()
    torch.testing.assert_close(convolve(image, weight, bias, 4).double(), expected, rtol=error, atol=20 * error)
    rows, weight = draw(50, 30, dtype=dtype), draw(outputs, 30, dtype=dtype)
    expected = functional.linear(rows.double(), weight.double(), bias[:outputs].double())
    for activation, curve in {"none": torch.nn.Identity(), "relu": torch.relu, "gelu": functional.gelu}.items():
        found = multiply(rows, weight, bias[:outputs], activation).double()
        torch.testing.assert_close(found, curve(expected), rtol=error, atol=20 * error)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dilation", [1, 2])
def test_the_running_maximum_is_pooling_without_its_stride(dtype: torch.dtype, dilation: int) -> None:
    image = draw(1, 16, 9, 12, dtype=dtype).relu().contiguous(memory_format=torch.channels_last)
    expected = functional.max_pool2d(image.float(), 2, stride=1, dilation=dilation)
    found = running_maximum(image, dilation)
    assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_no_number_stays_so_in_the_running_maximum(dtype: torch.dtype, sign: int) -> None:
    """A processor gives it the sign of a negative number where it subtracts one infinity from another."""
    image = draw(1, 4, 9, 12, dtype=dtype).relu()
    image[0, :, 4, 5] = torch.copysign(torch.tensor(torch.nan), torch.tensor(float(sign))).to(dtype)
    expected = functional.max_pool2d(image.float(), 2, stride=1, dilation=2)
    assert (running_maximum(image, 2).isnan() == expected.isnan()).all() and expected.isnan().sum() == 16


def test_strips_are_one_row_at_least_and_larger_on_a_gpu() -> None:
    assert rows_at_once(10**7, 96, torch.device("cpu")) == 1
    assert rows_at_once(256, 96, torch.device("cuda")) > rows_at_once(256, 96, torch.device("cpu")) > 16


def make(name: str, patch_size: int, kind: str, is_class: bool) -> PackedNetwork:
    quantiles = tuple(np.linspace(-3, 3, 129).tolist())
    encoder = Encoder([CovariateSummary(Covariate("", f"c{i}", kind=kind), quantiles, (), ()) for i in range(2)])
    return randomize(
        build_network(
            Shape(name, patch_size, 2), encoder, class_columns(3) if is_class else number_columns(3), 0.0
        ).eval()
    )


@pytest.mark.usefixtures("fused_or_plain")
@pytest.mark.parametrize("kind", ["continuous", "directional"])
@pytest.mark.parametrize("is_class", [False, True], ids=["numbers", "classes"])
@pytest.mark.parametrize(
    ("name", "patch_size"),
    [
        ("ring", 3),
        ("ring", 21),
        ("padarian", 11),
        ("padarian", 13),
        ("padarian", 17),
        ("padarian", 19),
        ("padarian", 31),
    ],
)
def test_dense_prediction_is_that_of_patches_of_any_size(
    name: str, patch_size: int, is_class: bool, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_layers, "_FLOATS_IN_CACHE", 5 * WIDTH * 96)  # several strips
    network = make(name, patch_size, kind, is_class)
    values = np.random.default_rng(3).normal(size=(2, HEIGHT, WIDTH)).astype(np.float32)
    values[0, 4:6, 7] = np.nan
    rows, cols = (part.ravel() for part in np.indices((HEIGHT, WIDTH)))
    halo = patch_size // 2
    framed = np.pad(values, ((0, 0), (halo, halo), (halo, halo)), constant_values=np.nan)
    with torch.inference_mode():
        inputs = network.inputs(network.encoder(torch.from_numpy(cut(values, rows, cols, patch_size))))
        by_patches = network.predict(inputs.expand(2, *inputs.shape))
        dense = network.dense(network.encoder(torch.from_numpy(framed[None])))
        half = network.dense(network.encoder(torch.from_numpy(framed[None])), dtype=torch.bfloat16)
    for expected, found, nearly in zip(by_patches, dense, half):
        torch.testing.assert_close(found.flatten(1).T, expected.mean(0), rtol=1e-5, atol=1e-5)
        assert nearly.dtype == torch.float32
        torch.testing.assert_close(nearly, found, rtol=0.1, atol=0.1)
