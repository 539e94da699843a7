"""The parameters that say how the places of independent observations were sampled."""

from __future__ import annotations

from qgis.core import Qgis, QgsProcessingParameterField

from ..contract import jobs
from ..contract.language import tr
from .parameters import Parameters, choice, explained


def sample_parameters(kinds: tuple[str, ...]) -> Parameters:
    """Return the parameters that say by which of the `kinds` of design the observations were sampled."""

    def field(name: str, label: str, kind: Qgis.ProcessingFieldParameterDataType) -> QgsProcessingParameterField:
        return QgsProcessingParameterField(
            name, label, parentLayerParameterName="OBSERVATIONS", type=kind, optional=True
        )

    types = QgsProcessingParameterField.DataType
    return [
        explained(
            choice("SAMPLE", tr("Kind of sample"), kinds, jobs.AssessMap.sample),
            tr(
                "How the places of the observations were chosen. none: not at random, or unknown. simple: drawn at"
                " random, with the same chance for all places of the mapped area. stratified: the area was divided into"
                " strata, and at least two places were drawn at random in each. probabilities: places were drawn with"
                " known chances that differ. map_classes (of maps of classes): the strata are the classes"
                " of the map itself, whose areas are counted from its pixels. Only a sample that was really drawn in"
                " this way allows statements about the whole map."
            ),
        ),
        explained(
            field("STRATUM", tr("Stratum"), types.Any),
            tr("For a stratified sample: field that names the stratum of each observation."),
            advanced=True,
        ),
        explained(
            field("WEIGHT", tr("Area of the stratum"), types.Numeric),
            tr(
                "For a stratified sample: numeric field with the area of the observation's stratum, or its share of the"
                " map, in any unit. All observations of a stratum have the same number. It is not an inclusion"
                " probability: if you have that, divide the stratum's number of observations by it to get the area."
            ),
            advanced=True,
        ),
        explained(
            field("INCLUSION", tr("Inclusion probability"), types.Numeric),
            tr(
                "For a sample with known chances that differ: numeric field with the inclusion probability of each"
                " observation, above 0 and up to 1. Plan sampling writes it as inclusion."
            ),
            advanced=True,
        ),
    ]
