"""Names of the classes of a categorical raster, from its category names or its attribute table, also an ESRI one."""

from __future__ import annotations

import html
import re
import uuid
import warnings
from pathlib import Path

import pyogrio
import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError

_IS_NAME, _IS_VALUE, _IS_TEXT = "2", "5", "2"  # GFU_Name, GFU_MinMax, GFT_String: gdal.org/api/raster_c_api.html
_NAME_TITLES = ("name", "class", "class_name", "classname", "class_names", "category", "label", "legend", "description")
_VALUE_TITLES = ("value", "code", "id")


def read_class_names(dataset: rasterio.DatasetReader, band: int) -> dict[int, str]:
    """Code -> name; empty when the raster carries no names."""
    names = _names_in(dataset, band) | (_names_beside(dataset.name) if band == 1 else {})
    return {code: name.strip() for code, name in names.items() if name.strip()}


def _names_in(dataset: rasterio.DatasetReader, band: int) -> dict[int, str]:
    """rasterio reads no table, but GDAL writes all of them into a VRT of the raster."""
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
    """From the table that ArcGIS writes beside a raster, `soil.tif.vat.dbf`."""
    for table in (Path(f"{path}.vat.dbf"), Path(path).with_suffix(".vat.dbf")):
        if not table.is_file():
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rows = pyogrio.read_dataframe(table, read_geometry=False)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError):
            continue
        is_text = [kind.kind not in "iufb" for kind in rows.dtypes]
        value, name = _by_title(list(rows), _VALUE_TITLES), _name_column(list(rows), is_text)
        if value is not None and name is not None:
            pairs = zip(rows.iloc[:, value], rows.iloc[:, name])
            return {int(code): str(text) for code, text in pairs if isinstance(text, str) and code == int(code)}
    return {}


def _category_names(xml: str) -> dict[int, str]:
    """The n-th category names code n."""
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
    """Index of the first column with a telling title, else of the first one of texts."""
    told = _by_title(titles, _NAME_TITLES)
    return told if told is not None else next((index for index, text in enumerate(is_text) if text), None)


def _by_title(titles: list[str], telling: tuple[str, ...]) -> int | None:
    return next((index for index, title in enumerate(titles) if title.lower() in telling), None)


def _texts(tag: str, xml: str) -> list[str]:
    return [text or "" for text in re.findall(rf"<{tag}>(.*?)</{tag}>|<{tag}\s*/>", xml, re.DOTALL)]
