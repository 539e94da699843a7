"""A figure with what it shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CaptionedFigure:
    svg: str  # with its texts escaped
    caption: str
