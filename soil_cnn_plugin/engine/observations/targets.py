"""The targets of a patch file: properties, classes, parts of a composition; and how the file holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.observations.layer_fields import HUGE
from soil_cnn_plugin.engine.observations.safe_hdf5 import HostileFile, SafeGroup
from soil_cnn_plugin.engine.targets.measured import TargetsInWords, TargetValues


def write_targets(attributes: h5py.AttributeManager, words: TargetsInWords) -> None:
    fields = [target.field for target in words.targets]
    number = {part: index for index, parts in enumerate(words.compositions) for part in parts}
    attributes["target_fields"] = _texts(fields)
    attributes["target_units"] = _texts([target.unit for target in words.targets])
    attributes["composition_of_target"] = np.array([number.get(field, -1) for field in fields], np.int64)
    if words.classes:  # GDAL 3.6, and with it QGIS, crashes on an empty list of texts
        names = [name for of_target in words.classes_of for name in of_target]
        numbers = [t for t, of_target in enumerate(words.classes_of) for _ in of_target]
        attributes["classes"] = _texts(names)
        attributes["target_of_class"] = np.array(numbers, np.int64)


def read_targets(root: SafeGroup) -> TargetsInWords:
    fields, units = root.texts("target_fields"), root.texts("target_units")
    numbers = root.numbers("composition_of_target", "i", (len(fields),)).tolist()
    compositions = (
        tuple(field for field, own in zip(fields, numbers) if own == number) for number in sorted(set(numbers) - {-1})
    )
    return TargetsInWords(
        tuple(SoilProperty(field, unit) for field, unit in zip(fields, units, strict=True)),
        _read_classes(root, fields) if root.has("classes") else {},
        tuple(compositions),
    )


def _read_classes(root: SafeGroup, fields: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return field -> names of its classes."""
    names = root.texts("classes")
    targets = root.numbers("target_of_class", "i", (len(names),)).tolist()
    if not all(0 <= t < len(fields) for t in targets):
        raise HostileFile("classes belong to no target")
    return {fields[t]: tuple(name for name, own in zip(names, targets) if own == t) for t in sorted(set(targets))}


def check_measured(measured: TargetValues, words: TargetsInWords) -> None:
    """Raise HostileFile when the values cannot be what `words` says, or what extraction writes."""
    values, is_censored, errors = measured.values, measured.is_censored, measured.errors
    if (np.abs(values) >= HUGE).any():
        raise HostileFile("targets are infinite, or as good as")
    if not (np.isfinite(errors) & (errors >= 0)).all():
        raise HostileFile("errors are negative or infinite")
    if not (values[is_censored] > 0).all():
        raise HostileFile("detection limits are not above 0")
    if not (np.isfinite(measured.weights) & (measured.weights > 0)).all():
        raise HostileFile("weights are not above 0")
    for column, below, classes in zip(values.T, is_censored.T, words.classes_of):
        known = column[np.isfinite(column)]
        if classes and (below.any() or not len(known) or not np.isin(known, np.arange(len(classes))).all()):
            raise HostileFile("observations belong to classes that do not exist")
    for group in words.groups:
        if len(group) > 1:
            parts = values[:, list(group)]
            sums = parts[~np.isnan(parts).all(axis=1)].sum(axis=1)
            if not (sums > 0).all() or (parts < 0).any() or is_censored[:, list(group)].any():
                raise HostileFile("parts of a composition are negative, or some are missing")
            if len(sums) and not np.allclose(sums, sums[0], rtol=1e-6):
                raise HostileFile("the parts of a composition do not sum to one whole")


def _texts(texts: Sequence[str]) -> NDArray[Any]:
    return np.array(list(texts), h5py.string_dtype())
