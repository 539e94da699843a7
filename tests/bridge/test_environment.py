"""Finding the Python that runs the engine, and the message if there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from qgis.core import QgsSettings

from soil_cnn_plugin.bridge import environment
from soil_cnn_plugin.paths import REQUIREMENTS


@pytest.fixture
def folder(qgis_app, monkeypatch, tmp_path):
    """Return the environment's default folder; nothing is set or built."""
    monkeypatch.delenv("SOILCNN_PYTHON", raising=False)
    monkeypatch.setattr(environment, "default_folder", lambda: tmp_path / "environment")
    QgsSettings().remove(environment.SETTING)
    yield tmp_path / "environment"
    QgsSettings().remove(environment.SETTING)


def fill(folder: Path) -> Path:
    """Make what looks like a virtual environment; return its interpreter."""
    python = environment.python_in(folder)
    python.parent.mkdir(parents=True)
    python.write_text("")
    return python


def test_nothing_set_up_is_said_with_the_remedy(folder) -> None:
    assert environment.problem() == (
        'The compute environment is not set up yet. Run "Set up the compute environment" (soilcnn:setupenvironment,'
        ' group "0 Set up" of Soil CNN in the Processing toolbox) once, then run this again.'
    )


def test_the_built_environment_is_found_once_it_is_whole(folder) -> None:
    python = fill(folder)
    assert environment.problem()
    environment.write_marker(folder, "cpu")
    assert environment.find_python() == python
    assert environment.read_marker(folder)["build"] == "cpu"


def test_the_setting_is_preferred_to_the_built_environment(folder, tmp_path) -> None:
    fill(folder)
    environment.write_marker(folder, "cpu")
    other = fill(tmp_path / "other")
    environment.remember(other)
    assert environment.find_python() == other
    environment.remember(environment.python_in(folder))
    assert QgsSettings().value(environment.SETTING) in ("", None)
    assert environment.find_python() == environment.python_in(folder)


def test_the_variable_is_preferred_to_all(folder, tmp_path, monkeypatch) -> None:
    environment.remember(fill(tmp_path / "other"))
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    assert environment.find_python() == Path(sys.executable)


def test_an_interpreter_that_is_gone_is_named_with_where_it_was_set(folder, tmp_path, monkeypatch) -> None:
    environment.remember(tmp_path / "gone" / "python")
    assert f"was set to {tmp_path}/gone/python, but this file does not exist" in environment.problem()
    monkeypatch.setenv("SOILCNN_PYTHON", "/nowhere/python")
    assert "SOILCNN_PYTHON names /nowhere/python" in environment.problem()


def test_an_environment_of_another_version_must_be_built_again(folder, tmp_path) -> None:
    python = fill(tmp_path / "own")
    environment.write_marker(tmp_path / "own", "cpu")
    environment.remember(python)
    assert environment.problem() == ""
    (tmp_path / "own" / environment.MARKER).write_text('{"requirements": "old", "build": "cpu"}')
    assert "belongs to another version of Soil CNN" in environment.problem()


def test_requirements_are_read_with_tested_and_lowest_version() -> None:
    found = {item.name: item for item in environment.requirements()}
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    assert list(found) == [line.split("==")[0] for line in lines if line and not line.startswith("#")]
    assert found["torch"] == environment.Requirement("torch", "2.13.0", "2.4")


def test_the_default_folder_lies_outside_of_plugin_and_profile(monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert environment.default_folder() == Path("/data/soil-cnn") / f"env-{environment.requirements_hash()[:6]}"


def test_variables_of_qgis_and_other_pythons_are_dropped_and_pips_kept() -> None:
    variables = {
        **dict.fromkeys(
            ("PYTHONHOME", "PROJ_LIB", "GDAL_DATA", "LD_LIBRARY_PATH", "DYLD_X", "QT_X", "CONDA_PREFIX"), "x"
        ),
        "PATH": "/usr/bin",
        "HOME": "/root",
        "PIP_INDEX_URL": "u",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    assert environment.clean_variables(Path("/env/bin/python"), variables) == {
        "PATH": "/usr/bin",
        "HOME": "/root",
        "PIP_INDEX_URL": "u",
        "CUDA_VISIBLE_DEVICES": "0",
    }


def test_on_windows_the_path_is_built_anew(monkeypatch, tmp_path) -> None:
    python = tmp_path / "python.exe"
    (tmp_path / "Library" / "bin").mkdir(parents=True)
    variables = {"Path": "C:/OSGeo4W/bin", "SystemRoot": "C:/Windows"}
    monkeypatch.setattr(environment, "os", FakeWindows)
    cleaned = environment.clean_variables(python, variables)
    assert "Path" not in cleaned
    assert cleaned["PATH"].split(";")[:2] == [str(tmp_path), str(tmp_path / "Library" / "bin")]
    assert "OSGeo4W" not in cleaned["PATH"]


def test_variables_that_lead_into_qgis_on_windows_are_dropped_and_the_users_kept() -> None:
    """OSGeo4W's scripts name a list of authorities that lacks those of the company."""
    variables = {
        "OSGEO4W_ROOT": r"C:\OSGeo4W",
        "SSL_CERT_FILE": r"c:\osgeo4w\bin\curl-ca-bundle.crt",
        "OPENSSL_ENGINES": "C:/OSGeo4W/lib/engines-3",
        "PIP_CERT": r"C:\OSGeo4W others\company.pem",
    }
    assert environment.clean_variables(Path("/env/bin/python"), variables) == {"PIP_CERT": variables["PIP_CERT"]}


def test_on_windows_an_environment_finds_the_libraries_of_the_conda_that_it_was_built_from(
    monkeypatch, tmp_path
) -> None:
    for folder in ("env/Scripts", "miniforge3/DLLs", "miniforge3/Library/bin", "OSGeo4W/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text(f"home = {tmp_path / 'miniforge3'}\nversion = 3.12.4\n")
    monkeypatch.setattr(environment, "os", FakeWindows)
    python = tmp_path / "env" / "Scripts" / "python.exe"
    path = environment.clean_variables(python, {"PATH": str(tmp_path / "OSGeo4W/bin")})["PATH"].split(";")
    places = [Path(each).relative_to(tmp_path).as_posix() for each in path if each.startswith(str(tmp_path))]
    assert places == ["env/Scripts", "miniforge3", "miniforge3/DLLs", "miniforge3/Library/bin"]


class FakeWindows:
    name, pathsep, environ = "nt", ";", os.environ
