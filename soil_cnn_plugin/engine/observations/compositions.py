"""Parts of a whole, such as sand, silt and clay: checked, and closed so that they sum to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated, share_in_words
from soil_cnn_plugin.engine.observations.point_layer import Layer

UNITS = {1.0: "", 100.0: "%", 1000.0: "g/kg"}
"""Wholes that parts may sum to, and their units."""
_FARTHEST = 0.3  # largest distance of the median sum from the nearest whole, as a share of that whole
_NEAR, _FAR = 0.01, 0.05


def close_composition(values: Array, parts: Sequence[str], layer: Layer, notes: Notes) -> Array:
    """Rescale parts (N, D) so that they sum to the whole; all parts of an observation are NaN when one is missing.

    Raises:
        EngineError: some parts are negative, or most sums are far from 1, 100 and 1000.
    """
    _check_negative(values, parts, layer)
    whole = _whole_of(values, parts, layer)
    is_known = np.isfinite(values)
    is_complete = is_known.all(axis=1)
    names, is_torn = ", ".join(parts), is_known.any(axis=1) & ~is_complete
    if is_torn.any():
        missing = [f"{part} {(is_torn & ~known).sum()}" for part, known in zip(parts, is_known.T) if not known.all()]
        notes.facts.append(
            tr("{} observations lack some of the parts {} ({}); all their parts are left out there.").format(
                is_torn.sum(), names, comma_separated(missing)
            )
        )
    sums = values.sum(axis=1)
    is_empty = is_complete & (sums == 0)
    if is_empty.any():
        notes.facts.append(
            tr("{} observations have 0 in all parts {}; they are left out.").format(is_empty.sum(), names)
        )
    known = is_complete & ~is_empty
    _tell_sums(sums[known], layer.ids[known], whole, names, notes)
    zeros = dict(zip(parts, (values[known] == 0).sum(axis=0).tolist()))
    if any(zeros.values()):
        words = ", ".join(f"{part} {count}" for part, count in zeros.items() if count)
        notes.facts.append(tr("Parts of {} that are 0, which counts as very small: {}.").format(names, words))
    closed = np.full_like(values, np.nan)
    closed[known] = values[known] / sums[known, None] * whole
    return closed


def with_units(
    targets: tuple[SoilProperty, ...], compositions: tuple[tuple[str, ...], ...], values: Array
) -> tuple[SoilProperty, ...]:
    """Give parts of a composition that have no unit the one that the closed `values` (N, T) imply."""
    fields = [target.field for target in targets]
    units = {}
    for parts in compositions:
        sums = values[:, [fields.index(part) for part in parts]].sum(axis=1)
        known = sums[np.isfinite(sums)]
        if len(known):
            units.update(dict.fromkeys(parts, UNITS[min(UNITS, key=lambda whole: abs(whole - known[0]))]))
    return tuple(replace(target, unit=target.unit or units.get(target.field, "")) for target in targets)


def _check_negative(values: Array, parts: Sequence[str], layer: Layer) -> None:
    is_negative = values < 0
    if is_negative.any():
        words = [
            tr_n("{} {} value", "{} {} values", int((column < 0).sum())).format(part, (column < 0).sum())
            for part, column in zip(parts, values.T)
            if (column < 0).any()
        ]
        row, column = np.argwhere(is_negative)[0]
        raise EngineError(
            tr(
                "Parts of a composition of '{}' are negative: {} ({:g} of feature {}). Correct them, or leave"
                " them empty where nothing was measured."
            ).format(layer.name, comma_separated(words), values[row, column], str(layer.ids[row]))
        )


def _whole_of(values: Array, parts: Sequence[str], layer: Layer) -> float:
    """Return what the parts sum to: 1, 100 or 1000."""
    sums = values.sum(axis=1)
    sums = sums[np.isfinite(sums) & (sums > 0)]
    if not len(sums):
        raise EngineError(
            tr(
                "No observation of '{}' has values of all parts of the composition: {}. Choose fields that were"
                " measured together."
            ).format(layer.name, ", ".join(parts))
        )
    middle = float(np.median(sums))
    whole = min(UNITS, key=lambda each: abs(np.log(middle / each)))
    if abs(middle / whole - 1) > _FARTHEST:
        raise EngineError(
            tr(
                "The parts {} of '{}' have a median sum of {:g} (from {:g} to {:g}), but the parts of a whole"
                " sum to 1, 100 or 1000. Is a part missing, or a unit different? Parts of several depths are"
                " told apart by names such as clay_0_5 and clay_5_15."
            ).format(", ".join(parts), layer.name, middle, sums.min(), sums.max())
        )
    return whole


def _tell_sums(sums: Array, ids: Rows, whole: float, names: str, notes: Notes) -> None:
    off = np.abs(sums / whole - 1)
    if (off <= _NEAR).all():
        return
    far = np.flatnonzero(off > _FAR)
    text = tr(
        "{} sum to {:g} within 1 % at {} of {} observations; sums go from {:g} to {:g}. All are rescaled to {:g}."
    ).format(names, whole, share_in_words(int((off <= _NEAR).sum()), len(off)), len(off), sums.min(), sums.max(), whole)
    if not len(far):
        notes.facts.append(text)
        return
    worst = far[np.argsort(-off[far], kind="stable")]
    examples = comma_separated([tr("{:g} of feature {}").format(sums[row], str(ids[row])) for row in worst[:3]])
    notes.doubts.append(tr("{} More than 5 % off are {}, check them: {}.").format(text, len(far), examples))
