"""What a map says of itself wherever its file goes: how it was made, how good it is, how to cite it."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.accuracy_words import accuracy_sentence
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST_CONTEXT, NETWORK
from soil_cnn_plugin.engine.targets.kinds import Band
from soil_cnn_plugin.engine.training.network_description import NetworkDescription

_OF_TARGETS = (
    "prediction",
    "median",
    "lower",
    "upper",
    "standard_deviation",
    "classes",
    "probabilities",
    "confusion_index",
)  # rasters whose bands are sorted by target first

_PREDICTORS = {
    BLEND: tr("a blend of convolutional networks, a random forest and a Gaussian process"),
    NETWORK: tr("convolutional networks"),
    FOREST_CONTEXT: tr("a random forest on the covariates and their focal means and deviations"),
}


def map_tags(description: NetworkDescription) -> dict[str, str]:
    """Return the tags that all rasters of a map share."""
    who = _PREDICTORS[description.predictor]
    names = ", ".join(summary.covariate.name for summary in description.covariates)
    size, version = description.patch_size, description.versions.get("Soil CNN", "")
    trained = description.provenance.get("trained", "")[:10]
    return {
        "HOW_MADE": (
            tr("Predicted by {}, trained on {} observations and patches of {} x {} cells of {} covariates: {}.").format(
                who, description.observation_count, size, size, len(description.covariates), names
            )
        ),
        "ASSESSED": description.folds_sentence,
        "TRAINED": trained,
        "CITATION": (
            tr(
                "Made with {}{}. Method: convolutional networks on patches of covariates (Padarian et al. 2019,"
                " doi:10.5194/soil-5-79-2019)."
            ).format(f"Soil CNN {version}".strip(), tr(" by networks trained on {}").format(trained) if trained else "")
        ),
    }


def band_tags(description: NetworkDescription, output: str, band: Band) -> dict[str, str]:
    """Return the tags of one band: how good the map of its target is, where that is known."""
    if output not in _OF_TARGETS:
        return {}
    target = description.targets[band.order[0]]
    scores = description.scores.get(target.field, {}).get(description.predictor)
    return {"ACCURACY": accuracy_sentence(target, scores, description.coverage)} if scores else {}
