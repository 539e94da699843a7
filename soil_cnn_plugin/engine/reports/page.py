"""The writer of pages: it escapes the items of all sections and puts them in one frame, as one self-contained HTML
file."""

from __future__ import annotations

from pathlib import Path

import jinja2

from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.reports.numerals import unbroken
from soil_cnn_plugin.engine.reports.sections import Page


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
    environment.filters["unbroken"] = unbroken
    text = environment.get_template("page.html.j2").render(page=page)
    write_whole(path, text.encode())
