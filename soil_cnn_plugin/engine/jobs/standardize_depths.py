"""Standardize depths: from horizons to means over fixed depth intervals, one point per profile."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, free_name, read_table, write_dropped
from soil_cnn_plugin.engine.profiles.horizons import Horizons, choose_usable, read_horizons
from soil_cnn_plugin.engine.profiles.horizons_in_words import tell_horizons
from soil_cnn_plugin.engine.profiles.interval_means import IntervalMeans, average_values
from soil_cnn_plugin.engine.profiles.profile_layer import (
    Column,
    carry_over,
    locate_profiles,
    name_profiles,
    write_profiles,
)
from soil_cnn_plugin.engine.report import Report


def run(job: StandardizeDepths, report: Report) -> dict[str, str | float | int]:
    """Write the profiles, and the horizons with problems if they are wanted."""
    table, left_out, notes = read_table(job.horizons), Dropped(), Notes()
    report.part(0.0, 0.3, tr("Reading horizons"))
    described = read_horizons(table, job, left_out, notes)
    usable = choose_usable(described, table, job, left_out)
    for fact in notes.facts:
        report.info(fact)
    for doubt in notes.doubts:
        report.warning(doubt)
    tell_horizons(job, table, described, usable, left_out, report)
    means, averaged = average_values(job, table, usable, report.part(0.3, 0.7, tr("Fitting splines")))
    report.part(0.7, 1.0, tr("Writing profiles"))
    profile = usable.profile_of_rows(described, len(table.ids))
    columns = _columns(job, table, profile, usable, means, report)
    write_profiles(job.output, columns, *locate_profiles(job, table, profile, len(usable.names), report))
    problems = Dropped({**left_out.reasons, **averaged.reasons})
    if job.problems:
        write_dropped(job.problems, table, problems)
    return {**job.output_paths(), "count": len(usable.names), "problem_count": len(problems.reasons)}


def _columns(
    job: StandardizeDepths, table: Layer, profile: Rows, usable: Horizons, means: list[IntervalMeans], report: Report
) -> dict[str, Column]:
    """Return the fields of the result: the profile, what the table says of it, and its means."""
    count = len(usable.names)
    roles = {job.profile, job.upper, job.lower, job.x, job.y, *(value.field for value in job.values)}
    kept, varying = carry_over(table, roles, profile, count)
    own = {
        "n_horizons": Column(np.bincount(usable.profile), np.zeros(count, bool), tr("Horizons used")),
        "max_depth": Column.of_numbers(usable.deepest, tr("Lower limit of the last horizon (cm)")),
    }
    for each in means:
        own |= each.columns()
    columns = {job.profile: name_profiles(table.columns[job.profile], profile, usable.names)}
    for name, column in kept.items():
        columns[free_name(name, [*own, *columns])] = column
    if kept:
        report.info(tr("Fields with one value a profile are kept: {}.").format(", ".join(kept)))
    if varying:
        report.info(tr("Fields that differ within profiles are left out: {}.").format(", ".join(varying)))
    return {**columns, **own}
