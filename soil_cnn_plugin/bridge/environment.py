"""Finds the Python that runs the engine, checks that it is complete, and cleans its environment variables."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from qgis.core import QgsSettings

from ..contract.language import tr
from ..contract.requirements import Requirement, read_requirements
from ..paths import REQUIREMENTS
from .errors import WorkerFailed

SETTING = "soilcnn/python"
VARIABLE = "SOILCNN_PYTHON"
MARKER = "soil-cnn-environment.json"
"""File that marks an environment as complete."""

_FOREIGN = ("PYTHON", "CONDA_", "GDAL_", "PROJ_", "LD_", "DYLD_", "QT_", "QGIS_", "OSGEO4W")
_FOREIGN_NAMES = ("VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def requirements() -> tuple[Requirement, ...]:
    return read_requirements(REQUIREMENTS.read_text(encoding="utf-8"))


def requirements_hash() -> str:
    """Return a hash that changes whenever a pinned version changes."""
    pins = "\n".join(f"{item.name}=={item.version}" for item in requirements())
    return hashlib.sha256(pins.encode()).hexdigest()[:10]


def default_folder() -> Path:
    """Return the folder that the set-up builds: outside the plugin and QGIS's profiles, which all share it.

    Its name is short, because Windows allows few characters and PyTorch's files lie deep.
    """
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "soil-cnn" / f"env-{requirements_hash()[:6]}"


def python_in(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def read_marker(folder: Path) -> dict[str, str]:
    """Return what the set-up noted when it finished; empty if the folder holds no complete environment."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) and python_in(folder).is_file() else {}


def write_marker(folder: Path, build: str) -> None:
    text = json.dumps({"requirements": requirements_hash(), "build": build})
    (folder / MARKER).write_text(text, encoding="utf-8")


def is_complete(folder: Path) -> bool:
    return read_marker(folder).get("requirements") == requirements_hash()


def find_python() -> Path:
    """Return the engine's interpreter; raise WorkerFailed with a message that says how to get one."""
    named = os.environ.get(VARIABLE, "")
    if named:
        problem = tr("The environment variable {} names {}, but this file does not exist. {}")
        return _existing(named, problem.format(VARIABLE, named, _REMEDY))
    chosen = QgsSettings().value(SETTING, "", type=str)
    if chosen:
        problem = tr("The compute environment was set to {}, but this file does not exist. {}")
        python = _existing(chosen, problem.format(chosen, _REMEDY))
        folder = python.parent.parent
        if (folder / MARKER).is_file() and not is_complete(folder):
            raise WorkerFailed(
                tr("The compute environment in {} belongs to another version of Soil CNN. {}").format(folder, _REMEDY)
            )
        return python
    folder = default_folder()
    if not is_complete(folder):
        raise WorkerFailed(tr("The compute environment is not set up yet. {}").format(_REMEDY))
    return python_in(folder)


def problem() -> str:
    """Say why no job can run now and what to do; empty if one can."""
    try:
        find_python()
    except WorkerFailed as error:
        return str(error)
    return ""


def remember(python: Path) -> None:
    """Let this interpreter run the engine from now on; the one in the default folder needs no setting."""
    is_default = python == python_in(default_folder())
    QgsSettings().setValue(SETTING, "" if is_default else str(python))


def clean_variables(python: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that would lead `python` to libraries or data of QGIS or of another Python.

    For example, with QGIS's PROJ_LIB rasterio silently finds no coordinate system.
    """
    kept = {
        name: value
        for name, value in variables.items()
        if not name.upper().startswith(_FOREIGN)
        and name.upper() not in _FOREIGN_NAMES
        and not lies_in_osgeo4w(value, variables)
    }
    if os.name == "nt":
        kept = {name: value for name, value in kept.items() if name.upper() != "PATH"}
        kept["PATH"] = os.pathsep.join(map(str, _windows_path(python, Path(kept.get("SYSTEMROOT", r"C:\Windows")))))
    return kept


def lies_in_osgeo4w(value: str, variables: Mapping[str, str]) -> bool:
    """Whether a variable's value begins with the folder of QGIS on Windows, whose scripts set it, not the user: that
    of SSL_CERT_FILE, for example, is a list of authorities that lacks those of the system."""
    root = variables.get("OSGEO4W_ROOT", "").replace("\\", "/").rstrip("/").lower()
    return bool(root) and f"{value}/".replace("\\", "/").lower().startswith(f"{root}/")


_REMEDY = tr(
    'Run "{}" (soilcnn:setupenvironment, group "{}" of Soil CNN in the Processing toolbox) once, then run this again.'
).format(tr("Set up the compute environment"), tr("0 Set up"))


def _existing(python: str, problem: str) -> Path:
    path = Path(python)
    if not path.is_file():
        raise WorkerFailed(problem)
    return path


def _windows_path(python: Path, system: Path) -> list[Path]:
    """Return the folders of the interpreter, of the one that it was built from, of conda's libraries in both, and of
    Windows itself; not those of QGIS."""
    homes = [python.parent, *_home(python)]
    own = [folder for home in homes for folder in (home, home / "Scripts", home / "DLLs", home / "Library" / "bin")]
    return [*(folder for folder in own if folder.is_dir()), system / "System32", system]


def _home(python: Path) -> list[Path]:
    """Return the folder of the Python that a virtual environment was built from, as pyvenv.cfg tells it."""
    try:
        lines = (python.parent.parent / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    return [Path(line.partition("=")[2].strip()) for line in lines if line.partition("=")[0].strip() == "home"]
