"""What the held-out report says in sentences: predictor, folds, overlap, intervals, how to cite."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.assessment.assessment import Assessment, HeldOutAssessment, TargetAssessment
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, FORESTS_SETTING, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.reliability import chance_band, reliability
from soil_cnn_plugin.engine.reports.numerals import percent, rounded
from soil_cnn_plugin.engine.reports.words import enumerated, sentence_case, titles
from soil_cnn_plugin.engine.targets.metrics import HeldOut

HIGH_OVERLAP = 25.0
"""Percent of held-out observations whose patch overlaps a training patch; above it the report cautions."""
PREDICTORS = {
    BLEND: "a blend of network and random forest: a weighted mean of both, with weights that were learned on held-out"
    " predictions within the training observations",
    NETWORK: "the network, an ensemble of convolutional networks on patches of the covariates",
    FOREST: "a random forest on the covariates at the point",
    FOREST_CONTEXT: "a random forest on the covariates at the point and their focal means and deviations",
    MEAN: "the mean of the observations",
}
KINDS = {
    "random": "random folds",
    "spatial_blocks": "spatial blocks",
    "groups": "folds of whole groups",
    "knndm": "folds matched to the distances of the map (kNNDM)",
}


def predictor_sentence(predictor: str) -> str:
    """`predictor` is a method (assessment.METHODS)."""
    return f"The map is predicted by {PREDICTORS[predictor]}."


def validation_sentence(assessment: HeldOutAssessment) -> str:
    """Which of the ways to validate a map the numbers are, and whether the rivals have all that they could have."""
    forests = assessment.settings.get(FORESTS_SETTING, "")
    return (
        f"All scores are from {assessment.folds.count}-fold cross-validation: each observation was predicted by"
        " networks and forests that had not seen it, nor any other observation of its fold. They describe the map"
        " where it is like the places of the observations. An estimate for the whole area, with a confidence interval,"
        " needs an independent probability sample." + (f" In the random forests {forests}." if forests else "")
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


def worth_in_words(target: TargetAssessment, predictor: str, coverage: float) -> str:
    """What the map of one target is worth, in one sentence of numbers."""
    scores, unit = target.methods[predictor].scores, target.soil_property.unit
    worth = []
    if scores.mec is not None and scores.mec > 0:
        worth.append(f"The map explains {percent(scores.mec)} of the variance of the held-out observations")
    elif scores.mec is not None:
        worth.append("The map explains none of the variance of the held-out observations")
    worth.append(f"its typical error (RMSE) is {rounded(scores.rmse)} {unit}".strip())
    if np.isfinite(scores.picp):
        worth.append(f"its {percent(coverage)} prediction intervals hold {percent(scores.picp)} of them")
    return f"{sentence_case('; '.join(worth))}."


def intervals_in_words(target: TargetAssessment, held_out: HeldOut, coverage: float) -> str:
    """Whether the prediction intervals of one target hold, and on which side they miss; empty without intervals."""
    found = reliability(target.observed, held_out, target.is_censored)
    if found is None:
        return ""
    inside, tail = held_out.scores.picp, (1 - coverage) / 2
    low, high = (float(limit[0]) for limit in chance_band(found.n, np.array([coverage])))
    expected = f"as chance alone allows ({percent(low)} to {percent(high)})"
    if inside < low:
        judged = f"fewer than chance allows ({percent(low)} to {percent(high)}): the intervals are too narrow"
    elif inside > high:
        judged = f"more than chance allows ({percent(low)} to {percent(high)}): the intervals are wider than needed"
    else:
        judged = f"{expected}: the intervals hold"
    text = (
        f"The {percent(coverage)} prediction intervals hold {percent(inside)} of the {found.n} observations, {judged}."
        f" {percent(found.below)} lie below the interval and {percent(found.above)} above it, where {percent(tail)}"
        " each are expected."
    )
    _, most = (float(limit[0]) for limit in chance_band(found.n, np.array([tail])))
    if found.below > most >= found.above:
        text += " They miss on one side: low values are overestimated more often than the intervals say."
    elif found.above > most >= found.below:
        text += " They miss on one side: high values are underestimated more often than the intervals say."
    return text


def methods_sentence(assessment: Assessment) -> str:
    """A sentence for the methods section of a paper."""
    names = {BLEND: "a blend of convolutional networks and a random forest", NETWORK: "convolutional networks"}
    method = names.get(assessment.predictor, PREDICTORS[assessment.predictor])
    named = enumerated(titles([target.soil_property for target in assessment.targets]))
    ratios = ", as parts of a whole in isometric log-ratios" if assessment.compositions else ""
    kind, size = KINDS.get(assessment.folds.kind, assessment.folds.kind), assessment.patch_size
    return (
        f"{sentence_case(named)} {'was' if len(assessment.targets) == 1 else 'were'} mapped with {method}"
        f" ({software(assessment)}){ratios}, trained on {len(assessment.coordinates)} observations and patches of"
        f" {size} × {size} cells of the covariates, and assessed by {assessment.folds.count}-fold cross-validation"
        f" ({kind})."
    )


def software(assessment: HeldOutAssessment) -> str:
    """`Soil CNN 0.1.0, PyTorch 2.13.0`, as far as the versions are known."""
    known = [(name, assessment.versions.get(key, "")) for name, key in (("Soil CNN", "Soil CNN"), ("PyTorch", "torch"))]
    return ", ".join(f"{name} {version}" for name, version in known if version) or "Soil CNN"
