"""The result of an explanation, as the report, table and JSON file receive it, and its verdicts in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from soil_cnn_plugin.contract.language import any_of, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.importance import Importance, growth_by_chance
from soil_cnn_plugin.engine.assessment.significance import SIGNIFICANT, p_words
from soil_cnn_plugin.engine.explaining.contribution_scale import ContributionScale

LITTLE = 0.01
"""The growth of the error, as a share of it, that is called little: about what one more fold or seed changes."""


@dataclass(frozen=True)
class Context:
    """The growth of the error when all pixels further than `radii` (R,) pixels from the middle are exchanged. `error`
    is (R, M, T), and `by_fold` (R, M, B, T). The last radius is the patch's own, where nothing is exchanged."""

    radii: tuple[int, ...]
    error: Array
    by_fold: Array
    observations: int

    @property
    def growth(self) -> Array:
        """The growth of the error as a share of it, (R, M, T)."""
        growth: Array = self.error / self.error[-1] - 1
        return growth

    def reach(self, method: int, target: int) -> int | None:
        """Return the index of the smallest radius from which on the error grows by little, or None if it does at every
        radius."""
        much = np.flatnonzero(self.growth[:, method, target] >= LITTLE)
        return int(much[-1]) + 1 if len(much) else None


@dataclass(frozen=True)
class AttributionSummary:
    """A summary of a map of contributions. `magnitude` (players,) is their mean absolute value on the `scale`. `maps`
    (players, h, w) is a coarse image of them, NaN where nothing is predicted. Every `step`-th pixel was taken."""

    scale: ContributionScale
    magnitude: Array
    maps: Array
    step: int
    pixels: int
    base: float


@dataclass(frozen=True)
class Explanation:
    """An explanation of a network. `methods` (M,) names the rows of the importances: the map's predictor first, then
    its parts. `standard_deviation` (T,) is that of the observed values."""

    targets: tuple[SoilProperty, ...]
    covariates: tuple[str, ...]
    methods: tuple[str, ...]
    forest_weights: tuple[float, ...]  # one for each target; empty where the networks predict alone
    process_weights: tuple[float, ...]
    importance: Importance
    context: Context
    metres: float  # the side of a pixel
    standard_deviation: Array
    observations: int
    basis: str
    measures: tuple[str, ...]  # the name of each target's error
    attribution: AttributionSummary | None = None
    settings: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def measure(self) -> str:
        """The name of the errors."""
        return any_of(dict.fromkeys(self.measures))

    def share(self) -> Array:
        """Return the growth of the error as a share of it, (C, M, T)."""
        share: Array = self.importance.mean / self.importance.error
        return share

    def spread_share(self) -> Array:
        """Return the standard deviation of this share over folds, (C, M, T)."""
        spread: Array = self.importance.spread / self.importance.error
        return spread

    def distance(self, radius: int) -> float:
        """Return the distance in metres from the middle of the patch to the edge of what is kept."""
        return (radius + 0.5) * self.metres


def context_verdict(explanation: Explanation, target: int) -> str:
    """Say in a sentence how far the landscape matters."""
    context = explanation.context
    reach = context.reach(0, target)
    own = 100 * float(context.growth[0, 0, target])
    widest = explanation.distance(context.radii[-1])
    if reach is None:
        return tr(
            "The surroundings hardly matter: with all pixels but the observation's own exchanged, the error"
            " changes by less than {:g} %."
        ).format(100 * LITTLE)
    p = growth_by_chance(context.by_fold[0, 0, :, target] - context.by_fold[-1, 0, :, target])
    chance = tr(", which the folds do not tell from chance") if p is None or p >= SIGNIFICANT else ""
    tested = f" ({p_words(p)}{chance})" if p is not None else ""
    without = tr("with all but the pixel itself exchanged it grows by {:.0f} %{}").format(own, tested)
    if reach == len(context.radii) - 1:
        return tr(
            "The whole patch matters, up to {:.0f} m: exchanging its outermost ring alone makes the error"
            " grow by {:.1f} %, and {}. Compare patch sizes tells whether a larger patch does better."
        ).format(widest, 100 * float(context.growth[-2, 0, target]), without)
    return tr("Pixels further than {:.0f} m change the error by less than {:g} %; {}.").format(
        explanation.distance(context.radii[reach]), 100 * LITTLE, without
    )


def importance_verdict(explanation: Explanation, target: int) -> str:
    """Say in a sentence which covariates matter, as far as the folds tell that from chance."""
    share = explanation.share()[:, 0, target]
    p_values = explanation.importance.significance(0, target)
    order = np.argsort(-share)
    clear = [i for i in order if (p := p_values[i]) is not None and p < SIGNIFICANT and share[i] >= LITTLE]
    if not clear:
        first = order[0]
        p = p_values[first]
        return tr(
            "No covariate clearly stands out: exchanging {}, the one that changes most, changes the"
            " held-out error by {:.1f} %{}. The folds do not tell that from chance, which does not show"
            " that no covariate matters."
        ).format(explanation.covariates[first], 100 * share[first], f" ({p_words(p)})" if p is not None else "")
    named = ", ".join(f"{explanation.covariates[index]} (+{100 * share[index]:.0f} %)" for index in clear[:3])
    rest = len(share) - len(clear)
    few = (
        tr(" {} of {} change it by less than 1 %, or the folds do not tell it from chance.").format(rest, len(share))
        if rest
        else ""
    )
    return tr("Exchanging a covariate makes the held-out error grow most for {}.{}").format(named, few)
