"""Names of the classes of a categorical raster, from its category names or its attribute table, ESRI's included."""

from __future__ import annotations

import html
import re
import uuid
import warnings
from collections.abc import Sequence
from html import escape
from pathlib import Path

import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError

from soil_cnn_plugin.engine.rasters.opening import as_pyogrio_reads

_IS_NAME, _IS_VALUE, _IS_TEXT = "2", "5", "2"  # GFU_Name, GFU_MinMax, GFT_String: gdal.org/api/raster_c_api.html
_NAME_TITLES = ("name", "class", "class_name", "classname", "class_names", "category", "label", "legend", "description")
_VALUE_TITLES = ("value", "code", "id")


def read_class_names(dataset: rasterio.DatasetReader, band: int) -> dict[int, str]:
    """Return code -> name, empty when the raster carries no names."""
    names = _names_in(dataset, band) | (_names_beside(dataset.name) if band == 1 else {})
    return {code: name.strip() for code, name in names.items() if name.strip()}


def _names_in(dataset: rasterio.DatasetReader, band: int) -> dict[int, str]:
    """Read the names from a VRT of the raster: GDAL writes all tables into it, and rasterio reads none."""
    path = f"/vsimem/{uuid.uuid4().hex}.vrt"
    try:
        rasterio.shutil.copy(dataset, path, driver="VRT")
        with rasterio.open(path) as copy:
            text = copy.tags(ns="xml:VRT").get("xml:VRT", "")
        rasterio.shutil.delete(path)
    except RasterioError:
        return {}  # names are a courtesy; what is really wrong with the raster shows when it is read
    found = re.search(rf'<VRTRasterBand [^>]*band="{band}".*?</VRTRasterBand>', text, re.DOTALL)
    if not found:
        return {}
    return _category_names(found[0]) | _attribute_table_names(found[0])


def _names_beside(path: str) -> dict[int, str]:
    """Read the names from the table that ArcGIS writes beside a raster, `soil.tif.vat.dbf`."""
    for table in (Path(f"{path}.vat.dbf"), Path(path).with_suffix(".vat.dbf")):
        if not table.is_file():
            continue
        import pyogrio  # takes long to load

        try:
            with warnings.catch_warnings(), as_pyogrio_reads(str(table)) as readable:
                warnings.simplefilter("ignore")
                rows = pyogrio.read_dataframe(readable, read_geometry=False)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError):
            continue
        is_text = [kind.kind not in "iufb" for kind in rows.dtypes]
        value, name = _by_title(list(rows), _VALUE_TITLES), _name_column(list(rows), is_text)
        if value is not None and name is not None:
            pairs = zip(rows.iloc[:, value], rows.iloc[:, name])
            return {int(code): str(text) for code, text in pairs if isinstance(text, str) and code == int(code)}
    return {}


def _category_names(xml: str) -> dict[int, str]:
    """Return code -> name from the categories; the n-th one names code n."""
    return {code: html.unescape(name) for code, name in enumerate(_texts("Category", xml))}


def _attribute_table_names(xml: str) -> dict[int, str]:
    fields = re.findall(r"<FieldDefn.*?</FieldDefn>", xml, re.DOTALL)
    titles = [(_texts("Name", field) or [""])[0] for field in fields]
    usages = [(_texts("Usage", field) or ["0"])[0] for field in fields]
    value = usages.index(_IS_VALUE) if _IS_VALUE in usages else _by_title(titles, _VALUE_TITLES)
    is_text = [_texts("Type", field) == [_IS_TEXT] for field in fields]
    name = usages.index(_IS_NAME) if _IS_NAME in usages else _name_column(titles, is_text)
    if name is None:
        return {}
    names = {}
    for number, row in enumerate(re.findall(r"<Row .*?</Row>", xml, re.DOTALL)):
        cells = _texts("F", row)
        code = str(number) if value is None else cells[value] if value < len(cells) else ""
        if len(cells) == len(fields) and re.fullmatch(r"-?\d+(\.0*)?", code):
            names[int(float(code))] = html.unescape(cells[name])
    return names


def _name_column(titles: list[str], is_text: list[bool]) -> int | None:
    """Return the index of the first column with a telling title, else of the first column of texts."""
    told = _by_title(titles, _NAME_TITLES)
    return told if told is not None else next((index for index, text in enumerate(is_text) if text), None)


def _by_title(titles: list[str], telling: tuple[str, ...]) -> int | None:
    return next((index for index, title in enumerate(titles) if title.lower() in telling), None)


def _texts(tag: str, xml: str) -> list[str]:
    return [text or "" for text in re.findall(rf"<{tag}>(.*?)</{tag}>|<{tag}\s*/>", xml, re.DOTALL)]


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
    """Return the colours `#rrggbb` of so many classes; a class keeps its colour when others follow it."""
    codes = _CODES.split()
    return [f"#{codes[index % len(codes)]}" for index in range(count)]


def class_colormap(count: int) -> dict[int, tuple[int, int, int, int]]:
    """Return raster value -> red, green, blue and opacity from 0 to 255, for classes from 1; 0 is transparent."""
    colours = {number: (*as_rgb(colour), 255) for number, colour in enumerate(class_colours(count), start=1)}
    return {0: (0, 0, 0, 0), **colours}


def as_rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue from 0 to 255 for a colour `#rrggbb`."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue


_FIELDS = (  # name, type (0 integer, 2 text) and usage (https://gdal.org/api/raster_c_api.html, GDALRATFieldUsage)
    ("Value", 0, 5),
    ("Class", 2, 2),
    ("Count", 0, 1),
    ("Red", 0, 6),
    ("Green", 0, 7),
    ("Blue", 0, 8),
)
_NOT_IN_XML = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ufffe\\uffff\\ud800-\\udfff]")


def write_class_names(path: str, classes: Sequence[Sequence[str]], counts: Sequence[Sequence[int]]) -> None:
    """Write category names, and a raster attribute table with each class's pixels, for each band into `path`.

    The values of a band count its own classes from 1. Programs look for the file under the raster's name followed by
    `.aux.xml`.
    """
    fields = "\n".join(
        f'      <FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for index, (name, kind, usage) in enumerate(_FIELDS)
    )
    bands = []
    for band, (own, of_band) in enumerate(zip(classes, counts), start=1):
        names = [escape(_NOT_IN_XML.sub(" ", name)) for name in own]
        categories = "\n".join(f"      <Category>{name}</Category>" for name in ("", *names))
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
