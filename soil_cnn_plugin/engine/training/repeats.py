"""Repeats of the cross-validation: how many, on which folds, and their scores as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.folds import Folds
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.folds_of_file import hold_out

_REPEATS = {"fast": ((np.inf, 1),), "standard": ((500, 3), (2000, 2)), "best": ((500, 5), (2000, 3))}
"""For each preset, the most observations with which the cross-validation is repeated so often; once with more. With the
training of the map and folds of the other kind, three repeats take about twice the time of one."""
_TRIES = 3


def choose_repeats(job: TrainNetwork, observations: int) -> int:
    """The number of repeats: the user's, or what the preset gives to so many observations. Few have the most to gain,
    and the least to lose in time."""
    chosen = (repeats for most, repeats in _REPEATS[job.preset] if observations <= most)
    return job.repeats or next(chosen, 1)


def repeated_designs(
    job: TrainNetwork, file: PatchFile, folds: Folds, design: Design, others: int, report: Report
) -> list[Design]:
    """The designs of all repeats but the first, which is `design` on `folds`. Folds that an earlier repeat had are left
    out: repeating them would tell nothing new of the observations. The log tells the number, why, and the time;
    `others` counts the folds beside these that are held out once."""
    wanted = choose_repeats(job, file.count)
    found, refused = [folds], ""
    for repeat in range(1, _TRIES * wanted):
        if len(found) == wanted:
            break
        try:
            other = hold_out(file, job.validation, job.folds, job.seed, job.domain, repeat)
        except EngineError as error:
            refused = f" ({error})"
            continue
        if not any(_is_same(other.fold, known.fold) for known in found):
            found.append(other)
            report.info(f"Repeat {len(found)}: {other.sentence}")
    _tell(job, wanted, found, others, refused, report)
    return [
        replace(design, fold=other.fold, seed=design.seed + 100_000 * repeat)
        for repeat, other in enumerate(found[1:], start=1)
    ]


def _tell(job: TrainNetwork, wanted: int, found: Sequence[Folds], others: int, refused: str, report: Report) -> None:
    if len(found) < wanted:
        report.warning(
            f"The cross-validation is done {_times(len(found))} instead of {wanted} times: the observations can be held"
            f" out in so many different ways of this kind only{refused}."
        )
    once = 1 + found[0].count + others
    trainings = once + sum(other.count for other in found[1:])
    if len(found) > 1:
        why = "as asked" if job.repeats else f"by the preset '{job.preset}' for so many observations"
        report.info(
            f"The cross-validation is repeated with other folds, {_times(len(found))} in all ({why}): {trainings}"
            f" trainings instead of {once}, about {trainings / once:.1f} times as long. Scores are means over the"
            " repeats; maps, figures and the layer of held-out predictions show the first. REPEATS = 1 does it once."
        )
    elif wanted == 1:
        report.info(
            f"The cross-validation is done once ({trainings} trainings with that of the map). REPEATS repeats it, so"
            " that smaller differences between methods are found, in the time of"
            f" {found[0].count} more trainings for each repeat."
        )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _is_same(one: Rows, other: Rows) -> bool:
    """Whether the same observations are held out together, whatever the numbers of the folds."""
    pairs = np.unique(np.stack([one, other]), axis=1).shape[1]
    return bool(pairs == len(np.unique(one)) == len(np.unique(other)))


def over_repeats(validations: Sequence[CrossValidation]) -> CrossValidation:
    """All repeats as one: each is scored by itself, and scores are means over them, those of folds are those of all.
    The predictions are those of the first repeat."""
    first = validations[0]
    methods = [
        {name: _together([each.methods[t][name] for each in validations]) for name in of_target}
        for t, of_target in enumerate(first.methods)
    ]
    return replace(first, methods=methods)


def _together(repeats: Sequence[Any]) -> Any:
    """Held-out predictions of one method for one target."""
    if len(repeats) == 1:
        return repeats[0]
    scores = mean_scores([each.scores for each in repeats])
    return replace(repeats[0], scores=scores, fold_scores=tuple(s for each in repeats for s in each.fold_scores))


def mean_scores(scores: Sequence[Any]) -> Any:
    """Scores of several repeats as their mean; None where a score is not known in one of them."""
    found = {}
    for field in fields(scores[0]):
        values = [getattr(each, field.name) for each in scores]
        if field.name != "n":
            found[field.name] = None if None in values else float(np.mean(values))
    return replace(scores[0], **found)
