"""Means of a soil property over depth intervals, with flags where a mean is less than it seems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, free_name
from soil_cnn_plugin.engine.profiles.depths import Layers, fit_splines
from soil_cnn_plugin.engine.profiles.horizons import Horizons, find_twins, to_layers
from soil_cnn_plugin.engine.profiles.profile_layer import Column
from soil_cnn_plugin.engine.report import Report

PARTIAL = "partial"
BRIDGED = "bridged"
CLIPPED = "clipped"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class IntervalMeans:
    """The means of one property over the intervals.

    `means` (P, K) are those of P profiles over K intervals, NaN where there is none; `rmse` (P,) is that of the spline.
    `flags` (P,) are texts such as `60-100 partial 55 %; 0-5 clipped from -0.8`, None where there is nothing to say;
    `counts` are those of the flags. `gained` (P,) is what clipping adds to the profile's mass over the intervals, as a
    share of that mass.
    """

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


def average_values(
    job: StandardizeDepths, table: Layer, usable: Horizons, report: Report
) -> tuple[list[IntervalMeans], Dropped]:
    """Return the means of each value, and the horizons that were averaged with others first."""
    means, is_overlapping = [], np.zeros(len(usable), bool)
    for index, (value, name) in enumerate(zip(job.values, names_for(job.values))):
        layers, is_shared = to_layers(usable, index)
        if not len(layers):
            raise EngineError(
                f"No horizon of '{table.name}' that can be used has a value of {value.field}. Leave it out, or check"
                f" the limits ({job.upper}, {job.lower}) of the horizons that have one."
            )
        is_overlapping |= is_shared
        means.append(average_intervals(layers, value, name, job, len(usable.names)))
        report.progress((index + 1) / len(job.values))
    averaged = Dropped()
    averaged.add(table.ids[usable.rows[is_overlapping]], "averaged where overlapping others of the profile")
    averaged.add(table.ids[usable.rows[find_twins(usable)[1]]], "averaged with others of the same limits")
    if averaged.reasons:
        report.warning(f"Horizons that share depths: {averaged.in_words()}.")
    for each in means:
        _tell(job, each, usable, report)
    return means, averaged


def average_intervals(
    layers: Layers, measured: SoilProperty, name: str, job: StandardizeDepths, profiles: int
) -> IntervalMeans:
    """Average a value over the intervals; `name` is what the new fields begin with.

    A mean is given where the profile covers enough of the interval, and never beyond its first or last layer.
    """
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
    """Return what the new fields begin with: letters, digits and underscores, no two alike in a GeoPackage."""
    names: list[str] = []
    for value in values:
        names.append(free_name(re.sub(r"\W+", "_", value.field).strip("_") or "value", names))
    return names


def _possible(measured: Array, unit: str) -> tuple[float, float]:
    """Return the lowest and highest possible mean, as far as the measured ones tell: a spline may overshoot both."""
    is_percentage = "%" in unit and measured.max() <= 100
    return 0.0 if measured.min() >= 0 else -np.inf, 100.0 if is_percentage else np.inf


def _tell(job: StandardizeDepths, found: IntervalMeans, usable: Horizons, report: Report) -> None:
    field, unit = found.measured.field, f" {found.measured.unit}" if found.measured.unit else ""
    counts = np.isfinite(found.means).sum(axis=0)
    given = ", ".join(f"{upper:g}-{lower:g} cm {n}" for (upper, lower), n in zip(job.intervals, counts))
    rmse = found.rmse[np.isfinite(found.rmse)]
    report.info(f"{field}: profiles with a mean over {given}.")
    report.info(
        f"{field}: horizon means of the splines (lambda {job.smoothing:g}, profiles: {len(rmse)}) differ from the"
        f" measured ones by {np.median(rmse):.3g}{unit} in the middle profile (rmse), {rmse.max():.3g}{unit} at most."
    )
    gaps = found.layers.gaps
    if gaps.any():
        name = usable.names[found.layers.profile[int(np.argmax(gaps))]]
        report.info(
            f"{field}: gaps between horizons that the spline bridges: {(gaps > 0).sum()}, the widest of {gaps.max():g}"
            f" cm in profile {name}."
        )
    partial, bridged, clipped = (found.counts[flag] for flag in (PARTIAL, BRIDGED, CLIPPED))
    if partial or bridged:
        report.info(
            f"{field}: {found.flag_field} tells which means stand for a part of their interval only ({PARTIAL},"
            f" {partial}) and which lie mostly in a gap ({BRIDGED}, {bridged})."
        )
    if clipped:
        sides = zip(("below", "above"), found.limits)
        beyond = " or ".join(f"{side} {limit:g}" for side, limit in sides if np.isfinite(limit))
        report.warning(
            f"{field}: {clipped} means were {beyond}, where no measured value lies, and are set to that limit."
            f" {found.flag_field} tells which, and what they were ({CLIPPED}). {_mass_in_words(found, usable)}"
        )


def _mass_in_words(found: IntervalMeans, usable: Horizons) -> str:
    """Tell what clipping does to the mass that the splines preserve."""
    changed = np.flatnonzero(np.abs(found.gained) > 1e-9)
    if not len(changed):
        return ""
    most = changed[np.argmax(np.abs(found.gained[changed]))]
    return (
        f"Their profiles ({len(changed)}) no longer keep their mass over the intervals: it changes by"
        f" {np.median(found.gained[changed]):+.2%} in the middle one, and by {found.gained[most]:+.2%} at most (profile"
        f" {usable.names[most]}). More horizons, or a larger lambda, let a spline overshoot less."
    )
