"""Sums of the parts of a whole, such as sand, silt and clay: how many are near the whole, and which are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.composition import group_parts
from soil_cnn_plugin.contract.jobs import CheckObservations
from soil_cnn_plugin.contract.language import some_of, tr, tr_n
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.checks.field_summary import FieldCheck
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.measured import Measured

NEAR, FAR = 0.01, 0.05
"""Shares of the whole by which a sum may differ to be near it, and beyond which it is far."""
_WHOLES = (1.0, 100.0, 1000.0)
_TOLERANCE = 1e-9
_SEEN = 0.3
"""Share of the whole by which the middle sum may differ for the whole to be recognized."""


@dataclass(frozen=True)
class SumSummary:
    """Counts of the `complete` observations, whose parts are all known.

    The sums of `near` are within 1 % of the whole, those of `fair`, which include them, within 5 %, and those of `far`
    are not; `with_zero` have a part that is 0. `sums` (complete,) are the sums themselves.
    """

    parts: tuple[str, ...]
    whole: float
    complete: int
    torn: int
    near: int
    fair: int
    far: int
    with_zero: int
    sums: Array

    @property
    def title(self) -> str:
        return " + ".join(self.parts)


def check_compositions(
    job: CheckObservations, checked: Mapping[str, FieldCheck]
) -> tuple[list[SumSummary], list[Finding]]:
    """Check the parts of each depth by themselves; `checked` holds what is known of each field."""
    summaries, findings = [], []
    for parts in group_parts([SoilProperty(field) for field in job.composition]):
        if len(parts) == 1:
            findings.append(lonely_part(parts[0]))
            continue
        chosen = [checked[part] for part in parts]
        summary, found = check_sums([each.measured for each in chosen], [each.is_known for each in chosen])
        summaries.append(summary)
        findings += found
    return summaries, findings


def check_sums(parts: Sequence[Measured], known: Sequence[Flags]) -> tuple[SumSummary, list[Finding]]:
    """Check the sums of parts; `known` (N,) are True where a part has a value that is not a code for missing."""
    values = np.column_stack([np.where(good, part.values, np.nan) for part, good in zip(parts, known)])  # (N, D)
    names = tuple(part.field for part in parts)
    is_known = np.isfinite(values)
    is_complete = is_known.all(axis=1)
    torn = np.flatnonzero(is_known.any(axis=1) & ~is_complete)
    sums = values.sum(axis=1)
    whole = _whole(sums[is_complete])
    off = np.abs(sums / whole - 1)
    far = np.flatnonzero(is_complete & (off > FAR + _TOLERANCE))
    summary = SumSummary(
        parts=names,
        whole=whole,
        complete=int(is_complete.sum()),
        torn=len(torn),
        near=int((off[is_complete] <= NEAR + _TOLERANCE).sum()),
        fair=int((off[is_complete] <= FAR + _TOLERANCE).sum()),
        far=len(far),
        with_zero=int((values[is_complete] == 0).any(axis=1).sum()),
        sums=sums[is_complete],
    )
    found = []
    if torn.size:
        found.append(_torn(names, is_known, torn))
    if summary.complete and abs(float(np.median(summary.sums)) / whole - 1) > _SEEN:
        found.append(_wrong_parts(summary))
    elif far.size:
        found.append(_far(summary, sums, far))
    elif summary.fair > summary.near:
        found.append(_near(summary))
    return summary, found


def lonely_part(field: str) -> Finding:
    """Return the finding of a part without others of its depth."""
    sentence = tr("{} is the only part of its composition at its depth.").format(field)
    return Finding(
        "parts_missing", field, sentence, tr("Choose all parts of the whole of each depth under Composition.")
    )


def _whole(sums: Array) -> float:
    positive = sums[sums > 0]
    middle = float(np.median(positive)) if len(positive) else 100.0
    return min(_WHOLES, key=lambda each: abs(np.log(middle / each)))


def _torn(names: tuple[str, ...], is_known: Flags, torn: Rows) -> Finding:
    missing = [[name for name, known in zip(names, row) if not known] for row in is_known[torn]]
    sentence = tr_n(
        "{} of {} observations has some of the parts {}, but not all.",
        "{} of {} observations have some of the parts {}, but not all.",
        len(torn),
    ).format(len(torn), len(is_known), ", ".join(names))
    texts = [tr_n("{} is missing.", "{} are missing.", len(gone)).format(some_of(gone)) for gone in missing]
    remedy = tr("Fill in the missing part if it is the rest; otherwise the other parts are left out in training, too.")
    return Finding("torn_composition", ", ".join(names), sentence, remedy, torn, texts, [""] * len(torn))


def _wrong_parts(summary: SumSummary) -> Finding:
    middle = float(np.median(summary.sums))
    sentence = tr("The parts {} have a median sum of {:g}, which is far from 1, 100 and 1000.").format(
        ", ".join(summary.parts), middle
    )
    remedy = tr("Choose all parts of the whole of one depth under Composition, and bring them to one unit.")
    return Finding("parts_missing", ", ".join(summary.parts), sentence, remedy)


def _far(summary: SumSummary, sums: Array, far: Rows) -> Finding:
    low, high = (1 - FAR) * summary.whole, (1 + FAR) * summary.whole
    sentence = tr("{} is below {:g} or above {:g} at {} of {} observations; the sums reach from {:g} to {:g}.").format(
        summary.title, low, high, summary.far, summary.complete, summary.sums.min(), summary.sums.max()
    )
    remedy = tr(
        "Look for a slipped number, a part in another unit, or texture classes turned into numbers. What"
        " stays is rescaled to {:g} by Extract patches when the parts are chosen under Composition."
    ).format(summary.whole)
    numbers = sums[far].tolist()
    texts = [tr("{} is {:g}, not {:g}.").format(summary.title, value, summary.whole) for value in numbers]
    return Finding("sum_far", ", ".join(summary.parts), sentence, remedy, far, texts, [f"{each:g}" for each in numbers])


def _near(summary: SumSummary) -> Finding:
    sentence = tr("{} is within 1 % of {:g} at {} of {} observations, and within 5 % at {}.").format(
        summary.title, summary.whole, summary.near, summary.complete, summary.fair
    )
    remedy = tr("Small differences are rounding; Extract patches rescales them to {:g}.").format(summary.whole)
    return Finding("sum_near", ", ".join(summary.parts), sentence, remedy)
