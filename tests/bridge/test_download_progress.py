"""Progress of an installation, with a folder that grows as pip's does."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from qgis.core import QgsProcessingFeedback

from soil_cnn_plugin.bridge import download_progress
from soil_cnn_plugin.bridge.download_progress import MEGABYTE, DownloadProgress
from soil_cnn_plugin.bridge.pulse import Pulse


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands; add to its only item to move it."""
    now = [1000.0]
    monkeypatch.setattr(download_progress.time, "monotonic", lambda: now[0])
    return now


class Setup:
    """An environment that is being filled."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.downloads, self.packages = folder / "downloads", folder / "site-packages"
        self.downloads.mkdir()
        self.packages.mkdir()
        self.feedback = QgsProcessingFeedback(False)
        self.pulse = Pulse(self.feedback)
        self.progress = DownloadProgress(self.downloads, self.packages, megabytes, self.feedback, self.pulse)
        self.progress.begin()

    def write(self, name: str, megabytes: int) -> None:
        path = self.downloads / "pip-unpack-x" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(megabytes * MEGABYTE))

    def write_wheel(self, name: str, megabytes: int) -> None:
        """Write a whole wheel, as large as its contents."""
        path = self.downloads / "pip-unpack-x" / name
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("library.so", bytes(megabytes * MEGABYTE))

    def unpack(self, name: str, megabytes: int) -> None:
        folder = self.packages / name
        folder.mkdir()
        (folder / "library.so").write_bytes(bytes(megabytes * MEGABYTE))


def test_the_bar_follows_the_bytes_and_the_time_left_is_told(qgis_app, clock, tmp_path) -> None:
    setup = Setup(tmp_path, 100)
    clock[0] += 5
    setup.write("torch-2.13.0-cp311.whl", 10)
    setup.progress.look("Downloading torch-2.13.0-cp311.whl (40 MB)")
    assert setup.pulse.percent == pytest.approx(5 + 85 * 0.05)
    clock[0] += 10
    setup.write("torch-2.13.0-cp311.whl", 20)
    setup.progress.look(None)
    assert setup.pulse.percent == pytest.approx(5 + 85 * 0.10)
    assert setup.feedback.textLog().splitlines()[-1] == "Downloaded 20 of about 100 MB, about 1 minute left"


def test_unpacking_is_seen_by_its_bytes(qgis_app, clock, tmp_path) -> None:
    setup = Setup(tmp_path, 100)
    setup.unpack("pip", 7)  # which was there before
    setup.write_wheel("numpy-2.4.6-cp311.whl", 10)
    setup.write_wheel("torch-2.13.0+cpu-cp311.whl", 30)
    setup.progress.look("Installing collected packages: numpy, torch")
    setup.unpack("torch", 20)
    clock[0] += 12
    setup.progress.look(None)
    assert setup.pulse.percent == pytest.approx(5 + 85 * (40 + 20) / 200, abs=0.01)
    assert setup.feedback.textLog().splitlines()[-1] == "Unpacked 20 of 40 MB"


def test_a_second_run_of_pip_counts_on_and_the_bar_never_falls(qgis_app, clock, tmp_path) -> None:
    setup = Setup(tmp_path, 100)
    setup.write_wheel("torch-2.13.0-cp311.whl", 40)
    setup.progress.look("Installing collected packages: torch")
    setup.unpack("torch", 41)  # pip also writes bytecode
    clock[0] += 12
    setup.progress.look(None)
    before = setup.pulse.percent
    assert before == pytest.approx(5 + 85 * 0.4, abs=0.01)
    for path in setup.downloads.rglob("*.whl"):
        path.unlink()
    setup.progress.begin()
    clock[0] += 12
    setup.progress.look("Collecting rasterio")
    assert setup.pulse.percent == before
    setup.write("rasterio-1.4.4-cp311.whl", 10)
    clock[0] += 12
    setup.progress.look(None)
    assert "Downloaded 50 of about 100 MB" in setup.feedback.textLog()
    assert setup.pulse.percent > before


def test_more_bytes_than_expected_do_not_pass_the_end(qgis_app, clock, tmp_path) -> None:
    setup = Setup(tmp_path, 10)
    setup.write("torch-2.13.0-cp311.whl", 30)
    clock[0] += 12
    setup.progress.look(None)
    assert setup.pulse.percent == pytest.approx(5 + 85 * 0.5)
    assert setup.feedback.textLog().splitlines()[-1] == "Downloaded 30 of about 30 MB"
