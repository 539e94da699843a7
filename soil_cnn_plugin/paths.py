"""Where the package and its resources lie: the one place that knows a checkout from an installed plugin."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
WORKER = PACKAGE / "engine" / "__main__.py"
METADATA = next(folder / "metadata.txt" for folder in (PACKAGE, PACKAGE.parent) if (folder / "metadata.txt").is_file())
REQUIREMENTS = PACKAGE / "engine" / "requirements.txt"


def resource(*parts: str) -> Path:
    """A file or folder of resources/, which lies in the installed plugin, or beside the package in a checkout."""
    inside = PACKAGE / "resources"
    return (inside if inside.is_dir() else PACKAGE.parent / "resources").joinpath(*parts)
