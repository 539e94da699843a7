"""The rasters of a map: which of them the targets can fill, what their bands are, and what values a block has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.contract.language import all_of, tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.map_words import band_tags
from soil_cnn_plugin.engine.mapping.one_block import PredictedBlock
from soil_cnn_plugin.engine.mapping.ranges import Seen
from soil_cnn_plugin.engine.observations.notes import comma_separated
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.classes import CLASSES_IN_WORDS
from soil_cnn_plugin.engine.targets.distributions import NUMBERS_IN_WORDS
from soil_cnn_plugin.engine.targets.groups import own_columns, pair_with_targets
from soil_cnn_plugin.engine.targets.kinds import Band, Kind, MapRequest, Outcome
from soil_cnn_plugin.engine.targets.metrics import is_outside
from soil_cnn_plugin.engine.targets.texture import SIZES, TITLES
from soil_cnn_plugin.engine.training.dissimilarity import BlockIndex
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

_NEEDS = {
    **dict.fromkeys(("median", "lower", "upper", "standard_deviation", "exceedance_probability"), NUMBERS_IN_WORDS),
    **dict.fromkeys(("classes", "probabilities", "confusion_index"), CLASSES_IN_WORDS),
}
_INSTEAD = {
    NUMBERS_IN_WORDS: tr("PROBABILITIES and CONFUSION_INDEX show how sure a map of classes is"),
    CLASSES_IN_WORDS: tr("LOWER, UPPER and STANDARD_DEVIATION show how sure a map of numbers is"),
}
_WITH_COVERAGE = ("prediction", "lower", "upper", "standard_deviation")


def check_offers(wanted: Collection[str], kinds: Sequence[Kind], source: str) -> None:
    """Check that the targets can fill every raster that is wanted. `source` begins the sentence that says what they
    are, such as `n.safetensors predicts`.

    Raises:
        EngineError: the targets cannot fill one of them.
    """
    offered = {name for kind in kinds for name in kind.offers}
    for needed, instead in _INSTEAD.items():
        missing = [name.upper() for name in wanted if name not in offered and _NEEDS.get(name) == needed]
        if missing:
            raise EngineError(
                tr_n(
                    "{} {}, but {} needs {}. Leave it empty; {}.",
                    "{} {}, but {} need {}. Leave them empty; {}.",
                    len(missing),
                ).format(source, _in_words(kinds), all_of(missing), needed, instead)
            )
    for name in wanted:
        if name == "texture_classes" and name not in offered:
            fields = ", ".join(field for kind in kinds for field in kind.fields)
            raise EngineError(
                tr(
                    "Texture classes are asked for, but {} {}, no composition that sums to a whole. Choose the"
                    " fields of sand, silt and clay as COMPOSITION when patches are extracted, or leave"
                    " TEXTURE_CLASSES empty."
                ).format(source, fields)
            )
        for kind in kinds:
            kind.check_offer(name, source)


def keep_fitting(job: PredictMap, kinds: Sequence[Kind], report: Report, has_index: bool = True) -> PredictMap:
    """Return the job without those outputs of `where_fitting` that the targets cannot fill, and tell which these are.

    `has_index`: whether the network can tell how dissimilar a pixel is from its observations.
    """
    wanted = [name for name in job.where_fitting if name in job.output_paths()]
    dropped = [name for name in wanted if not _fits(name, kinds, has_index)]
    if dropped:
        report.info(
            tr_n(
                "Not made, because {} cannot fill it: {}.", "Not made, because {} cannot fill them: {}.", len(dropped)
            ).format(_in_words(kinds), ", ".join(name.upper() for name in dropped))
        )
    changes: dict[str, Any] = dict.fromkeys(dropped, "")
    return replace(job, **changes)


def _fits(name: str, kinds: Sequence[Kind], has_index: bool) -> bool:
    if name == "dissimilarity":
        return has_index
    if name == "classes" and not any("prediction" in kind.offers for kind in kinds):
        return False  # the prediction holds them
    try:
        check_offers([name], kinds, tr("The network predicts"))
    except EngineError:
        return False
    return True


def _in_words(kinds: Sequence[Kind]) -> str:
    """Return words such as `numbers (zinc, copper) and soil classes (type)`."""
    fields: dict[str, list[str]] = {}
    for kind in kinds:
        fields.setdefault(kind.is_measured_as, []).extend(kind.fields)
    return all_of(f"{word} ({comma_separated(own)})" for word, own in fields.items())


@dataclass(frozen=True)
class MapLayers:
    """The wanted rasters by output name. `sources` holds the name that the kinds have for what fills each raster."""

    description: NetworkDescription
    request: MapRequest
    sources: dict[str, str]

    def bands(self, output: str) -> list[Band]:
        """Return the bands of a raster, in their order."""
        return sorted(self._own_bands(output), key=lambda band: band.order)

    def values(self, location: Array, scale: Array) -> dict[str, Array]:
        """Return the values (bands, h, w) of each raster, in the targets' units, from the learned columns (R, h, w)."""
        return self.values_and_outside(location, scale)[0]

    def values_and_outside(self, location: Array, scale: Array) -> tuple[dict[str, Array], Rows]:
        """Return the values of each raster, and the number (T,) of pixels at which the predicted mean of a target lies
        outside its prediction interval, as far as the limits are known."""
        description = self.description
        outcomes: Sequence[Outcome] = description.outcomes
        own = own_columns([outcome.scaled for outcome in outcomes])
        found = [
            outcome.layers(kind, self.request, location[at], scale[at])
            for kind, outcome, at in zip(description.kinds, outcomes, own)
        ]
        values = {}
        for output, source in self.sources.items():
            bands = np.concatenate([layers[source] for layers in found if source in layers])
            order = [band.order for band in self._own_bands(output)]
            values[output] = bands[sorted(range(len(order)), key=order.__getitem__)]
        beyond = np.zeros(len(description.targets), np.int64)
        for kind, layers in zip(description.kinds, found):
            if {"prediction", "lower", "upper"} <= layers.keys():
                is_beyond = is_outside(layers["prediction"], layers["lower"], layers["upper"])
                beyond[list(kind.targets)] = is_beyond.reshape(len(kind.targets), -1).sum(axis=1)
        return values, beyond

    def open(self, output: str, path: str, grid: Grid, tags: Mapping[str, str]) -> RasterFile:
        bands = self.bands(output)
        is_of_classes = bool(bands[0].classes)
        if output in _WITH_COVERAGE and not is_of_classes:
            tags = {**tags, "COVERAGE": f"{self.request.coverage:g}"}
        return RasterFile(
            path,
            grid,
            bands=[band.name for band in bands],
            units=[band.unit for band in bands],
            tags=tags,
            classes=[band.classes for band in bands] if is_of_classes else [],
            band_tags=[band_tags(self.description, output, band) for band in bands],
        )

    def _own_bands(self, output: str) -> list[Band]:
        """Return the bands of a raster, kind by kind."""
        own = [kind.bands(self.request).get(self.sources[output], []) for kind in self.description.kinds]
        return [band for of_kind in own for band in of_kind]


