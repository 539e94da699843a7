"""The scale on which a target is learned: none, log or logit, then standardized; and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import skew

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.censored import normal_moments


@dataclass(frozen=True)
class TargetScale:
    """The scale of one target. `transform` is none, log or logit; `upper` is the logit's upper bound (1 or 100),
    `squeeze` says how far values at its bounds are drawn inwards; `centre` and `spread` standardize the transformed
    values."""

    transform: str
    centre: float
    spread: float
    upper: float = 1.0
    squeeze: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.centre, self.spread, self.upper)
        if self.transform not in ("none", "log", "logit") or not all(map(math.isfinite, numbers)):
            raise ValueError(f"no scale of a target: {self}")
        if self.spread <= 0 or self.upper <= 0 or not 0 <= self.squeeze < 0.5:
            raise ValueError(f"no scale of a target: {self}")

    def forward(self, values: Array) -> Array:
        """Target's unit -> standardized scale; NaN stays NaN."""
        if self.transform == "log":
            values = np.log(values)
        elif self.transform == "logit":
            values = logit(self.squeeze + values / self.upper * (1 - 2 * self.squeeze))
        return (values - self.centre) / self.spread

    @property
    def columns(self) -> int:
        return 1

    def forward_threshold(self, threshold: float) -> float:
        """A threshold in the target's unit -> standardized scale; it may lie beyond all that can be predicted."""
        if self.transform == "log" and threshold <= 0:
            return -math.inf
        if self.transform == "logit" and not 0 < threshold < self.upper:
            return -math.inf if threshold <= 0 else math.inf
        return float(self.forward(np.array([threshold]))[0])

    def forward_errors(self, values: Array, errors: Array) -> Array:
        """Standard deviations around `values`, both in the target's unit -> standardized scale.

        For a logarithm it is that of a lognormal distribution with that coefficient of variation; for a logit it is
        accurate to first order.
        """
        if self.transform == "log":
            return np.sqrt(np.log1p((errors / values) ** 2)) / self.spread
        if self.transform == "logit":
            step = 1e-4 * self.upper
            inside = np.clip(values, step, self.upper - step)
            return errors * (self.forward(inside + step) - self.forward(inside - step)) / (2 * step)
        return errors / self.spread

    def back(self, values: Array) -> Array:
        """Standardized scale -> target's unit; increasing, so quantiles map to quantiles."""
        values = values * self.spread + self.centre
        if self.transform == "log":
            values = np.exp(values)
        elif self.transform == "logit":
            share = (expit(values) - self.squeeze) / (1 - 2 * self.squeeze)
            values = self.upper * np.clip(share, 0, 1)
        return values


def choose_transform(wanted: str, values: Array, field: str) -> str:
    """The transform for a target: the wanted one, checked; `auto` picks log for positive, skewed values, else none.

    `auto` takes the log when all values are above 0, their skewness is above 1, and the log's is nearer 0.
    """
    known = values[np.isfinite(values)]
    if wanted == "auto":
        is_skewed = known.min() > 0 and skew(known) > 1 and abs(skew(np.log(known))) < abs(skew(known))
        return "log" if is_skewed else "none"
    if wanted == "log" and (known <= 0).any():
        raise EngineError(
            f"{field}: {(known <= 0).sum()} of {len(known)} values are 0 or negative, and their logarithm does not"
            " exist. Choose the transform 'none' or 'auto', or correct the values."
        )
    if wanted == "logit" and (known.min() < 0 or known.max() > 100):
        raise EngineError(
            f"{field}: the transform 'logit' is for shares from 0 to 1 or percentages from 0 to 100, but the values"
            f" go from {known.min():g} to {known.max():g}. Choose 'none' or 'auto'."
        )
    return wanted


def upper_bound(values: Array) -> float:
    """Upper bound of shares or percentages (N,), NaN where missing: 1 or 100."""
    return 1.0 if np.nanmax(values) <= 1 else 100.0


def fit_scale(transform: str, values: Array, upper: float, is_censored: Flags | None = None) -> TargetScale:
    """Fit the scale to training values (n,), NaN where missing. `upper` is the bound of all values, held-out ones, too:
    percentages of a training part may all be below 1."""
    is_known = np.isfinite(values)
    is_censored = np.zeros(len(values), np.bool_) if is_censored is None else is_censored
    known = values[is_known]
    # Values at the bounds are drawn inwards by half an observation (Smithson & Verkuilen 2006, eq. 4,
    # 10.1037/1082-989X.11.1.54).
    unscaled = TargetScale(transform, 0.0, 1.0, upper, 0.5 / len(known) if transform == "logit" else 0.0)
    centre, spread = normal_moments(unscaled.forward(known), is_censored[is_known])
    return TargetScale(transform, centre, spread if spread > 0 else 1.0, upper, unscaled.squeeze)
