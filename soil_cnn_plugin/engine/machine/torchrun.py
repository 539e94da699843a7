"""What torchrun tells each of the processes it starts (https://docs.pytorch.org/docs/stable/elastic/run.html)."""

from __future__ import annotations

import os


def process_count() -> int:
    """How many processes train together; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def process_number() -> int:
    """Number of this process, from 0. Number 0 alone writes files and tells what happens."""
    return int(os.environ.get("RANK", "0")) if process_count() > 1 else 0


def number_here() -> int:
    """Number of this process among those of its machine, from 0; it is the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if process_count() > 1 else 0


def count_here() -> int:
    """How many processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if process_count() > 1 else 1
