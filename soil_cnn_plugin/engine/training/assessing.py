"""Turns held-out predictions into the assessment of all targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.contract.language import all_of, localized, tr, tr_n
from soil_cnn_plugin.engine.assessment.assessment import Assessment, FoldsInWords, LossCurve
from soil_cnn_plugin.engine.assessment.comparison import verdicts
from soil_cnn_plugin.engine.assessment.folds import overlap_share
from soil_cnn_plugin.engine.assessment.methods import FORESTS_SETTING, MEAN, NAMES, possible_predictors
from soil_cnn_plugin.engine.forests.forest import growth_in_words
from soil_cnn_plugin.engine.kriging.fitted_process import rows_in_words
from soil_cnn_plugin.engine.machine.device import device_in_words
from soil_cnn_plugin.engine.observations.notes import comma_separated
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.assessed import Verdict
from soil_cnn_plugin.engine.targets.distributions import told_in_words
from soil_cnn_plugin.engine.targets.groups import by_target
from soil_cnn_plugin.engine.targets.kinds import Given, Kind, Outcome
from soil_cnn_plugin.engine.training.cross_validation import CrossValidation
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.designs import Designs
from soil_cnn_plugin.engine.training.folds_of_file import in_metres, other_kind
from soil_cnn_plugin.engine.training.held_out_scores import error_correlation_of
from soil_cnn_plugin.engine.training.mixture import Mixture
from soil_cnn_plugin.engine.versions import read_versions

_ALIKE = 0.9  # share of independent errors below which the log tells of it


def choose_predictor(job: TrainNetwork, validations: Sequence[CrossValidation], report: Report) -> str:
    """Return the method that maps are predicted with. Where the job leaves it open, it is the one with the lowest
    held-out error of the first validation, as the mean over the targets of its share of the mean's; the log tells it.
    """
    possible = possible_predictors(job.predictor)
    if len(possible) == 1:
        return possible[0]
    errors = {
        name: float(np.mean([100 * of[name].scores.error / of[MEAN].scores.error for of in validations[0].methods]))
        for name in possible
    }
    best = min(possible, key=lambda name: errors[name])  # of equal ones the first
    told = ", ".join(f"{NAMES[name]} {localized(f'{error:.1f}')} %" for name, error in errors.items())
    report.info(
        tr(
            "The map is predicted by the {}, which has the lowest held-out error: {} of that of the mean, on"
            " average over the targets. Its scores are a little too good, because it was chosen by them."
        ).format(NAMES[best], told)
    )
    return best


def _assess_kinds(
    job: TrainNetwork,
    designs: Designs,
    chosen: Sequence[Mapping[str, Any]],
    beside: Sequence[Mapping[str, Any]],
    judged: Sequence[Verdict],
) -> list[list[Any]]:
    """The assessed targets of each kind, by their held-out predictions under the chosen folds and those `beside`."""
    design = designs.first
    return [
        kind.assess(
            Given(
                measured=design.measured.of(kind.targets),
                fold=designs.folds.fold,
                methods=[chosen[t] for t in kind.targets],
                other_methods=[beside[t] for t in kind.targets],
                verdicts=[judged[t] for t in kind.targets],
                asked=job.exceedance,
            )
        )
        for kind in design.kinds
    ]


def assess(
    job: TrainNetwork,
    file: PatchFile,
    designs: Designs,
    validations: Sequence[CrossValidation],
    curves: Sequence[LossCurve],
    mixture: Mixture,
    report: Report,
) -> Assessment:
    """Assess all targets by the `validations` that the designs have joined, tell the verdicts, and warn of wild
    observations. Maps are predicted by the `mixture` of all observations' fit, whose networks learned by `curves`."""
    design, folds = designs.first, designs.folds
    kinds = design.kinds
    chosen, *others = (validation.methods for validation in validations)
    beside = others[0] if others else [{} for _ in file.targets]
    measures = by_target(kinds, [[kind.measure] * len(kind.targets) for kind in kinds])
    judged = verdicts([*zip(chosen, measures)], mixture.method)
    of_kinds = _assess_kinds(job, designs, chosen, beside, judged)
    errors = validations[0].scores[mixture.method]
    places = in_metres(file, file.coordinates)
    for target, of_target in zip(file.targets, judged):
        report.info(f"{target.label}: {of_target.text}")
    wild = tell_wild(file, kinds, mixture.outcomes, report)
    tell_alike(kinds, mixture.independent, file.count, report)
    wholes = [kind.assess_whole(assessed) for kind, assessed in zip(kinds, of_kinds)]
    west, _, _, north = file.grid.bounds
    x_metres, y_metres = in_metres(file, np.ones((1, 2)))[0]
    overlap = overlap_share(file.coordinates, folds.fold, file.patch_size, file.grid.cell_size, (west, north))
    return Assessment(
        targets=tuple(by_target(kinds, of_kinds)),
        compositions=tuple(whole for whole in wholes if whole is not None),
        folds=FoldsInWords(
            kind=folds.kind,
            count=folds.count,
            sentence=f"{folds.sentence}{_repeats_in_words(designs.times)}",
            overlap_percent=overlap,
            other_kind=other_kind(folds) if others else "",
            is_random=folds.is_random,
            repeats=designs.times,
            nearness=folds.nearness,
        ),
        coordinates=file.coordinates,
        crs_name=file.grid.crs_name,
        cell_size=file.grid.cell_size[0],
        patch_size=file.patch_size,
        loss_curves=(*validations[0].curves, *curves),
        coverage=job.coverage,
        weights=file.weights,
        metres=(float(x_metres), float(y_metres)),
        predictor=mixture.method,
        settings=_settings(job, design, file.count, mixture.method),
        versions=read_versions(),
        error_correlation=error_correlation_of((design, *designs.repeats), errors, places),
        notes=(*filter(None, file.provenance.get("notes", "").split("\n")), *wild),
    )


