"""The page that says what the compute environment is and whether it works, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.machine.environment import Environment, Library, Trial
from soil_cnn_plugin.engine.outputs import write_whole
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
    write_page,
)
from soil_cnn_plugin.engine.reports.words import fixed


def write_environment_page(path: str, found: Environment) -> None:
    """Write one HTML file that needs nothing else."""
    page = Page(
        kind="Soil CNN",
        title=tr("Compute environment"),
        facts=[found.device],
        lead=[_verdict(found.passed)],
        sections=[
            Section("trials", tr("Trials"), [_trials(found.trials)]),
            Section("libraries", tr("Libraries"), [_libraries(found.libraries)]),
            Section("computer", tr("Computer"), [Pairs(found.computer)]),
        ],
    )
    write_page(path, page)


def write_environment_metrics(path: str, found: Environment) -> None:
    content = {"passed": found.passed, **asdict(found)}
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def _verdict(is_well: bool) -> Item:
    if is_well:
        text = tr("All libraries are there and every trial passed.")
        return VerdictBox(tr("The compute environment works."), [Paragraph(text)], "good")
    text = tr(
        "Run “Set up the compute environment” in the Processing toolbox. If that does not help, report the"
        " problem together with this page."
    )
    return VerdictBox(tr("The compute environment does not work as it should."), [Paragraph(text)], "poor")


def _trials(trials: Sequence[Trial]) -> Item:
    rows = [
        (
            trial.name,
            TableCell(tr("Passed"), "yes") if trial.passed else TableCell(tr("Failed"), "no"),
            trial.words,
            fixed(trial.seconds, 1),
        )
        for trial in trials
    ]
    headings = (tr("Trial"), tr("Outcome"), tr("What was found"), tr("Seconds"))
    return Table(headings, [Group("", rows)], looks=("", "", "long", "number"))


def _libraries(libraries: Sequence[Library]) -> Item:
    rows = [
        (
            library.name,
            TableCell(library.version or tr("missing"), "" if library.is_usable else "no"),
            library.tested,
            library.remark,
        )
        for library in libraries
    ]
    return Table(
        (tr("Library"), tr("Version"), tr("Tested with"), tr("Remark")), [Group("", rows)], looks=("", "", "", "")
    )
