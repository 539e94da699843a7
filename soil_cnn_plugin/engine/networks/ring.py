"""The ring network: centre values and focal means and deviations, through two residual layers to 19 quantiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.focal import context_features, covariate_of_feature, network_features
from soil_cnn_plugin.engine.networks.heads import QuantileHead
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch, multiply, rows_at_once
from soil_cnn_plugin.engine.targets.learned import ColumnLayout

_WIDTH = 96  # of the residual layers


class RingNetwork(PackedNetwork):
    """All members in one computation."""

    NAME = "ring"
    NUMBER_HEAD = QuantileHead

    def __init__(self, encoder: Encoder, patch_size: int, layout: ColumnLayout, members: int, dropout: float) -> None:
        super().__init__(encoder, patch_size, layout, members, dropout)
        features = network_features(encoder, patch_size)
        self.input_weight = nn.Parameter(torch.zeros(members, features, _WIDTH))
        self.input_bias = nn.Parameter(torch.zeros(members, _WIDTH))
        self.residual_weight = nn.Parameter(torch.zeros(members, 2, _WIDTH, _WIDTH))
        self.residual_bias = nn.Parameter(torch.zeros(members, 2, _WIDTH))
        self.output_weight = nn.Parameter(torch.zeros(members, _WIDTH, self.heads.outputs))
        self.output_bias = nn.Parameter(self.heads.start().repeat(members, 1))

    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        return [(self.input_weight, self.input_weight.shape[1]), (self.residual_weight, _WIDTH)]

    @property
    def covariate_of_input(self) -> Tensor:
        return covariate_of_feature(self.encoder, self.patch_size)[: self.input_weight.shape[1]]

    def inputs(self, channels: Channels) -> Tensor:
        """Turn (N, D, P, P) into (N, F)."""
        return context_features(channels, self.patch_size)[:, : self.input_weight.shape[1]].flatten(1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Turn (K, B, F), or (B, F) for all members, into raw numbers (K, B, O)."""
        return self._raw(self.hidden(inputs))

    def hidden(self, inputs: Tensor) -> Tensor:
        """Turn (K, B, F), or (B, F) for all members, into (K, B, 96)."""
        return self._after_first_layer(self.first_layer(inputs))

    def after_first_layer(self, first: Tensor) -> Tensor:
        return self._raw(self._after_first_layer(first))

    def _after_first_layer(self, first: Tensor) -> Tensor:
        """Turn (K, B, 96) into (K, B, 96)."""
        hidden = self.gelu_and_drop(first, 1)
        for layer in range(2):
            update = torch.baddbmm(self.residual_bias[:, layer, None], hidden, self.residual_weight[:, layer])
            hidden = hidden + self.gelu_and_drop(update, 1)
        return hidden

    def first_layer(self, inputs: Tensor, columns: Tensor | None = None) -> Tensor:
        """Turn (K, B, F), or (B, F) for all members, which takes one wide product, into (K, B, 96)."""
        if columns is not None:
            return torch.matmul(inputs[..., columns], self.input_weight[:, columns])
        if inputs.dim() == 3:
            return torch.baddbmm(self.input_bias[:, None], inputs, self.input_weight)
        weight = self.input_weight.transpose(0, 1).flatten(1)  # (K, F, 96) -> (F, K * 96)
        wide = torch.addmm(self.input_bias.flatten(), inputs, weight)
        by_member: Tensor = wide.unflatten(1, (self.members, _WIDTH))
        return by_member.transpose(0, 1).contiguous()

    def _raw(self, hidden: Tensor) -> Tensor:
        """Turn (K, B, 96) into (K, B, O)."""
        return torch.baddbmm(self.output_bias[:, None], hidden, self.output_weight)

    def dense(
        self, channels: Channels, watch: Watch | None = None, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        features = context_features(channels, self.patch_size)[0, : self.input_weight.shape[1]]  # -> (F, h, w)
        pixels = features.flatten(1)  # -> (F, h * w)
        layers = [_Layers(self, member, dtype) for member in range(self.members)]
        location = pixels.new_empty(self.heads.columns, pixels.shape[1])
        scale = torch.empty_like(location)
        step = rows_at_once(1, _WIDTH, pixels.device)
        for start in range(0, pixels.shape[1], step):
            piece = slice(start, start + step)
            # (F, n) -> (n, F): transposing adjacent numbers is three times as fast as gathering them.
            rows = pixels[:, piece].to(dtype).contiguous().T.contiguous()
            hidden, raw = [], []
            for layer in layers:
                last = layer.hidden(rows)
                raw.append(layer.output(last).float())
                if watch:
                    hidden.append(last.float())
            if watch:
                watch(torch.stack(hidden))
            centre, spread = self.heads.mean_location_scale(raw)
            location[:, piece], scale[:, piece] = centre.T, spread.T
        return location.unflatten(1, features.shape[1:]), scale.unflatten(1, features.shape[1:])


class _Layers:
    """The weights of one member as dense evaluation needs them."""

    def __init__(self, network: RingNetwork, member: int, dtype: torch.dtype) -> None:
        weights = [network.input_weight[member], *network.residual_weight[member], network.output_weight[member]]
        self._weights = [weight.T.contiguous().to(dtype) for weight in weights]
        biases = [network.input_bias[member], *network.residual_bias[member], network.output_bias[member]]
        self._biases = [bias.to(dtype) for bias in biases]

    def hidden(self, rows: Tensor) -> Tensor:
        """Turn (n, F) into (n, 96)."""
        hidden = multiply(rows, self._weights[0], self._biases[0], "gelu")
        for layer in (1, 2):
            hidden += multiply(hidden, self._weights[layer], self._biases[layer], "gelu")
        return hidden

    def output(self, hidden: Tensor) -> Tensor:
        """Turn (n, 96) into (n, O)."""
        return multiply(hidden, self._weights[-1], self._biases[-1])
