"""The job that looks for problems in observations before a map is made from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .job import LAYER_ENDINGS, Covariate, Job, JobError, no_twins
from .language import tr
from .soil_property import SoilProperty


@dataclass(frozen=True)
class CheckObservations(Job):
    """Find what is wrong, doubtful or worth knowing in observations, and say where, and how to repair it.

    `units` holds the fields with a known unit, chosen or not. `composition` holds parts of a whole, such as sand, silt
    and clay, at one depth or several. `detection_limits` belong to fields as in `ExtractPatches`. With `upper` and
    `lower` (cm), each row is a horizon of the profile that `profile` names, or else of the profile at its place.
    """

    observations: str
    report: str = ""
    problems: str = ""  # point layer, one row per problem
    metrics: str = ""
    fields: tuple[str, ...] = ()  # empty: all fields with measured numbers
    units: tuple[SoilProperty, ...] = ()
    covariates: tuple[Covariate, ...] = ()
    composition: tuple[str, ...] = ()
    detection_limits: tuple[str, ...] = ()
    profile: str = ""
    upper: str = ""
    lower: str = ""

    OUTPUTS = ("report", "problems", "metrics")
    ENDINGS = {"problems": LAYER_ENDINGS}

    def __post_init__(self) -> None:
        no_twins(tr("covariate"), [covariate.name for covariate in self.covariates])
        if bool(self.upper) != bool(self.lower):
            raise JobError(
                tr("A horizon has two limits, but the field of the upper one is missing. Choose both.")
                if not self.upper
                else tr("A horizon has two limits, but the field of the lower one is missing. Choose both.")
            )
        roles = [self.profile, self.upper, self.lower, *self.detection_limits]
        twice = [name for name, count in Counter(filter(None, roles)).items() if count > 1]
        if twice:
            raise JobError(
                tr(
                    "The field {} is chosen for two of these: profile, upper limit, lower limit, detection"
                    " limit. Choose another field for one of them."
                ).format(twice[0])
            )
        both = [name for name in (*self.fields, *self.composition) if name in filter(None, roles)]
        if both:
            raise JobError(
                tr(
                    "The field {} is chosen both as a soil property to check and as profile, depth or detection"
                    " limit. Choose it once."
                ).format(both[0])
            )
        if len(self.composition) == 1:
            raise JobError(
                tr(
                    "A composition has at least two parts, but {} is the only one. Choose all parts of the"
                    " whole, for example sand, silt and clay."
                ).format(self.composition[0])
            )
