"""The convolutional network after Padarian et al. 2019 (10.5194/soil-5-79-2019), evaluated densely."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.heads import VarianceHead
from soil_cnn_plugin.engine.networks.packed import (
    PackedNetwork,
    Watch,
    convolve,
    multiply,
    rows_at_once,
    running_maximum,
)
from soil_cnn_plugin.engine.networks.pooled_convolution import convolve_and_pool, is_compiled_for
from soil_cnn_plugin.engine.targets.learned import ColumnLayout

_FIRST, _SECOND, _DENSE, _LAST = 16, 32, 40, 96  # channels after each layer


class PadarianNetwork(PackedNetwork):
    """Convolution 3 x 3, pooling 2, convolution 3 x 3, pooling 2, two dense layers, heads; K members.

    The last input channel is the share of covariates that are known at a pixel. Unless a covariate is directional,
    training sees turned and mirrored patches. A prediction looks at the patch as it is: the mean over mirrored views
    takes as many times as long and is no better (docs/choices.md).
    """

    NAME = "padarian"
    NUMBER_HEAD = VarianceHead
    SMALLEST_PATCH = 11  # the smallest odd width that leaves a pixel after both poolings

    def __init__(self, encoder: Encoder, patch_size: int, layout: ColumnLayout, members: int, dropout: float) -> None:
        super().__init__(encoder, patch_size, layout, members, dropout)
        side = _side_after_pooling(patch_size)
        self.first_weight = _zeros(members, _FIRST, encoder.channel_count + 1, 3, 3)
        self.first_bias = _zeros(members, _FIRST)
        self.second_weight = _zeros(members, _SECOND, _FIRST, 3, 3)
        self.second_bias = _zeros(members, _SECOND)
        self.dense_weight = _zeros(members, _DENSE, _SECOND, side, side)
        self.dense_bias = _zeros(members, _DENSE)
        self.last_weight = _zeros(members, _DENSE, _LAST)
        self.last_bias = _zeros(members, _LAST)
        self.output_weight = _zeros(members, _LAST, self.heads.outputs)
        self.output_bias = nn.Parameter(self.heads.start().repeat(members, 1))

    @property
    def may_mirror(self) -> bool:
        """Whether turned and mirrored patches are as good as the patch itself."""
        return not self.encoder.is_directional

    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        weights = (self.first_weight, self.second_weight, self.dense_weight)
        return [(weight, weight[0, 0].numel()) for weight in weights] + [(self.last_weight, _DENSE)]

    def symmetries(self) -> Tensor | None:
        """Eight orders, each only of the pixels that are left after the poolings."""
        if not self.may_mirror:
            return None
        seen, pixels = _width_seen(self.patch_size), torch.arange(self.patch_size**2)
        square = pixels.reshape(self.patch_size, self.patch_size)
        flipped = [torch.flip(square, dims) for dims in ((), (1,), (0,), (0, 1))]
        return torch.stack([turned[:seen, :seen].flatten() for each in flipped for turned in (each, each.T)])

    @property
    def covariate_of_input(self) -> Tensor:
        return functional.pad(self.encoder.covariate_of_channel, (0, 1), value=-1)

    def inputs(self, channels: Channels) -> Tensor:
        """Turn (N, D, P, P) into (N, P, P, D + 1), channels last: the order in which convolutions are fastest."""
        image = torch.cat([channels.values, channels.known.mean(1, keepdim=True)], dim=1)
        return image.permute(0, 2, 3, 1).contiguous()

    def forward(self, inputs: Tensor) -> Tensor:
        """Turn (K, B, P, P, D + 1), or (B, P, P, D + 1) for all members, into raw numbers (K, B, O). The part of each
        patch that `symmetries` takes is enough."""
        return self._output(self.hidden(inputs))

    def hidden(self, inputs: Tensor) -> Tensor:
        """Turn (K, B, P, P, D + 1), or (B, P, P, D + 1) for all members, into (K, B, 96)."""
        seen = _width_seen(self.patch_size)
        if is_compiled_for(inputs):
            first = convolve_and_pool(inputs, self.first_weight, self.first_bias, seen // 2 - 1)
            second = convolve_and_pool(first, self.second_weight, self.second_bias, seen // 4 - 1)
            return self._after_poolings(second)
        image = _side_by_side(inputs)[:, :, :seen, :seen]
        groups = image.shape[1] // self.first_weight.shape[2]
        convolved = functional.conv2d(image, self.first_weight.flatten(0, 1), self.first_bias.flatten(), groups=groups)
        return self._after_first_layer(convolved)

    def first_layer(self, inputs: Tensor, columns: Tensor | None = None) -> Tensor:
        """Turn (B, P, P, D + 1) into (B, K, 16, P - 2, P - 2)."""
        chosen = slice(None) if columns is None else columns
        image, weight = inputs.permute(0, 3, 1, 2)[:, chosen], self.first_weight[:, :, chosen].flatten(0, 1)
        flat: Tensor = functional.conv2d(image, weight, self.first_bias.flatten() if columns is None else None)
        by_member: Tensor = flat.unflatten(1, (self.members, _FIRST))
        return by_member.transpose(0, 1)

    def after_first_layer(self, first: Tensor) -> Tensor:
        return self._output(self._after_first_layer(first.transpose(0, 1).flatten(1, 2)))

    def _after_first_layer(self, image: Tensor) -> Tensor:
        """Turn (B, K * 16, P - 2, P - 2) into (K, B, 96). Members are groups of channels: faster than in turn."""
        image = functional.max_pool2d(image, 2).relu_()  # rectifying after pooling gives the same, on fewer pixels
        weight, bias = self.second_weight.flatten(0, 1), self.second_bias.flatten()
        image = functional.max_pool2d(functional.conv2d(image, weight, bias, groups=self.members), 2).relu_()
        return self._after_poolings(image.unflatten(1, (self.members, _SECOND)).permute(1, 0, 3, 4, 2))

    def _after_poolings(self, image: Tensor) -> Tensor:
        """Turn (K, B, s, s, 32) into (K, B, 96)."""
        weight = self.dense_weight.permute(0, 3, 4, 2, 1).flatten(1, 3)
        hidden = torch.baddbmm(self.dense_bias[:, None], self.drop(image, 1).flatten(2), weight).relu_()
        return self._last(hidden)

    def dense(
        self, channels: Channels, watch: Watch | None = None, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        image = self.inputs(channels).permute(0, 3, 1, 2).to(dtype)  # channels last in memory
        height, width = (size - self.patch_size + 1 for size in image.shape[2:])
        layers = _Layers(self, dtype)
        location = image.new_empty((self.heads.columns, height, width), dtype=torch.float32)
        scale = torch.empty_like(location)
        step = rows_at_once(width, _LAST, image.device)
        for row in range(0, height, step):
            rows = min(step, height - row)
            for whole, part in zip((location, scale), layers.predict(image, row, rows, watch)):
                whole[:, row : row + rows] = part.T.unflatten(1, (rows, width))  # (n, R) -> (R, rows, w)
        return location, scale

    def _last(self, hidden: Tensor) -> Tensor:
        """Turn (K, B, 40) into (K, B, 96)."""
        return torch.baddbmm(self.last_bias[:, None], hidden, self.last_weight).relu_()

    def _output(self, hidden: Tensor) -> Tensor:
        """Turn (K, B, 96) into raw numbers (K, B, O)."""
        return torch.baddbmm(self.output_bias[:, None], hidden, self.output_weight)


def _zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def _side_after_pooling(patch_size: int) -> int:
    """Width in pixels of the image that the first dense layer sees."""
    return ((patch_size - 2) // 2 - 2) // 2


def _width_seen(patch_size: int) -> int:
    """Width in pixels of the part of a patch that is left after both poolings."""
    return 4 * _side_after_pooling(patch_size) + 6


def _side_by_side(inputs: Tensor) -> Tensor:
    """Turn (K, B, P, P, D + 1) into (B, K * (D + 1), P, P), channels last in memory: a copy, unless they lie so."""
    pixels = inputs.permute(1, 2, 3, 0, 4).flatten(3) if inputs.dim() == 5 else inputs
    return pixels.permute(0, 3, 1, 2)


class _Layers:
    """The weights as dense evaluation needs them. Poolings become running maxima, and the layers after them are
    dilated."""

    def __init__(self, network: PadarianNetwork, dtype: torch.dtype) -> None:
        self._network = network
        self._first = network.first_weight.flatten(0, 1).to(dtype)
        self._second, self._dense = network.second_weight.to(dtype), network.dense_weight.to(dtype)
        self._last, self._output = (
            weight.transpose(1, 2).contiguous().to(dtype) for weight in (network.last_weight, network.output_weight)
        )
        names = ("first", "second", "dense", "last", "output")
        self._bias = {name: getattr(network, f"{name}_bias").to(dtype) for name in names}
        self._seen = _width_seen(network.patch_size)

    def predict(self, image: Tensor, row: int, rows: int, watch: Watch | None) -> tuple[Tensor, Tensor]:
        """Mean over members of centre and spread, (n, R) each, of some rows of a block: image (1, D + 1, H, W)."""
        network, margin = self._network, self._seen - 1
        height, width = rows + margin, image.shape[3] - network.patch_size + 1 + margin
        seen = image[..., row : row + height, :width]
        first = convolve(seen.contiguous(memory_format=torch.channels_last), self._first, self._bias["first"].flatten())
        hidden, raw = [], []
        # The last layers need no neighbours: a few pixels at once stay in the processor's nearest cache.
        pixels_at_once = rows_at_once(1, 2 * _LAST, image.device)
        for member in range(network.members):
            pixels = self._dense_layer(first[:, member * _FIRST : (member + 1) * _FIRST], member)
            for piece in pixels.split(pixels_at_once):
                layer = multiply(piece, self._last[member], self._bias["last"][member], "relu")
                raw.append(multiply(layer, self._output[member], self._bias["output"][member]).float())
                if watch:
                    hidden.append(layer.float())
        if watch:
            watch(torch.cat(hidden).unflatten(0, (network.members, -1)))
        location, scale = network.heads.location_scale(torch.cat(raw).unflatten(0, (network.members, -1)))
        return location.mean(0), scale.mean(0)

    def _dense_layer(self, image: Tensor, member: int) -> Tensor:
        """Turn the first layer (1, 16, H, W) of a member into (n, 40)."""
        image = convolve(running_maximum(image, 1), self._second[member], self._bias["second"][member], dilation=2)
        image = convolve(running_maximum(image, 2), self._dense[member], self._bias["dense"][member], dilation=4)
        rows: Tensor = image.permute(0, 2, 3, 1).flatten(0, 2)  # (1, 40, h, w), channels last -> (n, 40)
        return rows
