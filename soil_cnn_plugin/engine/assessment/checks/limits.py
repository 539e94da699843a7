"""Detection limits, from a field of their own or written as `<0.5`: what they say of the values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .findings import Finding, examples, of_observations
from .measured import Measured

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LimitSummary:
    """Of the `known` values of `field`: `below` their limit in all, `equal` those that are their limit, `half` those
    that are half of it, so that a rule put them there. `lowest` and `highest` of the limits of the values below."""

    field: str
    limit_field: str  # empty: the limits stand in the texts
    known: int
    below: int
    equal: int
    half: int
    lowest: float
    highest: float

    @property
    def share(self) -> float:
        return self.below / self.known if self.known else 0.0


def apply_limits(measured: Measured, limits: Measured | None) -> tuple[Measured, LimitSummary | None, list[Finding]]:
    """The field with its values below the limits as limits; None where no value is below one and no limit is given."""
    if limits is None and not measured.is_below.any():
        return measured, None, []
    found: list[Finding] = []
    equal = half = 0
    if limits is not None:
        values, numbers = measured.values, limits.values
        found += _check_limits(measured, limits)
        good = np.isfinite(numbers) & (numbers > 0) & np.isfinite(values)
        below = good & (values <= numbers) & (values >= 0) & ~measured.is_below
        equal = int((below & (values == numbers)).sum())
        half = int((below & np.isclose(values, numbers / 2, rtol=1e-3, atol=0)).sum())
        measured = replace(measured, values=np.where(below, numbers, values), is_below=measured.is_below | below)
    reached = measured.values[measured.is_below]
    summary = LimitSummary(
        field=measured.field,
        limit_field=limits.field if limits else "",
        known=int(np.isfinite(measured.values).sum()),
        below=len(reached),
        equal=equal,
        half=half,
        lowest=float(reached.min()) if len(reached) else float("nan"),
        highest=float(reached.max()) if len(reached) else float("nan"),
    )
    if summary.below:
        found.append(_below(summary))
    return measured, summary, found


def _below(summary: LimitSummary) -> Finding:
    span = f"{summary.lowest:g}" if summary.lowest == summary.highest else f"{summary.lowest:g} to {summary.highest:g}"
    sentence = (
        f"{summary.below} of {summary.known} values of {summary.field} ({summary.share:.0%}) lie below their detection"
        f" limit of {span}."
    )
    remedy = "Extract patches learns them as lying anywhere below it" + (
        f" when {summary.limit_field} is chosen under Detection limits." if summary.limit_field else "."
    )
    return Finding("below_limit", summary.field, sentence, remedy)


def _check_limits(measured: Measured, limits: Measured) -> list[Finding]:
    field, name = measured.field, limits.field
    numbers, total = limits.values, len(limits.values)
    found = []
    wrong = np.flatnonzero((np.isfinite(numbers) & (numbers <= 0)) | np.isinf(numbers))
    if wrong.size:
        at = of_observations(wrong.size, total)
        sentence = f"{name}, the detection limit of {field}, is {examples(numbers[wrong])} at {at}."
        texts = [f"{name}, the detection limit of {field}, is {value:g}." for value in numbers[wrong].tolist()]
        remedy = f'Write the limit, or set it to NULL where {field} was measured: if("{name}" > 0, "{name}", NULL).'
        shown = [f"{value:g}" for value in numbers[wrong].tolist()]
        found.append(Finding("wrong_limit", name, sentence, remedy, wrong, texts, shown))
    silent = np.flatnonzero(np.isfinite(numbers) & (numbers > 0) & np.isnan(measured.values) & ~measured.is_failed)
    if silent.size:
        sentence = f"{of_observations(silent.size, total)} have a detection limit in {name} but no {field}."
        texts = [f"{name} is {value:g}, but there is no {field}." for value in numbers[silent].tolist()]
        remedy = (
            f"If nothing was detected there, write the limit into {field}, or <limit if it is a text field. Left empty,"
            " they count as not measured."
        )
        shown = [f"{value:g}" for value in numbers[silent].tolist()]
        found.append(Finding("limit_without_value", field, sentence, remedy, silent, texts, shown))
    return found
