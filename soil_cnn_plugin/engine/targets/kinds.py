"""What targets are learned as, and the way back: from locations and scales to distributions in the targets' units.

An outcome stands for one target, for the parts of a composition, or for classes. Its learned columns are C, its targets
D; arrays are (C, ...) and (D, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.calibration import Calibration, calibrate
from soil_cnn_plugin.engine.targets.classes import calibrate_classes, sharpen
from soil_cnn_plugin.engine.targets.composition import CompositionScale
from soil_cnn_plugin.engine.targets.joint_calibration import JointCalibration, calibrate_jointly
from soil_cnn_plugin.engine.targets.target_scale import TargetScale


class Distributions(Protocol):
    """What outcomes of numbers have in common."""

    @property
    def columns(self) -> int: ...

    def forward_errors(self, values: Array, errors: Array) -> Array:
        """Standard deviations of measurement around measured values, (D, n) each in the targets' units, standardized:
        (C, n); 0 where there is none."""
        ...

    def mean_and_deviation(self, location: Array, scale: Array, errors: Array | None = None) -> tuple[Array, Array]:
        """(D, ...) each, in the targets' units. `errors` (C, ...) of measurement, standardized, are added to the
        spread: for what a laboratory would report instead of the truth."""
        ...

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], errors: Array | None = None) -> Array:
        """(levels, D, ...)."""
        ...

    def describe(self, location: Array, scale: Array, levels: Sequence[float]) -> Array:
        """Mean, standard deviation and quantiles: (2 + levels, D, ...)."""
        ...

    def probability_above(self, location: Array, scale: Array, target: int, threshold: float) -> Array:
        """(...) that the target of that number, counted from 0, lies above the threshold."""
        ...


@dataclass(frozen=True)
class NumberOutcome:
    """One target, learned by itself."""

    scale: TargetScale
    calibration: Calibration

    @property
    def columns(self) -> int:
        return 1

    def forward_errors(self, values: Array, errors: Array) -> Array:
        found = np.zeros_like(errors)
        is_known = np.isfinite(values) & (errors > 0)
        found[is_known] = self.scale.forward_errors(values[is_known], errors[is_known])
        return found

    def mean_and_deviation(self, location: Array, scale: Array, errors: Array | None = None) -> tuple[Array, Array]:
        error = 0.0 if errors is None else errors[0]
        mean, deviation = self.calibration.mean_and_deviation(location[0], scale[0], self.scale, error)
        return mean[None], deviation[None]

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], errors: Array | None = None) -> Array:
        error = 0.0 if errors is None else errors[0]
        found = [self.calibration.quantile(location[0], scale[0], level, self.scale, error) for level in levels]
        return np.stack(found)[:, None]

    def describe(self, location: Array, scale: Array, levels: Sequence[float]) -> Array:
        moments = np.stack(self.mean_and_deviation(location, scale))
        return np.concatenate([moments, self.quantiles(location, scale, levels)]) if levels else moments

    def probability_above(self, location: Array, scale: Array, target: int, threshold: float) -> Array:
        return self.calibration.probability_above(location[0], scale[0], threshold, self.scale)


@dataclass(frozen=True)
class CompositionOutcome:
    """The parts of a whole, learned as log-ratios together."""

    scale: CompositionScale
    calibration: JointCalibration

    @property
    def columns(self) -> int:
        return self.scale.columns

    def forward_errors(self, values: Array, errors: Array) -> Array:
        return np.zeros((self.columns, values.shape[1]))  # parts of a composition have none

    def mean_and_deviation(self, location: Array, scale: Array, errors: Array | None = None) -> tuple[Array, Array]:
        return self.calibration.mean_and_deviation(location, scale, self.scale)

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], errors: Array | None = None) -> Array:
        return self.calibration.quantiles(location, scale, levels, self.scale)

    def describe(self, location: Array, scale: Array, levels: Sequence[float]) -> Array:
        return self.calibration.describe(location, scale, levels, self.scale)

    def probability_above(self, location: Array, scale: Array, target: int, threshold: float) -> Array:
        return self.calibration.probability_above(location, scale, target, threshold, self.scale)


MOST_NUMBERS = 255
"""Classes that a raster of a byte a pixel can hold."""


@dataclass(frozen=True)
class ClassOutcome:
    """Soil classes. `temperature` flattens (above 1) or sharpens the probabilities that the components give."""

    names: tuple[str, ...]
    temperature: float

    def __post_init__(self) -> None:
        if not 2 <= len(self.names) <= MOST_NUMBERS or not 0 < self.temperature < np.inf:
            raise ValueError("the classes make no sense")

    @property
    def columns(self) -> int:
        return len(self.names)

    def probabilities(self, location: Array) -> Array:
        """Calibrated, (C, ...), summing to 1, from the components' mixed ones."""
        return sharpen(location, self.temperature)


Outcome = NumberOutcome | CompositionOutcome | ClassOutcome
Scale = TargetScale | CompositionScale | tuple[str, ...]
"""Before calibration: of a number, of a composition, or the names of classes."""


def column_count(scale: Scale) -> int:
    return len(scale) if isinstance(scale, tuple) else scale.columns


def calibrated(
    scale: Scale, learned: Array, location: Array, spread: Array, is_censored: Flags, errors: Array
) -> Outcome:
    """The outcome from the learned columns (n, C) of held-out observations and what was predicted for them."""
    if isinstance(scale, tuple):
        return ClassOutcome(scale, calibrate_classes(learned, location))
    if isinstance(scale, CompositionScale):
        return CompositionOutcome(scale, calibrate_jointly(learned, location, spread))
    columns = learned[:, 0], location[:, 0], spread[:, 0]
    return NumberOutcome(scale, calibrate(*columns, is_censored[:, 0], errors[:, 0]))
