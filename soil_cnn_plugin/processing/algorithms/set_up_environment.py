"""Set up the compute environment: build it, or adopt an interpreter, and check it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qgis.utils
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingMultiStepFeedback,
    QgsProcessingParameterFile,
)

from ...bridge import install
from ...bridge.torch_builds import BUILDS
from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, choice, explained
from .check_environment import CheckEnvironment, environment_report


class SetUpEnvironment(JobAlgorithm):
    ID = "setupenvironment"
    GROUP_ID = "0 Set up"
    IS_NOTED = False
    TEXTS = CheckEnvironment.TEXTS

    def label(self) -> str:
        return tr("Set up the compute environment")

    def summary(self) -> str:
        return tr(
            "Installs PyTorch and the other packages that compute the networks into a folder of their own. Run it once."
        )

    def explanation(self) -> str:
        return tr(
            "It does not touch QGIS or the Python of QGIS. For computing on the processor it downloads about 440 MB and"
            " stores about 1.5 GB, for an NVIDIA graphics card about 3 GB and 7 GB, through the proxy that QGIS uses."
            " It shows how much is downloaded and how long it will take. If you cancel, the half-built folder is"
            " removed. If the environment is already complete, another run only checks it."
        )

    def keywords(self) -> list[str]:
        return ["install", "pip", "pytorch", "dependencies", "gpu", "cuda", "rocm", "python", "offline", "proxy", "uv"]

    def parameters(self) -> Parameters:
        folder_kind = QgsProcessingParameterFile.Behavior.Folder
        return [
            explained(
                choice("BUILD", tr("Build of PyTorch"), BUILDS, BUILDS[0]),
                tr(
                    "auto: the build for NVIDIA graphics cards (cuda) if a suitable driver is found, else the build for"
                    " the processor (cpu). On a Mac there is one build, which also supports Apple's graphics."
                ),
            ),
            explained(
                QgsProcessingParameterFile("FOLDER", tr("Folder"), behavior=folder_kind, optional=True),
                tr("Folder to create; it must not exist yet. Empty: a folder among your user data, the usual choice."),
                advanced=True,
            ),
            explained(
                # QGIS's own filter, *.*, refuses a name without a dot, such as python3.
                QgsProcessingParameterFile("PYTHON", tr("Interpreter to use instead"), optional=True, fileFilter="(*)"),
                tr(
                    "A Python interpreter that already has the packages, for example from a conda environment on a"
                    " cluster. Nothing is installed; the interpreter is checked and used from now on."
                ),
                advanced=True,
            ),
            explained(
                QgsProcessingParameterFile("BASE", tr("Python to build it from"), optional=True, fileFilter="(*)"),
                tr(
                    "A Python (3.11 to 3.14, 64-bit) that the environment is built from. Empty: those of this computer"
                    " are tried one by one, and where none serves, uv fetches one. Nothing is installed into it."
                ),
                advanced=True,
            ),
            explained(
                QgsProcessingParameterFile("WHEELS", tr("Folder of packages"), behavior=folder_kind, optional=True),
                tr(
                    "For a computer without access to the internet: a folder that make bundle has written on another"
                    " one. All packages come from there, and nothing is downloaded."
                ),
                advanced=True,
            ),
            environment_report(),
        ]

    def problem(self) -> str:
        return ""

    def processAlgorithm(  # type: ignore[override]  # QGIS always gives a feedback
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        results = super().processAlgorithm(parameters, context, feedback)
        if qgis.utils.iface is None:
            return results
        feedback.pushInfo(
            tr(
                "\nThe compute environment is ready. What next:\n"
                "- Plugins > Soil CNN > Sample project opens real data, ready to map.\n"
                "- Plugins > Soil CNN > Map soil properties maps your own observations and covariates.\n"
                "- Plugins > Soil CNN > User guide explains the steps."
            )
        )
        return results

    def engine(self, inputs: Inputs, feedback: QgsProcessingFeedback) -> Path:
        named = {key: Path(text).absolute() if (text := inputs.text(key)) else None for key in _PATHS}
        if named["PYTHON"]:
            return install.adopt(named["PYTHON"], feedback)
        wish = install.Wish(named["FOLDER"], inputs.choice("BUILD"), named["BASE"], named["WHEELS"])
        return install.build(wish, feedback)

    def job_feedback(self, feedback: QgsProcessingFeedback) -> QgsProcessingFeedback:
        """Give the check the last tenth of the bar; the packages had the rest."""
        last = QgsProcessingMultiStepFeedback(10, feedback)
        last.setCurrentStep(9)
        return last

    def job(self, inputs: Inputs) -> jobs.CheckEnvironment:
        return jobs.CheckEnvironment(report=inputs.destination("REPORT"))


_PATHS = ("PYTHON", "FOLDER", "BASE", "WHEELS")
