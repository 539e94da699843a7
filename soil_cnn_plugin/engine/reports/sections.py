"""A page as its sections, and the writer that puts them in one frame, as one self-contained HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import jinja2
from markupsafe import Markup

from soil_cnn_plugin.contract.language import language, tr
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.reports.references import Publication
from soil_cnn_plugin.engine.reports.settings_words import named_settings
from soil_cnn_plugin.engine.reports.words import score_heading, unbroken


class Item:
    """An item of a page. `macro` is the macro of templates/parts.html.j2 that shows it; all texts are escaped there."""

    macro: ClassVar[str]


@dataclass(frozen=True)
class Paragraph(Item):
    """A paragraph of text. `look` is a class of the style sheet: small, numbers, caution."""

    text: str
    look: str = ""
    macro: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Subheading(Item):
    text: str
    macro: ClassVar[str] = "subheading"


@dataclass(frozen=True)
class Quotation(Item):
    text: str
    macro: ClassVar[str] = "quotation"


@dataclass(frozen=True)
class Bullets(Item):
    texts: Sequence[str]
    macro: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Terms(Item):
    """Terms with their meanings."""

    meanings: Mapping[str, str]
    macro: ClassVar[str] = "terms"


@dataclass(frozen=True)
class Pairs(Item):
    """Names with their values."""

    rows: Mapping[str, str]
    macro: ClassVar[str] = "pairs"


@dataclass(frozen=True)
class CaptionedFigure(Item):
    svg: str  # with its texts escaped
    caption: str
    macro: ClassVar[str] = "figure"


@dataclass(frozen=True)
class TableCell:
    """A text of a table with a `look`, which is a class of the style sheet, or a small `svg` in its place."""

    text: str
    look: str = ""
    svg: str = ""


@dataclass(frozen=True)
class Group:
    """Rows of a table under a heading of their own, or under none where it is empty. The first text of a row names
    it."""

    heading: str
    rows: Sequence[Sequence[str | TableCell]]


@dataclass(frozen=True)
class Table(Item):
    """A table. `spans` are headings that stand above the others, each with a number of columns. `looks` are those of
    the columns: number, long or empty. Without them all columns but the first hold numbers."""

    headings: Sequence[str]
    groups: Sequence[Group]
    caption: str = ""
    spans: Sequence[tuple[str, int]] = ()
    looks: Sequence[str] = ()
    macro: ClassVar[str] = "table"

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The heading and the look of each column."""
        looks = self.looks or ("", *["number"] * (len(self.headings) - 1))
        return list(zip(self.headings, looks))


def table(headings: Sequence[str], rows: Sequence[Sequence[str | TableCell]], caption: str = "") -> Table:
    """Return a table of numbers without groups. The first text of each row names it."""
    return Table(headings, [Group("", rows)], caption)


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str | TableCell]]) -> Table:
    return Table(headings, [Group("", rows)], looks=["long"] * len(headings))


@dataclass(frozen=True)
class ScoreRow:
    """A row of scores. `texts` are by column, `small` is what stands below a text, and `best` are the columns in which
    no other method is better."""

    method: str
    texts: dict[str, str]
    best: tuple[str, ...]
    small: dict[str, str]
    is_predictor: bool


@dataclass(frozen=True)
class ScoreGroup:
    """The rows of all methods of one target; `heading` names it with its unit."""

    heading: str
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True)
class ScoreTable(Item):
    columns: Sequence[str]
    groups: Sequence[ScoreGroup]
    caption: str
    macro: ClassVar[str] = "score_table"


@dataclass(frozen=True)
class VerdictBox(Item):
    """A box with a verdict. `outcome` decides the colour: network, forest, none, good, poor; others leave it
    grey."""

    heading: str
    items: Sequence[Item]
    outcome: str = ""
    macro: ClassVar[str] = "verdict"


