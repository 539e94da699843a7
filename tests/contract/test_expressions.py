"""Formulas that users type: what is read, and what is refused without ever being run."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.contract.expressions import Expression, parse_expressions, parse_formula
from soil_cnn_plugin.contract.jobs import JobError


def test_names_units_and_formulas_are_read() -> None:
    text = 'carbon stock (t/ha) = soc_0_30 * bd_0_30 * 3; load = max("Clay <2 um", 0) / 2'
    assert parse_expressions(text) == (
        Expression("carbon stock", "t/ha", "soc_0_30 * bd_0_30 * 3"),
        Expression("load", "", 'max("Clay <2 um", 0) / 2'),
    )
    assert parse_formula('max("Clay <2 um", soc) / soc')[1] == ("Clay <2 um", "soc")
    assert parse_expressions("") == ()


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('x')",
        "soc.real",
        "soc[0]",
        "(lambda: 1)()",
        "[soc for soc in (1, 2)]",
        "soc if soc else 1",
        "soc and 1",
        "eval(soc)",
        "max(soc)",
        "exp(x=soc)",
        "soc ** 'a'",
        "1 + 2",
        "soc +",
        "_0 * soc",
        "soc := 2",
        "1" * 600 + " * soc",
        "(" * 60 + "soc" + " + 1)" * 60,
    ],
)
def test_anything_but_arithmetic_is_refused(formula: str) -> None:
    with pytest.raises(JobError, match="formula"):
        parse_formula(formula)


@pytest.mark.parametrize("text", ["soc * 2", "= soc", "a = soc; a = 2 * soc", "a ="])
def test_expressions_without_a_name_of_their_own_are_refused(text: str) -> None:
    with pytest.raises(JobError, match="expression"):
        parse_expressions(text)
