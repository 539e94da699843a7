"""Compare maps: which of two maps is better, or what has changed between their dates."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterBand,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, choice, explained, html_output, metrics_output, number
from ..sample_parameters import sample_parameters


class CompareMaps(JobAlgorithm):
    ID = "comparemaps"
    GROUP_ID = "4 Assess"
    NUMBERS = {
        "RMSE": tr("RMSE of the first map"),
        "RMSE_2": tr("RMSE of the second map"),
        "RMSE_DIFFERENCE": tr("RMSE of the second map less that of the first"),
        "CHANGE": tr("Mean observed change"),
        "LOW": tr("Lower limit of the difference in RMSE or of the change"),
        "HIGH": tr("Upper limit of the difference in RMSE or of the change"),
        "SMALLEST": tr("Smallest difference in RMSE or change that the observations show"),
        "MEAN_DIFFERENCE": tr("Mean of the second map less the first over all pixels"),
        "DETECTABLE_SHARE": tr("Share of the area with a detectable difference"),
        "COUNT": tr("Observations used"),
    }
    TEXTS = {"VERDICT": tr("The result in words")}

    def label(self) -> str:
        return tr("Compare maps")

    def summary(self) -> str:
        return tr(
            "Tells which of two maps is nearer to the same independent observations, or what has changed between two"
            " dates, and where the maps differ by more than their intervals leave in doubt."
        )

    def explanation(self) -> str:
        return tr(
            "Both maps show one soil property; they may come from this plugin or any other program. Which of them is"
            " better is judged pair by pair at the same observations, so that what both have in common cancels out: the"
            " report gives the difference in RMSE, in absolute error and in mean error, each with its 95 % confidence"
            " interval. Neither map may have been made from these observations.\n\n"
            "For the question change, the maps show two dates, and the observations hold the values of both dates. The"
            " report gives the mean change with its interval, what the maps say at the same places, and the smallest"
            " change that so many observations can show.\n\n"
            "If the observations are a probability sample, such as one from Plan sampling, the intervals hold for the"
            " whole area and need no assumption. With the prediction intervals of both maps, a raster shows where a"
            " difference is detectable, and where not."
        )

    def keywords(self) -> list[str]:
        return ["difference", "change", "monitoring", "validation", "paired", "RMSE", "design-based", "detectable"]

    def parameters(self) -> Parameters:
        return [*_map_parameters(), *_observation_parameters(), *_limit_parameters(), *_outputs()]

    def job(self, inputs: Inputs) -> jobs.CompareMaps:
        observations, target, target_2, design = "", None, None, dict[str, str]()
        if inputs.is_given("OBSERVATIONS"):
            observations, fields = inputs.observations("OBSERVATIONS")
            target = inputs.target("TARGET", fields)
            target_2 = inputs.target("TARGET_2", fields) if inputs.field("TARGET_2", fields) else None
            design = {name.lower(): inputs.field(name, fields) for name in ("STRATUM", "WEIGHT", "INCLUSION")}
        first, second = inputs.integer("BAND"), inputs.integer("BAND_2")
        maps = inputs.band("MAP", first), inputs.band("MAP_2", second)
        if maps[0] is None or maps[1] is None:
            raise jobs.JobError(tr("Two maps are compared (MAP and MAP_2), but one is missing. Choose both rasters."))
        return jobs.CompareMaps(
            map=maps[0],
            map_2=maps[1],
            question=inputs.choice("QUESTION"),
            observations=observations,
            target=target,
            target_2=target_2,
            lower=inputs.band("LOWER", first),
            upper=inputs.band("UPPER", first),
            lower_2=inputs.band("LOWER_2", second),
            upper_2=inputs.band("UPPER_2", second),
            coverage=inputs.number_or_none("COVERAGE"),
            sample=inputs.choice("SAMPLE"),
            **design,
            report=inputs.destination("REPORT"),
            metrics=inputs.destination("METRICS"),
            pairs=inputs.destination("PAIRS"),
            difference=inputs.destination("DIFFERENCE"),
            detectable=inputs.destination("DETECTABLE"),
        )


def _map_parameters() -> Parameters:
    return [
        explained(
            choice("QUESTION", tr("Question"), jobs.CompareMaps.QUESTIONS, jobs.CompareMaps.question),
            tr(
                "better: which of two maps of the same time is nearer to the observations. change: what has changed"
                " from the date of the first map to that of the second."
            ),
        ),
        explained(
            QgsProcessingParameterRasterLayer("MAP", tr("First map")),
            tr("Raster of predicted values. For a change, that of the first date."),
        ),
        explained(
            QgsProcessingParameterBand("BAND", tr("Band of the first map"), 1, "MAP"),
            tr("Band that predicts the soil property. Limits are read from the band with the same number."),
        ),
        explained(
            QgsProcessingParameterRasterLayer("MAP_2", tr("Second map")),
            tr("The other raster. It is resampled onto the first one's grid; at observations its own pixel counts."),
        ),
        explained(
            QgsProcessingParameterBand("BAND_2", tr("Band of the second map"), 1, "MAP_2"),
            tr("Band that predicts the soil property. Limits are read from the band with the same number."),
        ),
    ]


def _observation_parameters() -> Parameters:
    observations = QgsProcessingParameterFeatureSource(
        "OBSERVATIONS", tr("Observations"), [Qgis.ProcessingSourceType.VectorPoint], optional=True
    )

    def field(name: str, label: str) -> QgsProcessingParameterField:
        return QgsProcessingParameterField(name, label, parentLayerParameterName="OBSERVATIONS", optional=True)

    return [
        explained(
            observations,
            tr(
                "Points where the soil property was measured and that neither map was made from. Without them, only a"
                " change can be shown, and only as the maps see it."
            ),
        ),
        explained(
            field("TARGET", tr("Target: measured soil property")),
            tr("Field with the measured values; for a change, those of the first date."),
        ),
        explained(
            field("TARGET_2", tr("Target at the second date")),
            tr("For a change: field with the values that were measured at the same places at the second date."),
        ),
        *sample_parameters(jobs.CompareMaps.SAMPLES),
    ]


def _limit_parameters() -> Parameters:
    rule = tr("Choose all four limits or none.")
    limits = (
        ("LOWER", tr("Lower limit of the first map")),
        ("UPPER", tr("Upper limit of the first map")),
        ("LOWER_2", tr("Lower limit of the second map")),
        ("UPPER_2", tr("Upper limit of the second map")),
    )
    return [
        *(
            explained(
                QgsProcessingParameterRasterLayer(name, label, optional=True),
                f"{tr('Raster of a limit of the prediction interval.')} {rule}",
                advanced=True,
            )
            for name, label in limits
        ),
        explained(
            number("COVERAGE", tr("Coverage of the intervals"), jobs.CompareMaps.coverage, 0.01, 0.999, optional=True),
            tr("Share of true values between the limits. Empty: the value in the rasters' metadata, or else 0.9."),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    pairs = QgsProcessingParameterVectorDestination(
        "PAIRS",
        tr("Pairs at the observations"),
        Qgis.ProcessingSourceType.VectorPoint,
        optional=True,
        createByDefault=False,
    )
    return [
        explained(
            html_output(tr("Report")),
            tr("Web page with the difference or change, its interval, what it rests on, and where the maps differ."),
        ),
        explained(
            QgsProcessingParameterRasterDestination("DIFFERENCE", tr("Difference"), optional=True),
            tr("Raster of the second map less the first, on the grid of the first."),
        ),
        explained(
            QgsProcessingParameterRasterDestination(
                "DETECTABLE", tr("Detectable difference"), optional=True, createByDefault=False
            ),
            tr(
                "Raster of three classes from the intervals of both maps: second map lower, not detectable, second map"
                " higher."
            ),
        ),
        explained(
            pairs,
            tr(
                "Point layer of the observations used, with what was observed and mapped. Of two maps of one time, the"
                " residual is the second map's error in size less the first's; of two dates, the mapped change less the"
                " observed one."
            ),
        ),
        metrics_output(),
    ]
