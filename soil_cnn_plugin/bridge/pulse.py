"""Keeps the progress bar and the cancel button alive while another process works."""

from __future__ import annotations

import time

from qgis.core import QgsApplication, QgsProcessingFeedback

SECONDS = 0.2


class Pulse:
    """Set `percent` to the progress made, and call `beat` again and again while waiting."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self.percent = 0.0
        self._feedback = feedback
        self._beaten = 0.0
        self._nudge = 0.0

    def beat(self) -> None:
        """Report progress even without news, with a tiny change each time, because QGIS passes on changes only.

        qgis_process notices Ctrl-C only while it processes events, and by itself it does so at most every two seconds.
        """
        now = time.monotonic()
        if now - self._beaten < SECONDS:
            return
        self._beaten, self._nudge = now, 0.1 - self._nudge
        self._feedback.setProgress(min(self.percent, 99.8) + self._nudge)
        if QgsApplication.platform() == "qgis_process":
            QgsApplication.processEvents()
