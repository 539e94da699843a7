"""The title of a report, by which the Results Viewer tells reports apart."""

from __future__ import annotations

import html
import re

_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_HEAD = 2000  # characters, in which the title stands


def report_title(path: str) -> str:
    """Return `Held-out report: Zinc and copper`; empty if the file has no title."""
    try:
        with open(path, encoding="utf-8") as file:
            match = _TITLE.search(file.read(_HEAD))
    except (OSError, UnicodeDecodeError):
        return ""
    return html.unescape(match[1]).strip() if match else ""
