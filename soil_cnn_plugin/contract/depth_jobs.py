"""The job that converts horizons to fixed depth intervals."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .job import LAYER_ENDINGS, Job, JobError, no_twins
from .language import tr
from .soil_property import SoilProperty

Interval = tuple[float, float]

_INTERVAL = re.compile(r"(?P<upper>-?\d+(?:\.\d+)?)\s*[-–]\s*(?P<lower>-?\d+(?:\.\d+)?)(?:\s*cm)?")


@dataclass(frozen=True)
class StandardizeDepths(Job):
    """Convert horizons, one per row, to depth intervals, one row per profile, with the mass-preserving spline.

    `horizons` are points or a table; `profile`, `upper` and `lower` are fields of it, with limits in cm below the
    surface. `x`, `y` and `crs` place the profiles of a table without geometry.
    """

    horizons: str
    profile: str
    upper: str
    lower: str
    values: tuple[SoilProperty, ...]
    output: str
    problems: str = ""
    x: str = ""
    y: str = ""
    crs: str = ""  # a code or WKT
    intervals: tuple[Interval, ...] = ((0, 5), (5, 15), (15, 30), (30, 60), (60, 100), (100, 200))  # GlobalSoilMap, cm
    smoothing: float = 0.1  # lambda of Bishop et al. (1999); 0.1 after Malone et al. (2009)
    min_share: float = 0.5  # of an interval that a profile must cover to get a value

    OUTPUTS = ("output", "problems")
    ENDINGS = dict.fromkeys(OUTPUTS, LAYER_ENDINGS)

    def __post_init__(self) -> None:
        self._check_fields()
        if not self.intervals:
            raise JobError(
                tr("No depth interval is given. Write, for example, {}.").format(
                    intervals_in_words(type(self).intervals)
                )
            )
        for upper, lower in self.intervals:
            if not 0 <= upper < lower < math.inf:
                raise JobError(
                    tr(
                        "The interval {:g}-{:g} is not a depth interval. Both limits count downward from the"
                        " surface in cm, the upper one first, as in 5-15."
                    ).format(upper, lower)
                )
        names = [interval_in_words(interval) for interval in self.intervals]
        if twins := sorted({name for name in names if names.count(name) > 1}):
            raise JobError(tr("The interval {} is given twice. Remove one of them.").format(twins[0]))
        if not 0 <= self.smoothing < math.inf:
            raise JobError(tr("Lambda is {:g}; it must not be negative. 0.1 is customary.").format(self.smoothing))
        if not 0 < self.min_share <= 1:
            raise JobError(
                tr(
                    "The share of an interval that a profile must cover is {:g}; it must be above 0 and at most 1."
                ).format(self.min_share)
            )

    def _check_fields(self) -> None:
        """Check that each field has one role and that coordinates are complete."""
        if not self.values:
            raise JobError(tr("No value is chosen. Choose at least one field with values measured in horizons."))
        no_twins(tr("value"), [value.field for value in self.values])
        roles = {tr("profile"): self.profile, tr("upper limit"): self.upper, tr("lower limit"): self.lower}
        for role, field in roles.items():
            if not field:
                raise JobError(tr("No field is chosen as the {} of the horizons. Choose one.").format(role))
        chosen = [*roles.values(), *(value.field for value in self.values)]
        if twins := sorted({field for field in chosen if chosen.count(field) > 1}):
            raise JobError(
                tr(
                    "The field {} is chosen for two purposes. Profile, upper limit, lower limit and values must"
                    " be different fields: choose another one."
                ).format(twins[0])
            )
        if bool(self.x) != bool(self.y):
            raise JobError(tr("Only one of X and Y is given. Choose both coordinate fields or neither."))
        if self.x and not self.crs:
            raise JobError(tr("X and Y are given, but not their CRS. Choose it."))


def parse_intervals(text: str) -> tuple[Interval, ...]:
    """Read `0-5, 5-15` as ((0, 5), (5, 15)); raise JobError for anything else."""
    intervals = []
    for item in filter(None, (piece.strip() for piece in re.split(r"[,;]", text))):
        match = _INTERVAL.fullmatch(item)
        if not match:
            raise JobError(
                tr(
                    "{!r} is not a depth interval. Write the upper and lower limit in cm with a hyphen between"
                    " them, and commas between intervals: {}."
                ).format(item, intervals_in_words(StandardizeDepths.intervals))
            )
        intervals.append((float(match["upper"]), float(match["lower"])))
    return tuple(intervals)


def intervals_in_words(intervals: tuple[Interval, ...]) -> str:
    """Return the intervals as `parse_intervals` reads them: `0-5,5-15`."""
    return ",".join(map(interval_in_words, intervals))


def interval_in_words(interval: Interval) -> str:
    return f"{interval[0]:g}-{interval[1]:g}"
