"""All targets of an observation layer or network: which kinds they are, and what is learned of all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from soil_cnn_plugin.contract.composition import name_wholes
from soil_cnn_plugin.contract.jobs import JobError, Threshold, pair_thresholds
from soil_cnn_plugin.contract.language import any_of, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.classes import ClassKind, ClassOutcome
from soil_cnn_plugin.engine.targets.compositions import CompositionKind, CompositionOutcome
from soil_cnn_plugin.engine.targets.kinds import Kind, Measure, Outcome, Scaled
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, Learned, column_slices, lay_out
from soil_cnn_plugin.engine.targets.measured import TargetsInWords, TargetValues
from soil_cnn_plugin.engine.targets.numbers import NumberKind, NumberOutcome

T = TypeVar("T")

AnyOutcome = NumberOutcome | CompositionOutcome | ClassOutcome
"""What a network file may hold; its fields tell one kind from the others."""


def kinds_of(words: TargetsInWords) -> tuple[Kind, ...]:
    """The kinds of the targets, in the order of each one's first target."""
    wholes = [[words.targets[t] for t in group] for group in words.groups if len(group) > 1]
    names = name_wholes(wholes)
    kinds: list[Kind] = []
    found = 0
    for group in words.groups:
        first = words.targets[group[0]]
        if len(group) > 1:
            kinds.append(CompositionKind(group, tuple(wholes[found]), found, names[found]))
            found += 1
        elif first.field in words.classes:
            kinds.append(ClassKind(group[0], first, words.classes[first.field]))
        else:
            kinds.append(NumberKind(group[0], first))
    return tuple(kinds)


def words_of(
    targets: tuple[SoilProperty, ...], compositions: tuple[tuple[str, ...], ...], outcomes: Sequence[AnyOutcome]
) -> TargetsInWords:
    """The targets of a network; its outcomes, one a group, hold the classes. ValueError where they make no sense."""
    groups = TargetsInWords(targets, {}, compositions).groups
    classes = {
        targets[group[0]].field: outcome.names
        for group, outcome in zip(groups, outcomes)
        if isinstance(outcome, ClassOutcome) and len(group) == 1
    }
    return TargetsInWords(targets, classes, compositions)


def by_target(kinds: Sequence[Kind], of_kinds: Sequence[Sequence[T]]) -> list[T]:
    """What each kind tells of its targets, in the order of all targets."""
    found = {t: each for kind, of_kind in zip(kinds, of_kinds) for t, each in zip(kind.targets, of_kind)}
    return [found[t] for t in sorted(found)]


def joint_measure(kinds: Sequence[Kind]) -> Measure:
    """The measure of all kinds: what they have in common, or each one's words beside the other's."""
    measures = list(dict.fromkeys(kind.measure for kind in kinds))
    if len(measures) == 1:
        return measures[0]
    return Measure(
        name=any_of(measure.name for measure in measures),
        without_map=any_of(measure.without_map for measure in measures),
        of_this=tr("theirs"),
        clear_gain_percent=max(measure.clear_gain_percent for measure in measures),
    )


def learn_all(kinds: Sequence[Kind], scaled: Sequence[Scaled], measured: TargetValues) -> Learned:
    """What networks and forests learn of all targets (N, T), the columns of one kind after those of the other."""
    parts = [each.learn(measured.of(kind.targets)) for kind, each in zip(kinds, scaled)]

    def join(arrays: Sequence[Array]) -> Array:
        return np.concatenate(arrays, axis=1)

    return Learned(
        values=join([part.values for part in parts]),
        is_censored=np.concatenate([part.is_censored for part in parts], axis=1),
        errors=join([part.errors for part in parts]),
        weights=measured.weights,
        estimate=join([part.estimate for part in parts]),
        layout=column_layout(scaled),
    )


def column_layout(scaled: Sequence[Scaled]) -> ColumnLayout:
    """How the learned columns of all kinds stand beside each other."""
    return lay_out([each.columns for each in scaled])


def own_columns(scaled: Sequence[Scaled]) -> list[slice]:
    """Where the learned columns of each kind lie."""
    return column_slices([each.columns.count for each in scaled])


def score_all(outcomes: Sequence[Outcome], learned: Learned, location: Array, scale: Array) -> tuple[Array, Array]:
    """Scores (n, R) of all learned columns, and the shares of errors of measurement, as `Outcome.scores` gives them."""
    own = own_columns([outcome.scaled for outcome in outcomes])
    parts = [each.scores(learned.of(at), location[:, at], scale[:, at]) for each, at in zip(outcomes, own)]
    scores, shares = (np.concatenate(each, axis=1) for each in zip(*parts))
    return scores, shares


def map_values(outcomes: Sequence[Outcome], location: Array, scale: Array) -> Array:
    """Values (V, ...) of all targets as maps show them, kind by kind: means and probabilities, from locations and
    scales of all learned columns (R, ...)."""
    own = own_columns([outcome.scaled for outcome in outcomes])
    return np.concatenate([each.values(location[at], scale[at]) for each, at in zip(outcomes, own)])


def observed_values(kinds: Sequence[Kind], values: Array) -> Array:
    """Values (N, V) as maps show them, kind by kind, of all measured targets (N, T)."""
    return np.concatenate([kind.observed(values[:, list(kind.targets)]) for kind in kinds], axis=1)


def told_together(kinds: Sequence[Kind]) -> list[slice]:
    """Which of the V values of all kinds belong to one target, in the order of the targets."""
    found: dict[int, slice] = {}
    start = 0
    for kind in kinds:
        own = kind.told_together()
        for t, each in zip(kind.targets, own):
            found[t] = slice(start + each.start, start + each.stop)
        start += own[-1].stop
    return [found[t] for t in sorted(found)]


def pair_with_targets(
    thresholds: Iterable[Threshold], targets: Sequence[SoilProperty], kinds: Sequence[Kind], source: str = ""
) -> tuple[tuple[int, Threshold], ...]:
    """Pair each threshold with the number of every target that it means.

    Raises:
        EngineError: a threshold names no target, or a target that exceeds no threshold.
    """
    try:
        pairs = pair_thresholds(tuple(thresholds), targets)
    except JobError as error:
        raise EngineError(f"{source}{error}") from error
    for target, threshold in pairs:
        (kind,) = (kind for kind in kinds if target in kind.targets)
        if "exceedance_probability" not in kind.offers:
            raise EngineError(
                tr(
                    "{}the threshold {!r} names {}, which holds {}, and these exceed none. Leave it out of EXCEEDANCE."
                ).format(source, threshold.text, targets[target].field, kind.is_measured_as)
            )
    return pairs
