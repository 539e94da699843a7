"""Downloads a package's file with the pip of the compute environment, from the index that pip is set to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from qgis.core import QgsProcessingFeedback

from ..contract.language import tr
from .child import Child
from .commands import SHOWN_LINES
from .environment import clean_variables, find_python
from .errors import Cancelled, WorkerFailed
from .network import network_variables
from .pip import cause_in_words

PIP = ("-m", "pip", "download", "--no-deps", "--no-input", "--progress-bar", "off", "--disable-pip-version-check")
PATIENCE = ("--retries", "2", "--timeout", "15")


def download_wheel(package: str, folder: Path, feedback: QgsProcessingFeedback) -> Path:
    """Download the package's wheel into an empty folder, without its dependencies. Raise WorkerFailed if that fails."""
    python = find_python()
    lines: list[str] = []
    variables = {**clean_variables(python, os.environ), **network_variables(folder, feedback)}
    command = [str(python), *PIP, *PATIENCE, "--dest", str(folder), package]
    with Child(command, variables, folder, subprocess.STDOUT) as child:
        while not child.output_ended:
            if feedback.isCanceled():
                raise Cancelled
            line = child.next_line()
            if line:
                lines = [*lines, line][-SHOWN_LINES:]
        child.wait(30)
    found = sorted(folder.glob("*.whl"))
    if not found:
        text = "\n".join(lines)
        raise WorkerFailed(cause_in_words(text) or tr("pip could not download {}:\n{}").format(package, text))
    return found[0]
