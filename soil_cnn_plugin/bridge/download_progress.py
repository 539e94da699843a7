"""Progress of an installation: how much pip has downloaded and unpacked, seen in its temporary folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional

from qgis.core import QgsProcessingFeedback

from .pulse import Pulse
from .worker import time_in_words

MEGABYTE = 1 << 20
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_TEXTS = 5.0  # each text becomes a line in the log
SECONDS_FOR_A_RATE = 4.0  # downloading before the time left is told
FIRST_PERCENT, LAST_PERCENT = 5.0, 90.0
INSTALLING = "Installing collected packages: "


class DownloadProgress:
    """Moves the bar by the bytes of packages: half of it while they are downloaded, half while they are unpacked.

    `downloads` is the temporary folder of pip, `packages` the folder that it installs into. pip's own bars are of no
    use here: older versions, which come with Python, draw them only in a terminal.
    """

    def __init__(
        self, downloads: Path, packages: Path, megabytes: int, feedback: QgsProcessingFeedback, pulse: Pulse
    ) -> None:
        self._downloads, self._packages, self._expected = downloads, packages, megabytes * MEGABYTE
        self._feedback, self._pulse = feedback, pulse
        self._downloaded_before = self._unpacked_before = 0  # by former runs of pip
        self._wheels: dict[Path, int] = {}  # of this run; the path of what a wheel leaves when it is unpacked -> bytes
        self._is_unpacking = False
        self._looked = self._told = self._seconds = 0.0
        self._text = ""

    def begin(self) -> None:
        """Begin a run of pip."""
        self._downloaded_before += sum(self._wheels.values())
        self._unpacked_before = self._downloaded_before
        self._wheels, self._is_unpacking = {}, False
        self._looked = time.monotonic()

    def look(self, line: Optional[str]) -> None:
        """Note a line of pip's output (None: there is none yet), and tell now and then how far pip is."""
        if line and line.strip().startswith(INSTALLING):
            self._note_wheels()
            self._is_unpacking = True
        now = time.monotonic()
        if now - self._looked < SECONDS_BETWEEN_LOOKS:
            return
        elapsed, self._looked = now - self._looked, now
        if self._is_unpacking:
            done = {path: size for path, size in self._wheels.items() if path.is_dir()}
            self._move(self._downloaded_before + sum(self._wheels.values()), self._unpacked_before + sum(done.values()))
            self._tell(f"Unpacking packages: {len(done)} of {len(self._wheels)} done" if self._wheels else "")
            return
        loaded = _bytes_in(self._downloads)
        self._seconds += elapsed if loaded else 0.0
        total = self._downloaded_before + loaded
        self._move(total, self._unpacked_before)
        self._tell(self._downloading(total) if loaded else "")

    def _note_wheels(self) -> None:
        """Note what was downloaded. Packages from a folder of this computer are not copied, so they are not here."""
        for path in self._downloads.rglob("*.whl"):
            name = "-".join(path.name.split("-")[:2])
            self._wheels[self._packages / f"{name}.dist-info"] = path.stat().st_size

    def _move(self, downloaded: int, unpacked: int) -> None:
        share = (downloaded + unpacked) / (2 * max(self._expected, downloaded))
        percent = FIRST_PERCENT + share * (LAST_PERCENT - FIRST_PERCENT)
        self._pulse.percent = max(self._pulse.percent, percent)

    def _downloading(self, total: int) -> str:
        expected = max(self._expected, total)
        text = f"Downloaded {total / MEGABYTE:.0f} of about {expected / MEGABYTE:.0f} MB"
        if self._seconds < SECONDS_FOR_A_RATE or total >= expected:
            return text
        left = (expected - total) * self._seconds / total
        return f"{text}, about {time_in_words(left)} left"

    def _tell(self, text: str) -> None:
        if text and text != self._text and time.monotonic() - self._told >= SECONDS_BETWEEN_TEXTS:
            self._text, self._told = text, time.monotonic()
            self._feedback.setProgressText(text)


def _bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder that another process fills and clears meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
