"""What the targets of a patch file are: properties, classes, parts of a composition; and how the file holds that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.observations.layer_fields import HUGE
from soil_cnn_plugin.engine.observations.safe_hdf5 import HostileFile, SafeGroup
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.targets.words import TargetsInWords


def write_targets(attributes: h5py.AttributeManager, words: TargetsInWords) -> None:
    fields = [target.field for target in words.targets]
    number = {part: index for index, parts in enumerate(words.compositions) for part in parts}
    attributes["target_fields"] = _texts(fields)
    attributes["target_units"] = _texts([target.unit for target in words.targets])
    attributes["composition_of_target"] = np.array([number.get(field, -1) for field in fields], np.int64)
    if words.classes:  # GDAL 3.6, and with it QGIS, crashes on an empty list of texts
        attributes["classes"] = _texts(words.classes)


def read_targets(root: SafeGroup) -> TargetsInWords:
    fields, units = root.texts("target_fields"), root.texts("target_units")
    numbers = root.numbers("composition_of_target", "i", (len(fields),)).tolist()
    compositions = (
        tuple(field for field, own in zip(fields, numbers) if own == number) for number in sorted(set(numbers) - {-1})
    )
    return TargetsInWords(
        tuple(SoilProperty(field, unit) for field, unit in zip(fields, units, strict=True)),
        root.texts("classes") if root.has("classes") else (),
        tuple(compositions),
    )


def check_measured(measured: TargetValues, words: TargetsInWords) -> None:
    """Raises HostileFile when the values cannot be what `words` says, or what extraction writes."""
    values, is_censored, errors = measured.values, measured.is_censored, measured.errors
    if (np.abs(values) >= HUGE).any():
        raise HostileFile("targets are infinite, or as good as")
    if not (np.isfinite(errors) & (errors >= 0)).all():
        raise HostileFile("errors are negative or infinite")
    if not (values[is_censored] > 0).all():
        raise HostileFile("detection limits are not above 0")
    if not (np.isfinite(measured.weights) & (measured.weights > 0)).all():
        raise HostileFile("weights are not above 0")
    if words.classes and (is_censored.any() or not np.isin(values, np.arange(len(words.classes))).all()):
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
