"""Paths of the package and its resources: the one place that tells a checkout from an installed plugin."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
WORKER = PACKAGE / "engine" / "__main__.py"
METADATA = next(folder / "metadata.txt" for folder in (PACKAGE, PACKAGE.parent) if (folder / "metadata.txt").is_file())
REQUIREMENTS = PACKAGE / "engine" / "requirements.txt"


def resource(*parts: str) -> Path:
    """Return a file or folder of resources/, which is in the installed plugin or, in a checkout, beside the package."""
    inside = PACKAGE / "resources"
    return (inside if inside.is_dir() else PACKAGE.parent / "resources").joinpath(*parts)
