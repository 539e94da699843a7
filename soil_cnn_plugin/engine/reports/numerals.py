"""Numbers as a reader wants them: as many decimals as they deserve, a real minus sign, a dash for nothing."""

from __future__ import annotations

import math
import re

NOTHING = "–"


def decimals_for(scale: float) -> int:
    """Return how many decimals show about three significant digits of numbers as large as `scale`."""
    if not math.isfinite(scale) or scale == 0:
        return 2
    return min(8, max(0, 2 - math.floor(math.log10(abs(scale)))))


def fixed(value: float | None, decimals: int) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def rounded(value: float | None) -> str:
    """Return the value with about three significant digits."""
    return NOTHING if value is None else fixed(value, decimals_for(value))


def percent(share: float | None, decimals: int = 0) -> str:
    """Return the share in percent: `0.912` becomes `91 %`."""
    return NOTHING if value_is_missing(share) else f"{fixed(100 * (share or 0.0), decimals)} %"


def unbroken(text: str) -> str:
    """Return the text with spaces that keep `12 %` and `p = 0.03` on one line."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<])|(?<=p[ \u00a0][=<]) (?=\d)", "\u00a0", text)


def value_is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
