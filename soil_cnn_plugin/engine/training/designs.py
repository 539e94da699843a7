"""All trainings of a run: for the map, for its held-out folds, for repeats of these, and for folds of another kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.folds import Folds
from soil_cnn_plugin.engine.assessment.methods import NETWORK
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.forest import growth_in_words
from soil_cnn_plugin.engine.kriging.fitted_process import rows_in_words
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.distributions import told_in_words
from soil_cnn_plugin.engine.targets.groups import by_target, pair_with_targets
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation
from soil_cnn_plugin.engine.training.design import Design, encode_patches
from soil_cnn_plugin.engine.training.folds_of_file import (
    hold_out,
    inner_folds,
    kind_within,
    kinds_on_scales,
    other_kind,
    tell_folds,
    tell_scales,
)
from soil_cnn_plugin.engine.training.guessed_pace import progress_of_reading
from soil_cnn_plugin.engine.training.plan import Plan, left_out_in_words, make_plans
from soil_cnn_plugin.engine.versions import read_versions

_REPEATS = {"fast": ((np.inf, 1),), "standard": ((500, 3), (2000, 2)), "best": ((500, 5), (2000, 3))}
"""For each preset, the most observations with which the cross-validation is repeated so often; once with more. With the
training of the map and folds of the other kind, three repeats take about twice the time of one."""
_TRIES = 3


@dataclass(frozen=True)
class Designs:
    """`first` has the chosen `folds`, and trains for the map, too; `repeats` hold out other folds of the same kind;
    `other` folds of another kind, where the observations allow it: random folds beside spatial ones, and spatial blocks
    beside random ones. The difference shows how much the map's worth depends on near observations."""

    first: Design
    folds: Folds
    repeats: tuple[Design, ...]
    other: tuple[Design, ...]

    @property
    def all(self) -> tuple[Design, ...]:
        return (self.first, *self.repeats, *self.other)

    @property
    def times(self) -> int:
        """How often the cross-validation is done."""
        return 1 + len(self.repeats)

    def joined(self, validations: Sequence[CrossValidation]) -> list[CrossValidation]:
        """Those of `all` designs, with all repeats as one."""
        return [over_repeats(validations[: self.times]), *validations[self.times :]]


def make_designs(
    job: TrainNetwork, file: PatchFile, checkpoints: Path, device: torch.device, report: Report
) -> Designs:
    """Deal the observations to folds, encode their patches once, and plan all trainings.

    Raises:
        EngineError: observations cannot be held out as asked, patches are too small for a network, or the values of a
            target forbid the transform.
    """
    folds = hold_out(file, job.validation, job.folds, job.seed, job.domain, report=report)
    first = _first_design(job, file, folds, checkpoints, device, report)
    other = _with_other_folds(job, file, folds, first, report)
    others = sum(design.fold_count for design in other)
    return Designs(first, folds, repeated_designs(job, file, folds, first, others, report), other)


def _first_design(
    job: TrainNetwork, file: PatchFile, folds: Folds, checkpoints: Path, device: torch.device, report: Report
) -> Design:
    plans = make_plans(job, file.patch_size, file.count)
    kinds = kinds_on_scales(job.transform, file)
    pair_with_targets(job.exceedance, file.targets, kinds)
    report.info(_plans_in_words(file, plans, kinds))
    tell_scales(kinds, job.transform, file, report)
    tell_folds(folds, job.domain, report)
    if left_out := left_out_in_words(job, file.patch_size, file.count):
        report.info(left_out)
    if growth_in_words(file.count):
        report.info(tr("In the random forests {}.").format(growth_in_words(file.count)))
    if rows_in_words(file.count):
        report.info(tr("The Gaussian process is bounded: {}.").format(rows_in_words(file.count)))
    if told_in_words(file.count):
        report.info(tr("Held-out distributions are bounded: {}.").format(told_in_words(file.count)))
    report.info(tr("Reading and encoding {:,} patches").format(file.count))
    trainings = 1 + choose_repeats(job, file.count) * folds.count + job.folds  # and those of folds of another kind
    channels = sum(len(summary.categories) or 1 for summary in file.covariates)
    told = progress_of_reading(plans, file.count, len(file.targets), channels, trainings, device, report)
    data = encode_patches(file, plans, device, _who_sees_location(job), progress=told)
    kept = None
    if job.resume:
        kept = CheckpointFolder(checkpoints / read_versions()["Soil CNN"] / data.fingerprint, report.warning)
        kept.tidy()
    return Design(
        data=data,
        measured=file.measured,
        kinds=kinds,
        fold=folds.fold,
        make_inner_folds=inner_folds(file, kind_within(folds), job.domain),
        plans=plans,
        coverage=job.coverage,
        seed=job.seed,
        device=device,
        checkpoints=kept,
    )


