"""What a network file keeps of a training: what it says of itself, where maps may be used, who held which row out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.importance import permutation_importance
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import AnyOutcome
from soil_cnn_plugin.engine.targets.learned import units
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.dissimilarity import (
    MOST_OBSERVATIONS,
    Space,
    covariate_rows,
    fit_covariate_space,
    fit_embedding_space,
)
from soil_cnn_plugin.engine.training.fitting import Fitted
from soil_cnn_plugin.engine.training.mixture import Mixture
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, write_network
from soil_cnn_plugin.engine.training.predictor import Predictor, mix
from soil_cnn_plugin.engine.training.unseen import PlacedErrors, TrainingRows, Views, covariate_names, place_keys

_ENOUGH_ROWS = 1000
"""Observations on which the weights of covariates are measured; with fewer, each is exchanged more often."""
_MOST_REPEATS = 5


def keep_network(
    job: TrainNetwork,
    file: PatchFile,
    design: Design,
    final: Fitted,
    mixture: Mixture,
    assessment: Assessment,
    report: Report,
) -> Assessment:
    """Write the network file of `final`, which was fitted to all observations of the design, and of the `mixture` that
    predicts maps. Return the assessment with the spaces in which its maps tell where they apply."""
    predictor = final.predictor(assessment.predictor, file.patch_size)
    has_places = design.data.encoder.location is not None
    spaces = _fit_spaces(design, final, assessment.predictor, file.patch_size, report)
    trained = TrainedNetwork(
        description=_describe(job, file, design, mixture.outcomes, predictor, assessment, spaces),
        encoder=design.data.encoder,
        predictor=predictor,
        spaces=spaces,
        rows=TrainingRows(place_keys(file.coordinates), final.held_out),
        # The features of the Gaussian process tell the places anyway; otherwise the file keeps them to itself.
        errors=PlacedErrors(file.coordinates, mixture.scores()) if has_places else None,
    )
    write_network(job.network, trained)
    return replace(assessment, spaces=trained.description.spaces)


def _describe(
    job: TrainNetwork,
    file: PatchFile,
    design: Design,
    outcomes: tuple[AnyOutcome, ...],
    predictor: Predictor,
    assessment: Assessment,
    spaces: tuple[Space, ...],
) -> NetworkDescription:
    return NetworkDescription(
        targets=file.targets,
        covariates=file.covariates,
        grid=file.grid,
        patch_size=file.patch_size,
        shapes=tuple(plan.shape for plan in design.plans),
        predictor=assessment.predictor,
        weights=tuple(tuple(row) for row in predictor.weights.tolist()),
        location=design.data.encoder.location,
        compositions=file.words.compositions,
        outcomes=outcomes,
        coverage=job.coverage,
        observation_count=file.count,
        folds_sentence=assessment.folds.sentence,
        scores={
            target.soil_property.field: {name: held_out.scores for name, held_out in target.methods.items()}
            for target in assessment.targets
        },
        verdicts={target.soil_property.field: target.verdict.text for target in assessment.targets},
        settings=assessment.settings,
        versions=assessment.versions,
        provenance={
            **file.provenance,
            "patches": Path(job.patches).name,
            "trained": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        spaces=tuple(space.words for space in spaces),
        seed=job.seed,
        error_correlation=assessment.error_correlation,
    )


def _fit_spaces(design: Design, final: Fitted, method: str, patch_size: int, report: Report) -> tuple[Space, ...]:
    """The spaces in which a map's dissimilarity can be told; none, with a warning, where it has no meaning."""
    data, encoder = design.data, design.data.encoder
    rows = covariate_rows(data.raw, data.point[:, -len(Location.ANGLES) :] if encoder.shows_location else None)
    try:
        importance = _importance(design, final, method, patch_size)
        spaces = (
            fit_covariate_space(rows, encoder, importance, design.fold, design.seed),
            fit_embedding_space(final.networks, data.inputs, design.fold, design.seed),
        )
    except EngineError as error:
        report.warning(tr("The network file cannot tell where its maps may be used. {}").format(error))
        return ()
    if len(design.fold) > MOST_OBSERVATIONS:
        report.info(
            tr(
                "Dissimilarity is measured against {} of the {} observations, drawn at random, so that the"
                " network file stays small."
            ).format(MOST_OBSERVATIONS, len(design.fold))
        )
    _tell_weights(spaces[0], covariate_names(encoder), importance, report)
    return spaces


def _tell_weights(space: Space, names: list[str], importance: Array, report: Report) -> None:
    """Tell which covariates the index in covariate space cannot weigh by their importance."""
    constant = [name for name, column in zip(names, space.rows.T) if np.ptp(column) == 0]
    if constant:
        report.warning(
            tr(
                "All observations have one value of {}, so that the dissimilarity index of maps cannot tell"
                " another value there. Leave such covariates out, or add observations."
            ).format(", ".join(constant))
        )
    weights = space.words.weights
    if not any(value > 0 for name, value in zip(names, importance.tolist()) if weights[name] > 0):
        report.info(
            tr("No covariate makes held-out predictions better, so all weigh alike in the dissimilarity index.")
        )


def _importance(design: Design, final: Fitted, method: str, patch_size: int) -> Array:
    """Growth of the held-out error for each covariate [and the location], (C [+ 1],): in standard deviations of a
    target, mean over the targets."""
    count = len(design.fold)
    rows = np.sort(np.random.default_rng(design.seed).permutation(count)[:_ENOUGH_ROWS])
    inputs = [part.take(torch.from_numpy(rows)) for part in design.data.inputs]
    views = Views.of(final.networks, inputs, design.data.context[rows], patch_size)
    unseen = final.unseen(method).take(rows)
    weights = final.predictor(method, patch_size).weights

    def predict(covariate: int | None, order: Rows) -> Array:
        location, _ = unseen.predict(views if covariate is None else views.exchange(covariate, order))
        return mix(location, weights)[None]

    found = permutation_importance(
        predict,
        len(covariate_names(design.data.encoder)),
        final.learned.estimate[rows],
        final.held_out.fold[rows],
        repeats=max(1, min(_MOST_REPEATS, _ENOUGH_ROWS // len(rows))),
        seed=design.seed,
        told_together=units(final.learned.layout),
    )
    importance: Array = found.mean[:, 0].mean(axis=1)
    encoder = design.data.encoder
    return importance[: len(encoder.covariates) + encoder.shows_location]
