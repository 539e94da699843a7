"""Maps of texture classes: where predicted sand, silt and clay lie in the triangle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.composition import name_wholes
from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.texture import CLASSES, SIZES, TITLES, Texture, need_texture
from soil_cnn_plugin.engine.targets.words import TargetsInWords
from soil_cnn_plugin.engine.training.network_file import NetworkDescription


@dataclass(frozen=True)
class TextureMap:
    """`groups` hold the targets of each composition, `textures` which of its parts are sand, silt and clay, `bands`
    what the raster's bands are called."""

    system: str
    groups: tuple[tuple[int, ...], ...]
    textures: tuple[Texture, ...]
    bands: tuple[str, ...]

    def classes(self, means: Array) -> Array:
        """(compositions, h, w) of the predicted means (T, h, w): classes from 1, NaN where nothing is predicted."""
        found = [texture.classes(means[list(group)], self.system) for texture, group in zip(self.textures, self.groups)]
        codes = np.stack(found).astype(np.float64)
        return np.where(codes > 0, codes, np.nan)

    def open(self, path: str, grid: Grid, tags: Mapping[str, str]) -> RasterFile:
        return RasterFile(path, grid, self.bands, [""] * len(self.bands), tags, CLASSES[self.system])


def plan_texture_map(job: PredictMap, description: NetworkDescription, report: Report) -> TextureMap | None:
    """None where no texture classes are wanted; EngineError as for `find_textures`."""
    if not job.texture_classes:
        return None
    words, title = description.words, TITLES[job.texture_system]
    textures = find_textures(words, f"{job.network} predicts")
    report.info(
        f"Texture classes are those of the {title} at the predicted means of sand, silt and clay. They hold where"
        f" {SIZES[job.texture_system]}: nothing is converted."
    )
    groups = _wholes(words)
    names = name_wholes([[words.targets[t] for t in group] for group in groups])
    bands = tuple(" ".join(["texture class", *name.split(), f"({title})"]) for name in names)
    return TextureMap(job.texture_system, groups, textures, bands)


def find_textures(words: TargetsInWords, source: str) -> tuple[Texture, ...]:
    """Sand, silt and clay in each composition; `source` begins the sentence that says what the targets are:
    `n.safetensors predicts`.

    Raises:
        EngineError: there is no composition, or one of other parts.
    """
    groups = _wholes(words)
    if not groups:
        fields = ", ".join(target.field for target in words.targets)
        raise EngineError(
            f"Texture classes are wanted, but {source} {fields}, no composition that sums to a whole. Choose the fields"
            " of sand, silt and clay as COMPOSITION when patches are extracted, or leave TEXTURE_CLASSES empty."
        )
    return tuple(need_texture([words.targets[t].name for t in group], source) for group in groups)


def _wholes(words: TargetsInWords) -> tuple[tuple[int, ...], ...]:
    return tuple(group for group in words.groups if len(group) > 1)
