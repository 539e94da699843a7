"""Standardize depths: horizons -> means over fixed depth intervals, one point a profile."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterCrs,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.depth_jobs import intervals_in_words, parse_intervals
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameter, Parameters, explained, number
from ..translation import tr


class StandardizeDepths(JobAlgorithm):
    ID = "standardizedepths"
    GROUP_ID = "1 Prepare"
    NUMBERS = {"COUNT": tr("Profiles"), "PROBLEM_COUNT": tr("Horizons with problems")}

    def label(self) -> str:
        return tr("Standardize depths")

    def summary(self) -> str:
        return tr(
            "Brings values measured in soil horizons to fixed depth intervals with the mass-preserving spline, one"
            " point a profile."
        )

    def explanation(self) -> str:
        return tr(
            "Horizons differ in depth from profile to profile; a map is made for one depth. The mass-preserving (equal"
            " area) spline of Bishop et al. (1999) draws a smooth curve through the horizons of each profile, and its"
            " means over the depth intervals become fields such as clay_0_5, which Extract patches understands as clay"
            " from 0 to 5 cm.\n\n"
            "Nothing is extrapolated: above the first and below the last horizon there is no value. An interval that"
            " the profile reaches over only in part gets the mean of that part, if it is large enough, and the field"
            " clay_flag says so (100-200 partial 53 %). Gaps between horizons are bridged by the curve; a mean that"
            " lies mostly in a gap is flagged (30-60 bridged 90 %), and so is one that overshot what is possible, below"
            " 0 or above 100 %, and was set to the limit (0-5 clipped).\n\n"
            "Organic layers above the mineral surface (negative limits, or limits that count upward such as 5-0) and"
            " horizons without limits or values are left out; where horizons overlap, their values are averaged. The"
            " log tells how many, and the optional layer which. clay_rmse tells how far the curve's horizon means lie"
            " from the measured ones. Fields with one value a profile, such as its name or soil type, are kept."
        )

    def keywords(self) -> list[str]:
        return ["horizon", "profile", "spline", "equal area", "mass preserving", "harmonize", "GlobalSoilMap"]

    def parameters(self) -> Parameters:
        return [*_horizon_parameters(), *_spline_parameters(), *_table_parameters(), *_outputs()]

    def job(self, inputs: Inputs) -> jobs.StandardizeDepths:
        horizons, fields = inputs.table("HORIZONS")
        return jobs.StandardizeDepths(
            horizons=horizons,
            profile=inputs.field("PROFILE", fields),
            upper=inputs.field("UPPER", fields),
            lower=inputs.field("LOWER", fields),
            values=inputs.targets("VALUES", "UNITS", fields),
            output=inputs.destination("OUTPUT"),
            problems=inputs.destination("PROBLEMS"),
            x=inputs.field("X", fields),
            y=inputs.field("Y", fields),
            crs=inputs.crs("CRS"),
            intervals=parse_intervals(inputs.text("INTERVALS")),
            smoothing=inputs.number("LAMBDA"),
            min_share=inputs.number("MIN_SHARE"),
        )


def _horizon_parameters() -> Parameters:
    horizons = QgsProcessingParameterFeatureSource("HORIZONS", tr("Horizons"), [QgsProcessing.SourceType.TypeVector])
    return [
        explained(
            horizons,
            tr(
                "One row a horizon: a point layer, or a table without geometry. A filter or a selection is honoured,"
                " and edits that are not saved yet are seen."
            ),
        ),
        explained(
            _field("PROFILE", tr("Profile")),
            tr("Field that names the profile: horizons with the same value belong together."),
        ),
        explained(
            _field("UPPER", tr("Upper limit (cm)")),
            tr("Field of the depth at which a horizon begins, in cm below the mineral surface."),
        ),
        explained(
            _field("LOWER", tr("Lower limit (cm)")),
            tr("Field of the depth at which a horizon ends, in cm below the mineral surface."),
        ),
        explained(
            _field("VALUES", tr("Values: soil properties"), is_many=True),
            tr(
                "Fields of values measured in the horizons, such as clay or pH; numbers written as text are read, with"
                " point or comma. A horizon may lack some of them."
            ),
        ),
    ]


def _spline_parameters() -> Parameters:
    job = jobs.StandardizeDepths
    intervals = QgsProcessingParameterString("INTERVALS", tr("Depth intervals (cm)"), intervals_in_words(job.intervals))
    return [
        explained(
            intervals,
            tr(
                "Upper and lower limit of each interval, with commas between intervals. The default is that of"
                " GlobalSoilMap. Intervals may overlap: add 0-30 for the topsoil, for example."
            ),
        ),
        explained(
            number("LAMBDA", tr("Lambda"), job.smoothing, 0, 1e9),
            tr(
                "How smooth the curve is. With 0 its mean over each horizon is the measured value; the larger lambda,"
                " the more it smooths. 0.1 is customary (Malone et al. 2009)."
            ),
            advanced=True,
        ),
        explained(
            number("MIN_SHARE", tr("Share of an interval that must be reached"), job.min_share, 0.01, 1),
            tr(
                "Share of an interval (0 to 1) that a profile must reach over, from its first to its last horizon, for"
                " a value. With 0.5 a profile of 150 cm gets a value for 100-200 cm, one of 140 cm none."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("UNITS", tr("Units"), optional=True),
            tr(
                "Units that the new fields carry in their aliases: % for all values, or one by one as in clay=%; ph=-"
                " (a hyphen: no unit). Empty: taken from a field's alias or comment such as Clay (%)."
            ),
            advanced=True,
        ),
    ]


def _table_parameters() -> Parameters:
    crs = QgsProcessingParameterCrs("CRS", tr("CRS of X and Y"), optional=True)
    return [
        explained(
            _field("X", tr("X or longitude, of a table"), is_optional=True),
            tr("For a table without geometry: field of the x coordinates or longitudes of the profiles."),
            advanced=True,
        ),
        explained(
            _field("Y", tr("Y or latitude, of a table"), is_optional=True),
            tr("For a table without geometry: field of the y coordinates or latitudes of the profiles."),
            advanced=True,
        ),
        explained(
            crs,
            tr("For a table without geometry: the coordinate reference system of the fields X and Y."),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    kind = QgsProcessing.SourceType.TypeVectorPoint
    problems = QgsProcessingParameterVectorDestination(
        "PROBLEMS", tr("Horizons with problems"), kind, optional=True, createByDefault=False
    )
    return [
        explained(
            QgsProcessingParameterVectorDestination("OUTPUT", tr("Profiles with standard depths"), kind),
            tr(
                "One point a profile: a field for each value and interval, with the unit in its alias; rmse of the"
                " spline and flags of each value; horizons used and depth reached. A table without coordinates gives a"
                " table."
            ),
        ),
        explained(
            problems,
            tr("The horizons that were left out, or averaged with others that they overlap, each with the reason."),
        ),
    ]


def _field(name: str, label: str, is_many: bool = False, is_optional: bool = False) -> Parameter:
    """Of any type: databases hold numbers as text, too."""
    return QgsProcessingParameterField(
        name, label, parentLayerParameterName="HORIZONS", allowMultiple=is_many, optional=is_optional
    )
