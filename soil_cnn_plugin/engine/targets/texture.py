"""Texture classes of the fine earth: where each system divides the triangle of sand, silt and clay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError

Codes = NDArray[np.uint8]
Point = tuple[float, float, float]

USDA, WRB = "usda", "wrb"
_TWELVE = (
    "sand",
    "loamy sand",
    "sandy loam",
    "loam",
    "silt loam",
    "silt",
    "sandy clay loam",
    "clay loam",
    "silty clay loam",
    "sandy clay",
    "silty clay",
    "clay",
)
TEXTURE_CLASSES = {USDA: _TWELVE, WRB: (*_TWELVE, "heavy clay")}
"""Names by system; their values count from 1. The twelve of the USDA have the boundaries of Soil Science Division Staff
(2017), Soil survey manual, chapter 3. FAO (2006), Guidelines for soil description, figure 4, to which the WRB refers,
has the same boundaries and divides clay at 60 %."""
TITLES = {USDA: "USDA", WRB: "WRB"}
SIZES = {USDA: tr("silt is 2 to 50 µm"), WRB: tr("silt is 2 to 63 µm")}

_BORDERS: tuple[tuple[Point, Point], ...] = (  # ends as sand, silt, clay
    ((85, 15, 0), (90, 0, 10)),  # sand | loamy sand: silt + 1.5 clay = 15
    ((70, 30, 0), (85, 0, 15)),  # loamy sand | sandy loam: silt + 2 clay = 30
    ((80, 0, 20), (52, 28, 20)),  # sandy loam | sandy clay loam
    ((52, 28, 20), (52, 41, 7)),  # sandy loam | loam
    ((52, 41, 7), (43, 50, 7)),
    ((50, 50, 0), (23, 50, 27)),  # sandy loam and loam | silt loam
    ((20, 80, 0), (8, 80, 12)),  # silt loam | silt
    ((8, 80, 12), (0, 88, 12)),
    ((52, 28, 20), (45, 28, 27)),  # sandy clay loam | loam
    ((45, 28, 27), (0, 73, 27)),  # loam and silt loam | clay loam and silty clay loam
    ((45, 28, 27), (45, 0, 55)),  # sandy clay loam and sandy clay | clay loam and clay
    ((65, 0, 35), (45, 20, 35)),  # sandy clay loam | sandy clay
    ((20, 53, 27), (20, 40, 40)),  # clay loam | silty clay loam
    ((45, 15, 40), (0, 60, 40)),  # clay loam and silty clay loam | clay and silty clay
    ((20, 40, 40), (0, 40, 60)),  # silty clay | clay
)
BORDERS = {USDA: _BORDERS, WRB: (*_BORDERS, ((40, 0, 60), (0, 40, 60)))}


def texture_class(sand: Array, silt: Array, clay: Array, system: str = USDA) -> Codes:
    """Return classes from 1 in the order of TEXTURE_CLASSES, 0 where a part is missing. Arrays have any shape and sum.

    A point on a border belongs to the class that the definitions give it. Each rule looks only at what the rules before
    it left over, so that none can be forgotten.
    """
    whole = sand + silt + clay
    # The rounding error of closing a number such as 40 must not carry it across a border.
    sand, silt, clay = (np.round(100 * part / whole, 6) for part in (sand, silt, clay))
    rules = (
        ("sand", silt + 1.5 * clay < 15),
        ("loamy sand", silt + 2 * clay < 30),
        ("heavy clay", clay >= (60 if system == WRB else np.inf)),
        ("silty clay", (clay >= 40) & (silt >= 40)),
        ("clay", (clay >= 40) & (sand <= 45)),
        ("sandy clay", (clay >= 35) & (sand > 45)),
        ("sandy clay loam", (clay >= 27) & (sand > 45)),
        ("silty clay loam", (clay >= 27) & (sand <= 20)),
        ("clay loam", clay >= 27),
        ("sandy clay loam", (clay >= 20) & (silt < 28)),
        ("silt", (silt >= 80) & (clay < 12)),
        ("silt loam", silt >= 50),
        ("loam", (clay >= 7) & (sand <= 52)),
        ("sandy loam", np.isfinite(whole)),
    )
    codes = [np.uint8(TEXTURE_CLASSES[WRB].index(name) + 1) for name, _ in rules]
    found: Codes = np.select([is_met for _, is_met in rules], codes, np.uint8(0)).astype(np.uint8)
    return found


_CONTACTS_OF_A_CORNER = 4  # points of the lattice that touch at a corner, at most; the shortest border has more


@cache
def neighbours(system: str) -> Flags:
    """True (K, K) for a class and those that share a border with it, not only a corner."""
    sand, silt, clay = lattice(0.5)
    # (2 silt, 2 clay): points next to each other in the triangle stand side by side, or across one diagonal.
    square = np.zeros((201, 201), np.int64)
    square[np.rint(2 * silt).astype(int), np.rint(2 * clay).astype(int)] = texture_class(sand, silt, clay, system)
    contacts = np.zeros((len(TEXTURE_CLASSES[system]) + 1,) * 2, np.int64)
    sides = (square[1:], square[:-1]), (square[:, 1:], square[:, :-1]), (square[1:, :-1], square[:-1, 1:])
    for one, other in sides:
        np.add.at(contacts, (one, other), 1)
    shared: Flags = (contacts + contacts.T)[1:, 1:] > _CONTACTS_OF_A_CORNER
    return shared


def lattice(step: float) -> tuple[Array, Array, Array]:
    """Sand, silt and clay of points all over the triangle, `step` percent apart."""
    count = round(100 / step)
    rows, columns = np.indices((count + 1, count + 1))
    inside = rows + columns <= count
    silt: Array = step * rows[inside].astype(np.float64)
    clay: Array = step * columns[inside].astype(np.float64)
    return 100 - silt - clay, silt, clay


@dataclass(frozen=True)
class Texture:
    """Places of sand, silt and clay among the parts of a composition; several where a laboratory divides further."""

    sand: tuple[int, ...]
    silt: tuple[int, ...]
    clay: tuple[int, ...]

    def classes(self, parts: Array, system: str) -> Codes:
        """Class (...) of the parts (D, ...)."""
        sand, silt, clay = self.fine_earth(parts)
        return texture_class(sand, silt, clay, system)

    def fine_earth(self, parts: Array) -> Array:
        """Sand, silt and clay in percent, (3, ...), of the parts (D, ...)."""
        sums = np.stack([parts[list(places)].sum(axis=0) for places in (self.sand, self.silt, self.clay)])
        percent: Array = 100 * sums / sums.sum(axis=0)
        return percent


_WORDS = {
    "sand": ("sand", "snd", "sable", "zand", "arena", "areia", "sabbia"),
    "silt": ("silt", "slt", "limon", "limo", "leem", "schluff"),
    "clay": ("clay", "cly", "argil", "arcilla", "klei", "lera", "ton"),
}
_WHOLE_WORDS = ("ton", "limo", "lera", "arena")  # too short, or too common, to look for within a word


def find_texture(names: Sequence[str]) -> Texture | None:
    """Find sand, silt and clay among the names of a composition's parts, in several languages; None where a part is
    none of them, or one of them is missing."""
    places: dict[str, list[int]] = {fraction: [] for fraction in _WORDS}
    for place, name in enumerate(names):
        fractions = [fraction for fraction in _WORDS if _is_named(name, _WORDS[fraction])]
        if len(fractions) != 1:
            return None
        places[fractions[0]].append(place)
    found = [tuple(places[fraction]) for fraction in ("sand", "silt", "clay")]
    return Texture(*found) if all(found) else None


def need_texture(names: Sequence[str], source: str) -> Texture:
    """Call `find_texture`; where it finds none, raise EngineError, which says what the parts are called. `source`
    begins that part of the sentence: `n.safetensors predicts`."""
    found = find_texture(names)
    if found is None:
        raise EngineError(
            tr(
                "Texture classes need sand, silt and clay, but {} the composition {}, in which these cannot be"
                " told apart by their names. Name the fields of the observations so that each begins with sand,"
                " silt or clay and train again, or leave TEXTURE_CLASSES empty."
            ).format(source, ", ".join(names))
        )
    return found


def _is_named(name: str, words: Sequence[str]) -> bool:
    """Whether the name, one of its words, or a word's beginning or end is one of `words`: `CLYMHT`, `clay_total`,
    `pctSand`."""
    own = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    for token in re.split(r"[^a-z]+", own.lower()):
        for word in words:
            if token == word or (word not in _WHOLE_WORDS and (token.startswith(word) or token.endswith(word))):
                return True
    return False
