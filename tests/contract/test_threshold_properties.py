"""Thresholds: what was written is what is read, however it is spaced, and nothing else is read."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from soil_cnn_plugin.contract.jobs import JobError, Threshold, parse_thresholds

targets = st.from_regex(r"[A-Za-zÀ-ÿ0-9_][A-Za-zÀ-ÿ0-9_ ().%-]{0,10}[A-Za-zÀ-ÿ0-9_]", fullmatch=True)
values = st.floats(allow_nan=False, allow_infinity=False)
spaces = st.sampled_from(["", " ", "  ", "\t"])


@st.composite
def written(draw: st.DrawFn) -> tuple[str, Threshold]:
    target, value, is_above = draw(targets), draw(values), draw(st.booleans())
    quote, number = draw(st.sampled_from(["", '"', "'"])), repr(value)
    if draw(st.booleans()):
        number = number.replace(".", ",")
    sign = (">" if is_above else "<") + draw(st.sampled_from(["", "="]))
    text = f"{draw(spaces)}{quote}{target}{quote}{draw(spaces)}{sign}{draw(spaces)}{number}{draw(spaces)}"
    return text, Threshold(target, value, is_above)


@given(st.lists(written(), max_size=4), st.sampled_from([";", "\n", ";\n", " ; ;"]))
def test_thresholds_are_read_as_they_were_written(pieces: list[tuple[str, Threshold]], between: str) -> None:
    assert parse_thresholds(between.join(text for text, _ in pieces)) == tuple(threshold for _, threshold in pieces)


@given(targets, st.integers(-99999, 99999), st.booleans())
def test_a_threshold_reads_its_own_words(target: str, value: int, is_above: bool) -> None:
    threshold = Threshold(target, value / 100, is_above)
    assert parse_thresholds(threshold.text) == (threshold,)


@given(st.text() | st.text("copper<>=;\n '\"1.,e-", max_size=20))
def test_any_text_gives_finite_thresholds_or_a_reason(text: str) -> None:
    try:
        thresholds = parse_thresholds(text)
    except JobError as error:
        assert "threshold" in str(error).lower()
    else:
        assert all(math.isfinite(each.value) and each.target.strip() for each in thresholds)
        assert len(thresholds) <= 1 + text.count(";") + text.count("\n")
