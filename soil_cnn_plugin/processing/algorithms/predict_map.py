"""Predict map: a trained network and covariates -> maps."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import (
    Qgis,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import (
    Parameter,
    Parameters,
    choice,
    devices,
    explained,
    folded,
    integer,
    made_by_default,
    rasters,
    thresholds,
)

APPLICABILITY = {
    "DISSIMILARITY_THRESHOLD": tr("Dissimilarity index up to which the map is applicable"),
    "APPLICABLE_SHARE": tr("Share of the predicted pixels that are applicable"),
}


DEFAULT_MAPS = ("PREDICTION", "LOWER", "UPPER", "DISSIMILARITY", "CLASSES", "PROBABILITIES")


class PredictMap(JobAlgorithm):
    ID = "predictmap"
    GROUP_ID = "3 Map"
    NUMBERS = APPLICABILITY

    def label(self) -> str:
        return tr("Predict map")

    def summary(self) -> str:
        return tr("Predicts every pixel of the covariates with a trained network.")

    def explanation(self) -> str:
        return tr(
            "The map has the grid of the covariates that the network was trained on, and one band per target. Pixels"
            " whose own covariates are missing stay empty. Optional maps show the median, the limits of the"
            " prediction interval, the standard deviation, the texture class of sand, silt and clay, and, for soil"
            " classes, the probabilities and the confusion index. The dissimilarity index shows where the map may be"
            " used: it measures how far a pixel lies from the observations.\n\n"
            "A style file (.qml) is written beside each raster, so that it looks the same wherever you open it in QGIS."
        )

    def keywords(self) -> list[str]:
        return ["inference", "apply", "raster", "uncertainty", "interval", "area of applicability", "extrapolation"]

    def parameters(self) -> Parameters:
        network = QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors")
        return [
            explained(network, tr("File written by Train network or Map soil properties.")),
            explained(
                rasters("COVARIATES", tr("Covariates"), optional=True),
                tr(
                    "Rasters for the map, in any order; they are matched by name with the covariates of the training."
                    " Empty: the files that the network was trained on, if they still exist."
                ),
            ),
            thresholds(),
            *mapping_parameters(),
            *devices(),
            explained(
                QgsProcessingParameterString("CLUSTER", tr("Dask cluster"), optional=True),
                tr(
                    "Address of a Dask scheduler, such as tcp://node1:8786. Its workers predict the blocks of a large"
                    " map; they need this plugin's compute environment and the same files at the same paths. Empty:"
                    " this computer."
                ),
                advanced=True,
            ),
            *folded(made_by_default(_shown_first(mapping_outputs()), DEFAULT_MAPS), shown=DEFAULT_MAPS),
        ]

    def job(self, inputs: Inputs) -> jobs.PredictMap:
        job = predict_map_job(inputs, inputs.file("NETWORK", tr("trained network")))
        return replace(job, cluster=inputs.text("CLUSTER"))


def predict_map_job(inputs: Inputs, network: str, covariates_given: bool = True) -> jobs.PredictMap:
    extent, extent_crs = inputs.extent("EXTENT")
    exceedance = jobs.parse_thresholds(inputs.text("EXCEEDANCE"))
    paths = {name: inputs.destination(name.upper()) for name in jobs.PredictMap.OUTPUTS}
    if not paths["exceedance_probability"] and not covariates_given:
        exceedance = ()  # in the whole chain, thresholds may be for the report alone
    fitting = [name for name in paths if name not in ("prediction", "exceedance_probability")]
    return jobs.PredictMap(
        network=network,
        **paths,
        dissimilarity_space=inputs.choice("DISSIMILARITY_SPACE"),
        texture_system=inputs.choice("TEXTURE_SYSTEM"),
        exceedance=exceedance,
        covariates=inputs.covariates() if covariates_given else (),
        extent=extent,
        extent_crs=extent_crs,
        area=inputs.area("AREA"),
        block_size=inputs.integer_or_none("BLOCK_SIZE"),
        precision=inputs.choice("PRECISION"),
        device=inputs.choice("DEVICE"),
        where_fitting=tuple(name for name in fitting if name.upper() in inputs.unnamed),
        full_gpu=inputs.choice("FULL_GPU"),
    )


def mapping_parameters() -> Parameters:
    """Return the parameters that say where and how to predict."""
    polygons = [Qgis.ProcessingSourceType.VectorPolygon]
    return [
        explained(
            QgsProcessingParameterExtent("EXTENT", tr("Extent"), optional=True),
            tr("Part of the covariates' area to map. Empty: all of it."),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterFeatureSource("AREA", tr("Area"), polygons, optional=True),
            tr("Polygons to map. Nothing is predicted outside them."),
            advanced=True,
        ),
        explained(
            choice(
                "DISSIMILARITY_SPACE",
                tr("Space of the dissimilarity index"),
                jobs.PredictMap.DISSIMILARITY_SPACES,
                jobs.PredictMap.dissimilarity_space,
            ),
            tr(
                "covariates: uses the distances between the pixel's own covariates and those of the observations,"
                " weighted by the covariates' importance, as published by Meyer and Pebesma (2021); choose it to"
                " compare with other maps. The report of the network shows the weights. embedding: applies the same"
                " rule to what the networks make of the pixel and its surroundings, an addition of this plugin without"
                " published experience. Networks see values beyond the range of the training raster as the end of that"
                " range; such pixels are above the threshold."
            ),
            advanced=True,
        ),
        explained(
            choice(
                "TEXTURE_SYSTEM",
                tr("System of the texture classes"),
                jobs.PredictMap.TEXTURE_SYSTEMS,
                jobs.PredictMap.texture_system,
            ),
            tr(
                "usda: the 12 classes of the United States Department of Agriculture, with silt from 2 to 50"
                " micrometres. wrb: the classes of FAO (2006) and the World Reference Base, with silt from 2 to 63"
                " micrometres; they have the same borders, plus heavy clay from 60 % clay. Nothing is converted between"
                " 50 and 63 micrometres, so choose the system whose limit your laboratory used."
            ),
            advanced=True,
        ),
        *_computing_parameters(),
    ]


def _computing_parameters() -> Parameters:
    return [
        explained(
            integer("BLOCK_SIZE", tr("Block size in pixels"), jobs.PredictMap.block_size, 16, optional=True),
            tr(
                "Width of the squares that are predicted at once. Empty: chosen from the free memory. Make it smaller"
                " if memory runs out."
            ),
            advanced=True,
        ),
        explained(
            choice("PRECISION", tr("Precision of the networks"), jobs.PredictMap.PRECISIONS, jobs.PredictMap.precision),
            tr(
                "auto: half precision if the processor or GPU is faster with it and if a trial on a part of the map"
                " changes predictions by less than 1 % of the target's standard deviation (root mean square); the log"
                " says by how much. Maps under 512 x 512 pixels are always made in float32. float32: single precision"
                " everywhere. half: half precision wherever it is faster, however much it changes the map."
            ),
            advanced=True,
        ),
    ]


def _shown_first(outputs: Parameters) -> Parameters:
    """Return the outputs, those that are made by default at the beginning."""
    return sorted(outputs, key=lambda output: output.name() not in DEFAULT_MAPS)


def mapping_outputs() -> Parameters:
    return [*_outputs_of_numbers(), *_outputs_of_classes(), *_outputs_of_probability_and_texture()]


def _raster(name: str, label: str, optional: bool = True) -> Parameter:
    return QgsProcessingParameterRasterDestination(name, label, optional=optional, createByDefault=not optional)


def _outputs_of_numbers() -> Parameters:
    bands = tr("One band per target.")
    return [
        explained(
            _raster("PREDICTION", tr("Prediction"), optional=False),
            tr(
                "Map of the predicted values, one band per target. For soil classes, the map shows the most probable"
                " class as a number from 1; every GIS shows the names and colours of the classes (both are in the file,"
                " the names also in the .aux.xml beside it)."
            ),
        ),
        explained(
            _raster("MEDIAN", tr("Median")),
            tr(
                "Median of the predicted distribution: the true value is as likely to lie above as below it. For skewed"
                " properties it is lower than the prediction, which is a mean and adds up over areas; unlike the mean"
                " it hardly moves with a few very large values. The medians of the parts of a composition do not add up"
                " to the whole."
            )
            + f" {bands}",
        ),
        explained(_raster("LOWER", tr("Lower limit")), f"{tr('Lower limit of the prediction interval.')} {bands}"),
        explained(_raster("UPPER", tr("Upper limit")), f"{tr('Upper limit of the prediction interval.')} {bands}"),
        explained(
            _raster("STANDARD_DEVIATION", tr("Standard deviation")),
            f"{tr('Standard deviation of the prediction, in the unit of the target.')} {bands}",
        ),
        explained(
            _raster("DISSIMILARITY", tr("Dissimilarity index")),
            tr(
                "How far each pixel lies from the observations (Meyer and Pebesma 2021), one band. 0 means that the"
                " pixel is like an observation. Up to the threshold, the map is applicable: the errors measured on"
                " held-out observations hold there. Above it, the map meets conditions that its observations do not"
                " cover. The raster's metadata, its style and the log give the threshold."
            ),
        ),
    ]


def _outputs_of_classes() -> Parameters:
    return [
        explained(
            _raster("CLASSES", tr("Soil classes")),
            tr(
                "The most probable soil class, for a network that also predicts numbers, which fill the prediction. One"
                " band per class field."
            ),
        ),
        explained(
            _raster("PROBABILITIES", tr("Probabilities of the classes")),
            tr(
                "For soil classes: the probability of each class, one band per class, from 0 to 1. The probabilities"
                " were calibrated on held-out observations and add up to 1."
            ),
        ),
        explained(
            _raster("CONFUSION_INDEX", tr("Confusion index")),
            tr(
                "For soil classes: 1 minus the difference between the probabilities of the two most probable classes"
                " (Burrough et al. 1997). Near 0 the class is certain; near 1 two classes are equally probable."
            ),
        ),
    ]


def _outputs_of_probability_and_texture() -> Parameters:
    return [
        explained(
            _raster("EXCEEDANCE_PROBABILITY", tr("Probability of exceeding thresholds")),
            tr(
                "Probability that each threshold is exceeded, one band per threshold and target. It is calibrated on"
                " held-out observations and goes from 0.005 to 0.995, because more extreme probabilities are not known."
                " The report of the training shows whether such probabilities came true. This output needs thresholds."
            ),
        ),
        explained(
            _raster("TEXTURE_CLASSES", tr("Texture classes")),
            tr(
                "Texture class of the predicted means of sand, silt and clay, one band per depth. The three must have"
                " been extracted as a composition. Their field names, such as sand_0_30 or CLYPPT, show which part is"
                " which."
            ),
        ),
    ]