def plan_layers(job: PredictMap, description: NetworkDescription, report: Report) -> MapLayers:
    """Plan the rasters that the job wants of the network's targets.

    Raises:
        EngineError: the targets cannot fill one, or a threshold names none of them.
    """
    kinds, wanted = description.kinds, [name for name in job.output_paths() if name != "dissimilarity"]
    check_offers(wanted, kinds, tr("{} predicts").format(job.network))
    if job.texture_classes:
        report.info(
            tr(
                "Texture classes are those of the {} at the predicted means of sand, silt and clay. They hold"
                " where {}: nothing is converted."
            ).format(TITLES[job.texture_system], SIZES[job.texture_system])
        )
    offered = {name for kind in kinds for name in kind.offers}
    if "prediction" in offered and "classes" in offered and not job.classes:
        fields = ", ".join(field for kind in kinds if "classes" in kind.offers for field in kind.fields)
        report.warning(
            tr("{} is predicted, too, but no raster is asked for it. Choose one for CLASSES.").format(fields)
        )
    # If a network predicts nothing but classes, its prediction is classes.
    sources = {name: "classes" if name == "prediction" not in offered else name for name in wanted}
    thresholds = pair_with_targets(job.exceedance, description.targets, kinds, f"{job.network}: ")
    request = MapRequest(frozenset(sources.values()), description.coverage, thresholds, job.texture_system)
    return MapLayers(description, request, sources)


