"""Small pictures of maps for the report: what is predicted, how wide its interval is, where it is applicable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.reports.drawing import draw, sequential_ramp

_APPLICABLE, _NOT_APPLICABLE = "#7fc0b5", "#b3611a"
_WIDTH = 9.2  # inches of three panels
_WIDEST_LEGEND = 12  # classes


@dataclass(frozen=True)
class Picture:
    """A raster (h, w), NaN where there is nothing. `classes` name its values from 1, with their `colours`."""

    title: str
    values: Array
    unit: str = ""
    classes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()


def draw_maps(name: str, pictures: Sequence[Picture], aspect: float) -> str:
    """Draw pictures side by side; `aspect` is the height of a pixel over its width."""
    height, width = pictures[0].values.shape
    shape = min(max(height * aspect / width, 0.45), 1.5)
    legend = max((min(len(picture.classes), _WIDEST_LEGEND) for picture in pictures), default=0)

    def paint(figure: Figure) -> None:
        for axes, picture in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures):
            axes.set_title(picture.title)
            axes.set_axis_off()
            if picture.classes:
                _paint_classes(axes, picture, aspect)
            else:
                _paint_numbers(figure, axes, picture, aspect)

    panel = _WIDTH / max(len(pictures), 2)
    return draw(name, panel * len(pictures), panel * shape + 0.75 + 0.1 * legend, paint)


def _paint_numbers(figure: Figure, axes: Axes, picture: Picture, aspect: float) -> None:
    known = picture.values[np.isfinite(picture.values)]
    low, high = np.quantile(known, (0.02, 0.98)) if known.size else (0.0, 1.0)
    image = _show(axes, picture, sequential_ramp(), Normalize(low, high if high > low else low + 1), aspect)
    figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.8, pad=0.02, label=picture.unit, extend="both")


def _paint_classes(axes: Axes, picture: Picture, aspect: float) -> None:
    count = len(picture.classes)
    norm = BoundaryNorm(np.arange(count + 1) + 0.5, count)
    _show(axes, picture, ListedColormap(picture.colours), norm, aspect)
    found = [number for number in range(1, count + 1) if (picture.values == number).any()]
    patches = [Patch(color=picture.colours[number - 1], label=picture.classes[number - 1]) for number in found]
    if len(patches) > _WIDEST_LEGEND:
        patches = [
            *patches[: _WIDEST_LEGEND - 1],
            Patch(alpha=0, label=tr("and {} more").format(len(patches) - _WIDEST_LEGEND + 1)),
        ]
    axes.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize=7.5)


def _show(axes: Axes, picture: Picture, ramp: Colormap, norm: Normalize, aspect: float):  # type: ignore[no-untyped-def]
    return axes.imshow(
        np.ma.masked_invalid(picture.values), cmap=ramp, norm=norm, aspect=aspect, interpolation="nearest"
    )


def applicable_picture(index: Array, threshold: float) -> Picture:
    """Return a picture of two classes from the dissimilarity index."""
    classes = np.where(np.isfinite(index), np.where(index <= threshold, 1.0, 2.0), np.nan)
    return Picture(
        tr("Where it is applicable"),
        classes,
        "",
        (tr("applicable"), tr("not applicable")),
        (_APPLICABLE, _NOT_APPLICABLE),
    )
