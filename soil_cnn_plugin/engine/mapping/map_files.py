"""The files of a map: opened at the start, written block by block, given their names together at the end."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

import numpy as np

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.machine.memory import give_back
from soil_cnn_plugin.engine.machine.threads import work_ahead
from soil_cnn_plugin.engine.mapping.layers import FinishedBlock, Finisher, means_outside_intervals
from soil_cnn_plugin.engine.mapping.map_words import map_tags
from soil_cnn_plugin.engine.mapping.ranges import RangeCheck
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile, finish_together
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.dissimilarity import COVARIATES, EMBEDDING, BlockIndex

_SPACES_IN_WORDS = {
    COVARIATES: tr("Meyer & Pebesma 2021, covariates weighted by their importance"),
    EMBEDDING: tr(
        "the rule of Meyer & Pebesma 2021 in the last hidden layer of the networks, above the threshold where a"
        " covariate lies beyond its training range, an addition of Soil CNN"
    ),
}
_BEYOND_IN_WORDS = {
    COVARIATES: tr(
        "count as applicable although they lie beyond the training range of a covariate: by its weight, that"
        " covariate matters too little for the published index to say otherwise"
    ),
    EMBEDDING: tr(
        "count as not applicable only because they lie beyond the training range of a covariate: the networks"
        " see the end of the range there, so their last hidden layer does not tell how far beyond it they lie"
    ),
}


class MapFiles:
    """All rasters of a map, in a `with` block: without `finish` none of them stays. `predicted`, `applicable` and
    `near_beyond`, and `outside` (T,) for each target, count pixels written so far as a `FinishedBlock` does."""

    def __init__(self, job: PredictMap, stack: CovariateStack, finisher: Finisher) -> None:
        self._stack = stack
        self._ranges = RangeCheck(finisher.layers.description.covariates, stack.class_names())
        self._resources = ExitStack()
        with ExitStack() as resources:
            self._files = {
                name: resources.enter_context(_open_output(name, path, job, stack.grid, finisher))
                for name, path in job.output_paths().items()
            }
            self._resources = resources.pop_all()
        self.predicted = self.applicable = self.near_beyond = 0
        self.outside = np.zeros(len(finisher.layers.description.targets), np.int64)
        self._description = finisher.layers.description

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._resources.close()

    def write(self, blocks: Iterable[FinishedBlock | Block], report: Report) -> None:
        """Write the blocks while later ones are predicted, and tell which values lie beyond those of the training."""
        done, grid = 0, self._stack.grid
        with closing(self._written(blocks)) as written:
            for block in written:
                if isinstance(block, FinishedBlock):
                    self.predicted += block.predicted
                    self.applicable += block.applicable
                    self.near_beyond += block.near_beyond
                    self.outside += block.outside
                area = block.block if isinstance(block, FinishedBlock) else block
                done += area.height * area.width
                report.progress(0.95 * done / (grid.height * grid.width))
        self._ranges.tell(report)
        for line in means_outside_intervals(self._description, self.outside, self.predicted):
            report.warning(line)

    def finish(self) -> None:
        """Give all maps their names, or none."""
        self._stack.check_unchanged()
        self._stack.close()  # the covariates in GDAL's cache make room for the maps' overviews
        give_back()
        finish_together(self._files.values())

    def _written(self, blocks: Iterable[FinishedBlock | Block]) -> Generator[FinishedBlock | Block, None, None]:
        def write(block: FinishedBlock | Block) -> FinishedBlock | Block:
            if isinstance(block, FinishedBlock):
                self._ranges.add(block.seen)
                for name, file in self._files.items():
                    file.write(block.block, block.values[name])
            return block

        return work_ahead(write, blocks, 1)


def tell_applicability(job: PredictMap, index: BlockIndex | None, files: MapFiles, report: Report) -> dict[str, float]:
    """Tell how much of the map is applicable, and return it; nothing where the map has no dissimilarity index."""
    if index is None:
        return {}
    share = files.applicable / files.predicted
    report.info(
        tr(
            "{:.1f} % of the predicted pixels are applicable: their dissimilarity index is at most {:.4g} ({})."
            " Do not trust the map elsewhere: there it meets conditions that its observations do not cover."
        ).format(100 * share, index.threshold, _SPACES_IN_WORDS[job.dissimilarity_space])
    )
    if near := files.near_beyond / files.predicted:
        report.info(
            tr("{:.3g} % of the predicted pixels {}.").format(100 * near, _BEYOND_IN_WORDS[job.dissimilarity_space])
        )
    return {"dissimilarity_threshold": index.threshold, "applicable_share": share}


def _open_output(name: str, path: str, job: PredictMap, grid: Grid, finisher: Finisher) -> RasterFile:
    layers, index = finisher.layers, finisher.index
    tags = {
        "TIFFTAG_SOFTWARE": f"Soil CNN {layers.description.versions.get('Soil CNN', '')}".strip(),
        "NETWORK": Path(job.network).name,
        "CONTENT": name,
        **map_tags(layers.description),
    }
    if name == "dissimilarity" and index:
        tags["DISSIMILARITY_THRESHOLD"] = f"{index.threshold:.9g}"
        tags["DISSIMILARITY_SPACE"] = _SPACES_IN_WORDS[job.dissimilarity_space]
        return RasterFile(path, grid, bands=["dissimilarity index"], units=[""], tags=tags)
    return layers.open(name, path, grid, tags)
