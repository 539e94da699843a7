"""The sentences in the held-out report about all kinds of targets: predictor, folds, overlap, how to cite."""

from __future__ import annotations

from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import (
    BLEND,
    FOREST,
    FOREST_CONTEXT,
    FORESTS_SETTING,
    MEAN,
    NETWORK,
    PROCESS,
)
from soil_cnn_plugin.engine.reports.words import enumerated, percent, sentence_case, titles

HIGH_OVERLAP = 25.0
"""Percent of held-out observations whose patch overlaps a training patch; above it the report warns."""
PREDICTORS = {
    BLEND: "a blend of network, random forest and Gaussian process: a weighted mean of them, with weights that were"
    " learned on held-out predictions within the training observations",
    NETWORK: "the network, an ensemble of convolutional networks on patches of the covariates",
    PROCESS: "a Gaussian process on the covariates, their focal means and deviations, and the coordinates",
    FOREST: "a random forest on the covariates at the point",
    FOREST_CONTEXT: "a random forest on the covariates at the point and their focal means and deviations",
    MEAN: "the mean of the observations",
}
FOLDS_IN_WORDS = {
    "random": "random folds",
    "spatial_blocks": "spatial blocks",
    "groups": "folds of whole groups",
    "knndm": "folds matched to the distances of the map (kNNDM)",
}


def predictor_sentence(predictor: str) -> str:
    """Say how the map is predicted; `predictor` is a method (assessment.METHODS)."""
    return f"The map is predicted by {PREDICTORS[predictor]}."


def validation_sentence(assessment: Assessment) -> str:
    """Say by which way of validation the numbers were found, and whether the rivals have all that they could have."""
    forests = assessment.settings.get(FORESTS_SETTING, "")
    return (
        f"All scores are from {assessment.folds.count}-fold cross-validation: each observation was predicted by"
        " networks, forests and a Gaussian process that had not seen it, nor any other observation of its fold. They"
        " describe the map where it is like the places of the observations. An estimate for the whole area, with a"
        " confidence interval, needs an independent probability sample."
        + (f" In the random forests {forests}." if forests else "")
    )


def overlap_sentence(overlap_percent: float) -> str:
    share = percent(overlap_percent / 100)
    if overlap_percent > HIGH_OVERLAP:
        return (
            f"The patches of {share} of the held-out observations overlap a patch that was trained on. The network has"
            " seen part of their surroundings, so the scores hold close to the observations; farther away the map may"
            " be worse than they say."
        )
    return f"The patches of {share} of the held-out observations overlap a patch that was trained on."


def methods_sentence(assessment: Assessment) -> str:
    """Return a sentence for the methods section of a paper."""
    names = {
        BLEND: "a blend of convolutional networks, a random forest and a Gaussian process",
        NETWORK: "convolutional networks",
    }
    method = names.get(assessment.predictor, PREDICTORS[assessment.predictor])
    numbers = titles([target.soil_property for target in assessment.numbers])
    classes = [f"{len(target.classes)} classes ({target.soil_property.field})" for target in assessment.classes]
    verb = "was" if len(assessment.numbers) == 1 and not classes else "were"
    ratios = ", as parts of a whole in isometric log-ratios" if assessment.compositions else ""
    whose = " of classes" if numbers else ""
    calibrated = f"; probabilities{whose} were calibrated by one temperature" if classes else ""
    kind, size = FOLDS_IN_WORDS.get(assessment.folds.kind, assessment.folds.kind), assessment.patch_size
    subject = sentence_case(enumerated([*numbers, *classes]))
    return (
        f"{subject} {verb} mapped with {method} ({software(assessment)}){ratios},"
        f" trained on {len(assessment.coordinates)} observations and patches of {size} × {size} cells of the"
        f" covariates{calibrated}, and assessed by {assessment.folds.count}-fold cross-validation ({kind})."
    )


def software(assessment: Assessment) -> str:
    """Name the software, such as `Soil CNN 0.1.0, PyTorch 2.13.0`, as far as the versions are known."""
    known = [(name, assessment.versions.get(key, "")) for name, key in (("Soil CNN", "Soil CNN"), ("PyTorch", "torch"))]
    return ", ".join(f"{name} {version}" for name, version in known if version) or "Soil CNN"
