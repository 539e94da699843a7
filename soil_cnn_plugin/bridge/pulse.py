"""Keeps the progress bar and the cancel button alive while another process works."""

from __future__ import annotations

import time

from qgis.core import QgsApplication, QgsProcessingFeedback

SECONDS = 0.2


class Pulse:
    """`percent` is what has been reached; `beat` is called again and again while waiting."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self.percent = 0.0
        self._feedback = feedback
        self._beaten = 0.0
        self._nudge = 0.0

    def beat(self) -> None:
        """Progress without news too, with a nudge, because only a change is passed on.

        qgis_process notices Ctrl-C only while it works off its events, which it does at most every two seconds itself.
        """
        now = time.monotonic()
        if now - self._beaten < SECONDS:
            return
        self._beaten, self._nudge = now, 0.1 - self._nudge
        self._feedback.setProgress(min(self.percent, 99.8) + self._nudge)
        if QgsApplication.platform() == "qgis_process":
            QgsApplication.processEvents()