def _settings(job: TrainNetwork, design: Design, count: int, predictor: str) -> dict[str, str]:
    """Return what was asked for and what it came to, for the report and the network file."""
    settings = {
        "architecture": all_of(plan.shape.name for plan in design.plans),
        "predictor": (tr("{}, chosen by held-out errors") if job.predictor == "best" else "{}").format(
            NAMES[predictor]
        ),
        "location as an input": job.location,
        "preset": job.preset,
        "transform": job.transform,
        "validation": job.validation,
        "folds": str(design.fold_count),
        "repeats": tr("automatic") if job.repeats == 0 else str(job.repeats),
        "coverage of intervals": localized(f"{100 * job.coverage:g} %"),
        "seed": str(job.seed),
        "device": device_in_words(design.device),
        **({FORESTS_SETTING: growth_in_words(count)} if growth_in_words(count) else {}),
        **({"Gaussian process": rows_in_words(count)} if rows_in_words(count) else {}),
        **({"held-out distributions": told_in_words(count)} if told_in_words(count) else {}),
    }
    for plan in design.plans:
        settings[plan.shape.name] = tr(
            "{} members, patches of {} pixels, batches of {}, learning rate {:g}, weight decay {:g},"
            " dropout {:g}, patience {} evaluations"
        ).format(
            plan.shape.members,
            plan.shape.patch_size,
            plan.batch_size,
            plan.learning_rate,
            plan.weight_decay,
            plan.dropout,
            plan.patience,
        )
    return settings


def _repeats_in_words(repeats: int) -> str:
    if repeats == 1:
        return ""
    return tr(
        " All of this was done {} times, each time with other folds. Scores are means over these repeats,"
        " and tests use the folds of all; maps, figures, tables of single classes and of whole"
        " compositions, and the layer of held-out predictions show the first repeat."
    ).format(repeats)


def tell_alike(kinds: Sequence[Kind], shares: Sequence[float], count: int, report: Report) -> None:
    """Tell which targets have errors that are alike nearby, so that their limits are widened."""
    for kind, share in zip(kinds, shares):
        if share < _ALIKE:
            report.info(
                tr(
                    "{}: held-out errors of nearby observations are similar. The {} observations say as much about the"
                    " spread of errors as {:.0f} independent ones would, and limits are widened accordingly."
                ).format(comma_separated(kind.fields, 5), count, share * count)
            )


def tell_wild(file: PatchFile, kinds: Sequence[Kind], outcomes: Sequence[Outcome], report: Report) -> list[str]:
    """Warn of the wild observations of each target, with their values, and return the warnings; `outcomes` are fitted
    to all rows of the file."""
    lines = []
    for kind, outcome in zip(kinds, outcomes):
        rows = list(outcome.wild)
        if not rows:
            continue
        values = file.values[rows, kind.targets[0]]
        named = [
            tr("{:g} of feature {}").format(value, str(number))
            for value, number in zip(values.tolist(), file.ids[rows].tolist())
        ]
        told = tr_n(
            "{}: {} value lies so far from what networks and forest predict without it that the others cannot explain"
            " it ({}). In the means of the map it counts as the outermost of the others: else a few such values would"
            " carry the mean everywhere.",
            "{}: {} values lie so far from what networks and forest predict without them that the others cannot explain"
            " them ({}). In the means of the map they count as the outermost of the others: else a few such values"
            " would carry the mean everywhere.",
            len(rows),
        ).format(kind.fields[0], len(rows), comma_separated(named, 5))
        remedy = tr(
            "In training and in scores they count in full. If the unit or the decimal sign is wrong, correct the"
            " observations and"
            " run again; the output MEDIAN shows the median."
        )
        lines.append(f"{told} {remedy}")
        report.warning(lines[-1])
    return lines
