"""Predict map: every pixel of the covariates, by a trained network, into Cloud Optimized GeoTIFFs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.class_maps import check_kind, class_values, open_class_output
from soil_cnn_plugin.engine.cluster import MapTask, predict_blocks_on_cluster
from soil_cnn_plugin.engine.data.block_reading import bounded_cache
from soil_cnn_plugin.engine.data.covariates import CovariateStack, open_stack
from soil_cnn_plugin.engine.data.grid import Block, Grid
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.exceedance_maps import ExceedanceMap, plan_exceedance_map
from soil_cnn_plugin.engine.in_units import of_targets
from soil_cnn_plugin.engine.mapping.ahead import work_ahead
from soil_cnn_plugin.engine.mapping.area import clip_to_extent, read_area
from soil_cnn_plugin.engine.mapping.block_plan import bounded_block_size
from soil_cnn_plugin.engine.mapping.blocks import predict_blocks, read_sample
from soil_cnn_plugin.engine.mapping.matching import (
    check_replaces_nothing,
    map_grid,
    match_covariates,
    warn_of_far_location,
)
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.mapping.ranges import RangeCheck
from soil_cnn_plugin.engine.mapping.raster_file import RasterFile
from soil_cnn_plugin.engine.memory import give_back
from soil_cnn_plugin.engine.networks.device import choose_device
from soil_cnn_plugin.engine.networks.dissimilarity import COVARIATES, EMBEDDING, BlockIndex
from soil_cnn_plugin.engine.networks.half_precision import choose_half, half_in_words
from soil_cnn_plugin.engine.networks.network_file import NetworkDescription, TrainedNetwork, read_network
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.texture_maps import TextureMap, plan_texture_map

Array = NDArray[np.float64]


def run(job: PredictMap, report: Report) -> dict[str, str | float | int]:
    device = choose_device(job.device, report)
    trained = read_network(job.network, device)
    description = trained.description
    check_kind(job, description.classes, f"{job.network} predicts")
    extras = _Extras(plan_texture_map(job, description, report), plan_exceedance_map(job, description))
    covariates = match_covariates(description.covariates, job.covariates, report)
    check_replaces_nothing(job.output_paths(), covariates)
    grid = clip_to_extent(job, map_grid(covariates, description.covariates, description.grid, report))
    warn_of_far_location(description.location, description.grid, grid, report)
    inside = read_area(job.area, grid) if job.area else None
    index = _block_index(job, trained, device) if job.dissimilarity else None
    size = bounded_block_size(job.block_size, trained, grid, device)
    if job.block_size and size < min(job.block_size, max(grid.height, grid.width)):
        report.info(f"Blocks of {job.block_size} pixels would take too much memory: {size} is used instead.")
    report.info(
        f"Map of {grid.height} x {grid.width} pixels of {grid.cell_size[0]:g} x {grid.cell_size[1]:g} {grid.unit},"
        f" {grid.crs_name}; predicted in blocks of {size} x {size} pixels with {trained.predictor.halo} pixels around"
    )
    with ExitStack() as resources:
        resources.enter_context(bounded_cache(len(covariates)))
        stack = resources.enter_context(open_stack(covariates, grid))
        for way in stack.resamplings():
            report.info(way)
        files = {
            name: resources.enter_context(_open_output(name, path, job, description, grid, index, extras))
            for name, path in job.output_paths().items()
        }
        ranges = RangeCheck(description.covariates, stack.class_names())
        dtype = _choose_dtype(job, trained, stack, device, inside, report)
        # Closed before the rasters are: a block that is read ahead must not lose its raster.
        if job.cluster:
            space = job.dissimilarity_space if index else ""
            task = MapTask(job.network, tuple(covariates), grid, job.area, space, half_in_words(dtype), job.device)
            coming = predict_blocks_on_cluster(job.cluster, task, size, report)
        else:
            predictor = BlockPredictor(trained, grid, device, index, dtype, report.info)
            coming = predict_blocks(predictor, stack, size, inside)
        blocks = resources.enter_context(closing(coming))
        written = resources.enter_context(closing(_write_blocks(blocks, trained, files, ranges, extras)))
        predicted, applicable, done = 0, 0, 0
        for area, block in written:
            if block is not None:
                predicted += int(np.isfinite(block.location[0]).sum())
            if block is not None and block.dissimilarity is not None and index:
                applicable += int((block.dissimilarity <= index.threshold).sum())
            done += area.height * area.width
            report.progress(0.95 * done / (grid.height * grid.width))
        ranges.tell(report)
        if predicted == 0:
            raise EngineError(
                "No pixel of the map can be predicted: everywhere a covariate is missing or has an unknown class code,"
                " or the area or extent lies elsewhere. Check the covariates' nodata values and that they overlap."
            )
        _finish(stack, files)
    report.info(
        f"{predicted} of {grid.height * grid.width} pixels predicted; the others lack a covariate or lie outside"
    )
    applicability = _tell_applicability(job, index, applicable / predicted, report) if index else {}
    return {**job.output_paths(), **applicability}


@dataclass(frozen=True)
class _Extras:
    """Maps that are made of the predicted distributions, where they are wanted."""

    textures: TextureMap | None
    exceedance: ExceedanceMap | None


_WORTH_TRYING = 2**18  # pixels; a smaller map is done before half precision is tried
_SPACES_IN_WORDS = {
    COVARIATES: "Meyer & Pebesma 2021, covariates weighted by their importance",
    EMBEDDING: "the rule of Meyer & Pebesma 2021 in the last hidden layer of the networks, an addition of Soil CNN",
}


def _block_index(job: PredictMap, trained: TrainedNetwork, device: torch.device) -> BlockIndex:
    for space in trained.spaces:
        if space.words.space == job.dissimilarity_space:
            return BlockIndex(space, trained.encoder, device)
    raise EngineError(
        f"{job.network} does not tell how dissimilar a pixel is from its observations ({job.dissimilarity_space}):"
        " it was written by an older version, or its observations have too few folds or the same covariates everywhere."
        " Train the network again, or leave DISSIMILARITY empty."
    )


def _tell_applicability(job: PredictMap, index: BlockIndex, share: float, report: Report) -> dict[str, float]:
    report.info(
        f"{100 * share:.1f} % of the predicted pixels are applicable: their dissimilarity index is at most"
        f" {index.threshold:.4g} ({_SPACES_IN_WORDS[job.dissimilarity_space]}). Do not trust the map elsewhere: there"
        " it meets conditions that its observations do not cover."
    )
    return {"dissimilarity_threshold": index.threshold, "applicable_share": share}


def _choose_dtype(
    job: PredictMap,
    trained: TrainedNetwork,
    stack: CovariateStack,
    device: torch.device,
    inside: Callable[[Block], NDArray[np.bool_]] | None,
    report: Report,
) -> torch.dtype:
    """What the networks compute in; half precision is tried on a part of the map."""
    pixels = stack.grid.height * stack.grid.width
    if job.precision == "float32" or (job.precision == "auto" and pixels < _WORTH_TRYING):
        return torch.float32
    sample = read_sample(trained, stack, device, inside)
    if sample is None:
        return torch.float32
    choice = choose_half(trained.predictor, sample, is_forced=job.precision == "half")
    report.info(choice.why)
    return choice.dtype


def _write_blocks(
    blocks: Iterable[PredictedBlock | Block],
    trained: TrainedNetwork,
    files: Mapping[str, RasterFile],
    ranges: RangeCheck,
    extras: _Extras,
) -> Generator[tuple[Block, PredictedBlock | None], None, None]:
    """Yields each block when it is written, while later ones are predicted and carried to the targets' units."""

    def convert(block: PredictedBlock | Block) -> tuple[PredictedBlock | Block, dict[str, Array]]:
        return block, _in_units(block, trained, set(files), extras) if isinstance(block, PredictedBlock) else {}

    def write(converted: tuple[PredictedBlock | Block, dict[str, Array]]) -> tuple[Block, PredictedBlock | None]:
        block, values = converted
        if isinstance(block, Block):
            return block, None
        ranges.add(block.seen)
        for name, file in files.items():
            file.write(block.block, values[name])
        return block.block, block

    return work_ahead(write, work_ahead(convert, blocks, torch.get_num_threads()), 1)


