"""Checks where results may be written: not over an input or another output, nor under another format's extension."""

from __future__ import annotations

import os
from typing import Any, Optional, Union

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterVectorDestination,
)

from ..contract.jobs import Job, JobError, check_ending, would_replace
from ..contract.language import all_of, tr
from .rasters import absolute
from .results_folder import SKIP, is_empty


def is_skipped(value: Any) -> bool:
    """Whether the user skips this output, with an empty text, an empty cell of batch mode, or the word `skip`. If
    evaluated, it becomes a nameless, broken layer."""
    return is_empty(value) or value == SKIP


LayerDestination = Union[QgsProcessingParameterRasterDestination, QgsProcessingParameterVectorDestination]


def check_extension(definition: LayerDestination, path: str) -> None:
    """Raise JobError for another format's extension than those that the provider supports."""
    if isinstance(definition, QgsProcessingParameterRasterDestination):
        endings = definition.supportedOutputRasterLayerExtensions()
    else:
        endings = definition.supportedOutputVectorLayerExtensions()
    if path:
        check_ending(definition.name(), path, endings)


def check_outputs(job: Job, used: list[str]) -> None:
    """Raise JobError for an output that cannot be written or would replace an input or another output.

    `used` holds the files of vector layers; the job itself knows only their exported copies.
    """
    paths = job.output_paths()
    for name, path in paths.items():
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise JobError(
                tr("The folder {} for {} does not exist. Create it or choose another folder.").format(
                    folder, name.upper()
                )
            )
        if not os.access(folder, os.W_OK) or (os.path.exists(path) and not os.access(path, os.W_OK)):
            raise JobError(tr("{} cannot be written ({}). Choose another folder.").format(path, name.upper()))
        twins = [other.upper() for other, its_path in paths.items() if its_path == path]
        if len(twins) > 1:
            raise JobError(
                tr("{} would be written to the same file, {}. Choose two files.").format(all_of(twins), path)
            )
        if would_replace(path, [*map(absolute, used), *job.input_paths()]):
            raise JobError(
                tr("{} would replace {}, which is an input of the same run. Choose another file.").format(
                    name.upper(), path
                )
            )


def drop_layers(paths: list[str], context: QgsProcessingContext) -> None:
    """Let QGIS load none of these files after the run: they were not written."""
    kept: dict[Optional[str], Any] = {
        path: details for path, details in context.layersToLoadOnCompletion().items() if path not in paths
    }
    context.setLayersToLoadOnCompletion(kept)
