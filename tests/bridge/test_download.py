"""Downloading a package's file with pip, from a folder in place of an index."""

from __future__ import annotations

import sys
import zipfile

import pytest
from qgis.core import QgsProcessingFeedback

from soil_cnn_plugin.bridge.download import download_wheel
from soil_cnn_plugin.bridge.errors import Cancelled, WorkerFailed
from soil_cnn_plugin.bridge.pip import cause_in_words


@pytest.fixture
def feedback(qgis_app, monkeypatch) -> QgsProcessingFeedback:
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return QgsProcessingFeedback(False)


def test_a_wheel_comes_from_where_pip_is_set_to(feedback, tmp_path, monkeypatch) -> None:
    index, folder = tmp_path / "index", tmp_path / "downloads"
    index.mkdir()
    folder.mkdir()
    with zipfile.ZipFile(index / "tiny-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    assert download_wheel("tiny==1.0", folder, feedback) == folder / "tiny-1.0-py3-none-any.whl"
    with pytest.raises(WorkerFailed, match="(?s)pip could not download tiny==2.0:.*No matching distribution"):
        download_wheel("tiny==2.0", tmp_path, feedback)


def test_an_index_that_cannot_be_reached_is_told_in_words(feedback, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(WorkerFailed, match=r"^The server cannot be reached\. Check the connection"):
        download_wheel("tiny==1.0", tmp_path, feedback)


def test_a_download_can_be_cancelled(feedback, tmp_path) -> None:
    feedback.cancel()
    with pytest.raises(Cancelled):
        download_wheel("tiny==1.0", tmp_path, feedback)


def test_other_failures_are_not_the_connections() -> None:
    assert "not trusted" in cause_in_words(
        "cause: client error (Connect)\ncause: invalid peer certificate: UnknownIssuer"
    )
    assert "cannot be reached" in cause_in_words("cause: client error (Connect)\ncause: dns error")
    assert cause_in_words("ERROR: No matching distribution found for torch") == ""
    assert "not trusted" in cause_in_words("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))")
