"""Colours of classes on maps, by their order: the same in rasters, their legends and reports."""

from __future__ import annotations

# First the muted scheme of Paul Tol (https://sronpersonalpages.nl/~pault/), then always the colour that lies farthest
# from all before it, in OKLab, to normal and to colour-blind eyes (Machado et al. 2009, 10.1109/TVCG.2009.113).
_CODES = """
ddcc77 88ccee cc6677 44aa99 117733 999933 aa4499 332288 882255 3078d8 3c3c0c b490fc ccf0e4 fca8c0 6c3c9c 8484b4 541854
e49c6c 00546c 84606c b44800 6c4824 60cc9c 6c8454 c09cc0 7884f0 4854c0 cca80c fcd8b4 a87824 7860b4 e4d8fc b4906c 54303c
009078 003c6c d878d8 483c84 840000 9cb4fc e4789c 546048 24a8e4 f07848 306c9c 90e4d8 9cd89c 485484 a87890 48c06c 54d8cc
c0c054 786c54 6c0c6c 9c78cc 84b4d8 903078 903000 30a854 780030 6c9ccc 906ca8 6c5460 78303c 909c84 546c00 ccb490 9c5484
fcc0b4 c084c0 3c9018 a860c0 c06ca8 e4b4e4 b46c54 185448 304854 78b484 6054a8 90b4a8 6060cc d89cd8 9c2430 90603c 3c309c
007890 483024 00549c 6078c0 a8b448 ccccfc b4d8c0 84a800 480c78 b4606c e49cb4 fc7890 603c60 90cc78 6c3024
"""


def class_colours(count: int) -> list[str]:
    """`#rrggbb` of so many classes; a class keeps its colour when others follow it."""
    codes = _CODES.split()
    return [f"#{codes[index % len(codes)]}" for index in range(count)]


def class_colormap(count: int) -> dict[int, tuple[int, int, int, int]]:
    """Value of a raster -> red, green, blue and opacity from 0 to 255, for classes from 1; 0 is transparent."""
    colours = {number: (*as_rgb(colour), 255) for number, colour in enumerate(class_colours(count), start=1)}
    return {0: (0, 0, 0, 0), **colours}


def as_rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` -> red, green and blue from 0 to 255."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue
