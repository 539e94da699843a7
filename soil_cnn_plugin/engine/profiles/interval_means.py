"""Means of a soil property over depth intervals, with flags where a mean is less than it seems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.depth_jobs import StandardizeDepths, interval_in_words
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, free_name
from soil_cnn_plugin.engine.profiles.bounded import BoundedSplines
from soil_cnn_plugin.engine.profiles.depths import Layers, fit_splines
from soil_cnn_plugin.engine.profiles.horizons import Horizons, find_twins, to_layers
from soil_cnn_plugin.engine.profiles.profile_layer import Column
from soil_cnn_plugin.engine.report import Report

PARTIAL = "partial"
BRIDGED = "bridged"
CLIPPED = "clipped"
ADJUSTED = "adjusted"
CENSORED = "below limits"
_ROUNDING = 1e-9
_MOSTLY = (
    0.5  # of an interval's mass in horizons below limits, from which on the mean itself is only known to lie below
)


@dataclass(frozen=True)
class IntervalMeans:
    """The means of one property over the intervals.

    `means` (P, K) are those of P profiles over K intervals, NaN where there is none; where `is_below` (P, K), a mean is
    only known to be below that number. `rmse` (P,) is that of the spline. `flags` (P,) are texts such as
    `60-100 partial 55 %; 0-5 clipped from -0.8`, None where there is nothing to say; `counts` are those of the flags.
    `gained` (P,) is what the limits of the possible add to the mass of the whole profile, as a share of that mass.
    """

    measured: SoilProperty
    targets: tuple[SoilProperty, ...]
    layers: Layers
    means: Array
    is_below: Flags
    rmse: Array
    flags: NDArray[np.object_]
    counts: dict[str, int]
    limits: tuple[float, float]
    gained: Array

    @property
    def flag_field(self) -> str:
        return f"{self.targets[0].name}_flag"

    def columns(self) -> dict[str, Column]:
        """Return the fields. A field with a mean that is only known to be below a number is a text field, in which that
        reads `<0.5`."""
        name = self.targets[0].name
        means = {
            target.field: _column(values, is_below, target.label)
            for target, values, is_below in zip(self.targets, self.means.T, self.is_below.T)
        }
        unit = f" ({self.measured.unit})" if self.measured.unit else ""
        return {
            **means,
            f"{name}_rmse": Column.of_numbers(self.rmse, tr("{}, RMSE of the spline{}").format(name, unit)),
            self.flag_field: Column(
                self.flags,
                np.array([flag is None for flag in self.flags], bool),
                tr("{}, flags of intervals").format(name),
            ),
        }


def _column(values: Array, is_below: Flags, label: str) -> Column:
    if not is_below.any():
        return Column.of_numbers(values, label)
    texts = [None if np.isnan(value) else f"{'<' * bool(below)}{value:.10g}" for value, below in zip(values, is_below)]
    return Column(np.array(texts, object), np.isnan(values), label)


def average_values(
    job: StandardizeDepths, table: Layer, usable: Horizons, report: Report
) -> tuple[list[IntervalMeans], Dropped]:
    """Return the means of each value, and the horizons that were averaged with others first."""
    means, is_overlapping = [], np.zeros(len(usable), bool)
    for index, (value, name) in enumerate(zip(job.values, names_for(job.values))):
        layers, is_shared = to_layers(usable, usable.values[:, index])
        if not len(layers):
            raise EngineError(
                tr(
                    "No horizon of '{}' that can be used has a value of {}. Leave it out, or check the limits"
                    " ({}, {}) of the horizons that have one."
                ).format(table.name, value.field, job.upper, job.lower)
            )
        is_overlapping |= is_shared
        found = average_intervals(layers, value, name, job, len(usable.names))
        means.append(_with_limits(found, usable, index, job) if usable.limits[:, index].any() else found)
        report.progress((index + 1) / len(job.values))
    averaged = Dropped()
    averaged.add(table.ids[usable.rows[is_overlapping]], tr("averaged where overlapping others of the profile"))
    averaged.add(table.ids[usable.rows[find_twins(usable)[1]]], tr("averaged with others of the same limits"))
    if averaged.reasons:
        report.warning(tr("Horizons that share depths: {}.").format(averaged.in_words()))
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
    found = [splines.interval_means(upper, lower, profiles) for upper, lower in job.intervals]
    free, covered, inside = (
        np.column_stack([getattr(each, name) for each in found]) for name in ("mean", "covered", "measured")
    )
    is_given = (covered > 0) & (covered >= job.min_share - _ROUNDING)
    free = np.where(is_given, free, np.nan)
    is_clipped = (free < limits[0] - slack) | (free > limits[1] + slack)
    means, gained = np.clip(free, *limits), np.zeros(profiles)
    overshoots = is_clipped.any(axis=1)
    if overshoots.any():
        bounded = BoundedSplines(splines, limits)
        masses = np.column_stack([bounded.masses(*interval, profiles) for interval in job.intervals])
        cm = np.where(is_given, covered, 1.0) * np.diff(job.intervals).T
        means[overshoots] = np.where(is_given, np.clip(masses / cm, *limits), np.nan)[overshoots]
        gained[overshoots] = bounded.gains(profiles)[overshoots]
    is_flagged = {
        PARTIAL: covered < 1 - _ROUNDING,
        BRIDGED: inside < job.min_share * covered - _ROUNDING,
        CLIPPED: is_clipped,
        ADJUSTED: ~is_clipped & (np.abs(means - free) > slack),
    }
    in_gaps = 1 - inside / np.where(is_given, covered, 1.0)
    shares = {PARTIAL: np.minimum(covered, 0.99), BRIDGED: in_gaps}
    words = {flag: np.vectorize(lambda share: f"{100 * share:.0f} %", otypes=[object])(shares[flag]) for flag in shares}
    words |= dict.fromkeys((CLIPPED, ADJUSTED), np.vectorize(lambda v: f"from {v:.3g}", otypes=[object])(free))
    is_flagged = {flag: flagged & is_given for flag, flagged in is_flagged.items()}
    return IntervalMeans(
        measured=measured,
        targets=tuple(SoilProperty(f"{name}_{upper:g}_{lower:g}", measured.unit) for upper, lower in job.intervals),
        layers=layers,
        means=means,
        is_below=np.zeros(means.shape, bool),
        rmse=splines.rmse(profiles),
        flags=_flags(is_flagged, words, job),
        counts={flag: int(flagged.sum()) for flag, flagged in is_flagged.items()},
        limits=limits,
        gained=gained,
    )


def _flags(
    is_flagged: dict[str, Flags], words: dict[str, NDArray[np.object_]], job: StandardizeDepths
) -> NDArray[np.object_]:
    """Return the texts (P,) of flags, interval by interval, None where a profile has none."""
    profiles = len(next(iter(is_flagged.values())))
    texts: list[list[str]] = [[] for _ in range(profiles)]
    for k, interval in enumerate(job.intervals):
        for flag, flagged in is_flagged.items():
            for profile in np.flatnonzero(flagged[:, k]).tolist():
                texts[profile].append(f"{interval_in_words(interval)} {flag} {words[flag][profile, k]}")
    return np.array([None, *("; ".join(text) or None for text in texts)], object)[1:]


def _with_limits(found: IntervalMeans, usable: Horizons, index: int, job: StandardizeDepths) -> IntervalMeans:
    """Tell what horizons below detection limits mean for the means, in which half their limits stand.

    The most that a mean may be is that with the limits in full. If most of its mass is then that of limits, the mean is
    only known to lie below; else the share is flagged.
    """
    values, limits, profiles = usable.values[:, index], usable.limits[:, index], len(usable.names)
    most, of_limits = (
        average_intervals(
            to_layers(usable, np.where(np.isfinite(values), each, np.nan))[0],
            found.measured,
            found.targets[0].name,
            job,
            profiles,
        ).means
        for each in (np.where(limits > 0, limits, values), limits)
    )
    share = np.clip(np.where(most > 0, of_limits / np.where(most > 0, most, 1.0), 0.0), 0.0, 1.0)
    is_part = np.isfinite(found.means) & (share > _ROUNDING)
    is_below = is_part & (share > _MOSTLY)
    words = np.vectorize(lambda part: f"{100 * part:.0f} %", otypes=[object])(share)
    added = _flags({CENSORED: is_part}, {CENSORED: words}, job)
    joined = ["; ".join(filter(None, pair)) or None for pair in zip(found.flags, added)]
    return replace(
        found,
        means=np.where(is_below, np.maximum(most, found.means), found.means),
        is_below=is_below,
        flags=np.array([None, *joined], object)[1:],
        counts={**found.counts, CENSORED: int(is_part.sum())},
    )


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
    given = ", ".join(tr("{:g}-{:g} cm {}").format(upper, lower, n) for (upper, lower), n in zip(job.intervals, counts))
    rmse = found.rmse[np.isfinite(found.rmse)]
    report.info(tr("{}: profiles with a mean over {}.").format(field, given))
    report.info(
        tr(
            "{}: horizon means of the splines (lambda {:g}, profiles: {}) differ from the measured ones by"
            " {:.3g}{} in the middle profile (rmse), {:.3g}{} at most."
        ).format(field, job.smoothing, len(rmse), np.median(rmse), unit, rmse.max(), unit)
    )
    gaps = found.layers.gaps
    if gaps.any():
        name = usable.names[found.layers.profile[int(np.argmax(gaps))]]
        report.info(
            tr("{}: gaps between horizons that the spline bridges: {}, the widest of {:g} cm in profile {}.").format(
                field, (gaps > 0).sum(), gaps.max(), name
            )
        )
    partial, bridged, clipped = (found.counts[flag] for flag in (PARTIAL, BRIDGED, CLIPPED))
    if partial or bridged:
        report.info(
            tr(
                "{}: {} tells which means stand for a part of their interval only ({}, {}) and which lie mostly"
                " in a gap ({}, {})."
            ).format(field, found.flag_field, PARTIAL, partial, BRIDGED, bridged)
        )
    if found.counts.get(CENSORED):
        report.warning(
            tr(
                "{}: {} means include horizons below detection limits, with half of the limit as the value ({}"
                " in {}, with the share of the mass). Where these horizons are most of the mass ({} means), the"
                " mean is written as text, such as <0.5, with the number that the full limits give, so that"
                " later steps know that the true mean lies below."
            ).format(field, found.counts[CENSORED], CENSORED, found.flag_field, found.is_below.sum())
        )
    if clipped:
        sides = zip((tr("below {:g}"), tr("above {:g}")), found.limits)
        beyond = [text.format(limit) for text, limit in sides if np.isfinite(limit)]
        where = tr("{} or {}").format(*beyond) if len(beyond) > 1 else beyond[0]
        report.warning(
            tr(
                "{}: {} means were {}, where no measured value lies, and their splines were cut off at that"
                " limit ({} in {}). {}"
            ).format(field, clipped, where, CLIPPED, found.flag_field, _mass_in_words(found, usable))
        )


def _mass_in_words(found: IntervalMeans, usable: Horizons) -> str:
    """Tell where the mass goes that cutting off would add, and what of it remains."""
    kept = tr(
        "Each horizon takes back within its own depth what this would add, so that it keeps its mass ({},"
        " {} other means)."
    ).format(ADJUSTED, found.counts[ADJUSTED])
    changed = np.flatnonzero(np.abs(found.gained) > _ROUNDING)
    if not len(changed):
        return kept
    most = changed[np.argmax(np.abs(found.gained[changed]))]
    return tr(
        "{} In gaps between horizons there is no such mass: {} profiles change theirs by {:+.2%} in the"
        " middle one, and by {:+.2%} at most (profile {})."
    ).format(kept, len(changed), np.median(found.gained[changed]), found.gained[most], usable.names[most])
