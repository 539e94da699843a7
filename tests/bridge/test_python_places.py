"""Where Pythons are looked for: the layouts of Windows, macOS and Linux as trees of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soil_cnn_plugin.bridge.python_places import Computer, launched, places


@pytest.fixture
def found(tmp_path: Path):
    """Return a function that makes files, searches them, and returns what was found, relative to the root."""

    def search(files: str, platform: str, **words: object) -> list[str]:
        for name in files.split():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(name)
        nothing = tmp_path / "nothing"
        known = {"executable": nothing, "prefix": nothing, "home": tmp_path / "home", "variables": {}}
        computer = Computer(platform, root=tmp_path, **{"registered": list, **known, **words})
        return [path.relative_to(tmp_path).as_posix() for path in places(computer)]

    return search


def test_osgeo4w_comes_after_pythons_that_outlive_an_update_of_qgis(found, tmp_path) -> None:
    files = """OSGeo4W/bin/qgis-bin.exe OSGeo4W/bin/python.exe OSGeo4W/apps/Python312/python.exe
        OSGeo4W/apps/Python39/python.exe local/Programs/Python/Python311/python.exe
        local/Programs/Python/Python313/python.exe"""
    assert found(
        files,
        "win32",
        executable=tmp_path / "OSGeo4W/bin/qgis-bin.exe",
        prefix=tmp_path / "OSGeo4W/apps/Python312",
        variables={"OSGEO4W_ROOT": str(tmp_path / "OSGeo4W"), "LOCALAPPDATA": str(tmp_path / "local")},
    ) == [
        "local/Programs/Python/Python313/python.exe",
        "local/Programs/Python/Python311/python.exe",
        "OSGeo4W/apps/Python312/python.exe",
        "OSGeo4W/apps/Python39/python.exe",
    ]


def test_the_stand_alone_installer_has_the_same_layout_below_its_own_folder(found, tmp_path) -> None:
    root = tmp_path / "Program Files/QGIS 3.44.5"
    root.mkdir(parents=True)
    (root / "apps/Python312").mkdir(parents=True)
    (root / "apps/Python312/python.exe").write_text("")
    assert found("x", "win32", executable=root / "bin/qgis-ltr-bin.exe", prefix=root / "apps/Python312") == [
        "Program Files/QGIS 3.44.5/apps/Python312/python.exe"
    ]


def test_registry_launcher_conda_and_managers_are_searched_on_windows(found, tmp_path) -> None:
    files = """registered/python.exe home/miniforge3/python.exe
        data/uv/python/cpython-3.12.4-windows-x86_64-none/python.exe
        home/.pyenv/pyenv-win/versions/3.11.9/python.exe home/scoop/apps/python312/current/python.exe
        local/Microsoft/WindowsApps/python.exe Python313/python.exe onpath/python.exe
        local/Python/pythoncore-3.14-64/python.exe"""
    path = f"{tmp_path / 'local/Microsoft/WindowsApps'};{tmp_path / 'onpath'}"
    variables = {"LOCALAPPDATA": str(tmp_path / "local"), "APPDATA": str(tmp_path / "data"), "PATH": path}
    assert found(files, "win32", variables=variables, registered=lambda: [str(tmp_path / "registered/python.exe")]) == [
        "registered/python.exe",
        "Python313/python.exe",
        "local/Python/pythoncore-3.14-64/python.exe",
        "home/miniforge3/python.exe",
        "home/.pyenv/pyenv-win/versions/3.11.9/python.exe",
        "data/uv/python/cpython-3.12.4-windows-x86_64-none/python.exe",
        "home/scoop/apps/python312/current/python.exe",
        "onpath/python.exe",
    ]  # and not Microsoft's stub, which opens the shop


def test_lines_of_the_py_launcher_are_understood() -> None:
    text = (
        " -V:3.12 *        C:\\Program Files\\Python312\\python.exe\r\n"
        " -V:3.11          C:\\Users\\Jörg Müller\\AppData\\Local\\Programs\\Python\\Python311\\python.exe\r\n"
        "No installed runtimes\r\n"
    )
    assert launched(text) == [
        "C:\\Program Files\\Python312\\python.exe",
        "C:\\Users\\Jörg Müller\\AppData\\Local\\Programs\\Python\\Python311\\python.exe",
    ]


@pytest.mark.parametrize(
    ("app", "python"),
    [
        ("QGIS-LTR.app", "MacOS/bin/python3"),  # 3.40
        ("QGIS.app", "MacOS/bin/python3"),  # 3.44
        ("QGIS.app", "MacOS/python3.12"),  # 4
        ("QGIS.app", "Frameworks/bin/python3.12"),
    ],
)
def test_qgiss_bundle_on_macos_is_the_last_place(found, tmp_path, app, python) -> None:
    bundle = f"Applications/{app}/Contents"
    files = f"""{bundle}/MacOS/QGIS {bundle}/{python}
        opt/homebrew/bin/python3.12 Library/Frameworks/Python.framework/Versions/3.13/bin/python3.13
        Library/Frameworks/Python.framework/Versions/3.9/bin/python3.9 usr/bin/python3 usr/local/bin/python3.11"""
    assert found(
        files,
        "darwin",
        executable=tmp_path / bundle / "MacOS/QGIS",
        variables={"PATH": str(tmp_path / "usr/bin")},  # what Finder gives a program
    ) == [
        "Library/Frameworks/Python.framework/Versions/3.13/bin/python3.13",
        "opt/homebrew/bin/python3.12",
        "usr/local/bin/python3.11",
        f"{bundle}/{python}",
    ]  # and not Apple's own, which is 3.9 or asks to install developer tools


def test_conda_pyenv_and_uv_are_searched_on_macos(found) -> None:
    files = """home/miniforge3/bin/python3 home/.pyenv/versions/3.12.4/bin/python3
        home/.pyenv/versions/3.9.1/bin/python3
        home/.local/share/uv/python/cpython-3.13.1-macos-aarch64-none/bin/python3 opt/local/bin/python3.11"""
    assert found(files, "darwin") == [
        "opt/local/bin/python3.11",
        "home/miniforge3/bin/python3",
        "home/.pyenv/versions/3.12.4/bin/python3",
        "home/.local/share/uv/python/cpython-3.13.1-macos-aarch64-none/bin/python3",
    ]


def test_qgiss_own_python_is_the_systems_on_linux_and_comes_first(found, tmp_path) -> None:
    files = """usr/bin/python3.11 usr/local/bin/python3.12 home/.pyenv/versions/3.13.0/bin/python3
        home/.pyenv/shims/python3.12 home/miniconda3/bin/python3"""
    path = os.pathsep.join(str(tmp_path / folder) for folder in ("home/.pyenv/shims", "usr/bin"))
    assert found(
        files, "linux", executable=tmp_path / "usr/bin/python3.11", prefix=tmp_path / "usr", variables={"PATH": path}
    ) == [
        "usr/bin/python3.11",
        "usr/local/bin/python3.12",
        "home/miniconda3/bin/python3",
        "home/.pyenv/versions/3.13.0/bin/python3",
    ]


def test_one_interpreter_under_several_names_is_tried_once(found, tmp_path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in ("python3", "python3.12"):
        (tmp_path / "usr/bin" / name).symlink_to(tmp_path / "real")
    assert found("real", "linux") == ["usr/bin/python3.12"]
