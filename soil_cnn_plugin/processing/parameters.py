"""Parameters that several algorithms share, each declared and explained once."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ..contract.jobs import DEVICES, ExtractPatches, PredictMap, TrainNetwork
from .translation import tr

Parameter = QgsProcessingParameterDefinition
Parameters = list[Parameter]


def explained(parameter: Parameter, text: str, advanced: bool = False) -> Parameter:
    """The parameter with its help, folded away when it is rarely used."""
    parameter.setHelp(text)
    if advanced:
        parameter.setFlags(parameter.flags() | Parameter.Flag.FlagAdvanced)
    return parameter


def choice(name: str, label: str, options: tuple[str, ...], default: str) -> Parameter:
    """One of some words, which scripts and models read as they are."""
    return QgsProcessingParameterEnum(
        name, label, options=list(options), allowMultiple=False, defaultValue=default, usesStaticStrings=True
    )


def integer(name: str, label: str, default: Optional[int], low: int, optional: bool = False) -> Parameter:
    kind = QgsProcessingParameterNumber.Type.Integer
    return QgsProcessingParameterNumber(name, label, kind, default, optional, low)


def number(
    name: str, label: str, default: Optional[float], low: float, high: float, optional: bool = False
) -> Parameter:
    kind = QgsProcessingParameterNumber.Type.Double
    parameter = QgsProcessingParameterNumber(name, label, kind, default, optional, low, high)
    parameter.setMetadata({"widget_wrapper": {"decimals": 6}})
    return parameter


def rasters(name: str, label: str, optional: bool = False) -> Parameter:
    kind = QgsProcessing.SourceType.TypeRaster
    return QgsProcessingParameterMultipleLayers(name, label, kind, optional=optional)


def file_output(name: str, label: str, kinds: str, **options: Any) -> Parameter:
    return QgsProcessingParameterFileDestination(name, label, kinds, **options)


def html_output(label: str, optional: bool = True) -> Parameter:
    return file_output("REPORT", label, tr("HTML files (*.html)"), optional=optional)


def metrics_output(optional: bool = True) -> Parameter:
    return explained(
        file_output("METRICS", tr("Metrics"), tr("JSON files (*.json)"), optional=optional, createByDefault=False),
        tr("The numbers of the report as a JSON file, for scripts."),
    )


def device() -> Parameter:
    return explained(
        choice("DEVICE", tr("Computing device"), DEVICES, "auto"),
        tr(
            "Where the network is computed. auto takes an NVIDIA graphics card (cuda) or an Apple one (mps) when there is"
            " one that works, else the processor (cpu). The log says which was taken and why."
        ),
        advanced=True,
    )


def observation_parameters() -> Parameters:
    observations = QgsProcessingParameterFeatureSource(
        "OBSERVATIONS", tr("Observations"), [QgsProcessing.SourceType.TypeVectorPoint]
    )
    targets = QgsProcessingParameterField(
        "TARGETS",
        tr("Targets: soil properties to map"),
        parentLayerParameterName="OBSERVATIONS",
        type=QgsProcessingParameterField.DataType.Numeric,
        allowMultiple=True,
    )
    return [
        explained(
            observations,
            tr(
                "Points where soil properties were measured. A filter or a selection is honoured, and edits that are not"
                " saved yet are seen. At least 20 usable observations are needed."
            ),
        ),
        explained(
            targets,
            tr(
                "Numeric fields of the observations. Several are learned by one network together; an observation may lack"
                " some of them. A name like clay_5_15 is understood as clay from 5 to 15 cm depth."
            ),
        ),
    ]


def covariate_parameters() -> Parameters:
    return [
        explained(
            rasters("COVARIATES", tr("Covariates")),
            tr(
                "Rasters that may explain the soil: terrain, satellite images, climate. They may differ in cell size, CRS"
                " and extent; all are brought onto the reference grid (bilinear, or averaged when they are finer). Every"
                " band is a covariate."
            ),
        ),
        explained(
            rasters("CATEGORICAL_COVARIATES", tr("Categorical covariates"), optional=True),
            tr(
                "Rasters of class codes, such as geology or land use: codes are never averaged. They need not be listed"
                " under Covariates too."
            ),
        ),
        explained(
            rasters("DIRECTIONAL_COVARIATES", tr("Directional covariates"), optional=True),
            tr(
                "Rasters whose values depend on the compass, such as northness, eastness or hillshade: with them, patches"
                " are not rotated or mirrored in training. They need not be listed under Covariates too."
            ),
            advanced=True,
        ),
    ]


def extraction_parameters() -> Parameters:
    """How patches are cut."""
    return [
        explained(
            QgsProcessingParameterRasterLayer("REFERENCE", tr("Reference raster"), optional=True),
            tr("The raster whose grid (CRS, cell size, origin, extent) the map gets. Empty: the first covariate."),
            advanced=True,
        ),
        explained(
            number("CELL_SIZE", tr("Cell size"), ExtractPatches.cell_size, 0, 1e9, optional=True),
            tr("Cell size of the map in units of the reference grid's CRS. Empty: that of the reference raster."),
            advanced=True,
        ),
        explained(
            integer("PATCH_SIZE", tr("Patch size in pixels (odd)"), ExtractPatches.patch_size, 3),
            tr(
                'Width of the square of pixels around an observation that the network looks at (the "window size" of the'
                " literature). It must be odd, so that the observation lies in the middle. The default of 31 reaches 15"
                " pixels in each direction."
            ),
        ),
        explained(
            QgsProcessingParameterField(
                "GROUP", tr("Profile or site"), parentLayerParameterName="OBSERVATIONS", optional=True
            ),
            tr(
                "Field that names the profile or site. Observations with the same value are never torn apart between"
                " training and held-out data. Observations at the same place always stay together."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("UNITS", tr("Units"), optional=True),
            tr(
                "Units for legends and reports: mg/kg for all targets, or target by target as in zinc=mg/kg; ph=-"
                " (a hyphen: no unit). Empty: taken from a field's alias or comment such as Zinc (mg/kg)."
            ),
            advanced=True,
        ),
        explained(
            number("MAX_MISSING", tr("Tolerated share of missing pixels"), ExtractPatches.max_missing, 0, 0.999),
            tr(
                "Share of a patch (0 to 1) that may lie outside the rasters or have no data. Observations with more are"
                " dropped; so are those whose own pixel has no data."
            ),
            advanced=True,
        ),
    ]


def training_parameters() -> Parameters:
    return [
        explained(
            choice("ARCHITECTURE", tr("Architecture"), TrainNetwork.ARCHITECTURES, TrainNetwork.architecture),
            tr(
                "ring: the covariates at the point and their means over growing squares around it; fast, good with few"
                " observations. padarian: convolutions over the middle 15 x 15 pixels, after Padarian et al. (2019). both:"
                " an ensemble of the two, the safest choice."
            ),
        ),
        explained(
            choice("PRESET", tr("Preset"), TrainNetwork.PRESETS, TrainNetwork.preset),
            tr(
                "fast for a first look, standard for most maps, best for twice as many networks. It sets the advanced"
                " training parameters that are left empty."
            ),
        ),
        explained(
            choice("VALIDATION", tr("Validation"), TrainNetwork.VALIDATIONS, TrainNetwork.validation),
            tr(
                "How observations are held out to measure the error. spatial_blocks: whole areas, the honest choice when"
                " observations are clustered or the map reaches beyond them. random: single observations, right for a"
                " random sample of the mapped area. groups: whole profiles or sites, as named when patches were extracted."
            ),
        ),
        explained(
            integer("FOLDS", tr("Folds"), TrainNetwork.folds, 2),
            tr("Number of parts the observations are divided into; each is held out once."),
        ),
        *_tuning_parameters(),
        explained(
            choice("TRANSFORM", tr("Transformation of the targets"), TrainNetwork.TRANSFORMS, TrainNetwork.transform),
            tr(
                "auto: the logarithm for strongly skewed targets, none for others. none, log (positive values), logit"
                " (shares and percentages). Maps and errors are always in the original unit."
            ),
            advanced=True,
        ),
        explained(
            number("COVERAGE", tr("Coverage of the prediction interval"), TrainNetwork.coverage, 0.5, 0.99),
            tr("Share of true values that should lie between the lower and the upper limit: 0.9 is the 90 % interval."),
            advanced=True,
        ),
        device(),
        explained(
            integer("SEED", tr("Seed"), TrainNetwork.seed, 0),
            tr("Start of the random numbers. The same seed on the same device gives the same result."),
            advanced=True,
        ),
    ]


def _tuning_parameters() -> Parameters:
    """Empty means: what the preset and the architecture say."""
    empty = tr("Empty: the preset's value.")
    texts = {
        "members": (
            tr("Members"),
            tr("Number of networks in each ensemble, at least 2. More are steadier and slower."),
        ),
        "epochs": (
            tr("Longest training in epochs"),
            tr("Passes over the observations after which training ends anyway."),
        ),
        "batch_size": (tr("Batch size"), tr("Observations looked at before each change of the weights.")),
        "patience": (tr("Patience"), tr("How long training goes on without improvement on held-out observations.")),
    }
    lowest = {"members": 2}
    integers = [
        explained(
            integer(name.upper(), label, None, lowest.get(name, 1), optional=True), f"{text} {empty}", advanced=True
        )
        for name, (label, text) in texts.items()
    ]
    rate = number("LEARNING_RATE", tr("Learning rate"), None, 0, 1, optional=True)
    decay = number("WEIGHT_DECAY", tr("Weight decay"), None, 0, 1e6, optional=True)
    return [
        *integers,
        explained(rate, f"{tr('Size of the steps in which the weights change.')} {empty}", advanced=True),
        explained(decay, f"{tr('Pull of the weights towards zero, against overfitting.')} {empty}", advanced=True),
    ]


def training_outputs(network_optional: bool) -> Parameters:
    network = file_output("NETWORK", tr("Trained network"), tr("Networks (*.safetensors)"), optional=network_optional)
    held_out = QgsProcessingParameterVectorDestination(
        "HELD_OUT",
        tr("Held-out predictions"),
        QgsProcessing.SourceType.TypeVectorPoint,
        optional=True,
        createByDefault=False,
    )
    return [
        explained(
            network, tr("One file with everything prediction needs: weights, covariates, scaling, units and errors.")
        ),
        explained(
            html_output(tr("Report")),
            tr(
                "Web page with held-out errors, plots and maps of the network beside random forests and the plain mean,"
                " for the Results Viewer or a browser. It opens without internet."
            ),
        ),
        explained(
            held_out,
            tr(
                "Point layer of what was predicted where the observation was held out: observed, predicted, lower, upper,"
                " residual, fold."
            ),
        ),
        metrics_output(),
    ]


def mapping_parameters() -> Parameters:
    """Where is predicted."""
    polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
    return [
        explained(
            QgsProcessingParameterExtent("EXTENT", tr("Extent"), optional=True),
            tr("Part of the covariates that is mapped. Empty: all of it."),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterFeatureSource("AREA", tr("Area"), polygons, optional=True),
            tr("Polygons; nothing is predicted outside them."),
            advanced=True,
        ),
        explained(
            integer("BLOCK_SIZE", tr("Block size in pixels"), PredictMap.block_size, 16, optional=True),
            tr(
                "Width of the squares that are predicted at once. Empty: from the free memory. Make it smaller if memory runs out."
            ),
            advanced=True,
        ),
    ]


def mapping_outputs() -> Parameters:
    def raster(name: str, label: str, optional: bool = True) -> Parameter:
        return QgsProcessingParameterRasterDestination(name, label, optional=optional, createByDefault=not optional)

    bands = tr("One band a target.")
    return [
        explained(
            raster("PREDICTION", tr("Prediction"), optional=False), f"{tr('Map of the predicted values.')} {bands}"
        ),
        explained(raster("LOWER", tr("Lower limit")), f"{tr('Lower limit of the prediction interval.')} {bands}"),
        explained(raster("UPPER", tr("Upper limit")), f"{tr('Upper limit of the prediction interval.')} {bands}"),
        explained(
            raster("STANDARD_DEVIATION", tr("Standard deviation")),
            f"{tr('Standard deviation of the prediction, in the unit of the target.')} {bands}",
        ),
    ]
