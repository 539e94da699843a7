"""An algorithm's help, made from the algorithm itself: the panel beside its parameters, and its page of the guide."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

from qgis.core import Qgis, QgsProcessingParameterDefinition, QgsProcessingParameterEnum

from ..contract.language import tr
from ..paths import page as page_path
from .choices import help_in_words, in_words
from .links import GUIDE_ADDRESS


def panel_text(algorithm: Any) -> str:
    """Return the text beside the dialog: what the algorithm does, and the parameters that are not folded away."""
    lines = [escape(algorithm.summary()), "", *escape(algorithm.explanation()).split("\n")]
    shown = [item for item in _inputs(algorithm) if not _is_advanced(item)]
    lines += ["", *(f"<b>{escape(item.description())}</b><br>{escape(help_in_words(item))}" for item in shown)]
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
    body += _picture(algorithm, "result", tr("A result of {}").format(algorithm.displayName()))
    for title, items in sections:
        if items:
            body += [f"## {title}", *map(_entry, items)]
    values = [item for item in algorithm.outputDefinitions() if algorithm.parameterDefinition(item.name()) is None]
    if values:
        entries = (f"- {plain(item.description())} `{item.name()}`" for item in values)
        body += [f"## {tr('Returned to scripts and models')}", "\n".join(entries)]
    body += [f"## {tr('In scripts')}", f"`soilcnn:{algorithm.name()}`, {tr('in Python, R and qgis_process alike.')}"]
    body += _picture(algorithm, "dialog", tr("The dialog of {}").format(algorithm.displayName()))
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


def _picture(algorithm: Any, kind: str, text: str) -> list[str]:
    """Return a picture of the dialog or of what comes out, if there is one."""
    file = f"images/algorithms/{algorithm.name()}_{kind}.png"
    return [f"![{text}](../{file})"] if page_path("docs", file).is_file() else []


def _entry(item: QgsProcessingParameterDefinition) -> str:
    is_optional = item.flags() & Qgis.ProcessingParameterFlag.Optional
    notes = [tr("Optional.")] if is_optional else []
    default = item.defaultValue()
    if default not in (None, "") and not item.isDestination():
        notes.append(tr("Default: {}.").format(in_words(item.name(), str(default))))
    text = plain(" ".join([help_in_words(item), *notes]))
    if isinstance(item, QgsProcessingParameterEnum):
        text += f" {tr('In scripts:')} {', '.join(_choice(item.name(), value) for value in item.options())}."
    return f"**{plain(item.description())}** `{item.name()}`  \n{text}"


def _choice(name: str, value: str) -> str:
    """Return a stored value with the words that the dialog shows for it, if they are others."""
    words = in_words(name, value)
    return f"`{value}`" if words == value else f"`{value}` ({plain(words)})"


def _inputs(algorithm: Any) -> list[QgsProcessingParameterDefinition]:
    return [item for item in algorithm.parameterDefinitions() if not item.isDestination()]


def _is_advanced(item: QgsProcessingParameterDefinition) -> bool:
    return bool(item.flags() & Qgis.ProcessingParameterFlag.Advanced)
