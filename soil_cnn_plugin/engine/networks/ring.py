"""The ring network: centre values and focal means and deviations, through two residual layers to 19 quantiles."""

from __future__ import annotations

import torch
from scipy.stats import norm
from torch import Tensor, nn
from torch.nn import functional

from soil_cnn_plugin.engine.networks.dense_layers import multiply, rows_at_once
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder, Location
from soil_cnn_plugin.engine.networks.focal import context_count, context_features, covariate_of_feature
from soil_cnn_plugin.engine.networks.likelihood import normal_loss
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch
from soil_cnn_plugin.engine.targets.learned import Lesson

RING_QUANTILES = 19
_LEVELS = [(i + 1) / (RING_QUANTILES + 1) for i in range(RING_QUANTILES)]
_NORMAL_QUANTILES = [float(norm.ppf(level)) for level in _LEVELS]
_WIDTH = 96  # of the residual layers


class RingNetwork(PackedNetwork):
    """All members in one computation.

    Loss: 4 x pinball over the quantiles + 0.25 x squared error of their mean. Quantiles cannot cross: each is the one
    below plus a positive step. Columns with censored values or errors of measurement are learned by the likelihood of a
    normal distribution with the quantiles' centre and spread instead: a pinball loss has no place for either.
    """

    NAME = "ring"

    def __init__(
        self, encoder: Encoder, patch_size: int, targets: int, members: int, dropout: float, is_class: bool = False
    ) -> None:
        super().__init__(encoder, patch_size, targets, members, dropout, is_class)
        features = context_count(encoder.channel_count, len(encoder.continuous), patch_size)
        features += len(Location.ANGLES) if encoder.location else 0
        self.input_weight = nn.Parameter(torch.zeros(members, features, _WIDTH))
        self.input_bias = nn.Parameter(torch.zeros(members, _WIDTH))
        self.residual_weight = nn.Parameter(torch.zeros(members, 2, _WIDTH, _WIDTH))
        self.residual_bias = nn.Parameter(torch.zeros(members, 2, _WIDTH))
        self._outputs = 1 if is_class else RING_QUANTILES  # a column
        self.output_weight = nn.Parameter(torch.zeros(members, _WIDTH, targets * self._outputs))
        steps = torch.tensor(_NORMAL_QUANTILES).diff()
        first = torch.cat([torch.tensor(_NORMAL_QUANTILES[:1]), torch.log(torch.expm1(steps))])
        self.output_bias = nn.Parameter((torch.zeros(1) if is_class else first).repeat(members, targets))
        self.register_buffer("levels", torch.tensor(_LEVELS), persistent=False)
        self.levels: Tensor

    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        return [(self.input_weight, self.input_weight.shape[1]), (self.residual_weight, _WIDTH)]

    @property
    def covariate_of_input(self) -> Tensor:
        return covariate_of_feature(self.encoder, self.patch_size)

    def inputs(self, channels: Channels) -> Tensor:
        """(N, D, P, P) -> (N, F)."""
        return context_features(channels, self.patch_size).flatten(1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(K, B, F), or (B, F) for all members -> quantiles (K, B, T, 19)."""
        return self._quantiles(self.hidden(inputs))

    def hidden(self, inputs: Tensor) -> Tensor:
        """(K, B, F), or (B, F) for all members -> (K, B, 96)."""
        return self._after_first_layer(self.first_layer(inputs))

    def after_first_layer(self, first: Tensor) -> Tensor:
        return self._quantiles(self._after_first_layer(first))

    def _after_first_layer(self, first: Tensor) -> Tensor:
        """(K, B, 96) -> (K, B, 96)."""
        hidden = self.drop(functional.gelu(first), 1)
        for layer in range(2):
            update = torch.baddbmm(self.residual_bias[:, layer, None], hidden, self.residual_weight[:, layer])
            hidden = hidden + self.drop(functional.gelu(update), 1)
        return hidden

    def first_layer(self, inputs: Tensor, columns: Tensor | None = None) -> Tensor:
        """(K, B, F), or (B, F) for all members, which takes one wide product -> (K, B, 96)."""
        if columns is not None:
            return torch.matmul(inputs[..., columns], self.input_weight[:, columns])
        if inputs.dim() == 3:
            return torch.baddbmm(self.input_bias[:, None], inputs, self.input_weight)
        weight = self.input_weight.transpose(0, 1).flatten(1)  # (K, F, 96) -> (F, K * 96)
        wide = torch.addmm(self.input_bias.flatten(), inputs, weight)
        by_member: Tensor = wide.unflatten(1, (self.members, _WIDTH))
        return by_member.transpose(0, 1).contiguous()

    def _quantiles(self, hidden: Tensor) -> Tensor:
        """(K, B, 96) -> (K, B, T, 19); (K, B, T, 1) of classes, as they come."""
        flat = torch.baddbmm(self.output_bias[:, None], hidden, self.output_weight)
        output: Tensor = flat.unflatten(-1, (self.targets, self._outputs))  # -> (K, B, T, 19)
        if self.is_class:
            return output
        steps = torch.cat([output[..., :1], functional.softplus(output[..., 1:])], dim=-1)
        return steps.cumsum(-1)

    def losses(self, output: Tensor, lesson: Lesson) -> Tensor:
        targets = lesson.values.nan_to_num(0.0)  # (K, B, T)
        error = targets[..., None] - output
        pinball = torch.maximum(self.levels * error, (self.levels - 1) * error).mean(-1)
        losses = 4 * pinball + 0.25 * (targets - output.mean(-1)) ** 2
        if lesson.by_likelihood is None:
            return losses
        location, spread = self.centre_spread(output)
        return torch.where(lesson.by_likelihood, normal_loss(location, spread.clamp(min=0.01), lesson), losses)

    def centre_spread(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the quantiles, and the spread between the outermost in standard deviations of a normal."""
        spread = (output[..., -1] - output[..., 0]) / (_NORMAL_QUANTILES[-1] - _NORMAL_QUANTILES[0])
        return output.mean(-1), spread

    def dense(
        self, channels: Channels, watch: Watch | None = None, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        features = context_features(channels, self.patch_size)[0]  # -> (F, h, w)
        pixels = features.flatten(1)  # -> (F, h * w)
        layers = [_Layers(self, member, dtype) for member in range(self.members)]
        location = pixels.new_empty(self.targets, pixels.shape[1])
        scale = torch.empty_like(location)
        step = rows_at_once(1, _WIDTH, pixels.device)
        for start in range(0, pixels.shape[1], step):
            piece = slice(start, start + step)
            # Transposing what lies together is three times as fast as gathering it: (F, n) -> (n, F).
            rows = pixels[:, piece].to(dtype).contiguous().T.contiguous()
            hidden, raw = [], []
            for layer in layers:
                last = layer.hidden(rows)
                raw.append(layer.output(last).float())
                if watch:
                    hidden.append(last.float())
            if watch:
                watch(torch.stack(hidden))
            centre, spread = self._mean_location_scale(raw)
            location[:, piece], scale[:, piece] = centre.T, spread.T
        return location.unflatten(1, features.shape[1:]), scale.unflatten(1, features.shape[1:])

    def _mean_location_scale(self, output: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean over members of centre and spread, (n, T) each, from each one's (n, T * 19) before its steps."""
        if self.is_class:
            location, scale = self.location_scale(torch.stack(output).unsqueeze(-1))
            return location.mean(0), scale.mean(0)
        total = torch.zeros_like(output[0])
        for each in output:
            total += functional.softplus(each)  # of all, also the lowest quantiles: faster than with gaps
        steps = total.unflatten(1, (self.targets, RING_QUANTILES))
        steps[..., 0] = torch.stack([each[:, ::RING_QUANTILES] for each in output]).sum(0)
        # Centre and spread are linear in the quantiles: those of the mean quantiles are the mean over members.
        return self.centre_spread((steps / len(output)).cumsum(-1))


class _Layers:
    """The weights of one member as dense evaluation needs them."""

    def __init__(self, network: RingNetwork, member: int, dtype: torch.dtype) -> None:
        weights = [network.input_weight[member], *network.residual_weight[member], network.output_weight[member]]
        self._weights = [weight.T.contiguous().to(dtype) for weight in weights]
        biases = [network.input_bias[member], *network.residual_bias[member], network.output_bias[member]]
        self._biases = [bias.to(dtype) for bias in biases]

    def hidden(self, rows: Tensor) -> Tensor:
        """(n, F) -> (n, 96)."""
        hidden = multiply(rows, self._weights[0], self._biases[0], "gelu")
        for layer in (1, 2):
            hidden += multiply(hidden, self._weights[layer], self._biases[layer], "gelu")
        return hidden

    def output(self, hidden: Tensor) -> Tensor:
        """(n, 96) -> (n, T * 19)."""
        return multiply(hidden, self._weights[-1], self._biases[-1])
