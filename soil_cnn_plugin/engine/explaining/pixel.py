"""One pixel explained: its prediction, what each covariate adds to it, the nearest observations, its dissimilarity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import torch

from soil_cnn_plugin.contract.jobs import ExplainPixel, PredictMap
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.attribution import Attribution, choose_background
from soil_cnn_plugin.engine.explaining.contribution_scale import ContributionScale
from soil_cnn_plugin.engine.explaining.explain_map import BACKGROUND, explained_target
from soil_cnn_plugin.engine.explaining.known_observations import match_file
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.mapping.layers import plan_map
from soil_cnn_plugin.engine.mapping.matching import map_grid, match_covariates
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import Views

_MOST_OBSERVATIONS = 300  # from which those are chosen that the pixel is compared with
_WANTED = ("prediction", "lower", "upper", "classes", "probabilities")


@dataclass(frozen=True)
class PixelContributions:
    """What each covariate adds to a target, on its `scale`, from the `base`, the mean over observations."""

    scale: ContributionScale
    base: float
    by_covariate: dict[str, float]


@dataclass(frozen=True)
class PixelPrediction:
    """What is predicted of a target: a number with its limits, or the probabilities of classes."""

    target: SoilProperty
    value: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    probabilities: dict[str, float] | None = None
    contributions: PixelContributions | None = None

    @property
    def most_probable(self) -> str:
        return max(self.probabilities, key=self.probabilities.__getitem__) if self.probabilities else ""


@dataclass(frozen=True)
class Neighbour:
    """An observation near the pixel: its distance in metres, and what was observed there by target field."""

    distance: float
    direction: str
    observed: dict[str, str]


@dataclass(frozen=True)
class PixelExplanation:
    """A pixel of the map. `values` are its covariates, `classes` the names of those that are class codes;
    `dissimilarity` and its `threshold` are None where the network cannot tell them."""

    x: float
    y: float
    crs_name: str
    coverage: float
    values: dict[str, float]
    classes: dict[str, str]
    predictions: tuple[PixelPrediction, ...]
    neighbours: tuple[Neighbour, ...]
    dissimilarity: float | None
    threshold: float | None


def find_patches(job: ExplainPixel, trained: TrainedNetwork) -> str:
    """Return the patch file: the given one, or the one beside the network that it was trained on.

    Raises:
        EngineError: there is none.
    """
    name = trained.description.provenance.get("patches", "")
    found = Path(job.patches) if job.patches else Path(job.network).with_name(Path(name).name)
    if not name and not job.patches or not found.is_file():
        raise EngineError(
            tr(
                "The observations of {} are needed to explain a pixel, but their patch file {} does not lie"
                " beside the network. Choose it as PATCHES."
            ).format(job.network, name or "?")
        )
    return str(found)


def explain_pixel(
    job: ExplainPixel, trained: TrainedNetwork, file: PatchFile, device: torch.device, report: Report
) -> PixelExplanation:
    """Explain the pixel of the map that the job's point lies in.

    Raises:
        EngineError: the point lies outside the covariates, or one is missing there.
    """
    description = trained.description
    covariates = match_covariates(description.covariates, job.covariates, report)
    grid = map_grid(covariates, description.covariates, description.grid, report)
    block = _pixel(job, grid)
    half = description.patch_size // 2
    with open_stack(covariates, grid) as stack:
        patch = stack.read(block.with_halo(half))
    values = dict(zip((each.name for each in covariates), patch[:, half, half].tolist()))
    missing = [name for name, value in values.items() if not math.isfinite(value)]
    if missing:
        raise EngineError(
            tr("Nothing is predicted there: {} has no data at {:.8g}, {:.8g}.").format(", ".join(missing), job.x, job.y)
        )
    observations = _observations(trained, file)
    # Before the block: what the Gaussian process keeps from a block's inference mode could not be differentiated.
    location, _ = trained.predictor.predict(observations.inputs, observations.context)
    report.progress(0.3)
    predictions, dissimilarity, threshold = _predict(job, trained, grid, block, patch, device, report)
    report.progress(0.5)
    x, y = (float(each[0]) for each in grid.xy([block.row], [block.col], description.grid.crs_wkt))
    own = see(trained, encode(trained, patch[None], np.array([[x, y]])))
    explained = [
        _with_contributions(trained, each, t, own, observations, location) for t, each in enumerate(predictions)
    ]
    report.progress(0.95)
    return PixelExplanation(
        x,
        y,
        description.grid.crs_name,
        description.coverage,
        values,
        _classes(description.covariates, values),
        tuple(explained),
        _neighbours(job, trained, file, x, y),
        dissimilarity,
        threshold,
    )


def _classes(covariates: Sequence[CovariateSummary], values: dict[str, float]) -> dict[str, str]:
    """Return the class of each categorical covariate."""
    names = {each.covariate.name: dict(zip(each.categories, each.labels)) for each in covariates if each.categories}
    return {name: own.get(int(values[name]), f"{values[name]:g}") for name, own in names.items()}


def _pixel(job: ExplainPixel, grid: Grid) -> Block:
    try:
        x, y = grid.place([job.x], [job.y], job.crs) if job.crs else (np.array([job.x]), np.array([job.y]))
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr("The point {:.8g}, {:.8g} cannot be transformed to {}, the CRS of the map. Give it in that CRS.").format(
                job.x, job.y, grid.crs_name
            )
        ) from error
    if not grid.contains(x, y).all():
        raise EngineError(
            tr("The point {:.8g}, {:.8g} lies outside the covariates of the network. Choose one on its map.").format(
                job.x, job.y
            )
        )
    rows, cols = grid.pixels(x, y)
    return Block(int(rows[0]), int(cols[0]), 1, 1)


def _predict(
    job: ExplainPixel,
    trained: TrainedNetwork,
    grid: Grid,
    block: Block,
    patch: Singles,
    device: torch.device,
    report: Report,
) -> tuple[list[PixelPrediction], float | None, float | None]:
    """Predict the pixel as a map does, and tell its dissimilarity and the threshold where the network knows them."""
    kinds = trained.description.kinds
    offered = {name for kind in kinds for name in kind.offers}
    wanted = {name: name for name in _WANTED if name in offered}
    spaces = [space.words.space for space in trained.spaces]
    if PredictMap.dissimilarity_space in spaces:
        wanted["dissimilarity"] = "dissimilarity"
    request = PredictMap(
        job.network,
        prediction=wanted.get("prediction", ""),
        lower=wanted.get("lower", ""),
        upper=wanted.get("upper", ""),
        classes=wanted.get("classes", ""),
        probabilities=wanted.get("probabilities", ""),
        dissimilarity=wanted.get("dissimilarity", ""),
    )
    finisher = plan_map(request, trained, device, report)
    predictor = BlockPredictor(trained, grid, device, finisher.index)
    found = predictor.predict(block, patch, np.ones((1, 1), np.bool_))
    if not np.isfinite(found.location).all():
        raise EngineError(
            tr("Nothing is predicted at {:.8g}, {:.8g}: a class there was not met in training.").format(job.x, job.y)
        )
    values = finisher.layers.values(found.location, found.scale)
    rows = {name: iter(bands[:, 0, 0].tolist()) for name, bands in values.items() if name != "classes"}
    predictions = []
    for target in trained.description.targets:
        names = trained.description.words.classes.get(target.field, ())
        if names:
            probabilities = {name: next(rows["probabilities"]) for name in names}
            predictions.append(PixelPrediction(target, probabilities=probabilities))
        else:
            number = {name: next(rows[output]) for name, output in _NUMBERS.items()}
            predictions.append(PixelPrediction(target, **number))
    index = None if found.dissimilarity is None else float(found.dissimilarity[0, 0])
    return predictions, index, finisher.index.threshold if finisher.index else None


_NUMBERS = {"value": "prediction", "lower": "lower", "upper": "upper"}


def _observations(trained: TrainedNetwork, file: PatchFile) -> Views:
    """Return what the network sees of some observations, drawn at random where there are many."""
    order, _ = match_file(trained, file)
    rows = np.arange(file.count)
    if file.count > _MOST_OBSERVATIONS:
        rows = np.sort(np.random.default_rng(0).choice(file.count, _MOST_OBSERVATIONS, replace=False))
    patches = np.concatenate([file.read(int(row), int(row) + 1) for row in rows])[:, order]
    return see(trained, encode(trained, patches, file.coordinates[rows]))


def _with_contributions(
    trained: TrainedNetwork,
    prediction: PixelPrediction,
    target: int,
    own: Views,
    observations: Views,
    location: Array,
) -> PixelPrediction:
    """Attribute the prediction: a number on the scale that it was learned on, or the odds of the most probable
    class. `location` (N, R) holds the learned columns of the observations."""
    explained, columns = explained_target(trained.description, target, prediction.most_probable)
    background = choose_background(explained.value(location[:, columns]), BACKGROUND)
    attribution = Attribution(trained, observations.take(background), explained, columns)
    found = attribution.contributions(own)[0]
    scale = ContributionScale(explained.transform, prediction.target, prediction.most_probable)
    by_covariate = dict(zip(attribution.players, found.tolist()))
    contributions = PixelContributions(
        scale, attribution.base, dict(sorted(by_covariate.items(), key=lambda each: -abs(each[1])))
    )
    return PixelPrediction(
        prediction.target,
        prediction.value,
        prediction.lower,
        prediction.upper,
        prediction.probabilities,
        contributions,
    )


def _neighbours(
    job: ExplainPixel, trained: TrainedNetwork, file: PatchFile, x: float, y: float
) -> tuple[Neighbour, ...]:
    """Return the nearest observations, from the nearest on."""
    _, columns = match_file(trained, file)
    metres = np.array(trained.description.grid.metres_per_cell()) / np.array(trained.description.grid.cell_size)
    away = (file.coordinates - np.array([x, y])) * metres
    distance = np.hypot(*away.T)
    nearest = np.argsort(distance, kind="stable")[: job.neighbours]
    values = file.measured.of(columns).values
    return tuple(
        Neighbour(float(distance[row]), _direction(*away[row]), _observed(trained, values[row])) for row in nearest
    )


def _observed(trained: TrainedNetwork, values: Array) -> dict[str, str]:
    found = {}
    for target, value in zip(trained.description.targets, values.tolist()):
        names = trained.description.words.classes.get(target.field, ())
        if math.isfinite(value):
            found[target.field] = names[int(value)] if names and int(value) < len(names) else f"{value:.4g}"
    return found


def _direction(east: float, north: float) -> str:
    """Return the direction in words of the compass, empty at the place itself."""
    if east == north == 0:
        return ""
    names = (tr("N"), tr("NE"), tr("E"), tr("SE"), tr("S"), tr("SW"), tr("W"), tr("NW"))
    return names[round(math.degrees(math.atan2(east, north)) / 45) % 8]
