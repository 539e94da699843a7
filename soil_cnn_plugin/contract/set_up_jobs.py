"""Jobs that look after the compute environment."""

from __future__ import annotations

from dataclasses import dataclass

from .job import DEVICES, Job, one_of
from .language import tr


@dataclass(frozen=True)
class CheckEnvironment(Job):
    """Report versions, device and memory; train and evaluate a tiny network."""

    report: str = ""
    metrics: str = ""
    device: str = "auto"

    OUTPUTS = ("report", "metrics")

    def __post_init__(self) -> None:
        one_of(tr("device"), self.device, DEVICES)
