"""How far held-out observations lie from those trained on, beside how far the map lies from the observations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.knndm import held_out_distances, nearest_distances
from soil_cnn_plugin.engine.observations.notes import metres_in_words

TOO_FAR = 2.0
"""Times the distance of held-out observations from which on the map lies farther than they tell of."""


@dataclass(frozen=True)
class Nearness:
    """Medians of distances in metres: from held-out observations to the nearest one trained on, and from pixels of the
    mapped area to the nearest observation (Meyer & Pebesma 2022, 10.1038/s41467-022-29838-9)."""

    held_out_metres: float
    map_metres: float

    @property
    def is_doubtful(self) -> bool:
        """Whether the map lies so much farther away that scores are too good for most of it."""
        return self.map_metres > TOO_FAR * self.held_out_metres

    def in_words(self, kind: str) -> str:
        """Say how far both lie, and what follows; `kind` is that of the folds."""
        text = tr(
            "Held-out observations lie {} from the nearest one trained on, and pixels of the mapped area {} from the"
            " nearest observation (medians)."
        ).format(metres_in_words(self.held_out_metres), metres_in_words(self.map_metres))
        if not self.is_doubtful:
            return text
        text += tr(" So the scores hold near the observations, and are probably too good for most of the map.")
        if kind == "knndm":
            return text + tr(" The validation knndm found no folds of these observations that match the map better.")
        return text + tr(" Choose the validation knndm, which holds out observations farther from the others.")


def measure_nearness(coordinates: Array, fold: Rows, domain: Array) -> Nearness:
    """Measure from `coordinates` (N, 2) of observations, their `fold` (N,) and points of the map (M, 2), in metres."""
    held_out, to_map = held_out_distances(coordinates, fold), nearest_distances(domain, coordinates)
    return Nearness(float(np.median(held_out)), float(np.median(to_map)))