@dataclass(frozen=True)
class FinishedBlock:
    """A block to be written: `values` are (bands, h, w) of each output, NaN where there is nothing. `predicted` is the
    number of the block's pixels with a prediction, `applicable` the number of those that are applicable, and
    `near_beyond` is as in a predicted block. `outside` (T,) counts pixels at which a target's mean lies outside its
    interval."""

    block: Block
    values: dict[str, Singles]
    seen: Seen
    predicted: int
    applicable: int
    outside: Rows
    near_beyond: int = 0


@dataclass(frozen=True)
class Finisher:
    """The step that turns a predicted block into the values of the map's `layers`."""

    layers: MapLayers
    index: BlockIndex | None

    def finish(self, block: PredictedBlock) -> FinishedBlock:
        values, outside = self.layers.values_and_outside(block.location, block.scale)
        applicable = 0
        if block.dissimilarity is not None and self.index:
            values["dissimilarity"] = block.dissimilarity[None]
            applicable = int((block.dissimilarity <= self.index.threshold).sum())
        stored = {name: array.astype(np.float32) for name, array in values.items()}
        predicted = int(np.isfinite(block.location[0]).sum())
        return FinishedBlock(block.block, stored, block.seen, predicted, applicable, outside, block.near_beyond)


def means_outside_intervals(description: NetworkDescription, outside: Rows, predicted: int) -> list[str]:
    """Tell at how many of the `predicted` pixels the mean of a target lies outside its own interval: `outside` (T,)."""
    wild = {
        t: len(outcome.wild) for kind, outcome in zip(description.kinds, description.outcomes) for t in kind.targets
    }
    lines = []
    for t in np.flatnonzero(outside).tolist():
        apart = (
            tr(
                " {} wild observations were left out of the mean (see the training's report); the network"
                " learned them all the same."
            ).format(wild[t])
            if wild[t]
            else ""
        )
        lines.append(
            tr(
                "{}: the predicted mean lies outside its own {:g} % interval at {} of {} pixels ({:.3g} %). A"
                " few very large values can carry a mean there.{} The median (MEDIAN) always lies inside: map"
                " that, too, and look for wild values among the observations."
            ).format(
                description.targets[t].title,
                100 * description.coverage,
                outside[t],
                predicted,
                100 * outside[t] / predicted,
                apart,
            )
        )
    return lines


def plan_map(job: PredictMap, trained: TrainedNetwork, device: torch.device, report: Report) -> Finisher:
    """Plan the rasters that the job wants, its dissimilarity among them.

    Raises:
        EngineError: the network cannot fill one of them.
    """
    return Finisher(plan_layers(job, trained.description, report), _choose_index(job, trained, device))


def _choose_index(job: PredictMap, trained: TrainedNetwork, device: torch.device) -> BlockIndex | None:
    """Return what measures the dissimilarity that the job asks for, or None where it asks for none."""
    if not job.dissimilarity:
        return None
    for space in trained.spaces:
        if space.words.space == job.dissimilarity_space:
            return BlockIndex(space, trained.encoder, device)
    raise EngineError(
        tr(
            "{} does not tell how dissimilar a pixel is from its observations ({}): it was written by an older"
            " version, or its observations have too few folds or the same covariates everywhere. Train the"
            " network again, or leave DISSIMILARITY empty."
        ).format(job.network, job.dissimilarity_space)
    )
