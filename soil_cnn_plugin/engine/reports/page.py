"""Writes a page: a Jinja2 template of `templates/`, filled and escaped, as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

import jinja2

from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.reports import numerals


def write_page(path: str, template: str, **content: object) -> None:
    """Fills `<template>.html.j2`. Every text is escaped but the SVG of figures, which has its own escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(fixed=numerals.fixed, percent=numerals.percent, unbroken=numerals.unbroken)
    text = environment.get_template(f"{template}.html.j2").render(**content)
    write_whole(path, text.encode())
