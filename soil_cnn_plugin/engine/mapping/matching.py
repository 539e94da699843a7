"""The matching of rasters to the covariates of a trained network, and the grid of its map."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.jobs import Covariate, ExplainNetwork, PredictMap, SummarizeAreas, would_replace
from soil_cnn_plugin.contract.language import localized, tr, tr_n
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, names_in_words, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.plain_files import is_local_path, is_plain_raster
from soil_cnn_plugin.engine.rasters.polygons import clip_to_extent
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.rasters.unchanged import FINGERPRINTS, changed
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_description import NetworkDescription

_CELL_SIZE_TOLERANCE = 0.2  # relative difference from the training cell size that is worth a warning


def place_map(
    job: PredictMap | ExplainNetwork | SummarizeAreas, description: NetworkDescription, report: Report
) -> tuple[list[Covariate], Grid]:
    """Return the rasters of the network's covariates and the grid that a map is made on, and tell what is doubtful.

    Raises:
        EngineError: a covariate is missing, an output would replace one, or the extent lies elsewhere.
    """
    covariates = match_covariates(description.covariates, job.covariates, report)
    check_replaces_nothing(job.output_paths(), covariates)
    warn_of_changed_files(description.covariates, description.provenance, covariates, report)
    grid = clip_to_extent(job, map_grid(covariates, description.covariates, description.grid, report))
    warn_of_far_location(description.location, description.grid, grid, report)
    return covariates, grid


def match_covariates(
    trained: Sequence[CovariateSummary], given: Sequence[Covariate], report: Report
) -> list[Covariate]:
    """Match the given rasters to the network's covariates by name, and return them in its order. If none are given,
    return the files of the training.

    Raises:
        EngineError: a covariate is missing; the message lists both sides.
    """
    if not given:
        return _files_of_training(trained)
    by_name = {covariate.name: covariate for covariate in given}
    missing = [summary.covariate.name for summary in trained if summary.covariate.name not in by_name]
    if missing:
        raise EngineError(
            tr_n(
                "The network needs {0} covariates, and one is not among those given: {2}. It was trained on {3}; given"
                " are {4}. Give each raster file the name it had in training (for a file of several bands: the same"
                " band names too).",
                "The network needs {0} covariates, and {1} are not among those given: {2}. It was trained on {3}; given"
                " are {4}. Give each raster file the name it had in training (for a file of several bands: the same"
                " band names too).",
                len(missing),
            ).format(
                len(trained),
                len(missing),
                _listed(missing),
                _listed(summary.covariate.name for summary in trained),
                _listed(by_name),
            )
        )
    wanted = {summary.covariate.name for summary in trained}
    surplus = [name for name in by_name if name not in wanted]
    if surplus:
        report.info(tr("Not used, because the network does not know them: {}").format(_listed(surplus)))
    # Kind and unit are the network's: codes stay codes, whatever list a raster was given in.
    return [
        replace(by_name[summary.covariate.name], kind=summary.covariate.kind, unit=summary.covariate.unit)
        for summary in trained
    ]


def warn_of_changed_files(
    trained: Sequence[CovariateSummary], provenance: Mapping[str, str], given: Sequence[Covariate], report: Report
) -> None:
    """Warn of files that patches were cut from if the map uses them again and they have changed since."""
    used = {covariate.path for covariate in given}
    files = changed(provenance.get(FINGERPRINTS, ""), [summary.covariate.path for summary in trained], used)
    if files:
        report.warning(
            tr_n(
                "{} is no longer as when the patches were extracted. Where values differ, the map is not what the"
                " network was trained and assessed for: extract patches and train again, or put the former file"
                " back.",
                "{} are no longer as when the patches were extracted. Where values differ, the map is not what the"
                " network was trained and assessed for: extract patches and train again, or put the former file"
                " back.",
                len(files),
            ).format(names_in_words([repr(file) for file in files]))
        )


def check_replaces_nothing(outputs: Mapping[str, str], covariates: Sequence[Covariate]) -> None:
    """Check that no output is the file of a covariate. Nobody chooses the training's own covariates in this run, so no
    other check sees them.

    Raises:
        EngineError: an output would replace a covariate.
    """
    for name, output in outputs.items():
        if would_replace(output, [each.path for each in covariates]):
            raise EngineError(
                tr("{} would replace {}, which is a covariate of the map. Choose another file.").format(name, output)
            )


def map_grid(covariates: Sequence[Covariate], trained: Sequence[CovariateSummary], grid: Grid, report: Report) -> Grid:
    """Return the grid to predict on. For the training's own files this is the training grid. Otherwise it is the grid
    of the raster whose cells are nearest in size to those of the training. If the sizes differ by much, it gets cells
    of the training's size, because a network knows its context in cells."""
    if [covariate.path for covariate in covariates] == [summary.covariate.path for summary in trained]:
        return grid
    candidates = [reference_grid(path) for path in dict.fromkeys(covariate.path for covariate in covariates)]
    chosen = min(candidates, key=lambda candidate: max(abs(math.log(ratio)) for ratio in _ratios(candidate, grid)))
    across, along = _ratios(chosen, grid)
    own, wanted = cell_in_words(chosen), cell_in_words(grid)
    if max(abs(across - 1), abs(along - 1)) > _CELL_SIZE_TOLERANCE:
        report.warning(
            tr(
                "The rasters have cells of {}, the network was trained on cells of {}. They are resampled to"
                " {}; check the map with observations."
            ).format(own, wanted, wanted)
        )
        width, height = chosen.cell_size
        return chosen.with_cell_size(width / across, height / along)
    if own != wanted:
        report.info(
            tr(
                "The map has the rasters' cells of {}; the network was trained on cells of {}, which is near enough."
            ).format(own, wanted)
        )
    return chosen


