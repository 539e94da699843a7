"""Detection limits, from a field of their own or written as `<0.5`, and what they say about the values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.engine.checks.findings import Finding, examples, listed, of_observations, plural
from soil_cnn_plugin.engine.checks.measured import Measured


@dataclass(frozen=True)
class LimitSummary:
    """Counts of a field's values and their detection limits.

    Of the `known` values of `field`, `below` lie below their limit, `equal` are their limit, and `half` are half of it,
    so that a rule put them there. `lowest` and `highest` are the extremes of the limits of the values below.
    """

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


def mark_below_limits(
    measured: Measured, limits: Measured | None
) -> tuple[Measured, LimitSummary | None, list[Finding]]:
    """Return the field with the limits in place of the values below them, a summary, and findings.

    The summary is None where no value is below a limit and no limit is given. As in Extract patches, a value at its
    limit counts as below it. Negative values are left to other checks, unless they are the limit with a minus.
    """
    if limits is None and not (measured.is_below | measured.is_undetected).any():
        return measured, None, []
    found: list[Finding] = []
    equal = half = 0
    if limits is not None:
        values, numbers = measured.values, limits.values
        found += _check_limits(measured, limits)
        good = np.isfinite(numbers) & (numbers > 0)
        known = good & np.isfinite(values) & ~measured.is_below
        below = known & (np.abs(values) <= numbers)
        equal = int((below & (values == numbers)).sum())
        half = int((below & np.isclose(values, numbers / 2, rtol=1e-3, atol=0)).sum())
        below |= good & measured.is_undetected
        measured = replace(
            measured,
            values=np.where(below, numbers, values),
            is_below=measured.is_below | below,
            is_undetected=measured.is_undetected & ~below,
        )
    found += _check_undetected(measured)
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
    return measured, summary if summary.below or limits else None, found


def _check_undetected(measured: Measured) -> list[Finding]:
    rows, field = np.flatnonzero(measured.is_undetected), measured.field
    if not rows.size:
        return []
    texts = [str(text) for text in measured.texts[rows]]
    shown = listed([repr(text) for text in dict.fromkeys(texts)])
    at = of_observations(rows.size, len(measured.values))
    sentence = f"{field} says {shown} at {at}, but nothing tells the detection limit there."
    remedy = (
        "Write <0.5 where the limit is 0.5, or choose a field with the limits under Detection limits; leave empty what"
        " was not measured. Extract patches refuses the field until then."
    )
    sentences = [f"{field} is {text!r} without a detection limit." for text in texts]
    return [Finding("undetected", field, sentence, remedy, rows, sentences, texts)]


def _below(summary: LimitSummary) -> Finding:
    span = f"{summary.lowest:g}" if summary.lowest == summary.highest else f"{summary.lowest:g} to {summary.highest:g}"
    lie = plural(summary.below, "lies below its", "lie below their")
    sentence = (
        f"{summary.below} of {summary.known} values of {summary.field} ({100 * summary.share:.0f} %) {lie} detection"
        f" limit of {span}."
    )
    remedy = (
        "Extract patches learns them as lying anywhere below it; fields of limits are chosen there under Detection"
        " limits, too."
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
    silent = np.flatnonzero(
        np.isfinite(numbers) & (numbers > 0) & np.isnan(measured.values) & ~measured.is_failed & ~measured.is_undetected
    )
    if silent.size:
        have = plural(silent.size, "has", "have")
        sentence = f"{of_observations(silent.size, total)} {have} a detection limit in {name} but no {field}."
        texts = [f"{name} is {value:g}, but there is no {field}." for value in numbers[silent].tolist()]
        remedy = (
            f"If nothing was detected there, write the limit into {field}, or <limit if it is a text field. Left empty,"
            " they count as not measured."
        )
        shown = [f"{value:g}" for value in numbers[silent].tolist()]
        found.append(Finding("limit_without_value", field, sentence, remedy, silent, texts, shown))
    return found
