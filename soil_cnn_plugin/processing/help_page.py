"""An algorithm's help: the panel beside its parameters, and a page with all of them, made from the algorithm itself."""

from __future__ import annotations

import html
from string import Template

from qgis.core import Qgis, QgsProcessingAlgorithm, QgsProcessingParameterDefinition

from ..paths import resource
from .choices import help_in_words
from .translation import tr


def panel_text(algorithm: QgsProcessingAlgorithm, summary: str, explanation: str) -> str:
    """Return the text beside the dialog: what the algorithm does, and the parameters that are not folded away."""
    lines = [escape(summary), "", *escape(explanation).split("\n")]
    shown = [item for item in _inputs(algorithm) if not _is_advanced(item)]
    lines += ["", *(f"<b>{escape(item.description())}</b><br>{escape(help_in_words(item))}" for item in shown)]
    return "\n".join(lines)


def page(algorithm: QgsProcessingAlgorithm, summary: str, explanation: str) -> str:
    """Return the page: what the algorithm does, each parameter with its help, and the outputs."""
    inputs = _inputs(algorithm)
    outputs = [item for item in algorithm.parameterDefinitions() if item.isDestination()]
    sections = (
        (tr("Parameters"), [item for item in inputs if not _is_advanced(item)]),
        (tr("Advanced parameters"), [item for item in inputs if _is_advanced(item)]),
        (tr("Outputs"), outputs),
    )
    body = [f"<h1>{escape(algorithm.displayName())}</h1>", f"<p><b>{escape(summary)}</b></p>"]
    body += [f"<p>{escape(paragraph)}</p>" for paragraph in explanation.split("\n") if paragraph]
    for title, items in sections:
        if items:
            body += [f"<h2>{escape(title)}</h2>", *(_entry(item) for item in items)]
    body += [f"<p>{escape(tr('In scripts and in qgis_process: {}').format(algorithm.id()))}</p>"]
    frame = Template(resource("help.html").read_text(encoding="utf-8"))
    return frame.substitute(title=escape(algorithm.displayName()), body="\n".join(body))


def escape(text: str) -> str:
    return html.escape(text, quote=False)


def _entry(item: QgsProcessingParameterDefinition) -> str:
    text = escape(help_in_words(item))
    return f"<p><b>{escape(item.description())}</b> <code>{item.name()}</code><br>{text}</p>"


def _inputs(algorithm: QgsProcessingAlgorithm) -> list[QgsProcessingParameterDefinition]:
    return [item for item in algorithm.parameterDefinitions() if not item.isDestination()]


def _is_advanced(item: QgsProcessingParameterDefinition) -> bool:
    return bool(item.flags() & Qgis.ProcessingParameterFlag.Advanced)
