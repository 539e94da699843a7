"""The convolutional network after Padarian et al. 2019 (10.5194/soil-5-79-2019), evaluated densely."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.learned import Lesson
from soil_cnn_plugin.engine.networks.likelihood import normal_loss
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch

_FIRST, _SECOND, _DENSE, _LAST = 16, 32, 40, 96  # channels after each layer
_MIRRORS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))  # dims of (N, H, W, C): views that are averaged


class PadarianNetwork(PackedNetwork):
    """Convolution 3 x 3, pooling 2, convolution 3 x 3, pooling 2, two dense layers, mean and variance; K members.

    The last input channel is the share of covariates that are known at a pixel. Unless a covariate is directional,
    training sees turned and mirrored patches and a prediction is the mean over four mirrored views.
    """

    NAME = "padarian"
    SMALLEST_PATCH = 11  # the smallest odd width that leaves a pixel after both poolings

    def __init__(
        self, encoder: Encoder, patch_size: int, targets: int, members: int, dropout: float, is_class: bool = False
    ) -> None:
        super().__init__(encoder, patch_size, targets, members, dropout, is_class)
        side = _side_after_pooling(patch_size)
        self.first_weight = _zeros(members, _FIRST, encoder.channel_count + 1, 3, 3)
        self.first_bias = _zeros(members, _FIRST)
        self.second_weight = _zeros(members, _SECOND, _FIRST, 3, 3)
        self.second_bias = _zeros(members, _SECOND)
        self.dense_weight = _zeros(members, _DENSE, _SECOND, side, side)
        self.dense_bias = _zeros(members, _DENSE)
        self.last_weight = _zeros(members, _DENSE, _LAST)
        self.last_bias = _zeros(members, _LAST)
        self._outputs = 1 if is_class else 2  # a column
        self.output_weight = _zeros(members, _LAST, self._outputs * targets)
        self.output_bias = _zeros(members, self._outputs * targets)

    @property
    def may_mirror(self) -> bool:
        return not self.encoder.is_directional

    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        weights = (self.first_weight, self.second_weight, self.dense_weight)
        return [(weight, weight[0, 0].numel()) for weight in weights] + [(self.last_weight, _DENSE)]

    @property
    def covariate_of_input(self) -> Tensor:
        return functional.pad(self.encoder.covariate_of_channel, (0, 1), value=-1)

    def inputs(self, channels: Channels) -> Tensor:
        """(N, D, P, P) -> (N, P, P, D + 1), channels last: the order in which convolutions are fastest."""
        image = torch.cat([channels.values, channels.known.mean(1, keepdim=True)], dim=1)
        return image.permute(0, 2, 3, 1).contiguous()

    def forward(self, inputs: Tensor) -> Tensor:
        """(K, B, P, P, D + 1) -> mean and log variance (K, B, T, 2), or (K, B, T, 1) of classes."""
        return self._output(self._hidden(inputs))

    def hidden(self, inputs: Tensor) -> Tensor:
        """(B, P, P, D + 1) -> (K, B, 96), of the patches as they are."""
        return self._hidden(inputs.expand(self.members, *inputs.shape))

    def _hidden(self, inputs: Tensor) -> Tensor:
        """(K, B, P, P, D + 1) -> (K, B, 96)."""
        return self._after_first_layer(
            functional.conv2d(patches.permute(0, 3, 1, 2), self.first_weight[member], self.first_bias[member])
            for member, patches in enumerate(inputs)
        )

    def first_layer(self, inputs: Tensor, columns: Tensor | None = None) -> Tensor:
        """(B, P, P, D + 1) -> (K, B, 16, P - 2, P - 2)."""
        chosen = slice(None) if columns is None else columns
        image, weight = inputs.permute(0, 3, 1, 2)[:, chosen], self.first_weight[:, :, chosen].flatten(0, 1)
        flat: Tensor = functional.conv2d(image, weight, self.first_bias.flatten() if columns is None else None)
        by_member: Tensor = flat.unflatten(1, (self.members, _FIRST))
        return by_member.transpose(0, 1)

    def after_first_layer(self, first: Tensor) -> Tensor:
        return self._output(self._after_first_layer(image.clone() for image in first))

    def _after_first_layer(self, images: Iterable[Tensor]) -> Tensor:
        """(B, 16, P - 2, P - 2) of each member, changed in place -> (K, B, 96)."""
        flat = torch.stack([self._convolve_member(member, image) for member, image in enumerate(images)])
        hidden = torch.baddbmm(self.dense_bias[:, None], flat, self.dense_weight.flatten(2).transpose(1, 2)).relu_()
        return self._last(hidden)

    def _convolve_member(self, member: int, image: Tensor) -> Tensor:
        """(B, 16, P - 2, P - 2) -> (B, 32 * side^2). One member after the other: faster than grouped convolutions."""
        image = functional.max_pool2d(image.relu_(), 2)
        image = functional.conv2d(image, self.second_weight[member], self.second_bias[member]).relu_()
        return self.drop(functional.max_pool2d(image, 2), 0).flatten(1)

    def losses(self, output: Tensor, lesson: Lesson) -> Tensor:
        return normal_loss(output[..., 0], _variance(output).sqrt(), lesson)

    def centre_spread(self, output: Tensor) -> tuple[Tensor, Tensor]:
        return output[..., 0], _variance(output).sqrt()

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        views = [self.location_scale(self(torch.flip(inputs, [dim + 1 for dim in view]))) for view in self._views]
        return _mean([view[0] for view in views]), _mean([view[1] for view in views])

    def views(self, inputs: Tensor) -> list[Tensor]:
        return [torch.flip(inputs, view) for view in self._views]

    def dense(self, channels: Channels, watch: Watch | None = None) -> tuple[Tensor, Tensor]:
        image = self.inputs(channels)
        height, width = (size - self.patch_size + 1 for size in image.shape[1:3])
        views = []
        for view in self._views:
            hidden = self._dense_view(torch.flip(image, view).permute(0, 3, 1, 2), height, width)
            if watch and not view:
                watch(hidden)
            raw = self._output(hidden)
            location, scale = (part.mean(0).unflatten(0, (height, width)) for part in self.location_scale(raw))
            back = [dim - 1 for dim in view]  # (h, w, T)
            views.append((torch.flip(location, back), torch.flip(scale, back)))
        location, scale = _mean([view[0] for view in views]), _mean([view[1] for view in views])
        return location.permute(2, 0, 1), scale.permute(2, 0, 1)

    def _dense_view(self, image: Tensor, height: int, width: int) -> Tensor:
        """(1, D + 1, H, W) -> (K, h * w, 96). Poolings become running maxima, what follows them is dilated."""
        image = _running_maximum(self._convolve(image, self.first_weight, self.first_bias, groups=1), 1)
        image = _running_maximum(
            self._convolve(image, self.second_weight, self.second_bias, groups=self.members, dilation=2), 2
        )
        image = self._convolve(image, self.dense_weight, self.dense_bias, groups=self.members, dilation=4)
        # The patch may be wider than the receptive field, for poolings drop an odd last row: cut to size.
        image = image[0, :, :height, :width]
        return self._last(image.unflatten(0, (self.members, _DENSE)).flatten(2).transpose(1, 2))

    def _convolve(self, image: Tensor, weight: Tensor, bias: Tensor, groups: int, dilation: int = 1) -> Tensor:
        return functional.conv2d(image, weight.flatten(0, 1), bias.flatten(), groups=groups, dilation=dilation).relu_()

    def _last(self, hidden: Tensor) -> Tensor:
        """(K, B, 40) -> (K, B, 96)."""
        return torch.baddbmm(self.last_bias[:, None], hidden, self.last_weight).relu_()

    def _output(self, hidden: Tensor) -> Tensor:
        """(K, B, 96) -> (K, B, T, 2)."""
        output = torch.baddbmm(self.output_bias[:, None], hidden, self.output_weight)
        raw: Tensor = output.unflatten(-1, (self.targets, self._outputs))
        return raw

    @property
    def _views(self) -> tuple[tuple[int, ...], ...]:
        return _MIRRORS if self.may_mirror else _MIRRORS[:1]


def _zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def _side_after_pooling(patch_size: int) -> int:
    """Width in pixels of what the first dense layer sees."""
    return ((patch_size - 2) // 2 - 2) // 2


def _variance(output: Tensor) -> Tensor:
    """Variance of the standardized target, kept between (0.01 sd)^2 and (10 sd)^2."""
    return output[..., 1].clamp(2 * math.log(0.01), 2 * math.log(10.0)).exp()


def _running_maximum(image: Tensor, dilation: int) -> Tensor:
    """Maximum of 2 x 2 pixels `dilation` apart, at every pixel: pooling by 2 without its stride."""
    image = torch.maximum(image[..., :-dilation], image[..., dilation:])
    return torch.maximum(image[..., :-dilation, :], image[..., dilation:, :])


def _mean(tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors).mean(0)
