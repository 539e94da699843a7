"""Extract patches: observations and covariates -> a patch file."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterField,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import (
    Parameters,
    explained,
    file_output,
    integer,
    number,
    rasters,
)
from ..target_parameters import observation_parameters, precision_parameters, target_values


class ExtractPatches(JobAlgorithm):
    ID = "extractpatches"
    GROUP_ID = "1 Prepare"
    NUMBERS = {"COUNT": tr("Observations used"), "DROPPED_COUNT": tr("Observations dropped")}

    def label(self) -> str:
        return tr("Extract patches")

    def summary(self) -> str:
        return tr("Cuts a square of covariate pixels around each observation and writes them to one file for training.")

    def explanation(self) -> str:
        return tr(
            "Networks learn from these squares, called patches. The targets are soil properties, parts of a whole such"
            " as sand, silt and clay, or soil classes. The advanced parameters take detection limits, measurement"
            " errors and weights of the observations. All covariates are brought onto the grid of the reference raster."
            " Observations outside it, without any value, or with too many missing pixels around them are dropped; the"
            " log says how many and why, and the optional layer shows which ones.\n\n"
            "The result is a self-describing HDF5 file for Train network. To save time, use one file for several"
            " trainings."
        )

    def keywords(self) -> list[str]:
        return ["window", "chip", "tile", "samples", "hdf5"]

    def parameters(self) -> Parameters:
        return [
            *observation_parameters(),
            *precision_parameters(),
            *covariate_parameters(),
            *extraction_parameters(),
            *extraction_outputs(is_wanted=True),
        ]

    def job(self, inputs: Inputs) -> jobs.ExtractPatches:
        return extract_patches_job(inputs, inputs.destination("PATCHES"))


def extraction_outputs(is_wanted: bool) -> Parameters:
    """Return the outputs; with `is_wanted` False, the patch file is a by-product."""
    patches = file_output(
        "PATCHES", tr("Patches"), tr("Patch files (*.h5)"), optional=not is_wanted, createByDefault=is_wanted
    )
    dropped = QgsProcessingParameterVectorDestination(
        "DROPPED",
        tr("Observations not used"),
        Qgis.ProcessingSourceType.VectorPoint,
        optional=True,
        createByDefault=False,
    )
    return [
        explained(
            patches, tr("HDF5 file with the patches, the measured values, the coordinates and the origin of all data.")
        ),
        explained(dropped, tr("Point layer of the observations that were dropped, each with the reason.")),
    ]


def extract_patches_job(inputs: Inputs, patches: str) -> jobs.ExtractPatches:
    observations, fields = inputs.observations("OBSERVATIONS")
    return jobs.ExtractPatches(
        observations=observations,
        covariates=inputs.covariates(),
        patches=patches,
        dropped=inputs.destination("DROPPED"),
        reference=inputs.raster("REFERENCE"),
        cell_size=inputs.number_or_none("CELL_SIZE"),
        patch_size=inputs.integer("PATCH_SIZE"),
        group=inputs.field("GROUP", fields),
        max_missing=inputs.number("MAX_MISSING"),
        snap_cells=inputs.integer("SNAP_CELLS"),
        **target_values(inputs, fields),
    )


def covariate_parameters() -> Parameters:
    return [
        explained(
            rasters("COVARIATES", tr("Covariates")),
            tr(
                "Rasters that may explain the soil: terrain, satellite images, climate. They may differ in cell size,"
                " CRS and extent; all are brought onto the reference grid (bilinear, or averaged when they are finer)."
                " Every band except an alpha band is a covariate. To use only some bands of a file, make a raster of"
                " them with Rearrange bands, or enter vrt:///folder/file.tif?bands=4,8."
            ),
        ),
        explained(
            rasters("CATEGORICAL_COVARIATES", tr("Categorical covariates"), optional=True),
            tr(
                "Rasters of class codes, such as geology or land use; codes are never averaged. Class names come from"
                " the layer's legend (paletted values) or the raster's attribute table. You need not list these rasters"
                " under Covariates as well."
            ),
        ),
        explained(
            rasters("DIRECTIONAL_COVARIATES", tr("Directional covariates"), optional=True),
            tr(
                "Rasters whose values depend on compass direction, such as northness, eastness or hillshade. If there"
                " are any, training does not rotate or mirror patches. Use northness and eastness, the cosine and sine"
                " of the aspect, instead of the aspect in degrees. You need not list these rasters under Covariates as"
                " well."
            ),
            advanced=True,
        ),
    ]


def extraction_parameters() -> Parameters:
    """Return the parameters that control how patches are cut."""
    return [
        explained(
            QgsProcessingParameterRasterLayer("REFERENCE", tr("Reference raster"), optional=True),
            tr("Raster that sets the grid of the map: CRS, cell size, origin and extent. Empty: the first covariate."),
            advanced=True,
        ),
        explained(
            number("CELL_SIZE", tr("Cell size"), jobs.ExtractPatches.cell_size, 0, 1e9, optional=True),
            tr(
                "Cell size of the map, in units of the reference grid's CRS. Empty: the cell size of the reference"
                " raster."
            ),
            advanced=True,
        ),
        explained(
            integer("PATCH_SIZE", tr("Patch size in pixels (odd)"), jobs.ExtractPatches.patch_size, 3),
            tr(
                "Width of the square of pixels that the network sees around an observation; the literature calls it"
                " window size. It must be odd, so that the observation lies in the middle. The default of 31 reaches 15"
                " pixels in each direction."
            ),
        ),
        explained(
            QgsProcessingParameterField(
                "GROUP", tr("Profile or site"), parentLayerParameterName="OBSERVATIONS", optional=True
            ),
            tr(
                "Field that names the profile or site. Observations with the same value are never split between"
                " training and held-out data. Observations in the same pixel always stay together."
            ),
            advanced=True,
        ),
        explained(
            number("MAX_MISSING", tr("Tolerated share of missing pixels"), jobs.ExtractPatches.max_missing, 0, 0.999),
            tr(
                "Share of a patch (0 to 1) that may lie outside the rasters or have no data. Observations with a larger"
                " missing share are dropped, and so are those whose own pixel has no data."
            ),
            advanced=True,
        ),
        explained(
            integer("SNAP_CELLS", tr("Nearest pixel with data, within cells"), jobs.ExtractPatches.snap_cells, 0),
            tr(
                "Rows and columns within which an observation whose own pixel has no data takes the nearest pixel with"
                " data of all covariates. The log tells how many do and how far that is. 0: such observations are"
                " dropped."
            ),
            advanced=True,
        ),
    ]
