"""Where results may be written: not over an input or another output, nor under a name that tells another format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingDestinationParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterRasterDestination,
)

from ..contract.jobs import Covariate, Job, JobError, MapSoilProperties
from .rasters import absolute


def is_skipped(value: Any) -> bool:
    """What batch mode gives for an empty cell: evaluated, it would be a nameless layer to load, which then fails."""
    return isinstance(value, QgsProcessingOutputLayerDefinition) and value.sink.asExpression() in ("", "''")


def check_extension(definition: QgsProcessingDestinationParameter, path: str) -> None:
    """QGIS hands over any name, and would read a GeoTIFF that is called .png, and others would not."""
    if isinstance(definition, QgsProcessingParameterRasterDestination):
        endings = definition.supportedOutputRasterLayerExtensions()
    else:
        endings = definition.supportedOutputVectorLayerExtensions()
    if path and Path(path).suffix[1:].lower() not in endings:
        raise JobError(
            f"{definition.name()} cannot be written as {os.path.basename(path)}. Let the file's name end in"
            f" {' or '.join(f'.{ending}' for ending in endings)}."
        )


def check_outputs(job: Job, used: list[str]) -> None:
    """Raise JobError for an output that cannot be written, or that would replace an input or another output.

    `used` holds files of vector layers, which the job itself knows as exported copies only.
    """
    paths = job.output_paths()
    for name, path in paths.items():
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise JobError(f"The folder {folder} for {name.upper()} does not exist. Create it, or choose another.")
        if not os.access(folder, os.W_OK) or (os.path.exists(path) and not os.access(path, os.W_OK)):
            raise JobError(f"{path} cannot be written ({name.upper()}). Choose another folder.")
        twins = [other.upper() for other, its_path in paths.items() if its_path == path]
        if len(twins) > 1:
            raise JobError(f"{' and '.join(twins)} are to be written to the same file, {path}. Choose two files.")
        if any(_is_same_file(path, item) for item in [*used, *_input_paths(job)]):
            raise JobError(
                f"{name.upper()} would replace {path}, which is an input of the same run. Choose another file."
            )


def _input_paths(job: Job) -> list[str]:
    """Files that a job reads and that were there before it."""
    if isinstance(job, MapSoilProperties):
        return _input_paths(job.extract)  # its other parts read what this part writes
    files = ("reference", "domain", "patches", "network")
    inputs = [getattr(job, name, "") for name in files if name not in job.OUTPUTS]
    rasters = [getattr(job, name, None) for name in ("map", "lower", "upper") if name not in job.OUTPUTS]
    bands = [*getattr(job, "covariates", ()), *rasters]
    return [*inputs, *(band.path for band in bands if isinstance(band, Covariate))]


def _is_same_file(output: str, used: str) -> bool:
    path = absolute(used).removeprefix("vrt://").split("?")[0]
    return os.path.exists(path) and os.path.exists(output) and os.path.samefile(path, output)
