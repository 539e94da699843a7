"""Check the compute environment: versions, device, memory and a small trial."""

from __future__ import annotations

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameter, Parameters, device, explained, html_output, metrics_output


class CheckEnvironment(JobAlgorithm):
    ID = "checkenvironment"
    GROUP_ID = "0 Set up"
    IS_NOTED = False
    TEXTS = {"DEVICE": tr("Computing device")}

    def label(self) -> str:
        return tr("Check the compute environment")

    def summary(self) -> str:
        return tr("Reports the versions, computing device and memory of the compute environment, and tries it out.")

    def explanation(self) -> str:
        return tr(
            "It trains and evaluates a tiny network, which takes some seconds. Attach the report when you ask for help"
            " with a problem."
        )

    def keywords(self) -> list[str]:
        return ["diagnose", "version", "gpu", "cuda", "pytorch", "memory"]

    def parameters(self) -> Parameters:
        return [device(), environment_report(), metrics_output()]

    def job(self, inputs: Inputs) -> jobs.CheckEnvironment:
        return jobs.CheckEnvironment(
            inputs.destination("REPORT"), inputs.destination("METRICS"), inputs.choice("DEVICE")
        )


def environment_report() -> Parameter:
    return explained(
        html_output(tr("Report")), tr("Web page with versions, device, memory and the outcome of the trial.")
    )
