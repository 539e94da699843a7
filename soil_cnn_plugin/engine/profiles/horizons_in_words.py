"""What the user is told of described horizons: which are used, and which of them deserve a look."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.observations.notes import span
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.observations.target_values import find_wild
from soil_cnn_plugin.engine.profiles.horizons import Horizons
from soil_cnn_plugin.engine.report import Report

_DEEP = 500.0  # cm; where half of all profiles reach deeper, their limits are hardly in cm
_SHALLOW = 10.0  # cm; the same where no profile reaches deeper and limits have decimals


def tell_horizons(
    job: StandardizeDepths, table: Layer, described: Horizons, usable: Horizons, left_out: Dropped, report: Report
) -> None:
    """Report which horizons are used, and which of them deserve a look."""
    profiles, deepest = len(usable.names), usable.deepest
    report.info(
        tr("{} of {} horizons are used, of {} of {} profiles; the deepest reaches {:g} cm.").format(
            len(usable), len(table.ids), profiles, len(described.names), deepest.max()
        )
    )
    if left_out.reasons:
        report.warning(tr("Horizons left out: {}.").format(left_out.in_words()))
    if profiles > 1 and len(usable) == profiles:
        report.warning(
            tr(
                "Each of the {} profiles has one horizon: there is nothing to interpolate, and each interval"
                " gets the horizon's value. Does {} tell which horizons belong together?"
            ).format(profiles, job.profile)
        )
    limits = np.concatenate([usable.upper, usable.lower])
    if deepest.max() <= _SHALLOW and (limits % 1 > 0).any():
        report.warning(
            tr("No horizon reaches below {:g} cm. If the limits are in metres, multiply them by 100.").format(
                deepest.max()
            )
        )
    if np.median(deepest) > _DEEP:
        report.warning(
            tr("Half of the profiles reach below {:g} cm. If the limits are in millimetres, divide them by 10.").format(
                np.median(deepest)
            )
        )
    for value, values, limits in zip(job.values, usable.values.T, usable.limits.T):
        _tell_limits(value.field, values, limits, report)
        is_wild = find_wild(values)
        if is_wild.any():
            others, examples = values[~is_wild & np.isfinite(values)], np.unique(values[is_wild])[:5]
            report.warning(
                tr(
                    "{}: {} of {} values lie far from all others ({}; the others reach from {:g} to {:g}). If they"
                    " stand for missing values, are in another unit, or have a misplaced decimal sign, correct them"
                    " and run again: they spoil the whole profile."
                ).format(
                    value.field,
                    is_wild.sum(),
                    np.isfinite(values).sum(),
                    ", ".join(localized(f"{each:g}") for each in examples),
                    others.min(),
                    others.max(),
                )
            )


def _tell_limits(field: str, values: Array, limits: Array, report: Report) -> None:
    known = limits[limits > 0]
    if len(known):
        report.info(
            tr("{}: {} of {} values lie below their detection limit ({}). Half the limit stands for each.").format(
                field, len(known), np.isfinite(values).sum(), span(known.min(), known.max())
            )
        )
