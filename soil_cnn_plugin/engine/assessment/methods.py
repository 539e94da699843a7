"""The methods that are compared on held-out folds, and what they are called."""

from __future__ import annotations

from soil_cnn_plugin.contract.language import tr

BLEND = "blend"
NETWORK = "network"
PROCESS = "gaussian_process"
FOREST = "forest"
FOREST_CONTEXT = "forest_context"
MEAN = "mean"
METHODS = {
    BLEND: tr("Blend of network, random forest and Gaussian process"),
    NETWORK: tr("Network"),
    PROCESS: tr("Gaussian process on covariates, their context and coordinates"),
    FOREST: tr("Random forest, covariates at the point"),
    FOREST_CONTEXT: tr("Random forest with context (focal means and deviations)"),
    MEAN: tr("Mean of the training observations"),
}
"""The name of each method in words, in the order of tables."""
NAMES = {
    BLEND: tr("blend"),
    NETWORK: tr("network"),
    PROCESS: tr("Gaussian process"),
    FOREST: tr("random forest"),
    FOREST_CONTEXT: tr("random forest with context"),
    MEAN: tr("mean"),
}
"""The name of each method within a sentence."""
CLASS_METHODS = {**METHODS, MEAN: tr("Frequencies of the classes in the training observations")}
CLASS_NAMES = {**NAMES, MEAN: tr("frequencies")}
"""METHODS and NAMES where the target is a class."""
BLENDED = (NETWORK, FOREST_CONTEXT, PROCESS)
"""What a blend is made of, in the order of its weights."""
PREDICTORS = (BLEND, NETWORK, FOREST_CONTEXT)
"""The methods that can predict a map. All but the network keep every component of the blend, with weights of their own,
so that networks and forest can be told apart in explanations."""
FORESTS = (FOREST_CONTEXT, FOREST)
"""Forests in the order in which they are fitted: weights and predictions of a training follow it."""
FORESTS_SETTING = "random forests"
"""The setting that says how forests are grown, where that is not as usual."""


def possible_predictors(asked: str) -> tuple[str, ...]:
    """The methods of which one predicts the map, where a job asks for one by name or for the best."""
    return PREDICTORS if asked == "best" else ({"forest": FOREST_CONTEXT}.get(asked, asked),)
