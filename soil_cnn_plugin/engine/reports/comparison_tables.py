"""Tables that compare methods: paired differences over the folds, and the other folds beside the chosen ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soil_cnn_plugin.engine.assessment.comparison import Difference
from soil_cnn_plugin.engine.assessment.methods import NAMES
from soil_cnn_plugin.engine.reports.numerals import NOTHING, fixed
from soil_cnn_plugin.engine.reports.sections import Group, Item, Paragraph, Table, folded
from soil_cnn_plugin.engine.reports.words import sentence_case

DIFFERENCE_COLUMNS = ("All observations", "Mean over folds", "95 % interval", "p", "Lower in")
OTHER_KINDS = {"random": "random folds", "spatial_blocks": "folds of spatial blocks"}


def difference_items(errors: str, measure: str, unit: str, groups: Sequence[Group]) -> list[Item]:
    """Return a table that compares `errors` fold by fold: `measure` names them, and `unit` is their unit in words, or
    empty."""
    return [
        Paragraph(
            f"All methods were held out on the same folds, so their {errors} are compared fold by fold. Where the"
            " interval encloses 0, the folds do not tell which of the two is better."
        ),
        *folded(
            [
                Table(
                    ("Methods", *DIFFERENCE_COLUMNS),
                    groups,
                    f"{measure} of the first method minus that of the second: over all held-out observations in"
                    f" percent, then the mean of the folds’ differences{unit}. Below 0 the first method is better."
                    " Interval and p allow for folds that share training observations (Nadeau and Bengio 2003).",
                )
            ],
            len(groups),
        ),
    ]


def difference_row(item: Difference, decimals: int, names: Mapping[str, str] = NAMES) -> tuple[str, ...]:
    test = item.test
    return (
        f"{sentence_case(names[item.method])} against {names[item.other]}",
        signed_percent(item.percent),
        _signed(test.difference, decimals) if test else NOTHING,
        f"{_signed(test.low, decimals)} to {_signed(test.high, decimals)}" if test else NOTHING,
        _p(test.p) if test else NOTHING,
        f"{item.folds_lower} of {item.folds} folds",
    )


def other_fold_items(
    sentence: str, other_kind: str, columns: Sequence[str], spans: Sequence[tuple[str, int]], groups: Sequence[Group]
) -> list[Item]:
    """Return the scores under the chosen folds beside those under the other kind; none where no other kind was
    tried."""
    if not groups:
        return []
    caption = f"The same methods under the chosen folds and under {OTHER_KINDS.get(other_kind, '')}."
    return [Paragraph(sentence), *folded([Table(("Method", *columns), groups, caption, spans)], len(groups))]


def other_folds_heading(other_kind: str) -> str:
    """Return the other kind of folds as the heading of a column, such as `Random`."""
    return {"random": "Random", "spatial_blocks": "Blocks"}.get(other_kind, "Other")


def change(from_: float, to: float) -> float:
    """Return the change in percent of `from_`."""
    return 100 * (to / from_ - 1) if from_ else float("nan")


def signed_percent(value: float) -> str:
    text = _signed(value, 1)
    return text if text == NOTHING else f"{text} %"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else fixed(p, 3)


def _signed(value: float, decimals: int) -> str:
    """Return the value with its sign: `+1.2`, `−1.2` or `0.0`."""
    text = fixed(value, decimals)
    return f"+{text}" if text[0] not in f"−{NOTHING}" and any(digit in text for digit in "123456789") else text
