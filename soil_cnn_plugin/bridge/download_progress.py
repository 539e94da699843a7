"""Progress of an installation: how much pip has downloaded and unpacked, seen in its temporary folder."""

from __future__ import annotations

import os
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Optional

from qgis.core import QgsProcessingFeedback

from ..contract.language import tr
from .pulse import Pulse
from .worker import time_in_words

MEGABYTE = 1 << 20
SECONDS_TO_DOWNLOAD, SECONDS_TO_UNPACK = 1.0, 2.0  # between looks; a look at what is unpacked takes longer
SECONDS_BETWEEN_TEXTS = 10.0  # each text becomes a line in the log
SECONDS_FOR_A_RATE = 4.0  # downloading before the time left is told
FIRST_PERCENT, LAST_PERCENT = 5.0, 90.0
SCRAPS = 10_000  # bytes of pip's own files, with which it begins before it downloads anything
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
        self._before = 0  # bytes of the wheels of former runs of pip
        self._wheels = self._contents = self._unpacked = 0  # bytes of this run's wheels, of their contents, and so far
        self._present = 0  # bytes of what was there before them
        self._looked = self._told = self._seconds = 0.0
        self._text = ""

    def begin(self) -> None:
        """Begin a run of pip."""
        self._before += self._wheels
        self._wheels = self._contents = self._unpacked = 0
        self._looked = time.monotonic()

    def look(self, line: Optional[str]) -> None:
        """Note a line of pip's output (None: there is none yet), and tell now and then how far pip is."""
        if line and line.strip().startswith(INSTALLING):
            self._note_wheels()
        now = time.monotonic()
        if now - self._looked < (SECONDS_TO_UNPACK if self._contents else SECONDS_TO_DOWNLOAD):
            return
        elapsed, self._looked = now - self._looked, now
        if self._contents:
            unpacked = min(bytes_in(self._packages) - self._present, self._contents)
            self._unpacked = max(self._unpacked, unpacked)  # pip moves files about meanwhile
            self._move(self._before + self._wheels, self._before + self._wheels * self._unpacked // self._contents)
            self._tell(tr("Unpacked {:.0f} of {:.0f} MB").format(self._unpacked / MEGABYTE, self._contents / MEGABYTE))
            return
        loaded = bytes_in(self._downloads)
        if loaded > SCRAPS:
            self._seconds += elapsed
            self._move(self._before + loaded, self._before)
            self._tell(self._downloading(self._before + loaded))

    def _note_wheels(self) -> None:
        """Note what was downloaded. Packages from a folder of this computer are not copied, so they are not here."""
        self._present = bytes_in(self._packages)
        for path in self._downloads.rglob("*.whl"):
            self._wheels += path.stat().st_size
            with zipfile.ZipFile(path) as archive:
                self._contents += sum(item.file_size for item in archive.infolist())

    def _move(self, downloaded: int, unpacked: int) -> None:
        share = (downloaded + unpacked) / (2 * max(self._expected, downloaded))
        percent = FIRST_PERCENT + share * (LAST_PERCENT - FIRST_PERCENT)
        self._pulse.percent = max(self._pulse.percent, percent)

    def _downloading(self, total: int) -> str:
        expected = max(self._expected, total)
        text = tr("Downloaded {:.0f} of about {:.0f} MB").format(total / MEGABYTE, expected / MEGABYTE)
        if self._seconds < SECONDS_FOR_A_RATE or total >= expected:
            return text
        left = (expected - total) * self._seconds / total
        return tr("{}, about {} left").format(text, time_in_words(left))

    def _tell(self, text: str) -> None:
        if text != self._text and time.monotonic() - self._told >= SECONDS_BETWEEN_TEXTS:
            self._text, self._told = text, time.monotonic()
            self._feedback.setProgressText(text)


def bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder that another process fills and clears meanwhile."""
    total, folders = 0, [str(folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    folders.append(item.path)
                else:
                    total += item.stat(follow_symlinks=False).st_size
    return total
