"""Observations as a probability sample: a simple random one, or one of strata whose areas are known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.observations import Observations
from soil_cnn_plugin.engine.observations.point_layer import Layer


@dataclass(frozen=True)
class ProbabilitySample:
    """A probability sample: a simple random one, or `strata` (n,) with the area of each."""

    strata: Sequence[Hashable] | None = None
    areas: Mapping[Hashable, float] | None = None


def read_probability_sample(
    job: AssessMap, layer: Layer, found: Observations, notes: list[str]
) -> ProbabilitySample | None:
    """Read the probability sample that the observations are; None when they are none.

    Areas come from all observations of the layer: a stratum whose observations were all dropped must not be forgotten.
    """
    if job.sample == "none":
        return None
    if job.sample == "simple":
        return ProbabilitySample()
    of_names = Notes()
    strata = read_names(layer, job.stratum, "stratum", of_names)
    notes += of_names.doubts
    sizes = read_numbers(layer, job.weight, "weight", notes)
    nameless = sum(name is None for name in strata[np.isin(layer.ids, found.ids)])
    if nameless:
        raise EngineError(
            f"{nameless} of {len(found)} observations of '{layer.name}' have no stratum (field {job.stratum}). Fill the"
            " field, or leave them out."
        )
    areas = _areas(strata, sizes, job, layer)
    name_of = dict(zip(layer.ids.tolist(), strata.tolist()))
    used = [name_of[identity] for identity in found.ids.tolist()]
    lost = [str(name) for name in areas if name not in set(used)]
    if lost:
        raise EngineError(
            f"All observations of stratum {', '.join(lost)} were dropped, so nothing can be said of that part of the"
            f" map. Filter '{layer.name}' to the other strata to assess the rest."
        )
    return ProbabilitySample(used, areas)


def _areas(strata: NDArray[np.object_], sizes: Array, job: AssessMap, layer: Layer) -> dict[Hashable, float]:
    """Area of each stratum, which all of its observations must give alike."""
    areas: dict[Hashable, float] = {}
    for name, size in zip(strata.tolist(), sizes.tolist()):
        if name is None:
            continue
        if areas.setdefault(name, size) != size and not (np.isnan(size) and np.isnan(areas[name])):
            raise EngineError(
                f"Stratum {name} has more than one area in the field {job.weight} of '{layer.name}': {areas[name]:g}"
                f" and {size:g}. The field must hold the area of the stratum, the same at all of its observations."
            )
    return areas
