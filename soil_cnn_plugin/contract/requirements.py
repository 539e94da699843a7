"""The packages in the requirements file: the version that the engine is tested with, and the lowest that works."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"^(?P<name>[A-Za-z0-9-]+)==(?P<version>[0-9.]+)\s*#\s*at least (?P<lowest>[0-9.]+)")


@dataclass(frozen=True)
class Requirement:
    """A package: the version that the engine is tested with, and the lowest accepted from a user's interpreter."""

    name: str
    version: str
    lowest: str

    def is_met_by(self, version: str) -> bool:
        return numbers_in(version) >= numbers_in(self.lowest)


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """Return the requirements in the order of the file; skip comments and empty lines."""
    matches = map(_LINE.match, text.splitlines())
    return tuple(Requirement(**match.groupdict()) for match in matches if match)


def numbers_in(version: str) -> tuple[int, ...]:
    """Return the numbers of a version for comparison: `2.13.0+cpu` -> (2, 13, 0)."""
    public = version.split("+")[0]
    return tuple(int(digits[0]) for piece in public.split(".") if (digits := re.match(r"\d+", piece)))
