"""Describe network: what a network file holds, as a page."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import DescribeNetwork
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.network_page import write_network_page
from soil_cnn_plugin.engine.training.network_file import read_description


def run(job: DescribeNetwork, report: Report) -> dict[str, str | float | int]:
    description = read_description(job.network)
    report.info(
        f"{job.network}: {', '.join(target.label for target in description.targets)} from"
        f" {len(description.covariates)} covariates and {description.observation_count} observations"
    )
    write_network_page(job.report, description)
    return {"report": job.report}
