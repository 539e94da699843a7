"""The explanation of a pixel as HTML that a window of QGIS can show."""

from __future__ import annotations

import html
from typing import Any

from ..contract.language import localized, tr

_WIDEST = 120  # pixels of the largest contribution's bar
_MORE, _LESS = "#803100", "#004e92"


def pixel_html(content: dict[str, Any]) -> str:
    """Return a page from the JSON that Explain pixel writes."""
    parts = [f"<p><b>{html.escape(target['text'])}</b></p>" for target in content["targets"].values()]
    if content["applicable"]:
        parts.append(f"<p>{html.escape(content['applicable'])}</p>")
    for target in content["targets"].values():
        if target["contributions"]:
            parts.append(_contributions(target, content["covariates"]))
    parts.append(_neighbours(content))
    parts.append(f"<p><small>{content['x']:.8g}, {content['y']:.8g} ({html.escape(content['crs'])})</small></p>")
    return "\n".join(parts)


def _contributions(target: dict[str, Any], covariates: dict[str, Any]) -> str:
    found, texts = target["contributions"], target["contribution_texts"]
    largest = max((abs(value) for value in found.values()), default=0.0) or 1.0
    rows = []
    for name, value in found.items():
        width = max(1, round(_WIDEST * abs(value) / largest))
        colour = _MORE if value > 0 else _LESS
        bar = f'<table cellspacing="0"><tr><td bgcolor="{colour}" width="{width}" height="9"></td></tr></table>'
        here = covariates.get(name)
        shown = f"{name} ({localized(f'{here:.4g}')})" if isinstance(here, (int, float)) else name
        rows.append(f"<tr><td>{html.escape(shown)}</td><td align='right'>{texts[name]}&nbsp;</td><td>{bar}</td></tr>")
    title = html.escape(tr("Why {}").format(target["label"]))
    meaning = html.escape(target["meaning"])
    return f"<p><b>{title}</b><br>{meaning}</p><table cellpadding='2'>{''.join(rows)}</table>"


def _neighbours(content: dict[str, Any]) -> str:
    fields = list(content["targets"])
    head = "".join(f"<th align='left'>{html.escape(content['targets'][field]['label'])}</th>" for field in fields)
    rows = []
    for each in content["neighbours"]:
        cells = "".join(f"<td>{html.escape(each['observed'].get(field, '–'))}</td>" for field in fields)
        rows.append(f"<tr><td>{each['distance']:.0f} m {each['direction']}</td>{cells}</tr>")
    title = tr("Nearest observations")
    return f"<p><b>{title}</b></p><table cellpadding='3'><tr><th></th>{head}</tr>{''.join(rows)}</table>"
