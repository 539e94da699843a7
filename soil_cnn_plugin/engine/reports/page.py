"""Writes a page: the items of its sections, escaped, in one frame, as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

import jinja2

from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.reports.numerals import unbroken
from soil_cnn_plugin.engine.reports.sections import Page


def write_page(path: str, page: Page) -> None:
    """Fills templates/page.html.j2. Every text is escaped but the SVG of figures, which has its own escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    text = environment.get_template("page.html.j2").render(page=page)
    write_whole(path, text.encode())
