"""The publications that a report cites: those of the methods that it used, in the order of a methods section."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, NETWORK, PROCESS
from soil_cnn_plugin.engine.targets.metrics import Scores

_KINDS_OF_FOLDS = ("spatial_blocks", "knndm")
_SCORES = ("mec", "ccc", "rpiq", "picp", "interval_score")


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
    return [Publication(**each) for key in keys for each in _publications()[key]]


@cache
def _publications() -> dict[str, list[dict[str, str]]]:
    """Return the publications by what a report uses: a method, kind of folds or score."""
    text = Path(__file__).with_name("publications.json").read_text(encoding="utf-8")
    known: dict[str, list[dict[str, str]]] = json.loads(text)
    return known


def _is_known(scores: Iterable[Scores], name: str) -> bool:
    values = [getattr(score, name) for score in scores]
    return any(value is not None and np.isfinite(value) for value in values)