def _finish(stack: CovariateStack, files: Mapping[str, RasterFile]) -> None:
    """All maps appear under their names, or none."""
    stack.check_unchanged()
    stack.close()  # what GDAL keeps of the covariates makes room for the maps' overviews
    give_back()
    for file in files.values():
        file.complete()
    for file in files.values():
        file.finish()


def _in_units(block: PredictedBlock, trained: TrainedNetwork, wanted: set[str], extras: _Extras) -> dict[str, Array]:
    """Output name -> (bands, h, w) in the targets' units, a band a target, composition or threshold."""
    if trained.description.classes:
        return {**class_values(trained.description, block.location, wanted), **_dissimilarity(block)}
    tail = (1 - trained.description.coverage) / 2
    limits = {name: level for name, level in (("lower", tail), ("upper", 1 - tail)) if name in wanted}
    described = of_targets(  # (T, numbers, h, w)
        trained.description,
        block.location,
        block.scale,
        lambda outcome, *place: outcome.describe(*place, list(limits.values())).swapaxes(0, 1),
    )
    names = ("prediction", "standard_deviation", *limits)
    values = {name: described[:, index] for index, name in enumerate(names) if name in wanted}
    if extras.textures:
        values["texture_classes"] = extras.textures.classes(described[:, 0])
    if extras.exceedance:
        values["exceedance_probability"] = extras.exceedance.probabilities(block.location, block.scale)
    return {**values, **_dissimilarity(block)}


def _dissimilarity(block: PredictedBlock) -> dict[str, Array]:
    return {} if block.dissimilarity is None else {"dissimilarity": block.dissimilarity[None]}


def _open_output(
    name: str,
    path: str,
    job: PredictMap,
    description: NetworkDescription,
    grid: Grid,
    index: BlockIndex | None,
    extras: _Extras,
) -> RasterFile:
    tags = {
        "TIFFTAG_SOFTWARE": f"Soil CNN {description.versions.get('Soil CNN', '')}".strip(),
        "NETWORK": Path(job.network).name,
        "CONTENT": name,
    }
    if name == "dissimilarity" and index:
        tags["DISSIMILARITY_THRESHOLD"] = f"{index.threshold:.9g}"
        tags["DISSIMILARITY_SPACE"] = _SPACES_IN_WORDS[job.dissimilarity_space]
        return RasterFile(path, grid, bands=["dissimilarity index"], units=[""], tags=tags)
    if name == "texture_classes" and extras.textures:
        return extras.textures.open(path, grid, tags)
    if name == "exceedance_probability" and extras.exceedance:
        return extras.exceedance.open(path, grid, tags)
    if description.classes:
        return open_class_output(name, path, tags, description, grid)
    percent = f"{100 * description.coverage:g} %"
    what = {
        "prediction": "",
        "lower": f", lower {percent} limit",
        "upper": f", upper {percent} limit",
        "standard_deviation": ", standard deviation",
    }[name]
    return RasterFile(
        path,
        grid,
        bands=[f"{target.label}{what}" for target in description.targets],
        units=[target.unit for target in description.targets],
        tags={**tags, "COVERAGE": f"{description.coverage:g}"},
    )
