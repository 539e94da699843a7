"""The page that tells what the compute environment is, and whether it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soil_cnn_plugin.engine.reports.numerals import fixed
from soil_cnn_plugin.engine.reports.page import write_page
from soil_cnn_plugin.engine.reports.sections import (
    Group,
    Item,
    Page,
    Pairs,
    Paragraph,
    Section,
    Table,
    TableCell,
    VerdictBox,
)


@dataclass(frozen=True)
class Library:
    """`version` is empty when it is not there; `remark` is empty when all is right."""

    name: str
    version: str
    tested: str
    is_usable: bool
    remark: str


@dataclass(frozen=True)
class Trial:
    name: str
    passed: bool
    words: str
    seconds: float


def write_environment_page(
    path: str, device: str, computer: Mapping[str, str], libraries: Sequence[Library], trials: Sequence[Trial]
) -> None:
    """Writes one HTML file that needs nothing else."""
    is_well = all(library.is_usable for library in libraries) and all(trial.passed for trial in trials)
    page = Page(
        kind="Soil CNN",
        title="Compute environment",
        facts=[device],
        lead=[_verdict(is_well)],
        sections=[
            Section("trials", "Trials", [_trials(trials)]),
            Section("libraries", "Libraries", [_libraries(libraries)]),
            Section("computer", "Computer", [Pairs(computer)]),
        ],
    )
    write_page(path, page)


def _verdict(is_well: bool) -> Item:
    if is_well:
        text = "All libraries are there and every trial passed."
        return VerdictBox("The compute environment works.", [Paragraph(text)], "good")
    text = (
        "Run “Set up the compute environment” in the Processing toolbox. If that does not help, report the problem"
        " together with this page."
    )
    return VerdictBox("The compute environment does not work as it should.", [Paragraph(text)], "poor")


def _trials(trials: Sequence[Trial]) -> Item:
    rows = [
        (
            trial.name,
            TableCell("Passed", "yes") if trial.passed else TableCell("Failed", "no"),
            trial.words,
            fixed(trial.seconds, 1),
        )
        for trial in trials
    ]
    headings = ("Trial", "Outcome", "What was found", "Seconds")
    return Table(headings, [Group("", rows)], looks=("", "", "long", "number"))


def _libraries(libraries: Sequence[Library]) -> Item:
    rows = [
        (
            library.name,
            TableCell(library.version or "missing", "" if library.is_usable else "no"),
            library.tested,
            library.remark,
        )
        for library in libraries
    ]
    return Table(("Library", "Version", "Tested with", "Remark"), [Group("", rows)], looks=("", "", "", ""))
