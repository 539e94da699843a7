"""The look of figures, and their form as SVG inside a page: one style, colour-blind safe colours, text that stays
text."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogFormatter, PercentFormatter, ScalarFormatter, StrMethodFormatter

from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.arrays import Array, Rows

NETWORK_COLOUR, FOREST_COLOUR, QUIET = "#1b6896", "#b3611a", "#6b7280"
RASTER_ABOVE = 1000
"""Points per panel above which they are drawn as an image, so that the file stays small."""
MOST_POINTS = 20_000
"""The most points of a map; more hide each other, and take long."""

_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "font.sans-serif": ["DejaVu Sans"],  # for the layout; the page shows its own, narrower font
    "text.color": "#22262b",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": "#22262b",
    "axes.edgecolor": "#8a9099",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": "#8a9099",
    "ytick.color": "#8a9099",
    "xtick.labelcolor": "#3f454d",
    "ytick.labelcolor": "#3f454d",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a field may be called `a$b$`
}


def draw(name: str, width: float, height: float, paint: Callable[[Figure], None]) -> str:
    """Draw a figure as an SVG element of `width` x `height` inches, with its texts escaped.

    `name`, which is unique in its page, keeps the identifiers of figures apart.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), dpi=150, layout="compressed")
        paint(figure)
        _localize(figure)
        return _slim(render(figure))


def render(figure: Figure) -> str:
    """Lay a figure out and write it as an SVG file."""
    canvas, engine = FigureCanvasSVG(figure), figure.get_layout_engine()
    if engine and figure.axes:
        engine.execute(figure)  # the layout settles at the second attempt, with which drawing begins
    buffer = io.StringIO()
    canvas.print_svg(buffer)  # `savefig` would draw twice
    return buffer.getvalue()


def _localize(figure: Figure) -> None:
    """Write the numbers along all axes as the user's language does; names along axes have formatters of other kinds."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, (ScalarFormatter, PercentFormatter, StrMethodFormatter, LogFormatter)):
                axis.set_major_formatter(_LocalFormatter(formatter))


class _LocalFormatter(Formatter):
    """Write numbers as another formatter does, with the separators of the user's language."""

    def __init__(self, english: Formatter) -> None:
        self._english = english

    def set_axis(self, axis: Any) -> None:
        super().set_axis(axis)
        self._english.set_axis(axis)

    def set_locs(self, locs: Any) -> None:
        self._english.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return localized(self._english(x, pos))

    def get_offset(self) -> str:
        return localized(self._english.get_offset())


def _slim(svg: str) -> str:
    """Return the SVG element without what a page does not need, which is half the size."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    return re.sub(r"<[^>]+>", lambda tag: _slim_tag(tag[0]), re.sub(r"\n\s+", "\n", svg))


def _slim_tag(tag: str) -> str:
    tag = re.sub(r' id="[A-Za-z][A-Za-z0-9.]*_\d+"', "", tag)  # all figures share these ids, and nothing uses them
    return re.sub(r"(\.\d\d)\d+", r"\1", tag)


def lighten_grid(axes: Axes) -> None:
    axes.grid(True)
    axes.tick_params(length=2.5)


def fold_look(count: int) -> list[tuple[str, str]]:
    """Return the colour and the marker of each fold. Colours are Paul Tol's muted scheme, which colour-blind readers
    tell apart."""
    colours = ("#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee", "#882255", "#44aa99", "#999933", "#aa4499")
    markers = ("o", "s", "^", "D", "v", "P", "X")
    return list(islice(zip(cycle(colours), cycle(markers)), count))


def drawn_points(count: int) -> Rows:
    """Return the rows that a map shows of `count` points: all, or some drawn at random."""
    if count <= MOST_POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_POINTS, replace=False))


def drawn_in_words(count: int) -> str:
    """Return a sentence for the caption of a map that shows some of `count` points; empty where it shows all."""
    if count <= MOST_POINTS:
        return ""
    return tr(" The map shows {} of the {} observations, drawn at random.").format(MOST_POINTS, count)


def diverging_ramp() -> ListedColormap:
    """Return a ramp from blue over near-white to brown. Its steps in OKLab are equal (Ottosson 2020), so it is
    perceptually uniform around 0."""
    share = np.linspace(-1, 1, 255)[:, None]
    blue, middle, brown = np.array([[0.42, -0.045, -0.125], [0.965, 0.0, 0.0], [0.42, 0.085, 0.085]])
    lab = middle + np.where(share < 0, -share * (blue - middle), share * (brown - middle))
    return ListedColormap(_to_srgb(lab), name="residual")


def sequential_ramp() -> ListedColormap:
    """Return a ramp from light sand to dark blue-green, in equal steps of OKLab's lightness."""
    share = np.linspace(0, 1, 255)[:, None]
    light, middle, dark = np.array([[0.95, 0.005, 0.05], [0.64, -0.07, 0.02], [0.33, -0.025, -0.07]])
    lab = np.where(share < 0.5, light + 2 * share * (middle - light), middle + (2 * share - 1) * (dark - middle))
    return ListedColormap(_to_srgb(lab), name="values")


def _to_srgb(lab: Array) -> Array:
    """Convert OKLab (n, 3) to sRGB (n, 3), after https://bottosson.github.io/posts/oklab/"""
    to_cone = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((lab @ to_cone.T) ** 3 @ to_linear.T, 0.0, 1.0)
    srgb: Array = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return srgb
