"""An algorithm's help, made from the algorithm itself: the panel beside its parameters, and its page of the guide."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

from qgis.core import Qgis, QgsProcessingParameterDefinition

from ..paths import page as page_path
from .links import GUIDE_ADDRESS
from .translation import tr


def panel_text(algorithm: Any) -> str:
    """Return the text beside the dialog: what the algorithm does, and the parameters that are not folded away."""
    lines = [escape(algorithm.summary()), "", *escape(algorithm.explanation()).split("\n")]
    shown = [item for item in _inputs(algorithm) if not _is_advanced(item)]
    lines += ["", *(f"<b>{escape(item.description())}</b><br>{escape(item.help())}" for item in shown)]
    return "\n".join(lines)


def page_address(algorithm: Any) -> str:
    """Return the link that opens the algorithm's page in the guide's reader."""
    return f"{GUIDE_ADDRESS}algorithms/{algorithm.name()}.md"


def page(algorithm: Any) -> str:
    """Return the page of the guide in Markdown: what the algorithm does, its pictures, its parameters and outputs."""
    inputs = _inputs(algorithm)
    outputs = [item for item in algorithm.parameterDefinitions() if item.isDestination()]
    sections = (
        (tr("Parameters"), [item for item in inputs if not _is_advanced(item)]),
        (tr("Advanced parameters"), [item for item in inputs if _is_advanced(item)]),
        (tr("Outputs"), outputs),
    )
    body = [f"# {algorithm.displayName()}", f"**{plain(algorithm.summary())}**"]
    body += [plain(paragraph) for paragraph in algorithm.explanation().split("\n") if paragraph]
    body += _pictures(algorithm)
    for title, items in sections:
        if items:
            body += [f"## {title}", *map(_entry, items)]
    values = [item for item in algorithm.outputDefinitions() if algorithm.parameterDefinition(item.name()) is None]
    if values:
        entries = (f"- {plain(item.description())} `{item.name()}`" for item in values)
        body += [f"## {tr('Returned to scripts and models')}", "\n".join(entries)]
    body += [f"## {tr('In scripts')}", f"`soilcnn:{algorithm.name()}`, {tr('in Python, R and qgis_process alike.')}"]
    return "\n\n".join(body) + "\n"


def overview(algorithms: Iterable[Any]) -> str:
    """Return the page that lists the algorithms by group, as the toolbox does."""
    body = [f"# {tr('Algorithms')}"]
    in_order = sorted(algorithms, key=lambda each: each.group())
    for group in dict.fromkeys(each.group() for each in in_order):
        members = [each for each in in_order if each.group() == group]
        body.append(f"## {group}")
        lines = (f"- [{each.displayName()}]({each.name()}.md): {plain(each.summary())}" for each in members)
        body.append("\n".join(lines))
    return "\n\n".join(body) + "\n"


def escape(text: str) -> str:
    return html.escape(text, quote=False)


def plain(text: str) -> str:
    """Return the text with what Markdown would read as markup escaped."""
    return re.sub(r"([\\`*\[\]])", r"\\\1", escape(text))


def _pictures(algorithm: Any) -> list[str]:
    """Return the pictures that exist: of the dialog, and of what comes out."""
    kinds = {"dialog": tr("The dialog of {}"), "result": tr("A result of {}")}
    files = {kind: f"images/algorithms/{algorithm.name()}_{kind}.png" for kind in kinds}
    return [
        f"![{kinds[kind].format(algorithm.displayName())}](../{file})"
        for kind, file in files.items()
        if page_path("docs", file).is_file()
    ]


def _entry(item: QgsProcessingParameterDefinition) -> str:
    is_optional = item.flags() & Qgis.ProcessingParameterFlag.Optional
    notes = [tr("Optional.")] if is_optional else []
    default = item.defaultValue()
    if default not in (None, "") and not item.isDestination():
        notes.append(tr("Default: {}.").format(default))
    return f"**{plain(item.description())}** `{item.name()}`  \n{plain(' '.join([item.help(), *notes]))}"


def _inputs(algorithm: Any) -> list[QgsProcessingParameterDefinition]:
    return [item for item in algorithm.parameterDefinitions() if not item.isDestination()]


def _is_advanced(item: QgsProcessingParameterDefinition) -> bool:
    return bool(item.flags() & Qgis.ProcessingParameterFlag.Advanced)
