"""How many files may be open at once: every covariate keeps one, and some systems allow few."""

from __future__ import annotations

import sys

_OTHERS = 200  # outputs, libraries, threads


def allow_open_files(count: int) -> None:
    """Let `count` files and some more be open, as far as the system has it; macOS allows 256 until it is asked."""
    if sys.platform == "win32":  # where GDAL's files have no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHERS if hard == resource.RLIM_INFINITY else min(count + _OTHERS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
