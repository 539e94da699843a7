"""Links to the set-up and to pages of the guide, for texts that QGIS shows; the plugin's window half answers them."""

from __future__ import annotations

from html import escape

from .translation import tr

SCHEME = "soilcnn"
SET_UP_ADDRESS = f"{SCHEME}:set-up"
GUIDE_ADDRESS = f"{SCHEME}:guide/"


def set_up_message(problem: str) -> str:
    """Return the message with the link below it; empty if there is no problem."""
    if not problem:
        return ""
    link = f'<a href="{SET_UP_ADDRESS}"><b>{escape(tr("Set up the compute environment"))}</b></a>'
    return f"<p>{escape(problem)}</p><p>{link}</p>"
