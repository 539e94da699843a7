"""Names of the classes of a categorical raster, from its raster attribute table or its category names."""

from __future__ import annotations

import html
import re
import uuid

import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError

_NAME_USAGES, _VALUE_USAGES = (2,), (5,)  # GFU_Name; GFU_MinMax: https://gdal.org/api/raster_c_api.html
_NAME_TITLES = ("name", "class", "class_name", "classname", "category", "label", "legend", "description")
_VALUE_TITLES = ("value", "code", "id")


def read_class_names(dataset: rasterio.DatasetReader, band: int) -> dict[int, str]:
    """Code -> name; empty when the raster carries no names.

    rasterio reads neither table, but GDAL writes both into a VRT of the raster.
    """
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
    names = _category_names(found[0]) | _attribute_table_names(found[0])
    return {code: name.strip() for code, name in names.items() if name.strip()}


def _category_names(xml: str) -> dict[int, str]:
    """The n-th category names code n."""
    return {code: html.unescape(name) for code, name in enumerate(_texts("Category", xml))}


def _attribute_table_names(xml: str) -> dict[int, str]:
    fields = re.findall(r"<FieldDefn.*?</FieldDefn>", xml, re.DOTALL)
    value = _column(fields, _VALUE_USAGES, _VALUE_TITLES)
    name = _column(fields, _NAME_USAGES, _NAME_TITLES)
    if value is None or name is None:
        return {}
    names = {}
    for row in re.findall(r"<Row .*?</Row>", xml, re.DOTALL):
        cells = _texts("F", row)
        if len(cells) == len(fields) and re.fullmatch(r"-?\d+(\.0*)?", cells[value]):
            names[int(float(cells[value]))] = html.unescape(cells[name])
    return names


def _column(fields: list[str], usages: tuple[int, ...], titles: tuple[str, ...]) -> int | None:
    """Index of the first column that is marked as such, else of the first with a telling title."""
    for index, field in enumerate(fields):
        if any(int(usage) in usages for usage in _texts("Usage", field) if usage.isdigit()):
            return index
    for index, field in enumerate(fields):
        if any(title.lower() in titles for title in _texts("Name", field)):
            return index
    return None


def _texts(tag: str, xml: str) -> list[str]:
    return [text or "" for text in re.findall(rf"<{tag}>(.*?)</{tag}>|<{tag}\s*/>", xml, re.DOTALL)]
