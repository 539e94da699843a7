"""The provider: the explicit list of algorithms and the shipped model."""

from __future__ import annotations

from qgis.core import QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from ..bridge.spare import SPARE
from ..contract.jobs import LAYER_ENDINGS, RASTER_ENDINGS, TABLE_ENDINGS
from ..contract.language import tr
from ..paths import resource
from .algorithm import GROUPS
from .algorithms.assess_map import AssessMap
from .algorithms.check_environment import CheckEnvironment
from .algorithms.check_observations import CheckObservations
from .algorithms.compare_maps import CompareMaps
from .algorithms.compare_patch_sizes import ComparePatchSizes
from .algorithms.describe_network import DescribeNetwork
from .algorithms.explain_network import ExplainNetwork
from .algorithms.explain_pixel import ExplainPixel
from .algorithms.extract_patches import ExtractPatches
from .algorithms.map_soil_properties import MapSoilProperties
from .algorithms.plan_sampling import PlanSampling
from .algorithms.predict_map import PredictMap
from .algorithms.set_up_environment import SetUpEnvironment
from .algorithms.standardize_depths import StandardizeDepths
from .algorithms.summarize_areas import SummarizeAreas
from .algorithms.train_network import TrainNetwork

ALGORITHMS = (
    PlanSampling,
    CheckObservations,
    StandardizeDepths,
    ExtractPatches,
    TrainNetwork,
    PredictMap,
    MapSoilProperties,
    SummarizeAreas,
    AssessMap,
    CompareMaps,
    ComparePatchSizes,
    ExplainNetwork,
    ExplainPixel,
    DescribeNetwork,
    SetUpEnvironment,
    CheckEnvironment,
)


class SoilCnnProvider(QgsProcessingProvider):
    def id(self) -> str:
        return "soilcnn"

    def name(self) -> str:
        return "Soil CNN"

    def longName(self) -> str:
        return tr("Soil CNN: maps of soil properties by convolutional networks")

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        return str(resource("icon.svg"))

    def supportsNonFileBasedOutput(self) -> bool:
        return False

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return list(RASTER_ENDINGS)

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        return list(LAYER_ENDINGS)

    def supportedOutputTableExtensions(self) -> list[str]:
        return list(TABLE_ENDINGS)

    def unload(self) -> None:
        """QGIS calls it when the plugin is disabled and when it ends; so does qgis_process, which runs no atexit."""
        SPARE.dismiss()

    def loadAlgorithms(self) -> None:
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())
        for path in sorted(resource("models").glob("*.model3")):
            model = QgsProcessingModelAlgorithm()
            if model.fromFile(str(path)):
                model.setGroup(GROUPS[model.group()])
                self.addAlgorithm(model)
