"""The publications that a report cites: those of the methods that it used, in the order of a methods section."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, NETWORK, PROCESS
from soil_cnn_plugin.engine.targets.metrics import Scores

_KINDS_OF_FOLDS = ("spatial_blocks", "knndm")
_SCORES = ("mec", "ccc", "rpiq", "picp", "interval_score")
_USES = {
    "networks": (tr("Networks on patches of covariates"),),
    "loss of padarian": (tr("Loss of the networks of the architecture padarian"),),
    "forest": (tr("Random forest"),),
    "forest with context": (tr("Random forest on smoothed covariates as the rival of a network"),),
    "gaussian process": (tr("Gaussian process beside network and forest"),),
    "blend": (tr("Blend with weights learned on held-out predictions"),),
    "mixture": (tr("Blend with the weights of the likeliest mixture of held-out predictions"),),
    "temperature": (tr("Probabilities calibrated by one temperature"),),
    "interval": (tr("Prediction interval calibrated on held-out observations"),),
    "scaled interval": (tr("Interval that widens with the predicted spread"),),
    "smearing": (tr("Mean of a property that was learned on a transformed scale"),),
    "compositions": (
        tr("Parts of a whole as isometric log-ratios"),
        tr("Zeros among the parts"),
        tr("Distance between compositions"),
    ),
    "texture": (tr("Texture classes"),),
    "limits": (
        tr("Learning from values below detection limits"),
        tr("Distribution of residuals of which some are only known to be lower"),
        tr("Scores of what is reported above a limit"),
        tr("Expected PIT of values below a limit"),
    ),
    "errors": (tr("Errors of measurement in the loss of networks"),),
    "spatial_blocks": (tr("Spatial blocks"),),
    "knndm": (tr("Folds matched to the distances of the map (kNNDM)"),),
    "nearness": (tr("Distances of held-out observations and of the map beside each other"),),
    "validation": (tr("What cross-validation can and cannot tell of a map"),),
    "dissimilarity": (tr("Dissimilarity index and area of applicability"),),
    "classes": (
        tr("Purity and representation of classes"),
        tr("Brier score"),
        tr("Log score and Brier score as strictly proper scores"),
        tr("Kappa"),
        tr("Confusion index of a class map"),
    ),
    "paired test": (tr("Paired test over folds"),),
    "repeats": (tr("Paired test over the folds of repeated cross-validation"),),
    "adjustment": (tr("Adjustment of p for the number of comparisons"),),
    "likeness of neighbours": (tr("Likeness of the residuals of neighbours"),),
    "mec": (tr("Model efficiency coefficient (MEC)"),),
    "ccc": (tr("Concordance correlation coefficient (CCC)"),),
    "rpiq": (tr("Ratio of performance to interquartile distance (RPIQ)"),),
    "picp": (tr("Coverage of intervals and quantiles (PICP, QCP, PIT)"),),
    "interval_score": (tr("Interval score and CRPS"),),
    "design": (tr("Estimates for the whole map from a probability sample"),),
    "interval of a share": (tr("Confidence intervals of shares"),),
    "purity": (tr("Purity and representation of classes"),),
    "classes by design": (
        tr("Accuracy and area of classes from a stratified sample"),
        tr("The same where the strata are not the classes of the map"),
    ),
    "inference": (tr("What a map's accuracy may be inferred from"),),
    "one standard error": (tr("Smallest size within one standard error of the best"),),
    "permutation": (tr("Permutation importance"),),
    "contributions of networks": (tr("Contributions to the networks' prediction (expected gradients)"),),
    "gradients": (tr("Library for the gradients"),),
    "contributions of forests": (tr("Contributions to the forest's prediction (Shapley values)"),),
    "mapped contributions": (tr("Mapped contributions in digital soil mapping"),),
    "neighbours": (tr("Clark-Evans ratio"), tr("Area that places at random came from")),
    "spatial coverage": (tr("Spatial coverage by k-means"),),
    "sampling for mapping": (tr("Designs for mapping compared"),),
    "feature coverage": (tr("Coverage of covariates beside the Latin hypercube"),),
    "latin hypercube": (tr("Conditioned Latin hypercube"),),
    "pivotal": (tr("Local pivotal method"),),
    "where next": (tr("Points chosen for the expected variance that they leave"),),
    "interval of a difference": (tr("Interval of a difference from two intervals"),),
}
"""What a report uses -> what each of its publications is cited for, in their order."""


@dataclass(frozen=True)
class Publication:
    """A publication; `use` says what it is cited for."""

    use: str
    text: str
    doi: str = ""


def references(assessment: Assessment) -> list[Publication]:
    """Return the publications behind an assessment on held-out folds."""
    numbers, classes = assessment.numbers, assessment.classes
    methods = {name for target in assessment.targets for name in target.methods}
    scores = [held_out.scores for target in numbers for held_out in target.methods.values()]
    has_intervals = _is_known(scores, "picp")
    used = {
        "networks": NETWORK in methods,
        "loss of padarian": bool(numbers) and "padarian" in {curve.architecture for curve in assessment.loss_curves},
        "forest": bool({FOREST, FOREST_CONTEXT} & methods),
        "forest with context": FOREST_CONTEXT in methods,
        "gaussian process": PROCESS in methods,
        "blend": any(BLEND in target.methods for target in numbers),
        "mixture": bool(classes) and assessment.predictor == BLEND,
        "temperature": bool(classes),
        "interval": has_intervals,
        "scaled interval": has_intervals,
        "smearing": any(target.transform != "none" for target in numbers),
        "compositions": bool(assessment.compositions),
        "texture": any(composition.texture for composition in assessment.compositions),
        "limits": any(target.is_censored.any() for target in numbers),
        "errors": any(target.errors.any() for target in numbers),
        **{kind: kind == assessment.folds.kind for kind in _KINDS_OF_FOLDS},
        "nearness": assessment.folds.nearness is not None,
        "validation": True,
        "dissimilarity": bool(assessment.spaces),
        "classes": bool(classes),
        "paired test": assessment.folds.count > 1 and len(methods) > 1,
        "repeats": assessment.folds.repeats > 1,
        "adjustment": any(claim.comparisons > 1 for target in assessment.targets for claim in target.verdict.claims),
        "likeness of neighbours": any(assessment.likeness(target) for target in assessment.targets),
        **{name: _is_known(scores, name) for name in _SCORES},
    }
    return _cited(key for key, is_used in used.items() if is_used)


def map_references(scores: Scores, is_by_design: bool) -> list[Publication]:
    """Return the publications behind an assessment by independent observations, which are a probability sample if
    `is_by_design`."""
    of_sample = ["design", *(["interval of a share"] if _is_known([scores], "picp") else [])] if is_by_design else []
    return _cited(["inference", *of_sample, *(name for name in _SCORES if _is_known([scores], name))])


def class_map_references(is_by_design: bool) -> list[Publication]:
    """Return the publications behind an assessment of a map of classes by independent observations."""
    return _cited(["inference", "purity", *(["classes by design", "interval of a share"] if is_by_design else [])])


def patch_size_references(folds: str) -> list[Publication]:
    """Return the publications behind a comparison of patch sizes under this kind of folds."""
    of_folds = [folds] if folds in _KINDS_OF_FOLDS else []
    of_methods = ["networks", "forest", "forest with context", "gaussian process", "blend"]
    return _cited([*of_methods, "one standard error", "paired test", *of_folds])


def explanation_references(has_map: bool, has_forest: bool) -> list[Publication]:
    """Return the publications behind an explanation, with or without a map of contributions and a forest in the
    blend."""
    of_forest = ["contributions of forests"] if has_forest else []
    of_map = ["contributions of networks", "gradients", *of_forest, "mapped contributions"]
    return _cited(["permutation", "adjustment", *(of_map if has_map else [])])


def map_pair_references(is_by_design: bool, has_intervals: bool) -> list[Publication]:
    """Return the publications behind a comparison of two maps."""
    of_sample = ["design"] if is_by_design else []
    return _cited(["inference", *of_sample, *(["interval of a difference"] if has_intervals else [])])


def sampling_references(design: str) -> list[Publication]:
    """Return the publications behind a sampling design."""
    used = {
        "spatial_coverage": ["spatial coverage", "sampling for mapping"],
        "feature_coverage": ["sampling for mapping", "feature coverage"],
        "latin_hypercube": ["latin hypercube", "feature coverage"],
        "simple_random": ["design"],
        "stratified_random": ["design", "spatial coverage"],
        "balanced": ["design", "pivotal"],
        "where_next": ["where next"],
    }
    return _cited(used[design])


def neighbour_references() -> list[Publication]:
    """Return the publications behind a check of observations that lie apart or in clusters."""
    return _cited(["neighbours"])


def _cited(keys: Iterable[str]) -> list[Publication]:
    return [
        Publication(use, **each) for key in keys for use, each in zip(_USES[key], _publications()[key], strict=True)
    ]


@cache
def _publications() -> dict[str, list[dict[str, str]]]:
    """Return the publications by what a report uses: a method, kind of folds or score."""
    text = Path(__file__).with_name("publications.json").read_text(encoding="utf-8")
    known: dict[str, list[dict[str, str]]] = json.loads(text)
    return known


def _is_known(scores: Iterable[Scores], name: str) -> bool:
    values = [getattr(score, name) for score in scores]
    return any(value is not None and np.isfinite(value) for value in values)
