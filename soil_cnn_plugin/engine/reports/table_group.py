"""Rows of a table under a heading of their own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableGroup:
    """`rows` hold a text a column, the first names the row."""

    heading: str
    rows: list[list[str]]
