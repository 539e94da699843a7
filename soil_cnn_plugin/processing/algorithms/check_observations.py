"""Check observations: points with measured values -> a page and a layer of the problems found in them."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameter, Parameters, explained, html_output, metrics_output, rasters


class CheckObservations(JobAlgorithm):
    ID = "checkobservations"
    GROUP_ID = "1 Prepare"
    NUMBERS = {"COUNT": tr("Observations"), "PROBLEM_COUNT": tr("Problems to repair or to check")}

    def label(self) -> str:
        return tr("Check observations")

    def summary(self) -> str:
        return tr("Finds what is wrong or doubtful in observations before you make a map, and says how to repair it.")

    def explanation(self) -> str:
        return tr(
            "One page shows what to repair first, what to check, and what is good to know: codes for missing values"
            " such as -9999, text that is not a number, negative contents, percentages above 100, impossible pH,"
            " outliers, values below detection limits, sums of sand, silt and clay, horizons that overlap or have gaps"
            " between them, soil classes that are rare or spelt in two ways, observations that occur twice or"
            " contradict each other at one place, exchanged or missing coordinates, places outside the covariates or"
            " without data, and clusters. Each problem comes with its remedy. Nothing is changed or dropped.\n\n"
            "Only the observations are required. If you give covariates, the places of the observations are checked"
            " against them. If you give fields of a composition, of depths or of detection limits, these are checked"
            " too."
        )

    def keywords(self) -> list[str]:
        return ["quality", "validate", "outliers", "duplicates", "texture", "horizons", "errors", "clean"]

    def parameters(self) -> Parameters:
        return [*_observation_parameters(), *_special_fields(), *_outputs()]

    def job(self, inputs: Inputs) -> jobs.CheckObservations:
        observations, fields = inputs.any_observations("OBSERVATIONS")
        chosen = inputs.fields("FIELDS", fields)
        return jobs.CheckObservations(
            observations=observations,
            report=inputs.destination("REPORT"),
            problems=inputs.destination("PROBLEMS"),
            metrics=inputs.destination("METRICS"),
            fields=chosen,
            units=inputs.units("UNITS", chosen, fields),
            covariates=inputs.covariates(),
            composition=inputs.fields("COMPOSITION", fields),
            detection_limits=inputs.fields("DETECTION_LIMIT", fields),
            profile=inputs.field("PROFILE", fields),
            upper=inputs.field("UPPER", fields),
            lower=inputs.field("LOWER", fields),
        )


def _observation_parameters() -> Parameters:
    observations = QgsProcessingParameterFeatureSource(
        "OBSERVATIONS", tr("Observations"), [Qgis.ProcessingSourceType.VectorPoint]
    )
    return [
        explained(
            observations,
            tr(
                "Points where soil was measured, or horizons, one per row. Filters, selections and unsaved edits are"
                " respected."
            ),
        ),
        explained(
            _field("FIELDS", tr("Fields"), is_many=True),
            tr(
                "Fields to check: numbers, numbers written as text, and soil classes. Empty: all fields with measured"
                " numbers, except coordinates and identifiers; soil classes are checked only if you choose them."
            ),
        ),
        explained(
            rasters("COVARIATES", tr("Covariates"), optional=True),
            tr(
                "Rasters that the map will be made from. With them, the check finds observations outside the rasters,"
                " in pixels without data, and together in one pixel of the first raster."
            ),
        ),
    ]


def _special_fields() -> Parameters:
    return [
        explained(
            _field("COMPOSITION", tr("Composition: parts of a whole"), is_many=True),
            tr(
                "Fields whose sum must be 100 (or 1, or 1000), such as sand, silt and clay. Fields of different depths,"
                " such as sand_0_5 and sand_5_15, or with different endings, are summed separately."
            ),
        ),
        explained(
            _field("PROFILE", tr("Profile")),
            tr("For horizons: field that names the profile. Empty: horizons at one place form one profile."),
        ),
        explained(
            _field("UPPER", tr("Upper limit (cm)")),
            tr("For horizons: field with the depth at which a horizon begins, in cm below the mineral surface."),
        ),
        explained(
            _field("LOWER", tr("Lower limit (cm)")),
            tr("For horizons: field with the depth at which a horizon ends, in cm below the mineral surface."),
        ),
        explained(
            _field("DETECTION_LIMIT", tr("Detection limits"), is_many=True),
            tr(
                "Fields that hold detection limits: either named after the field that they belong to, such as copper_dl"
                " for copper, or one for each of the fields, in the same order. Values written with a less-than sign"
                " need none."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("UNITS", tr("Units"), optional=True),
            tr(
                "Units, which determine what values are possible: % for all fields, or field by field as in zinc=mg/kg;"
                " ph=- (a hyphen means no unit). Empty: taken from a field's alias or comment, such as Zinc (mg/kg)."
            ),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    problems = QgsProcessingParameterVectorDestination(
        "PROBLEMS", tr("Problems"), Qgis.ProcessingSourceType.VectorPoint, optional=True, createByDefault=True
    )
    return [
        explained(
            html_output(tr("Report")),
            tr("Web page that shows what to repair first, with the numbers of all fields. It opens without internet."),
        ),
        explained(
            problems,
            tr(
                "Point layer with one row per problem: the observation's id, the field, the kind of problem, its"
                " severity (repair, check, note), a sentence, and the value."
            ),
        ),
        metrics_output(),
    ]


def _field(name: str, label: str, is_many: bool = False) -> Parameter:
    """Return a parameter for fields of any type, because databases also hold numbers as text."""
    return QgsProcessingParameterField(
        name, label, parentLayerParameterName="OBSERVATIONS", allowMultiple=is_many, optional=True
    )
