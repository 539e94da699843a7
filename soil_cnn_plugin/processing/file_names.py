"""Names of files that are made from names of layers."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


def file_name(layer_name: str) -> str:
    """Return a layer's name without characters that file names forbid, empty if none is left: at most 80 characters and
    200 bytes, because file systems count bytes."""
    return _FORBIDDEN.sub("_", layer_name)[:80].encode(errors="ignore")[:200].decode(errors="ignore").strip(" .")
