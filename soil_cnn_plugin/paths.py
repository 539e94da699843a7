"""Paths of the package and its resources: the one place that tells a checkout from an installed plugin."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
WORKER = PACKAGE / "engine" / "__main__.py"
METADATA = next(folder / "metadata.txt" for folder in (PACKAGE, PACKAGE.parent) if (folder / "metadata.txt").is_file())
REQUIREMENTS = PACKAGE / "engine" / "requirements.txt"
LOCKS = PACKAGE / "engine" / "locks"


def resource(*parts: str) -> Path:
    """Return a file or folder of resources/."""
    return _beside("resources").joinpath(*parts)


def page(*parts: str) -> Path:
    """Return a page of the guide, or the changelog: `page("docs", "guide.md")`."""
    return _beside(parts[0]).joinpath(*parts[1:])


def _beside(name: str) -> Path:
    """Return what is in the installed plugin or, in a checkout, beside the package."""
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
