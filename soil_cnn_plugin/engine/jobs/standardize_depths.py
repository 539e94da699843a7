"""Standardize depths: horizons to means over fixed depth intervals, one point a profile."""

from __future__ import annotations

import numpy as np
import pyproj

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, free_name, read_table, write_dropped
from soil_cnn_plugin.engine.observations.target_values import find_wild
from soil_cnn_plugin.engine.profiles.horizons import Horizons, choose_usable, find_twins, read_horizons, to_layers
from soil_cnn_plugin.engine.profiles.interval_means import (
    BRIDGED,
    CLIPPED,
    PARTIAL,
    IntervalMeans,
    average_intervals,
    names_for,
)
from soil_cnn_plugin.engine.profiles.profile_layer import (
    Column,
    carry_over,
    name_profiles,
    place_profiles,
    read_points,
    write_profiles,
)
from soil_cnn_plugin.engine.report import Report

_DEEP = 500.0  # cm: where half of all profiles reach deeper, their limits are hardly in cm
_SHALLOW = 10.0  # cm: the same where none does, and limits have decimals


def run(job: StandardizeDepths, report: Report) -> dict[str, str | float | int]:
    """Writes the profiles, and the horizons with problems where they are wanted."""
    table, left_out, notes = read_table(job.horizons), Dropped(), Notes()
    report.part(0.0, 0.3, "Reading horizons")
    described = read_horizons(table, job, left_out, notes)
    usable = choose_usable(described, table, job, left_out)
    for fact in notes.facts:
        report.info(fact)
    for doubt in notes.doubts:
        report.warning(doubt)
    _tell_horizons(job, table, described, usable, left_out, report)
    fitting = report.part(0.3, 0.7, "Fitting splines")
    means, averaged = _average(job, table, usable, fitting)
    report.part(0.7, 1.0, "Writing profiles")
    _write(job, table, described, usable, means, report)
    problems = Dropped({**left_out.reasons, **averaged.reasons})
    outputs: dict[str, str | float | int] = {"output": job.output, "count": len(usable.names)}
    if job.problems:
        write_dropped(job.problems, table, problems)
        outputs["problems"] = job.problems
    return {**outputs, "problem_count": len(problems.reasons)}


def _average(
    job: StandardizeDepths, table: Layer, usable: Horizons, report: Report
) -> tuple[list[IntervalMeans], Dropped]:
    """The means of each value, and the horizons that were averaged with others first."""
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
        _tell_means(job, each, usable, report)
    return means, averaged


def _write(
    job: StandardizeDepths,
    table: Layer,
    described: Horizons,
    usable: Horizons,
    means: list[IntervalMeans],
    report: Report,
) -> None:
    count = len(usable.names)
    profile = _profile_of_rows(table, described, usable)
    roles = {job.profile, job.upper, job.lower, job.x, job.y, *(value.field for value in job.values)}
    kept, varying = carry_over(table, roles, profile, count)
    own = {
        "n_horizons": Column(np.bincount(usable.profile), np.zeros(count, bool), "Horizons used"),
        "max_depth": Column.of_numbers(_deepest(usable), "Lower limit of the last horizon (cm)"),
    }
    for each in means:
        own |= each.columns()
    columns = {job.profile: name_profiles(table.columns[job.profile], profile, usable.names)}
    for name, column in kept.items():
        columns[free_name(name, [*own, *columns])] = column
    if kept:
        report.info(f"Fields with one value a profile are kept: {', '.join(kept)}.")
    if varying:
        report.info(f"Fields that differ within profiles are left out: {', '.join(varying)}.")
    xy, crs = _places(job, table, profile, count, report)
    write_profiles(job.output, {**columns, **own}, xy, crs)


