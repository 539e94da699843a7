"""A job, and a folder of its own for what the bridge writes into the system's temporary one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from soil_cnn_plugin.contract.jobs import DescribeNetwork


@pytest.fixture
def job(tmp_path: Path) -> DescribeNetwork:
    return DescribeNetwork(network="/n.safetensors", report=str(tmp_path / "report.html"))


@pytest.fixture
def temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder
