"""Covariates that say the same as each other, or that hold the target itself: told before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Singles
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.targets.measured import TargetsInWords

_ROWS = 20_000  # observations that are compared at most
_FEWEST = 20  # observations that a correlation needs
_COLLINEAR = 0.95
_SAME_AS_TARGET = 0.99
_MOST_PAIRS = 5


class Centres:
    """The covariates (N, C) and the targets (N, T) of observations, gathered while their patches are cut."""

    def __init__(self) -> None:
        self._covariates: list[Singles] = []
        self._targets: list[Array] = []
        self._count = 0

    def add(self, observations: Observations, patches: Singles) -> None:
        """Take observations with their patches (n, C, P, P)."""
        if self._count < _ROWS and len(observations):
            middle = patches.shape[-1] // 2
            self._covariates.append(patches[:, :, middle, middle].copy())  # (n, C, P, P) -> (n, C)
            self._targets.append(observations.values)
            self._count += len(observations)

    def doubts(self, stack: CovariateStack, words: TargetsInWords) -> list[str]:
        """Return warnings, each with its remedy."""
        if not self._count:
            return []
        covariates, targets = np.concatenate(self._covariates), np.concatenate(self._targets)
        own = [raster.covariate for raster in stack.rasters]
        made = [
            raster.covariate
            for raster in stack.rasters
            if str(raster.dataset.tags().get("TIFFTAG_SOFTWARE", "")).startswith("Soil CNN")
        ]
        return [*doubt_alike(own, covariates), *doubt_targets(own, covariates, words, targets), *_doubt_maps(made)]


def doubt_alike(covariates: Sequence[Covariate], values: Singles) -> list[str]:
    """Return warnings of covariates that hold the same numbers, or nearly so, at the observations: `values` (N, C)."""
    same = [(one, other) for one, other, is_same, _ in _pairs(covariates, values) if is_same]
    near = [(one, other, r) for one, other, is_same, r in _pairs(covariates, values) if not is_same]
    lines = [
        tr(
            "{} and {} hold the same values at all observations. Leave one of them out: twice the same"
            " covariate takes time and halves its importance."
        ).format(one, other)
        for one, other in same[:_MOST_PAIRS]
    ]
    if near:
        near.sort(key=lambda pair: -abs(pair[2]))
        shown = "; ".join(tr("{} and {} (r = {:.2f})").format(one, other, r) for one, other, r in near[:_MOST_PAIRS])
        more = tr("; and {} more pairs").format(len(near) - _MOST_PAIRS) if len(near) > _MOST_PAIRS else ""
        lines.append(
            tr(
                "Strongly collinear covariates: {}{}. They carry nearly the same information, so the importance of"
                " each is shared out between them. The map hardly changes if you leave one of a pair out."
            ).format(shown, more)
        )
    return lines


def doubt_targets(covariates: Sequence[Covariate], values: Singles, words: TargetsInWords, targets: Array) -> list[str]:
    """Return warnings of covariates that are a target themselves, by their name or their values: `values` (N, C),
    `targets` (N, T)."""
    lines = []
    for target, measured, classes in zip(words.targets, targets.T, words.classes_of):
        for covariate, column in zip(covariates, values.T):
            is_coded = covariate.kind == "categorical"
            remedy = tr(
                "If it is the target itself, or a map made from these observations, leave it out: with it, the held-out"
                " errors say nothing."
            )
            if covariate.name.lower() == target.field.lower():
                lines.append(tr("{} has the name of the target. {}").format(covariate.name, remedy))
            elif is_coded == bool(classes) and _agrees(measured, column, is_coded):
                text = tr("{} agrees almost exactly with the target {} at the observations. {}")
                lines.append(text.format(covariate.name, target.field, remedy))
    return lines


def _doubt_maps(covariates: Sequence[Covariate]) -> list[str]:
    return [
        tr(
            "{} is a map that Soil CNN made ({}). If it was made from these observations, leave it out: it"
            " holds what the validation holds out."
        ).format(covariate.name, covariate.path)
        for covariate in covariates
    ]


def _pairs(covariates: Sequence[Covariate], values: Singles) -> Iterator[tuple[str, str, bool, float]]:
    """Yield names, whether all values are equal, and the correlation, of pairs that are nearly or wholly alike."""
    if len(values) < _FEWEST:
        return
    names = [covariate.name for covariate in covariates]
    is_coded: Flags = np.array([covariate.kind == "categorical" for covariate in covariates])
    with np.errstate(invalid="ignore", divide="ignore"):  # a covariate may be the same at all observations
        correlation = np.atleast_2d(np.corrcoef(values.T.astype(np.float64)))
    varies = np.ptp(values, axis=0) > 0
    for i, j in zip(*np.triu_indices(len(names), 1)):
        if not (varies[i] and varies[j]) or is_coded[i] != is_coded[j]:
            continue
        is_same = bool(np.array_equal(values[:, i], values[:, j]))
        if is_same or (not is_coded[i] and abs(correlation[i, j]) >= _COLLINEAR):
            yield names[i], names[j], is_same, float(correlation[i, j])


def _agrees(measured: Array, column: Singles, is_coded: bool) -> bool:
    """Check whether numbers (N,) are nearly proportional, or whether codes and classes (N,) stand one for one."""
    is_known = np.isfinite(measured) & np.isfinite(column)
    one, other = measured[is_known], column[is_known]
    if len(one) < _FEWEST or np.ptp(one) == 0 or np.ptp(other) == 0:
        return False
    if not is_coded:
        return abs(float(np.corrcoef(one, other)[0, 1])) >= _SAME_AS_TARGET
    kinds = len(np.unique(np.column_stack([one, other]), axis=0))
    return kinds == len(np.unique(one)) == len(np.unique(other))
