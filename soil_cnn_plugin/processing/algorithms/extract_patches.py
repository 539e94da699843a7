"""Extract patches: observations and covariates -> a patch file."""

from __future__ import annotations

from qgis.core import QgsProcessing, QgsProcessingParameterVectorDestination

from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import (
    Parameters,
    covariate_parameters,
    explained,
    extraction_parameters,
    file_output,
    observation_parameters,
)
from ..translation import tr


class ExtractPatches(JobAlgorithm):
    ID = "extractpatches"
    GROUP_ID = "prepare"
    NUMBERS = {"COUNT": tr("Observations used"), "DROPPED_COUNT": tr("Observations dropped")}

    def label(self) -> str:
        return tr("Extract patches")

    def summary(self) -> str:
        return tr("Cuts a square of covariate pixels around each observation and writes them to one file for training.")

    def explanation(self) -> str:
        return tr(
            "A square of covariate pixels around each observation is what a network learns from. The covariates are"
            " brought onto one grid, that of the reference raster. Observations outside it, without any value, or with too many"
            " missing pixels around them are dropped; the log says how many and why, and the optional layer shows which.\n\n"
            "The result is a self-describing HDF5 file. Use it in Train network; trying several trainings on one file"
            " saves time."
        )

    def keywords(self) -> list[str]:
        return ["window", "chip", "tile", "samples", "hdf5"]

    def parameters(self) -> Parameters:
        return [
            *observation_parameters(),
            *covariate_parameters(),
            *extraction_parameters(),
            *extraction_outputs(is_wanted=True),
        ]

    def job(self, inputs: Inputs) -> jobs.ExtractPatches:
        return extract_patches_job(inputs, inputs.destination("PATCHES"))


def extraction_outputs(is_wanted: bool) -> Parameters:
    """`is_wanted` False: the patch file is a by-product."""
    patches = file_output(
        "PATCHES", tr("Patches"), tr("Patch files (*.h5)"), optional=not is_wanted, createByDefault=is_wanted
    )
    dropped = QgsProcessingParameterVectorDestination(
        "DROPPED",
        tr("Observations not used"),
        QgsProcessing.SourceType.TypeVectorPoint,
        optional=True,
        createByDefault=False,
    )
    return [
        explained(
            patches, tr("HDF5 file with the patches, the measured values, the coordinates and where all came from.")
        ),
        explained(dropped, tr("Point layer of the observations that were dropped, each with the reason.")),
    ]


def extract_patches_job(inputs: Inputs, patches: str) -> jobs.ExtractPatches:
    observations, fields = inputs.observations("OBSERVATIONS")
    return jobs.ExtractPatches(
        observations=observations,
        targets=inputs.targets("TARGETS", "UNITS", fields),
        covariates=inputs.covariates(),
        patches=patches,
        dropped=inputs.destination("DROPPED"),
        reference=inputs.raster("REFERENCE"),
        cell_size=inputs.number_or_none("CELL_SIZE"),
        patch_size=inputs.integer("PATCH_SIZE"),
        group=inputs.field("GROUP", fields),
        max_missing=inputs.number("MAX_MISSING"),
    )
