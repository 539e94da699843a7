"""Where Pythons lie on Linux, Windows and macOS, in the order in which the set-up tries them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from .process_tree import no_window

CONDA = ("miniforge3", "mambaforge", "miniconda3", "anaconda3")
SUPPORTED = "3.1[1-4]"  # as a pattern of file names
_STORE_STUBS = "windowsapps"  # python.exe there opens Microsoft's shop
_SHIMS = "shims"  # pyenv's scripts; what they lead to is found itself


@dataclass(frozen=True)
class Computer:
    """What the search looks at: the system, QGIS's own Python, the user's home and variables.

    `root` stands for the root folder or drive of the system, so that another system's tree of files can be searched.
    """

    platform: str = sys.platform
    executable: Path = Path(sys.executable or "")
    prefix: Path = Path(sys.exec_prefix)
    home: Path = field(default_factory=Path.home)
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    root: Path = Path("/")
    registered: Callable[[], Iterable[str]] = lambda: _registered()


def places(computer: Computer) -> Iterator[Path]:
    """Yield each existing interpreter once, newest first where several lie in one place.

    On Linux QGIS runs in the system's Python, which comes first. On Windows and macOS its Python goes when QGIS is
    updated, and an environment built from it with it, so the others come first there.
    """
    search = {"win32": _on_windows, "darwin": _on_macos}.get(computer.platform, _on_linux)
    seen = set()
    for path in search(computer):
        if path.parent.name.lower() in (_STORE_STUBS, _SHIMS) or not path.is_file():
            continue
        same = os.path.realpath(path)
        if same not in seen:
            seen.add(same)
            yield path


def _on_linux(computer: Computer) -> Iterator[Path]:
    yield from _of_qgis(computer)
    folders = [
        *_path(computer),
        computer.root / "usr/local/bin",
        computer.root / "usr/bin",
        computer.home / ".local/bin",
    ]
    yield from _in_folders(folders)
    yield from _newest((computer.root / "opt").glob("python*/bin/python3"))
    yield from _in_folders([computer.root / "home/linuxbrew/.linuxbrew/bin"])
    yield from _of_managers(computer)


def _on_macos(computer: Computer) -> Iterator[Path]:
    """Homebrew and python.org are not on the PATH of a program that Finder starts."""
    frameworks = computer.root / "Library/Frameworks/Python.framework/Versions"
    yield from _newest(frameworks.glob(f"{SUPPORTED}/bin/python{SUPPORTED}"))
    for brew in ("opt/homebrew", "usr/local"):
        yield from _in_folders([computer.root / brew / "bin"])
        yield from _newest((computer.root / brew / "opt").glob(f"python@{SUPPORTED}/bin/python{SUPPORTED}"))
    yield from _in_folders([computer.root / "opt/local/bin"])
    yield from _of_managers(computer)
    system = computer.root / "usr/bin"  # python3 there is Apple's 3.9, or asks to install developer tools
    yield from _in_folders([folder for folder in _path(computer) if folder != system])
    yield from _of_qgis(computer)


def _on_windows(computer: Computer) -> Iterator[Path]:
    """Python's installers note where they went in the registry; conda does so only if asked."""
    yield from map(Path, computer.registered())
    local, data = _folder(computer, "LOCALAPPDATA"), _folder(computer, "APPDATA")
    for folder in (local / "Programs/Python", _folder(computer, "PROGRAMFILES"), computer.root):
        yield from _newest(folder.glob("Python31[1-4]/python.exe"))
    yield from _newest((local / "Python").glob(f"pythoncore-{SUPPORTED}*/python.exe"))
    homes = [computer.home, _folder(computer, "PROGRAMDATA"), local]
    yield from (home / name / "python.exe" for home in homes for name in CONDA)
    yield from _newest((computer.home / ".pyenv/pyenv-win/versions").glob(f"{SUPPORTED}*/python.exe"))
    yield from _newest((data / "uv/python").glob(f"cpython-{SUPPORTED}*/python.exe"))
    yield from _newest((computer.home / "scoop/apps").glob("python*/current/python.exe"))
    yield from (folder / "python.exe" for folder in _path(computer, ";"))
    yield from _of_qgis(computer)


def _of_qgis(computer: Computer) -> Iterator[Path]:
    """QGIS's own Python. On Windows and macOS `sys.executable` may be QGIS itself."""
    executable, prefix = computer.executable, computer.prefix
    if executable.name.lower().startswith("python"):
        yield executable
    if computer.platform == "win32":  # OSGeo4W and the stand-alone installer: <root>/apps/Python312
        yield prefix / "python.exe"
        osgeo = computer.variables.get("OSGEO4W_ROOT", "")
        if osgeo:
            yield from _newest(Path(osgeo, "apps").glob("Python3*/python.exe"))
        return
    if computer.platform == "darwin":
        contents = next((each for each in executable.parents if each.name == "Contents"), executable.parent)
        yield from _in_folders([contents / "MacOS/bin", contents / "MacOS", contents / "Frameworks/bin"])
        yield from _newest((contents / "Frameworks").glob("Python.framework/Versions/3.*/bin/python3"))
    yield from _in_folders([prefix / "bin"])


def _of_managers(computer: Computer) -> Iterator[Path]:
    """Pythons of conda, pyenv and uv."""
    opt = computer.root / "opt"
    yield from (base / name / "bin/python3" for base in (computer.home, opt) for name in CONDA)
    yield opt / "conda/bin/python3"
    yield from _newest((opt / "homebrew/Caskroom").glob("mini*/base/bin/python3"))
    yield from _newest((computer.home / ".pyenv/versions").glob(f"{SUPPORTED}*/bin/python3"))
    yield from _newest((computer.home / ".local/share/uv/python").glob(f"cpython-{SUPPORTED}*/bin/python3"))


def _in_folders(folders: Iterable[Path]) -> Iterator[Path]:
    folders = list(folders)
    for minor in (14, 13, 12, 11):
        yield from (folder / f"python3.{minor}" for folder in folders)
    yield from (folder / "python3" for folder in folders)


def _path(computer: Computer, separator: str = os.pathsep) -> list[Path]:
    return [Path(folder) for folder in computer.variables.get("PATH", "").split(separator) if folder]


def _folder(computer: Computer, variable: str) -> Path:
    """Return the folder that a variable names, or one that does not exist."""
    return Path(computer.variables.get(variable) or computer.root / f"no {variable}")


def _newest(paths: Iterable[Path]) -> list[Path]:
    """Sort by the numbers in the paths, highest first: 3.12 before 3.9."""
    return sorted(paths, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))], reverse=True)


def _registered() -> list[str]:
    """Return the interpreters that Windows' registry and the py launcher know; none elsewhere."""
    found: list[str] = []
    if sys.platform == "win32":
        import winreg

        for hive in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
            for version in ("3.14", "3.13", "3.12", "3.11"):
                key = rf"Software\Python\PythonCore\{version}\InstallPath"
                try:
                    with winreg.OpenKey(hive, key, 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as opened:
                        found.append(os.path.join(winreg.QueryValue(opened, None), "python.exe"))
                except OSError:
                    continue
        found += _of_launcher()
    return found


def _of_launcher() -> list[str]:
    """Parse lines such as ` -V:3.12 *  C:\\Python312\\python.exe` of `py -0p`."""
    try:
        result = subprocess.run(
            ["py", "-0p"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=False,
            creationflags=no_window(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return launched(result.stdout)


def launched(text: str) -> list[str]:
    """Return the interpreters in the list that the py launcher writes."""
    return re.findall(r"(?m)[A-Za-z]:\\.*python\.exe(?=\s*$)", text)
