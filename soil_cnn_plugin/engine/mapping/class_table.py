"""Names of a class raster's values, in the file that GDAL, and with it QGIS, R and others, reads beside a raster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from soil_cnn_plugin.engine.mapping.class_colours import as_rgb, class_colours

_FIELDS = (  # name, type (0 integer, 2 text) and usage (https://gdal.org/api/raster_c_api.html, GDALRATFieldUsage)
    ("Value", 0, 5),
    ("Class", 2, 2),
    ("Count", 0, 1),
    ("Red", 0, 6),
    ("Green", 0, 7),
    ("Blue", 0, 8),
)
_NOT_IN_XML = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ufffe\\uffff\\ud800-\\udfff]")


def write_class_names(path: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    """Write `path`: category names and a raster attribute table with the pixels of each class, for each band; values
    count the classes from 1. Programs look for it under the raster's name with `.aux.xml` behind it."""
    names = [escape(_NOT_IN_XML.sub(" ", name)) for name in classes]
    categories = "\n".join(f"      <Category>{name}</Category>" for name in ("", *names))
    fields = "\n".join(
        f'      <FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for index, (name, kind, usage) in enumerate(_FIELDS)
    )
    bands = []
    for band, of_band in enumerate(counts, start=1):
        rows = "\n".join(
            _row(index, (index + 1, name, count, *as_rgb(colour)))
            for index, (name, count, colour) in enumerate(zip(names, of_band, class_colours(len(names))))
        )
        bands.append(f"""  <PAMRasterBand band="{band}">
    <CategoryNames>
{categories}
    </CategoryNames>
    <GDALRasterAttributeTable tableType="thematic">
{fields}
{rows}
    </GDALRasterAttributeTable>
  </PAMRasterBand>
""")
    text = f"<PAMDataset>\n{''.join(bands)}</PAMDataset>\n"
    Path(path).write_text(text, encoding="utf-8", newline="\n")


def _row(index: int, cells: tuple[object, ...]) -> str:
    return f'      <Row index="{index}">{"".join(f"<F>{cell}</F>" for cell in cells)}</Row>'