def _places(
    job: StandardizeDepths, table: Layer, profile: Rows, count: int, report: Report
) -> tuple[Array | None, str | None]:
    """(P, 2) x and y, and their CRS; None for a table without coordinates."""
    if table.has_geometry:
        xy, crs = read_points(table), table.crs
        if job.x:
            report.warning(f"'{table.name}' has points of its own; {job.x} and {job.y} are not used as coordinates.")
    elif job.x:
        xy, crs = np.column_stack([read_numbers(table, name, "coordinate", []) for name in (job.x, job.y)]), job.crs
    else:
        report.warning(
            f"'{table.name}' has no points, so the result is a table. For points, choose the fields X and Y with their"
            f" CRS, or join the result to a layer of profiles by {job.profile}."
        )
        return None, None
    system = _crs(crs)
    places = place_profiles(xy, profile, count, tolerance=1e-5 if system.is_geographic else 1.0)
    unit = system.axis_info[0].unit_name if system.axis_info else "units"
    unit = {"metre": "m", "degree": "degrees"}.get(unit, unit)
    if places.scattered:
        report.warning(
            f"{places.scattered} of {count} profiles have horizons at different points, up to {places.widest:.3g}"
            f" {unit} apart. The first horizon's point is used. Do several profiles share one value of {job.profile}?"
        )
    if places.missing:
        report.warning(f"{places.missing} of {count} profiles have no point: they get no place in the result.")
    return places.xy, crs


def _crs(text: str) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise EngineError(
            f"{text!r} is no CRS of coordinates. Choose it from the list, for example EPSG:4326."
        ) from error


def _profile_of_rows(table: Layer, described: Horizons, usable: Horizons) -> Rows:
    """(R,) number of the profile of each row of the table, also of horizons that are not used; -1 for none."""
    numbers = {name: number for number, name in enumerate(usable.names)}
    found = np.full(len(table.ids), -1)
    found[described.rows] = np.array([numbers.get(name, -1) for name in described.names])[described.profile]
    return found


def _deepest(usable: Horizons) -> Array:
    deepest = np.zeros(len(usable.names))
    np.maximum.at(deepest, usable.profile, usable.lower)
    return deepest


def _tell_horizons(
    job: StandardizeDepths, table: Layer, described: Horizons, usable: Horizons, left_out: Dropped, report: Report
) -> None:
    profiles, deepest = len(usable.names), _deepest(usable)
    report.info(
        f"{len(usable)} of {len(table.ids)} horizons are used, of {profiles} of {len(described.names)} profiles; the"
        f" deepest reaches {deepest.max():g} cm."
    )
    if left_out.reasons:
        report.warning(f"Horizons left out: {left_out.in_words()}.")
    if profiles > 1 and len(usable) == profiles:
        report.warning(
            f"Each of the {profiles} profiles has one horizon: there is nothing to interpolate, and each interval gets"
            f" the horizon's value. Does {job.profile} tell which horizons belong together?"
        )
    limits = np.concatenate([usable.upper, usable.lower])
    if deepest.max() <= _SHALLOW and (limits % 1 > 0).any():
        report.warning(
            f"No horizon reaches below {deepest.max():g} cm. If the limits are in metres, multiply them by 100."
        )
    if np.median(deepest) > _DEEP:
        report.warning(
            f"Half of the profiles reach below {np.median(deepest):g} cm. If the limits are in millimetres, divide them"
            " by 10."
        )
    for value, values in zip(job.values, usable.values.T):
        is_wild = find_wild(values)
        if is_wild.any():
            others, examples = values[~is_wild & np.isfinite(values)], np.unique(values[is_wild])[:5]
            report.warning(
                f"{value.field}: {is_wild.sum()} of {np.isfinite(values).sum()} values lie far from all others"
                f" ({', '.join(f'{each:g}' for each in examples)}; the others reach from {others.min():g} to"
                f" {others.max():g}). If they stand for missing values, or slipped by a unit or a comma, correct them"
                " and run again: they spoil the whole profile."
            )


def _tell_means(job: StandardizeDepths, found: IntervalMeans, usable: Horizons, report: Report) -> None:
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
    """What clipping does to the mass that the splines preserve."""
    changed = np.flatnonzero(np.abs(found.gained) > 1e-9)
    if not len(changed):
        return ""
    most = changed[np.argmax(np.abs(found.gained[changed]))]
    return (
        f"Their profiles ({len(changed)}) no longer keep their mass over the intervals: it changes by"
        f" {np.median(found.gained[changed]):+.2%} in the middle one, and by {found.gained[most]:+.2%} at most (profile"
        f" {usable.names[most]}). More horizons, or a larger lambda, let a spline overshoot less."
    )
