"""The page that tells what the compute environment is, and whether it works; and the same as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.engine.machine.environment import Environment
from soil_cnn_plugin.engine.reports.page import write_page


def write_environment_page(path: str, found: Environment) -> None:
    """Writes one HTML file that needs nothing else."""
    write_page(
        path,
        "environment",
        is_well=found.passed,
        device=found.device,
        computer=found.computer,
        libraries=found.libraries,
        trials=found.trials,
    )


def write_environment_metrics(path: str, found: Environment) -> None:
    content = {"passed": found.passed, **asdict(found)}
    Path(part(path)).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(part(path), path)