def _with_other_folds(
    job: TrainNetwork, file: PatchFile, folds: Folds, first: Design, report: Report
) -> tuple[Design, ...]:
    kind = other_kind(folds)
    try:
        fold = hold_out(file, kind, job.folds, job.seed).fold
    except EngineError as error:
        report.info(tr("No folds of another kind are shown beside these: {}").format(error))
        return ()
    if _is_same(fold, folds.fold):  # as where there are no more sites than folds
        return ()
    return (replace(first, fold=fold, make_inner_folds=inner_folds(file, kind)),)


def _who_sees_location(job: TrainNetwork) -> str:
    """Return the job's choice; networks alone have no Gaussian process beside them that could see the location."""
    return "off" if job.location == "auto" and job.predictor == NETWORK else job.location


def _plans_in_words(file: PatchFile, plans: tuple[Plan, ...], kinds: tuple[Kind, ...]) -> str:
    ensembles = all_of(
        tr("{} members of {} ({} x {} pixels)").format(
            plan.shape.members, plan.shape.name, plan.shape.patch_size, plan.shape.patch_size
        )
        for plan in plans
    )
    targets = ", ".join(by_target(kinds, [kind.in_words() for kind in kinds]))
    return tr("{} observations, {} covariates; networks: {}; targets: {}").format(
        file.count, len(file.covariates), ensembles, targets
    )


def choose_repeats(job: TrainNetwork, observations: int) -> int:
    """The number of repeats: the user's, or what the preset gives to so many observations. Few have the most to gain,
    and the least to lose in time."""
    chosen = (repeats for most, repeats in _REPEATS[job.preset] if observations <= most)
    return job.repeats or next(chosen, 1)


def repeated_designs(
    job: TrainNetwork, file: PatchFile, folds: Folds, first: Design, others: int, report: Report
) -> tuple[Design, ...]:
    """The designs of all repeats but the first, which is `first` on `folds`. Folds that an earlier repeat had are left
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
            report.info(tr("Repeat {}: {}").format(len(found), other.sentence))
    _tell(job, wanted, found, others, refused, report)
    return tuple(
        replace(first, fold=other.fold, seed=first.seed + 100_000 * repeat)
        for repeat, other in enumerate(found[1:], start=1)
    )


def _tell(job: TrainNetwork, wanted: int, found: Sequence[Folds], others: int, refused: str, report: Report) -> None:
    if len(found) < wanted:
        report.warning(
            tr(
                "The cross-validation is done {} instead of {} times, because folds of this kind can hold out"
                " the observations in only so many different ways{}."
            ).format(_times(len(found)), wanted, refused)
        )
    once = 1 + found[0].count + others
    trainings = once + sum(other.count for other in found[1:])
    if len(found) > 1:
        why = tr("as asked") if job.repeats else tr("by the preset '{}' for so many observations").format(job.preset)
        report.info(
            tr(
                "The cross-validation is repeated with other folds, {} in all ({}): {} trainings instead of {},"
                " about {:.1f} times as long. Scores are means over the repeats; maps, figures and the layer of"
                " held-out predictions show the first. REPEATS = 1 does it once."
            ).format(_times(len(found)), why, trainings, once, trainings / once)
        )
    elif wanted == 1:
        report.info(
            tr(
                "The cross-validation is done once ({} trainings with that of the map). REPEATS repeats it, so"
                " that smaller differences between methods are found, in the time of {} more trainings for each"
                " repeat."
            ).format(trainings, found[0].count)
        )


def _times(count: int) -> str:
    return {1: tr("once"), 2: tr("twice")}.get(count, tr("{} times").format(count))


def _is_same(one: Rows, other: Rows) -> bool:
    """Whether the same observations are held out together, whatever the numbers of the folds."""
    pairs = np.unique(np.stack([one, other]), axis=1).shape[1]
    return bool(pairs == len(np.unique(one)) == len(np.unique(other)))


def over_repeats(repeats: Sequence[CrossValidation]) -> CrossValidation:
    """Each repeat is scored by itself, and scores are means over them, those of folds are those of all. The predictions
    are those of the first."""
    first = repeats[0]
    methods = [
        {name: _together([each.methods[t][name] for each in repeats]) for name in of_target}
        for t, of_target in enumerate(first.methods)
    ]
    scores = {name: tuple(each.scores[name][0] for each in repeats) for name in first.scores}
    return replace(first, methods=methods, scores=scores)


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
