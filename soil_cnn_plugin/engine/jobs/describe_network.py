"""Describe network: what a network file holds, as a page."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import DescribeNetwork
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.network_page import write_network_page
from soil_cnn_plugin.engine.training.network_file import read_description


def run(job: DescribeNetwork, report: Report) -> dict[str, str | float | int]:
    description = read_description(job.network)
    report.info(
        tr("{}: {} from {} covariates and {} observations").format(
            job.network,
            ", ".join(target.label for target in description.targets),
            len(description.covariates),
            description.observation_count,
        )
    )
    write_network_page(job.report, description)
    return {"report": job.report}
