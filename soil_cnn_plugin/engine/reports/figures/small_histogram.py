"""A histogram as small as a word, for a row of a table."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.engine.reports.drawing import NETWORK_COLOUR, QUIET

WIDTH, HEIGHT = 120, 26  # pixels


def small_histogram(bars: Sequence[int], outside: int = 0) -> str:
    """An SVG element; empty for a single bar, or none. A bar that holds anything is seen, however few.

    Its tooltip tells of values `outside`, beyond the last bars.
    """
    if len(bars) < 2:
        return ""
    highest, step = max(bars), WIDTH / len(bars)
    shapes = []
    for index, count in enumerate(bars):
        if count:
            height = max(1.5, count / highest * (HEIGHT - 1))
            shapes.append(f"M{index * step:.1f} {HEIGHT - 1}v{-height:.1f}h{max(step - 0.6, 0.8):.1f}v{height:.1f}z")
    title = f"<title>{outside} values far from all others are left out</title>" if outside else ""
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return (
        f'<svg {size} role="img" aria-label="histogram">{title}'
        f'<path d="{"".join(shapes)}" fill="{NETWORK_COLOUR}"/>'
        f'<path d="M0 {HEIGHT - 0.5}h{WIDTH}" stroke="{QUIET}" stroke-width="0.6"/></svg>'
    )
