"""Set up the compute environment: build it, or adopt an interpreter, and check it."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingFeedback, QgsProcessingParameterFile

from ...bridge import install
from ...bridge.torch_builds import BUILDS
from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, choice, explained
from ..translation import tr
from .check_environment import CheckEnvironment, environment_report


class SetUpEnvironment(JobAlgorithm):
    ID = "setupenvironment"
    GROUP_ID = "5 Set up"
    TEXTS = CheckEnvironment.TEXTS

    def label(self) -> str:
        return tr("Set up the compute environment")

    def summary(self) -> str:
        return tr(
            "Installs what the networks are computed with (PyTorch and others) into a folder of its own. Run it once."
        )

    def explanation(self) -> str:
        return tr(
            "QGIS itself and its Python are not touched. About 1.5 GB are downloaded and stored for processor-only"
            " computing, several more for an NVIDIA graphics card, so it takes some minutes. A folder that is"
            " half-built when you cancel is removed. Running it again on a complete environment only checks it."
        )

    def keywords(self) -> list[str]:
        return ["install", "pip", "pytorch", "dependencies", "gpu", "cuda", "python"]

    def parameters(self) -> Parameters:
        folder_kind = QgsProcessingParameterFile.Behavior.Folder
        return [
            explained(
                choice("BUILD", tr("Build of PyTorch"), BUILDS, BUILDS[0]),
                tr(
                    "auto: the one for NVIDIA graphics cards (cuda) where a fitting driver is found, else the one for"
                    " the processor (cpu). On a Mac there is one build, which also knows Apple's graphics."
                ),
            ),
            explained(
                QgsProcessingParameterFile("FOLDER", tr("Folder"), behavior=folder_kind, optional=True),
                tr(
                    "Folder to build, which must not exist yet. Empty: a folder among your user data, the usual choice."
                ),
                advanced=True,
            ),
            explained(
                QgsProcessingParameterFile("PYTHON", tr("Interpreter to use instead"), optional=True),
                tr(
                    "A Python interpreter that has the packages already, for example of a conda environment on a"
                    " cluster: nothing is installed, it is examined and used from now on."
                ),
                advanced=True,
            ),
            environment_report(),
        ]

    def canExecute(self) -> tuple[bool, str]:
        return True, ""

    def engine(self, inputs: Inputs, feedback: QgsProcessingFeedback) -> Path:
        python, folder = inputs.text("PYTHON"), inputs.text("FOLDER")
        if python:
            return install.adopt(Path(python).absolute(), feedback)
        return install.build(Path(folder).absolute() if folder else None, inputs.choice("BUILD"), feedback)

    def job(self, inputs: Inputs) -> jobs.CheckEnvironment:
        return jobs.CheckEnvironment(report=inputs.destination("REPORT"))
