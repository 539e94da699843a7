"""Assess map: independent observations against any raster."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterBand,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, choice, explained, html_output, metrics_output, number
from ..sample_parameters import sample_parameters


class AssessMap(JobAlgorithm):
    ID = "assessmap"
    GROUP_ID = "4 Assess"
    NUMBERS = {
        "RMSE": tr("RMSE; of the whole map if the observations are a probability sample"),
        "ME": tr("Mean error; of the whole map if the observations are a probability sample"),
        "MEC": tr("Model efficiency; of the whole map if the observations are a probability sample"),
        "CCC": tr("Concordance at the observations"),
        "PICP": tr("Coverage of the interval; of the whole map if the observations are a probability sample"),
        "ACCURACY": tr("Share of right classes; of the whole map if the observations are a probability sample"),
        "COUNT": tr("Observations used"),
    }

    def label(self) -> str:
        return tr("Assess map")

    def summary(self) -> str:
        return tr(
            "Compares any map of numbers or of soil classes, and its prediction interval if it has one, with"
            " observations that the map was not made from."
        )

    def explanation(self) -> str:
        return tr(
            "The map may come from this plugin or any other program. Its value and limits are read at the pixel that"
            " contains each observation. Observations outside the map, without a value, or where the map has no data"
            " are dropped; the report says how many and why.\n\n"
            "A map of classes is one that names its classes (this plugin's do), or that is compared with a text field"
            " of names. Observed classes are matched with the map's names or else with its codes; the log counts them,"
            " and names classes that only the map or only the observations have. The report tells the overall accuracy,"
            " the purity (user's accuracy) and representation (producer's accuracy) of each class, its area, and which"
            " classes are taken for each other.\n\n"
            "Values below a detection limit are compared with what a laboratory would report of the map: the limit,"
            " where the map predicts less. The coverage of the interval is that of the measured values.\n\n"
            "If the places of the observations were drawn at random over the mapped area (a simple or stratified random"
            " sample), the report gives design-based estimates of the accuracy of the whole map with 95 % confidence"
            " intervals. These need no assumption about the soil or the map. Otherwise the numbers describe the map at"
            " these observations only, and the report says so. Do not use observations that the map was made from: the"
            " numbers would be too good."
        )

    def keywords(self) -> list[str]:
        return [
            "validation",
            "accuracy",
            "RMSE",
            "design-based",
            "probability sample",
            "PICP",
            "soil classes",
            "confusion matrix",
            "user's accuracy",
        ]

    def parameters(self) -> Parameters:
        return [*_observation_parameters(), *_map_parameters(), *sample_parameters(jobs.AssessMap.SAMPLES), *_outputs()]

    def job(self, inputs: Inputs) -> jobs.AssessMap:
        observations, fields = inputs.observations("OBSERVATIONS")
        band = inputs.integer("BAND")
        assessed = inputs.band("MAP", band)
        if assessed is None:
            raise jobs.JobError(tr("No map is chosen (MAP). Choose a raster."))
        return jobs.AssessMap(
            observations=observations,
            target=inputs.target("TARGET", fields),
            map=assessed,
            lower=inputs.band("LOWER", band),
            upper=inputs.band("UPPER", band),
            report=inputs.destination("REPORT"),
            metrics=inputs.destination("METRICS"),
            residuals=inputs.destination("RESIDUALS"),
            coverage=inputs.number_or_none("COVERAGE"),
            sample=inputs.choice("SAMPLE"),
            stratum=inputs.field("STRATUM", fields),
            weight=inputs.field("WEIGHT", fields),
            inclusion=inputs.field("INCLUSION", fields),
            target_type=inputs.choice("TARGET_TYPE"),
            detection_limit=inputs.field("DETECTION_LIMIT", fields),
        )


def _observation_parameters() -> Parameters:
    observations = QgsProcessingParameterFeatureSource(
        "OBSERVATIONS", tr("Observations"), [Qgis.ProcessingSourceType.VectorPoint]
    )
    target = QgsProcessingParameterField(
        "TARGET",
        tr("Target: measured soil property or soil class"),
        parentLayerParameterName="OBSERVATIONS",
    )
    limit = QgsProcessingParameterField(
        "DETECTION_LIMIT", tr("Detection limits"), parentLayerParameterName="OBSERVATIONS", optional=True
    )
    return [
        explained(
            observations,
            tr(
                "Points where the soil was observed and that were not used to make the map. Filters and"
                " selections are respected. Their CRS may differ from the map's."
            ),
        ),
        explained(
            target,
            tr(
                "Field of the measured values, in the unit of the map, or of the soil classes, as the map's names or"
                " codes. Numbers may be written as text; a less-than sign before a number means that the value lies"
                " below this detection limit. The report takes the unit from the field's alias or comment, such as Zinc"
                " (mg/kg), or else from the map."
            ),
        ),
        explained(
            choice("TARGET_TYPE", tr("Target type"), jobs.AssessMap.TARGET_TYPES, jobs.AssessMap.target_type),
            tr(
                "auto: the map is one of soil classes if it names its classes, or if the target is a text field of"
                " names; otherwise it holds numbers. class: whole numbers are codes of classes. continuous: they are"
                " measured numbers."
            ),
            advanced=True,
        ),
        explained(
            limit,
            tr(
                "Field with the detection limits of a measured soil property. A value at or below its limit is only"
                " known to lie below it. Where the limit is empty, the value was measured."
            ),
            advanced=True,
        ),
    ]


def _map_parameters() -> Parameters:
    limit = tr("Choose both limits or neither. Without limits, the report covers the predicted values only.")
    return [
        explained(
            QgsProcessingParameterRasterLayer("MAP", tr("Map")),
            tr(
                "Raster of the predicted values or of the codes of classes, made by this plugin or by any other"
                " program. Names of classes come from the layer's legend, the attribute table or the category names."
            ),
        ),
        explained(
            QgsProcessingParameterBand("BAND", tr("Band"), 1, "MAP"),
            tr("Band of the map that predicts the target. The limits are read from the band with the same number."),
        ),
        explained(
            QgsProcessingParameterRasterLayer("LOWER", tr("Lower limit"), optional=True),
            f"{tr('Raster of the lower limit of the prediction interval.')} {limit}",
        ),
        explained(
            QgsProcessingParameterRasterLayer("UPPER", tr("Upper limit"), optional=True),
            f"{tr('Raster of the upper limit of the prediction interval.')} {limit}",
        ),
        explained(
            number("COVERAGE", tr("Coverage of the interval"), jobs.AssessMap.coverage, 0.01, 0.999, optional=True),
            tr(
                "Share of true values that should lie between the limits: 0.9 for a 90 % interval. Empty: the value in"
                " the rasters' metadata, which this plugin writes, or else 0.9."
            ),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    residuals = QgsProcessingParameterVectorDestination(
        "RESIDUALS",
        tr("Residuals"),
        Qgis.ProcessingSourceType.VectorPoint,
        optional=True,
        createByDefault=False,
    )
    return [
        explained(
            html_output(tr("Report")),
            tr(
                "Web page with the scores and their meaning, a figure of predicted against observed values and a map of"
                " residuals; for classes the confusion matrix and a map of right and wrong ones. It opens without"
                " internet."
            ),
        ),
        explained(
            residuals,
            tr(
                "Point layer of the observations used, with the fields observed, predicted and residual (predicted"
                " minus observed). With limits, it also has lower, upper, and whether the observed value lies between"
                " them. For classes it has the observed and the predicted class and whether the map is correct."
            ),
        ),
        metrics_output(),
    ]
