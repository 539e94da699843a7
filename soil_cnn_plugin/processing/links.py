"""Links that QGIS's window answers with windows of this plugin: to the set-up, in messages, and to the guide."""

from __future__ import annotations

from html import escape

from ..contract.language import tr

SCHEME = "soilcnn"
SET_UP_ADDRESS = f"{SCHEME}:set-up"
GUIDE_ADDRESS = f"{SCHEME}:guide/"
"""Before the path of a page of the guide, such as `algorithms/predictmap.md`."""


def set_up_message(problem: str) -> str:
    """Return the message with the link below it; empty if there is no problem."""
    if not problem:
        return ""
    link = f'<a href="{SET_UP_ADDRESS}"><b>{escape(tr("Set up the compute environment"))}</b></a>'
    return f"<p>{escape(problem)}</p><p>{link}</p>"
