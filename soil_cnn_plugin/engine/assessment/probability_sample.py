"""The design that observations were sampled by, from their layer: strata and areas, or inclusion probabilities."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import AssessMap, CompareMaps
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.point_layer import Layer


class SamplingDesign(TypedDict):
    """The design as `design_based` takes it."""

    strata: Sequence[Hashable] | None
    areas: Mapping[Hashable, float] | None
    inclusion: Array | None


@dataclass(frozen=True)
class ProbabilitySample:
    """A probability sample: a simple random one, `strata` (n,) with the area of each, or `inclusion` (n,)
    probabilities."""

    strata: Sequence[Hashable] | None = None
    areas: Mapping[Hashable, float] | None = None
    inclusion: Array | None = None

    @property
    def design(self) -> SamplingDesign:
        return {"strata": self.strata, "areas": self.areas, "inclusion": self.inclusion}


def read_probability_sample(
    job: AssessMap | CompareMaps, layer: Layer, found: Observations, notes: Notes
) -> ProbabilitySample | None:
    """Read the probability sample that the observations are; None when they are none, or their strata are the map's.

    Areas come from all observations of the layer: a stratum whose observations were all dropped must not be forgotten.
    """
    if job.sample in ("none", "map_classes"):
        return None
    if job.sample == "simple":
        return ProbabilitySample()
    if job.sample == "probabilities":
        return ProbabilitySample(inclusion=_inclusion(job, layer, found, notes))
    strata = read_names(layer, job.stratum, tr("stratum"), notes)
    sizes = read_numbers(layer, job.weight, tr("weight"), notes.facts)
    nameless = sum(name is None for name in strata[np.isin(layer.ids, found.ids)])
    if nameless:
        raise EngineError(
            tr("{} of {} observations of '{}' have no stratum (field {}). Fill the field, or leave them out.").format(
                nameless, len(found), layer.name, job.stratum
            )
        )
    areas = _areas(strata, sizes, job, layer)
    name_of = dict(zip(layer.ids.tolist(), strata.tolist()))
    used = [name_of[identity] for identity in found.ids.tolist()]
    lost = [str(name) for name in areas if name not in set(used)]
    if lost:
        raise EngineError(
            tr(
                "All observations of stratum {} were dropped, so nothing can be said of that part of the map."
                " Filter '{}' to the other strata to assess the rest."
            ).format(", ".join(lost), layer.name)
        )
    return ProbabilitySample(used, areas)


def _inclusion(job: AssessMap | CompareMaps, layer: Layer, found: Observations, notes: Notes) -> Array:
    """Return the inclusion probabilities (n,), all of which must be known and lie between 0 and 1."""
    chances = read_numbers(layer, job.inclusion, tr("inclusion probability"), notes.facts)
    by_id = dict(zip(layer.ids.tolist(), chances.tolist()))
    own = np.array([by_id[identity] for identity in found.ids.tolist()])
    wrong = own[~((own > 0) & (own <= 1))]
    if wrong.size:
        example = tr("empty") if np.isnan(wrong[0]) else localized(f"{wrong[0]:g}")
        raise EngineError(
            tr(
                "{} of {} observations of '{}' have no inclusion probability above 0 and up to 1 in the field"
                " {}: one is {}. Fill the field; Plan sampling writes it."
            ).format(wrong.size, len(own), layer.name, job.inclusion, example)
        )
    return own


def _areas(
    strata: NDArray[np.object_], sizes: Array, job: AssessMap | CompareMaps, layer: Layer
) -> dict[Hashable, float]:
    """Area of each stratum, which all of its observations must give alike."""
    areas: dict[Hashable, float] = {}
    for name, size in zip(strata.tolist(), sizes.tolist()):
        if name is None:
            continue
        if areas.setdefault(name, size) != size and not (np.isnan(size) and np.isnan(areas[name])):
            raise EngineError(
                tr(
                    "Stratum {} has more than one area in the field {} of '{}': {:g} and {:g}. The field must"
                    " hold the area of the stratum, the same at all of its observations."
                ).format(name, job.weight, layer.name, areas[name], size)
            )
    return areas
