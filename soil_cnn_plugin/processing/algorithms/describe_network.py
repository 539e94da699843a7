"""Describe network: what a network file holds."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterFile

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, explained, html_output


class DescribeNetwork(JobAlgorithm):
    ID = "describenetwork"
    GROUP_ID = "4 Assess"

    def label(self) -> str:
        return tr("Describe network")

    def summary(self) -> str:
        return tr("Shows what a network file holds: targets, covariates, held-out errors, settings and origin.")

    def explanation(self) -> str:
        return tr(
            "Before you map with a network, use this to see which covariates it needs, in which units and cell size,"
            " and how well it did on held-out observations."
        )

    def keywords(self) -> list[str]:
        return ["info", "metadata", "inspect"]

    def parameters(self) -> Parameters:
        network = QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors")
        return [
            explained(network, tr("File written by Train network or Map soil properties.")),
            explained(html_output(tr("Report"), optional=False), tr("Web page that opens without internet.")),
        ]

    def job(self, inputs: Inputs) -> jobs.DescribeNetwork:
        return jobs.DescribeNetwork(inputs.file("NETWORK", tr("trained network")), inputs.destination("REPORT"))
