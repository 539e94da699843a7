"""The packages of the engine: tested and lowest versions in the requirements file, everything with hashes in a lock."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"^(?P<name>[A-Za-z0-9-]+)==(?P<version>[0-9.]+)\s*#\s*at least (?P<lowest>[0-9.]+)")
_LOCKED = re.compile(r"^(?P<name>[A-Za-z0-9-]+)==(?P<version>[^ ;\\]+)(?:.*\\\n\s+--hash=\S+)+\n?", re.MULTILINE)
_CUDA = ("nvidia-", "cuda-", "triton")


@dataclass(frozen=True)
class Requirement:
    """A package: the version that the engine is tested with, and the lowest accepted from a user's interpreter."""

    name: str
    version: str
    lowest: str

    def is_met_by(self, version: str) -> bool:
        return numbers_in(version) >= numbers_in(self.lowest)


@dataclass(frozen=True)
class Locked:
    """A package of a lock: `text` is its lines there, with marker and hashes."""

    name: str
    version: str
    text: str

    @property
    def is_of_torch(self) -> bool:
        """Whether it is PyTorch, or one of the packages that only its build for CUDA needs."""
        return self.name == "torch" or self.name.startswith(_CUDA)


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """Return the requirements in the order of the file; skip comments and empty lines."""
    matches = map(_LINE.match, text.splitlines())
    return tuple(Requirement(**match.groupdict()) for match in matches if match)


def read_lock(text: str) -> tuple[Locked, ...]:
    """Return the packages of a lock in its order; one whose version depends on the system stands there twice."""
    return tuple(Locked(match["name"], match["version"], match[0].rstrip("\n")) for match in _LOCKED.finditer(text))


def numbers_in(version: str) -> tuple[int, ...]:
    """Return the numbers of a version for comparison: `2.13.0+cpu` -> (2, 13, 0)."""
    public = version.split("+")[0]
    return tuple(int(digits[0]) for piece in public.split(".") if (digits := re.match(r"\d+", piece)))
