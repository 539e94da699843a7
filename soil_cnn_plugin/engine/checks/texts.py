"""The check of a field of texts for those that are not numbers, and for signs that may separate thousands."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from soil_cnn_plugin.contract.language import some_of, tr
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.measured import Measured
from soil_cnn_plugin.engine.observations.layer_fields import begin_with_numbers, is_number


def check_texts(measured: Measured) -> list[Finding]:
    """Check the texts of a field; one of numbers has none."""
    if not measured.is_text:
        return []
    field = measured.field
    failed = np.flatnonzero(measured.is_failed)
    is_mixed = np.array([bool(measured.decimal) and is_number(text) for text in measured.texts[failed]], np.bool_)
    known = int(np.isfinite(measured.values).sum())
    commas = tr(", {} of them with a decimal comma").format(measured.comma_count) if measured.comma_count else ""
    sentence = tr("{} is a text field; {} of its values are numbers{}.").format(field, known, commas)
    remedy = tr("Nothing needs to be done: they are read as numbers.")
    return [
        *_no_numbers(measured, failed[~is_mixed]),
        *_mixed(measured, failed[is_mixed]),
        *_thousands(measured),
        Finding("text_field", field, sentence, remedy),
    ]


def _no_numbers(measured: Measured, rows: Rows) -> list[Finding]:
    if not rows.size:
        return []
    field, texts = measured.field, [str(text) for text in measured.texts[rows]]
    sentence = tr("{} holds {} at {} of {} observations, which are not numbers.").format(
        field, _shown(map(repr, texts)), rows.size, len(measured.values)
    )
    remedy = tr(
        "Correct them in the attribute table (sort by the field). Extract patches refuses the field until then."
    )
    commas = f"replace(\"{field}\", ',', '.')"
    tells_limits = measured.is_below.any() or any(text.startswith("<") for text in texts)
    if not tells_limits:  # a numeric field could not keep them
        if begin_with_numbers(texts):
            numeric = f"try(to_real(regexp_substr({commas}, '(-?[0-9.]+)')), NULL)"
            remedy += tr(" Or make a numeric field of the numbers in them: {}.").format(numeric)
        else:
            numeric = f"try(to_real({commas}), NULL)"
            remedy += tr(" Or make a numeric field, in which they become NULL: {}.").format(numeric)
    if any(text.startswith(">") for text in texts):
        remedy = tr("What is only known to be above a limit cannot be learned from: write the limit. {}").format(remedy)
    told = [tr("{} is {!r}, which is not a number.").format(field, text) for text in texts]
    return [Finding("no_number", field, sentence, remedy, rows, told, texts)]


def _mixed(measured: Measured, rows: Rows) -> list[Finding]:
    if not rows.size:
        return []
    field, texts = measured.field, [str(text) for text in measured.texts[rows]]
    sentence = tr("{} holds {} at {} of {} observations, which may be thousands beside {!r}.").format(
        field, _shown(map(repr, texts)), rows.size, len(measured.values), measured.decimal
    )
    remedy = tr(
        "Write every number with the same decimal sign, and thousands without one. Extract patches refuses the field"
        " until then."
    )
    return [Finding("no_number", field, sentence, remedy, rows, _doubts(field, texts), texts)]


def _thousands(measured: Measured) -> list[Finding]:
    field, found = measured.field, []
    for sign, words in (
        (",", tr("All commas of {} stand before three digits ({}). They are read as decimal signs, not as thousands.")),
        (".", tr("All points of {} stand before three digits ({}). They are read as decimal signs, not as thousands.")),
    ):
        rows = np.array([row for row in np.flatnonzero(measured.is_thousands) if sign in measured.texts[row]], np.int64)
        if rows.size:
            texts = [str(text) for text in measured.texts[rows]]
            sentence = words.format(field, _shown(texts))
            remedy = tr("If they separate thousands, take them out: {}.").format(f"replace(\"{field}\", '{sign}', '')")
            found.append(Finding("thousands", field, sentence, remedy, rows, _doubts(field, texts), texts))
    return found


def _shown(texts: Iterable[str]) -> str:
    return some_of([*dict.fromkeys(texts)])


def _doubts(field: str, texts: list[str]) -> list[str]:
    return [tr("{} is {}: a decimal sign, or thousands?").format(field, text) for text in texts]