@dataclass(frozen=True)
class Details(Item):
    """Items that are folded away, because there may be many."""

    summary: str
    items: Sequence[Item]
    macro: ClassVar[str] = "details"


@dataclass(frozen=True)
class Problem:
    """One kind of problem: what it is, where it occurs, and what to do about it."""

    title: str
    count: str
    sentences: list[str]
    remedy: str
    observations: str


@dataclass(frozen=True)
class Problems(Item):
    problems: Sequence[Problem]
    macro: ClassVar[str] = "problems"


@dataclass(frozen=True)
class Citations(Item):
    publications: Sequence[Publication]
    macro: ClassVar[str] = "citations"


@dataclass(frozen=True)
class Section:
    """A section of a page. `anchor` is unique in its page; the short print version leaves a detail out."""

    anchor: str
    heading: str
    items: Sequence[Item]
    is_detail: bool = False


@dataclass(frozen=True)
class Page:
    """A page. `kind` says what it is, `facts` stand below the title, and `lead` stands above the first section."""

    kind: str
    title: str
    facts: Sequence[str]
    lead: Sequence[Item]
    sections: Sequence[Section] = field(default_factory=tuple)


def folded(items: Sequence[Item], count: int) -> list[Item]:
    """Fold the tables away if they show more than four soil properties and depths."""
    return [Details(tr("Table of the {} properties and depths").format(count), items)] if count > 4 else [*items]


def notes_section(notes: Sequence[str]) -> list[Section]:
    return [Section("notes", tr("Notes"), [Bullets(notes)])] if notes else []


def settings_section(settings: Mapping[str, str], versions: Mapping[str, str], *more: Item) -> Section:
    items: list[Item] = []
    for heading, rows in ((tr("Settings"), named_settings(settings)), (tr("Software"), versions)):
        if rows:
            items += [Subheading(heading), Pairs(rows)]
    return Section("settings", tr("Settings and software"), [*items, *more])


def citing_section(publications: Sequence[Publication], software: str = "", sentence: str = "") -> Section:
    """Return the section on citing. `software` names it with its version; `sentence` is one for the methods section of
    a paper."""
    version = f" ({software})" if software else ""
    if sentence:
        how = [
            Paragraph(
                tr(
                    "Name the software with its version{}, and the methods that carry your conclusions. A sentence for"
                    " the methods section:"
                ).format(version)
            ),
            Quotation(sentence),
        ]
    else:
        how = [
            Paragraph(
                tr("Name the software with its version{}, and the methods that carry your conclusions:").format(version)
            )
        ]
    return Section("how-to-cite", tr("How to cite"), [*how, Citations(publications)])


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one kind of targets adds to the held-out report. Each part stands beside those of other kinds.

    `sections` follow the accuracy, and `target_sections` the comparison of methods and folds. `terms` are measures with
    their meanings.
    """

    facts: Sequence[str] = ()
    predictor: Sequence[Item] = ()
    verdicts: Sequence[Item] = ()
    maps: Sequence[Item] = ()
    values: Sequence[Item] = ()
    accuracy: Sequence[Item] = ()
    sections: Sequence[Section] = ()
    differences: Sequence[Item] = ()
    other_folds: Sequence[Item] = ()
    target_sections: Sequence[Section] = ()
    terms: Mapping[str, str] = field(default_factory=dict)


def _broken_after_slashes(path: str) -> Markup:
    """Return a path that a narrow column breaks between folders, not within their names."""
    return Markup("<wbr>").join(re.split(r"(?<=[/\\\\])", path))


def write_page(path: str, page: Page) -> None:
    """Fill templates/page.html.j2. Every text is escaped, except the SVG of figures, whose texts are escaped
    already."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(tr=tr, language=language())
    environment.filters.update(unbroken=unbroken, heading=score_heading)
    environment.filters["after_slashes"] = _broken_after_slashes
    text = environment.get_template("page.html.j2").render(page=page)
    write_whole(path, text.encode())
