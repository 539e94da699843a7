"""Paths of vector files as pyogrio reads them: `!` ends an archive's name; tabs and line breaks are left out."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MISREAD = re.compile(r"[!\t\r\n]|^[ \x00-\x1f]|[ \x00-\x1f]$")


@contextmanager
def as_pyogrio_reads(path: str) -> Iterator[str]:
    """Yield the path; where it would be misread, yield a link to the file, which lasts as long as the context."""
    file = Path(path)
    if sys.platform == "win32" or not _MISREAD.search(path) or not file.is_file():
        yield path
        return
    safe = None if not _MISREAD.search(tempfile.gettempdir()) else Path.home()
    with tempfile.TemporaryDirectory(prefix="soilcnn-link-", dir=safe) as folder:
        for each in file.parent.iterdir():  # a shapefile has parts, and a GeoPackage may have a log
            if each.name.startswith(file.stem):
                os.symlink(each.resolve(), Path(folder, f"layer{each.name[len(file.stem) :]}"))
        yield str(Path(folder, f"layer{file.suffix}"))
