"""Standardize depths: horizons -> means over fixed depth intervals, one point per profile."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterCrs,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.depth_jobs import intervals_in_words, parse_intervals
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameter, Parameters, explained, number


class StandardizeDepths(JobAlgorithm):
    ID = "standardizedepths"
    GROUP_ID = "1 Prepare"
    NUMBERS = {"COUNT": tr("Profiles"), "PROBLEM_COUNT": tr("Horizons with problems")}

    def label(self) -> str:
        return tr("Standardize depths")

    def summary(self) -> str:
        return tr(
            "Converts values measured in soil horizons to fixed depth intervals with the mass-preserving spline, one"
            " point per profile."
        )

    def explanation(self) -> str:
        return tr(
            "Horizons differ in depth from profile to profile, but a map is made for one depth. The mass-preserving"
            " (equal area) spline of Bishop et al. (1999) draws a smooth curve through the horizons of each profile."
            " Its means over the depth intervals become fields such as clay_0_5, which Extract patches reads as clay"
            " from 0 to 5 cm.\n\n"
            "Nothing is extrapolated: there is no value above the first or below the last horizon. If the profile"
            " covers only a part of an interval, the interval gets the mean of that part, if the part is large enough,"
            " and the field clay_flag says so (100-200 partial 53 %). The curve bridges gaps between horizons; a mean"
            " that lies mostly in a gap is flagged (30-60 bridged 90 %). A mean below 0 or above 100 % is impossible:"
            " the curve is cut off there (0-5 clipped from -0.8), and the horizon takes back within its own depth what"
            " this would add, so that it keeps its mass (5-15 adjusted from 12).\n\n"
            "Values below a detection limit, written with a less-than sign before it, enter with half the limit. A mean"
            " that takes a part of"
            " its mass from such horizons is flagged (30-60 below limits 20 %, with the limits in full). If that is"
            " most of it, the mean is written as text with a less-than sign and the most that it may be, and later"
            " steps treat it as below that limit.\n\n"
            "Organic layers above the mineral surface (negative limits, or limits that count upward such as 5-0) and"
            " horizons without limits or values are left out. Where horizons overlap, their values are averaged. The"
            " log says how many horizons this concerns, and the optional layer shows which ones. clay_rmse is the root"
            " mean square difference between the curve's horizon means and the measured ones. Fields with one value per"
            " profile, such as its name or soil type, are kept."
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
    horizons = QgsProcessingParameterFeatureSource("HORIZONS", tr("Horizons"), [Qgis.ProcessingSourceType.Vector])
    return [
        explained(
            horizons,
            tr(
                "Point layer, or table without geometry, with one row per horizon. Filters, selections and unsaved"
                " edits are respected."
            ),
        ),
        explained(
            _field("PROFILE", tr("Profile")),
            tr("Field that names the profile. Horizons with the same value belong together."),
        ),
        explained(
            _field("UPPER", tr("Upper limit (cm)")),
            tr("Field with the depth at which a horizon begins, in cm below the mineral surface."),
        ),
        explained(
            _field("LOWER", tr("Lower limit (cm)")),
            tr("Field with the depth at which a horizon ends, in cm below the mineral surface."),
        ),
        explained(
            _field("VALUES", tr("Values: soil properties"), is_many=True),
            tr(
                "Fields with values measured in the horizons, such as clay or pH. Numbers may be written as text, with"
                " a decimal point or comma, and with a less-than sign before a detection limit. A horizon may lack some"
                " values."
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
                "Upper and lower limit of each interval, with commas between intervals. The default intervals are those"
                " of GlobalSoilMap. Intervals may overlap; for example, add 0-30 for the topsoil."
            ),
        ),
        explained(
            number("LAMBDA", tr("Lambda"), job.smoothing, 0, 1e9),
            tr(
                "Smoothness of the curve. With 0, the curve's mean over each horizon is the measured value; a larger"
                " lambda smooths more. 0.1 is customary (Malone et al. 2009)."
            ),
            advanced=True,
        ),
        explained(
            number("MIN_SHARE", tr("Share of an interval that must be covered"), job.min_share, 0.01, 1),
            tr(
                "Share of an interval (0 to 1) that a profile must cover, from its first to its last horizon, to get a"
                " value. With 0.5, a profile of 150 cm gets a value for 100-200 cm; a profile of 140 cm gets none."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("UNITS", tr("Units"), optional=True),
            tr(
                "Units for the aliases of the new fields: % for all values, or one by one as in clay=%; ph=- (a hyphen"
                " means no unit). Empty: taken from a field's alias or comment, such as Clay (%)."
            ),
            advanced=True,
        ),
    ]


def _table_parameters() -> Parameters:
    crs = QgsProcessingParameterCrs("CRS", tr("CRS of X and Y"), optional=True)
    return [
        explained(
            _field("X", tr("X or longitude (tables only)"), is_optional=True),
            tr("For a table without geometry: field with the x coordinates or longitudes of the profiles."),
            advanced=True,
        ),
        explained(
            _field("Y", tr("Y or latitude (tables only)"), is_optional=True),
            tr("For a table without geometry: field with the y coordinates or latitudes of the profiles."),
            advanced=True,
        ),
        explained(
            crs,
            tr("For a table without geometry: the coordinate reference system of the fields X and Y."),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    kind = Qgis.ProcessingSourceType.VectorPoint
    problems = QgsProcessingParameterVectorDestination(
        "PROBLEMS", tr("Horizons with problems"), kind, optional=True, createByDefault=False
    )
    return [
        explained(
            QgsProcessingParameterVectorDestination("OUTPUT", tr("Profiles with standard depths"), kind),
            tr(
                "One point per profile, with a field for each value and interval (unit in the alias), the RMSE of the"
                " spline and the flags for each value, the number of horizons used and the depth reached. A table"
                " without coordinates gives a table."
            ),
        ),
        explained(
            problems,
            tr("Horizons that were left out or averaged with overlapping ones, each with the reason."),
        ),
    ]


def _field(name: str, label: str, is_many: bool = False, is_optional: bool = False) -> Parameter:
    """Return a parameter for fields of any type, because databases also hold numbers as text."""
    return QgsProcessingParameterField(
        name, label, parentLayerParameterName="HORIZONS", allowMultiple=is_many, optional=is_optional
    )