def warn_of_far_location(location: Location | None, trained: Grid, grid: Grid, report: Report) -> None:
    """Warn where coordinates are an input and the map lies outside the training area: there they mean nothing."""
    if location is None or not location.is_everywhere:
        return  # the Gaussian process falls back on covariates far from its observations
    x, y = grid.xy([0, 0, grid.height - 1, grid.height - 1], [0, grid.width - 1, 0, grid.width - 1], trained.crs_wkt)
    west, south, east, north = trained.bounds
    if x.max() < west or x.min() > east or y.max() < south or y.min() > north:
        report.warning(
            tr(
                "The network has learned from coordinates (LOCATION), and the map lies outside the area that it"
                " was trained in: there its coordinates mean nothing. Train one without LOCATION to map other"
                " areas."
            )
        )


def cell_in_words(grid: Grid) -> str:
    """Return the cell size in words: `30 m`, or `21.4 x 30.9 m` across and along."""
    across, along = (localized(f"{metres:.4g}") for metres in grid.metres_per_cell())
    return f"{across} m" if across == along else f"{across} x {along} m"


def _ratios(candidate: Grid, trained: Grid) -> tuple[float, float]:
    """Return the width and height of a cell relative to those of the training, both measured in metres on the
    ground."""
    across, along = (own / other for own, other in zip(candidate.metres_per_cell(), trained.metres_per_cell()))
    return across, along


def _files_of_training(trained: Sequence[CovariateSummary]) -> list[Covariate]:
    """Return the files of the training, but only if they hold their own pixels on this computer. A network file may
    come from anyone, and its names could point to a server, or to a pipe on which reading never ends."""
    covariates = [summary.covariate for summary in trained]
    gone = [each.path for each in covariates if is_local_path(each.path) and not os.path.exists(each.path)]
    if gone:
        raise EngineError(
            tr_n(
                "No covariates were given, and one is no longer where the network was trained: {1}. Choose the"
                " covariates to predict with.",
                "No covariates were given, and {0} are no longer where the network was trained: {1}. Choose the"
                " covariates to predict with.",
                len(gone),
            ).format(len(gone), _listed(gone))
        )
    strange = [each.path for each in covariates if not is_plain_raster(each.path)]
    if strange:
        raise EngineError(
            tr_n(
                "No covariates were given, and one is not opened just because a network file names it: {1}.",
                "No covariates were given, and {0} are not opened just because a network file names it: {1}.",
                len(strange),
            ).format(len(strange), _listed(strange))
            + tr(
                " Unasked, only files on this computer that hold their own pixels are opened, but no addresses,"
                " archives, virtual rasters or parts of files. Choose all covariates to predict with."
            )
        )
    return covariates


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_SIDE = 512  # pixels a side of a block that is looked at


def why_nothing(stack: CovariateStack, inside: Callable[[Block], Flags] | None) -> str:
    """Return a sentence that says why no pixel can be predicted. This reads rasters once more, each up to its first
    pixel with data. `inside` returns which pixels (h, w) of a block lie in the area."""
    empty = list(stack.rasters)
    for block in stack.grid.blocks(_SIDE):
        area = np.ones((block.height, block.width), np.bool_) if inside is None else inside(block)
        if area.any():
            empty = [raster for raster in empty if not _has_data(raster, block, area)]
    if not empty or len(empty) == len(stack.rasters) > 1:
        return tr(
            "No pixel of the map can be predicted: everywhere a covariate is missing or has an unknown"
            " class code, or the area or extent lies elsewhere. Check the covariates' nodata values and"
            " that they overlap."
        )
    names = [tr("{}, band {},").format(raster.covariate.path, raster.covariate.band) for raster in empty]
    return tr_n(
        "No pixel of the map can be predicted: {} is without data in the map's whole area. Check the nodata"
        " value and where there is data, or choose another area, extent or raster.",
        "No pixel of the map can be predicted: {} are without data in the map's whole area. Check the nodata"
        " value and where there is data, or choose another area, extent or raster.",
        len(names),
    ).format(names_in_words(names))


def _has_data(raster: CovariateRaster, block: Block, area: Flags) -> bool:
    values = np.empty((block.height, block.width), np.float32)
    raster.read(block, values)
    return bool(np.isfinite(values[area]).any())
