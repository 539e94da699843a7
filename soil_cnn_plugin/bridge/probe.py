"""Script for another Python: writes as one JSON line what it is, what it can do, and the versions of the packages
that are named as arguments, which it imports."""

import glob
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import sysconfig

MODULES = {"scikit-learn": "sklearn"}  # package -> module, where the names differ
NEEDED = ("venv", "ssl", "zlib", "ctypes")
"""What a Python needs so that an environment can be built from it and packages be fetched."""


def main(packages: "list[str]") -> None:  # in quotes: an old Python, too, shall tell its version
    versions: dict[str, str] = {}
    problems: dict[str, str] = {}
    for package in packages:
        problem = problem_of(MODULES.get(package, package))
        if problem:
            problems[package] = problem
        else:
            versions[package] = importlib.metadata.version(package)
    answer: dict[str, object] = {"python": list(sys.version_info[:3]), "versions": versions, "problems": problems}
    if not packages:
        answer.update(facts())
    sys.stdout.write("soilcnn-probe " + json.dumps(answer) + "\n")


def facts() -> "dict[str, object]":
    return {
        "implementation": sys.implementation.name,
        "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "platform": sys.platform,
        "machine": machine(),
        "macos": platform.mac_ver()[0],
        "missing": {name: problem for name in NEEDED if (problem := problem_of(name))},
        "has_ensurepip": not problem_of("ensurepip"),
        "pip": pip_version(),
        "pip_wheel": pip_wheel(),
    }


def machine() -> str:
    """On Windows the interpreter's own kind, which may differ from the processor's."""
    tag = sysconfig.get_platform()
    return {"win-amd64": "x86_64", "win-arm64": "aarch64", "win32": "x86"}.get(tag, platform.machine())


def pip_version() -> str:
    try:
        return importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return ""


def pip_wheel() -> str:
    """Return the wheel of pip that comes with Python, or that Debian and Fedora keep apart; empty if there is none."""
    bundled = os.path.join(os.path.dirname(os.__file__), "ensurepip", "_bundled")
    folders = (bundled, sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled, "/usr/share/python-wheels")
    found = [path for folder in folders for path in sorted(glob.glob(os.path.join(folder, "pip-*.whl")))]
    return found[0] if found else ""


def problem_of(module: str) -> str:
    """Import a module; return what prevents it, empty if nothing does."""
    try:
        importlib.import_module(module)
    except (ImportError, OSError, RuntimeError, ValueError, AttributeError, TypeError) as error:  # broken in any way
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
