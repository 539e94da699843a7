"""How good predictions of a whole composition are: its parts together, and the texture class that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.composition import aitchison_distances, fit_composition
from soil_cnn_plugin.engine.mapping.texture_classes import USDA, Texture, find_texture, neighbours

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CompositionScores:
    """`aitchison_distance` is the root of its mean square over `n` observations; `right_class` is the share of these
    whose texture class (USDA) is predicted, `right_or_next` that or a class that shares a border with it; None where
    the parts are no sand, silt and clay."""

    n: int
    aitchison_distance: float
    right_class: float | None
    right_or_next: float | None


@dataclass(frozen=True)
class CompositionAssessment:
    """The parts of one whole: `observed` (n, D) and what each method predicted without having seen them, (n, D);
    `name` tells it from those of other depths, empty where there is one."""

    name: str
    parts: tuple[SoilProperty, ...]
    texture: Texture | None
    observed: Array
    predicted: dict[str, Array]
    scores: dict[str, CompositionScores]

    @property
    def has_depth(self) -> bool:
        return self.parts[0].depth_cm is not None

    @property
    def names(self) -> list[str]:
        """`sand`, `silt` and `clay`."""
        return [part.name if self.has_depth else part.field for part in self.parts]

    @property
    def title(self) -> str:
        """`sand, silt and clay 0-30 cm`."""
        return f"{', '.join(self.names[:-1])} and {self.names[-1]} {self.name if self.has_depth else ''}".strip()


def assess_composition(
    name: str, parts: tuple[SoilProperty, ...], observed: Array, predicted: dict[str, Array]
) -> CompositionAssessment:
    """Arrays as in the assessment."""
    texture = find_texture([part.name for part in parts])
    scores = {method: score_composition(observed, found, texture) for method, found in predicted.items()}
    return CompositionAssessment(name, parts, texture, observed, predicted, scores)


def score_composition(observed: Array, predicted: Array, texture: Texture | None) -> CompositionScores:
    """Of parts (n, D) that sum to the whole."""
    distances = aitchison_distances(observed, predicted, fit_composition(observed))
    right = near = None
    if texture:
        classes = [texture.classes(parts.T, USDA).astype(np.int64) - 1 for parts in (observed, predicted)]
        right = float(np.mean(classes[0] == classes[1]))
        near = float(np.mean(neighbours(USDA)[classes[0], classes[1]]))
    return CompositionScores(len(observed), float(np.sqrt(np.mean(distances**2))), right, near)
