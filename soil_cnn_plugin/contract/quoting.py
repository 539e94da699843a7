"""Names in lists that users write: what stands in quotes is a name as it is, whatever characters it holds."""

from __future__ import annotations

import re
from typing import Optional

_QUOTED = re.compile(r"""\s*(?:"(?P<double>(?:[^"]|"")*)"|'(?P<single>(?:[^']|'')*)')""")
_SPECIAL = re.compile(r"[<>;=\"\n]|^\s|\s$|^'")


def split_items(text: str, separators: str) -> list[str]:
    """Items between separators that stand in no quotes; quotes count where an item begins with them."""
    items = []
    while text:
        quoted = _QUOTED.match(text)
        rest = quoted.end() if quoted else 0
        end = next((place for place in range(rest, len(text)) if text[place] in separators), len(text))
        items.append(text[:end])
        text = text[end + 1 :]
    return [item for item in items if item.strip()]


def take_name(item: str) -> tuple[Optional[str], str]:
    """The name in quotes that an item begins with, and what follows; None and the item where it begins with none."""
    match = _QUOTED.match(item)
    if match is None:
        return None, item
    double, single = match["double"], match["single"]
    name = double.replace('""', '"') if double is not None else single.replace("''", "'")
    return name, item[match.end() :]


def quoted(name: str) -> str:
    """The name as a list may hold it: in quotes where it would be read otherwise."""
    return '"{}"'.format(name.replace('"', '""')) if _SPECIAL.search(name) else name
