"""What a result tells of itself in QGIS: metadata, notes, and the tip that shows when the mouse rests on the map."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Optional

from osgeo import gdal
from qgis.core import QgsLayerMetadata, QgsMapLayer

from ..contract.language import language, moment_in_words, tr


@dataclass(frozen=True)
class LayerWords:
    """Sentences about a result: what it shows, how it was made, how good it is, how to cite it."""

    shows: str = ""
    made: str = ""
    accuracy: str = ""
    assessed: str = ""
    citation: str = ""


def read_words(path: str, band: int, shows: str) -> LayerWords:
    """Return the sentences that the engine wrote into a raster, about one band; empty where there are none."""
    dataset = open_raster(path)
    if dataset is None or band > dataset.RasterCount:
        return LayerWords(shows)
    tags = {**(dataset.GetMetadata() or {}), **(dataset.GetRasterBand(band).GetMetadata() or {})}
    return LayerWords(
        shows,
        tags.get("HOW_MADE", ""),
        tags.get("ACCURACY", ""),
        tags.get("ASSESSED", ""),
        tags.get("CITATION", ""),
    )


def open_raster(path: str) -> Optional[gdal.Dataset]:
    """Return None if GDAL cannot open it; whether GDAL itself raises depends on other plugins."""
    try:
        return gdal.OpenEx(path, gdal.OF_RASTER)
    except RuntimeError:
        return None


def metadata_of(layer: QgsMapLayer, title: str, words: LayerWords) -> QgsLayerMetadata:
    metadata = QgsLayerMetadata()
    metadata.setIdentifier(Path(layer.source().split("|")[0]).name)
    metadata.setTitle(title)
    metadata.setType("dataset")
    metadata.setLanguage(language())
    metadata.setAbstract(" ".join(text for text in (words.shows, words.accuracy, words.assessed) if text))
    metadata.setCrs(layer.crs())
    metadata.setCategories(["geoscientificInformation"])
    metadata.setKeywords({"gmd:topicCategory": ["geoscientificInformation"], "soil": ["digital soil mapping"]})
    made = (words.made, words.accuracy, words.assessed, words.citation)
    metadata.setHistory([*(text for text in made if text), tr("Shown in QGIS from {}.").format(_date_of(layer))])
    metadata.setLicenses(
        [tr("Not chosen yet. Choose one before you publish; the licences of the inputs may bind you.")]
    )
    return metadata


def notes_of(title: str, words: LayerWords) -> str:
    """Return HTML."""
    texts = (words.shows, words.accuracy, words.assessed, words.made, words.citation)
    paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in texts if text)
    return f"<p><b>{html.escape(title)}</b></p>{paragraphs}"


def number_tip(title: str, band: int, accuracy: str = "") -> str:
    """Return the template of a map tip that shows a band's value under the mouse."""
    value = f"raster_value(@layer, {band}, @layer_cursor_point)"
    shown = f"[% coalesce(format_number({value}, 3), '{_quoted(tr('nothing here'))}') %]"
    below = f"<br><small>{html.escape(accuracy)}</small>" if accuracy else ""
    return f"<b>{html.escape(title)}</b><br>{shown}{below}"


def class_tip(title: str, band: int, names: dict[int, str], accuracy: str = "") -> str:
    """Return the template of a map tip that shows the name of the class under the mouse."""
    pairs = ", ".join(f"'{value}', '{_quoted(name)}'" for value, name in names.items())
    value = f"to_string(to_int(raster_value(@layer, {band}, @layer_cursor_point)))"
    below = f"<br><small>{html.escape(accuracy)}</small>" if accuracy else ""
    return f"<b>{html.escape(title)}</b><br>[% coalesce(map_get(map({pairs}), {value}), '–') %]{below}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")


def _date_of(layer: QgsMapLayer) -> str:
    path = Path(layer.source().split("|")[0])
    if not path.is_file():
        return str(path)
    return tr("{}, written {}").format(path, moment_in_words(datetime.fromtimestamp(path.stat().st_mtime)))
