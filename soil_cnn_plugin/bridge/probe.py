"""Script for another Python: imports the packages named as arguments and writes their versions as one JSON line."""

import importlib
import importlib.metadata
import json
import sys

MODULES = {"scikit-learn": "sklearn"}  # package -> module, where the names differ


def main(packages: "list[str]") -> None:  # in quotes: an old Python, too, shall tell its version
    versions: dict[str, str] = {}
    problems: dict[str, str] = {}
    for package in packages:
        try:
            importlib.import_module(MODULES.get(package, package))
            versions[package] = importlib.metadata.version(package)
        except (ImportError, OSError, RuntimeError, ValueError) as error:  # a broken installation fails in many ways
            problems[package] = f"{type(error).__name__}: {error}"
    answer = {"python": list(sys.version_info[:3]), "versions": versions, "problems": problems}
    sys.stdout.write("soilcnn-probe " + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
