"""Means of a soil property over depth intervals, and flags where a mean is less than it seems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.observations.point_layer import free_name
from soil_cnn_plugin.engine.profiles.depths import Layers, fit_splines
from soil_cnn_plugin.engine.profiles.profile_layer import Column

PARTIAL = "partial"
BRIDGED = "bridged"
CLIPPED = "clipped"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class IntervalMeans:
    """`means` (P, K) of P profiles over K intervals, NaN where there is none; `rmse` (P,) of the spline; `flags` (P,)
    texts such as `60-100 partial 55 %; 0-5 clipped from -0.8`, None where there is nothing to say; `counts` of the
    flags; `gained` (P,) what clipping adds to the profile's mass over the intervals, as a share of it."""

    measured: SoilProperty
    targets: tuple[SoilProperty, ...]
    layers: Layers
    means: Array
    rmse: Array
    flags: NDArray[np.object_]
    counts: dict[str, int]
    limits: tuple[float, float]
    gained: Array

    @property
    def flag_field(self) -> str:
        return f"{self.targets[0].name}_flag"

    def columns(self) -> dict[str, Column]:
        name = self.targets[0].name
        means = {
            target.field: Column.of_numbers(values, target.label) for target, values in zip(self.targets, self.means.T)
        }
        unit = f" ({self.measured.unit})" if self.measured.unit else ""
        return {
            **means,
            f"{name}_rmse": Column.of_numbers(self.rmse, f"{name}, rmse of the spline{unit}"),
            self.flag_field: Column(
                self.flags, np.array([flag is None for flag in self.flags], bool), f"{name}, flags of intervals"
            ),
        }


def average_intervals(
    layers: Layers, measured: SoilProperty, name: str, job: StandardizeDepths, profiles: int
) -> IntervalMeans:
    """`name` is what the new fields begin with; a mean is given where the profile reaches over enough of the interval,
    and never beyond its first or last layer."""
    splines = fit_splines(layers, job.smoothing)
    limits = _possible(layers.mean, measured.unit)
    slack = _ROUNDING * np.abs(layers.mean).max()
    means, texts = np.full((profiles, len(job.intervals)), np.nan), [list[str]() for _ in range(profiles)]
    counts = {PARTIAL: 0, BRIDGED: 0, CLIPPED: 0}
    mass, added = np.zeros(profiles), np.zeros(profiles)
    for k, (upper, lower) in enumerate(job.intervals):
        found = splines.interval_means(upper, lower, profiles)
        is_given = found.covered >= job.min_share - _ROUNDING
        means[is_given, k] = np.clip(found.mean[is_given], *limits)
        thickness = np.where(is_given, found.covered * (lower - upper), 0.0)
        mass += thickness * np.where(is_given, means[:, k], 0.0)
        added += thickness * np.where(is_given, means[:, k] - found.mean, 0.0)
        is_flagged = {
            PARTIAL: found.covered < 1 - _ROUNDING,
            BRIDGED: found.measured < job.min_share * found.covered - _ROUNDING,
            CLIPPED: (found.mean < limits[0] - slack) | (found.mean > limits[1] + slack),
        }
        in_gaps = 1 - found.measured / np.where(is_given, found.covered, 1.0)
        shares = {PARTIAL: np.minimum(found.covered, 0.99), BRIDGED: in_gaps}
        for flag, flagged in is_flagged.items():
            chosen = np.flatnonzero(is_given & flagged).tolist()
            counts[flag] += len(chosen)
            for profile in chosen:
                much = f"{100 * shares[flag][profile]:.0f} %" if flag in shares else f"from {found.mean[profile]:.3g}"
                texts[profile].append(f"{upper:g}-{lower:g} {flag} {much}")
    flags = np.array([None, *("; ".join(text) or None for text in texts)], object)[1:]
    targets = tuple(SoilProperty(f"{name}_{upper:g}_{lower:g}", measured.unit) for upper, lower in job.intervals)
    gained = np.where(mass > 0, added / np.where(mass > 0, mass, 1.0), (added > 0).astype(float))
    return IntervalMeans(measured, targets, layers, means, splines.rmse(profiles), flags, counts, limits, gained)


def names_for(values: Sequence[SoilProperty]) -> list[str]:
    """What the new fields begin with: letters, digits and underscores, no two alike in a GeoPackage."""
    names: list[str] = []
    for value in values:
        names.append(free_name(re.sub(r"\W+", "_", value.field).strip("_") or "value", names))
    return names


def _possible(measured: Array, unit: str) -> tuple[float, float]:
    """Lowest and highest possible mean, as far as the measured ones tell: a spline may overshoot both."""
    is_percentage = "%" in unit and measured.max() <= 100
    return 0.0 if measured.min() >= 0 else -np.inf, 100.0 if is_percentage else np.inf
