"""The section that says how the dissimilarity index of a network's maps is computed, with the covariates' weights."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.reports.sections import Item, Paragraph, Section, table
from soil_cnn_plugin.engine.reports.words import percent


def dissimilarity_section(spaces: Sequence[SpaceInWords]) -> list[Section]:
    """Return the section; none where the network tells nothing of it."""
    items: list[Item] = []
    for space in spaces:
        kept = f", of {space.observations} of {space.drawn_from} observations, drawn at random"
        part = kept if space.observations < space.drawn_from else ""
        limit = f"A pixel is applicable up to an index of {space.threshold:.4g}{part}."
        if not space.weights:
            items.append(Paragraph(f"{_IN_EMBEDDING_SPACE} {limit}"))
            continue
        items.append(Paragraph(f"{_IN_COVARIATE_SPACE} {limit}"))
        ordered = sorted(space.weights.items(), key=lambda each: -each[1])
        rows = [(name, percent(share, 1)) for name, share in ordered]
        items.append(table(("Covariate", "Weight"), rows, _WEIGHTS))
    return [Section("applicability", "Where its maps may be used", items)] if items else []


_IN_COVARIATE_SPACE = (
    "The dissimilarity index of a map (DISSIMILARITY) is that of Meyer and Pebesma (2021, doi 10.1111/2041-210X.13650):"
    " the distance from the pixel's covariates to those of the nearest observation, divided by the mean distance of two"
    " observations. Covariates are standardized as they are and multiplied by their weights; class codes become one"
    " column each. The limit is the upper whisker of the observations' own indices, each against those of other folds."
)
_IN_EMBEDDING_SPACE = (
    "In embedding space, an addition of this program without published experience, the same rule is applied to the last"
    " hidden layers of the networks. They see a value beyond the range of the training raster as the end of that range;"
    " such a pixel is not applicable, and its index grows with its distance from the range."
)
_WEIGHTS = (
    "Weights of the covariates in the index: how much the held-out error of the map's predictor grows when a covariate"
    " is exchanged between observations, in percent of the sum. A covariate without which predictions are no worse, or"
    " that has one value at all observations, has no weight."
)
