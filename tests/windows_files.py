"""Windows' rules for open files, pretended on Linux: what this process has open can be neither moved nor removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

CLAIM = ".soilcnn-run"  # such files are removed while they are open on Linux, and after closing them on Windows
MOVING = {"replace": 2, "rename": 2, "unlink": 1, "remove": 1, "rmdir": 1}
"""Functions of os that Windows refuses for open files, and how many of their arguments are paths."""


def refuse_open_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let these functions raise what Windows raises for a file that is open or mapped here, or a folder that holds
    one. Return the list of refusals, which grows."""
    refused: list[str] = []
    for name, count in MOVING.items():
        monkeypatch.setattr(os, name, _refusing(getattr(os, name), count, refused))
    return refused


def _refusing(function: Callable[..., None], count: int, refused: list[str]) -> Callable[..., None]:
    def refusing(*paths: Any, **words: Any) -> None:
        folder = f"/proc/self/fd/{words['dir_fd']}" if words.get("dir_fd") is not None else ""
        for path in paths[:count]:
            if os.fspath(path).endswith(CLAIM):
                continue
            place = os.path.realpath(os.path.join(folder, os.fsdecode(path)))
            held = next((each for each in open_paths() if each == place or each.startswith(place + os.sep)), "")
            if held:
                refused.append(held)
                raise PermissionError(
                    13, "The process cannot access the file because it is being used by another process", str(path)
                )
        function(*paths, **words)

    return refusing


def open_paths() -> set[str]:
    """Return the files that this process has open or mapped."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{descriptor}")
            if os.path.isfile(target):
                found.add(target)
    with open("/proc/self/maps", encoding="utf-8") as maps:
        found.update(line.split(maxsplit=5)[5].strip() for line in maps if line.count("/"))
    return found
