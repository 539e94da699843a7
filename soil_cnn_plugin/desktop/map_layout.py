"""A page to print: the map with its limits, legend, scale bar, how good it is and how to cite it."""

from __future__ import annotations

from datetime import date
from typing import Any, Optional

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsLayerTree,
    QgsLayout,
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemPage,
    QgsLayoutItemPicture,
    QgsLayoutItemScaleBar,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsMapLayer,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsReferencedRectangle,
)
from qgis.PyQt.QtGui import QFont

from ..contract.language import date_in_words, tr
from ..processing.band_labels import sentence_case
from ..processing.layer_plan import KIND, PART, hide_band_line
from ..processing.not_applicable import TITLE as HATCHED

_MARGIN = 10.0  # mm, as all lengths here
_WIDTH, _HEIGHT = 297.0, 210.0  # A4
_MAP = (_MARGIN, 24.0, 180.0, 148.0)  # x, y, width, height
_SIDE = _MAP[0] + _MAP[2] + 6.0
_SIDE_WIDTH = _WIDTH - _MARGIN - _SIDE
_NORTH_ARROW = "/arrows/NorthArrow_02.svg"


def make_layout(project: Any, active: Optional[QgsMapLayer]) -> tuple[Optional[QgsPrintLayout], str]:
    """Add a layout of a Soil CNN map to the project; return it, or None and why there is none.

    The map is that of the active layer, or else the topmost one that is shown.
    """
    layer = active if _is_result(active) else _shown_result(project)
    if layer is None:
        return None, tr("No map of Soil CNN is shown. Select the layer of one and try again.")
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    layout.pageCollection().page(0).setPageSize("A4", QgsLayoutItemPage.Orientation.Landscape)
    layout.setName(_free_name(project, layer.name()))
    beside = _beside(project, layer)
    subject = layer.name().rpartition(", ")[0] or layer.name()
    _label(layout, layer.name(), (_MARGIN, 9.0, _WIDTH - 2 * _MARGIN, 11.0), 18, is_bold=True)
    hatched = [each for each in beside if each.name() == HATCHED]
    main = _map(layout, [*hatched, layer], layer, _MAP)
    _limits(layout, beside, subject, layer)
    _legend(layout, main, [*hatched, layer])
    _scale_bar(layout, main)
    _north_arrow(layout)
    _label(layout, _sentences(layer), (_MARGIN, 177.0, _WIDTH - 2 * _MARGIN, 24.0), 9)
    project.layoutManager().addLayout(layout)
    return layout, ""


def _is_result(layer: Any) -> bool:
    return isinstance(layer, QgsRasterLayer) and bool(layer.customProperty(PART))


def _shown_result(project: QgsProject) -> Optional[QgsMapLayer]:
    nodes = project.layerTreeRoot().findLayers()
    return next((node.layer() for node in nodes if node.isVisible() and _is_result(node.layer())), None)


def _beside(project: QgsProject, layer: QgsMapLayer) -> list[QgsMapLayer]:
    """Return the layers of the same run: those in the outermost group of the layer."""
    root = project.layerTreeRoot()
    node = root.findLayer(layer.id())
    while node is not None and node.parent() is not None and node.parent() is not root:
        node = node.parent()
    found = node.findLayers() if node is not None and QgsLayerTree.isGroup(node) else []
    return [each.layer() for each in found if each.layer() is not None]


def _sentences(layer: QgsMapLayer) -> str:
    """Return how good the map is, how it was made and how to cite it, and the date."""
    history = layer.metadata().history()[:-1]  # the last entry names the file
    accuracy = [text for text in history if "%" in text]
    others = [text for text in history if text not in accuracy]
    printed = tr("Printed {}. {}").format(date_in_words(date.today()), layer.crs().authid())
    return "\n".join([*(sentence_case(text) for text in accuracy), " ".join(others), printed])


def _limits(layout: QgsLayout, beside: list[QgsMapLayer], subject: str, layer: QgsMapLayer) -> None:
    """Add small maps of the lower and the upper limit, where the run has them."""
    width, top = (_SIDE_WIDTH - 4.0) / 2, _MAP[1]
    for place, kind in enumerate(("LOWER", "UPPER")):
        limits = [each for each in beside if each.customProperty(KIND) == kind]
        found = [each for each in limits if each.name().startswith(f"{subject}, ")]
        if found:
            x = _SIDE + place * (width + 4.0)
            _label(layout, found[0].name().rpartition(", ")[2], (x, top, width, 5.0), 9, is_bold=True)
            _map(layout, found[:1], layer, (x, top + 5.0, width, width * 1.1))


def _map(
    layout: QgsLayout, layers: list[QgsMapLayer], shown: QgsMapLayer, place: tuple[float, float, float, float]
) -> QgsLayoutItemMap:
    item = QgsLayoutItemMap(layout)
    _put(layout, item, place)
    item.setFrameEnabled(True)
    item.setKeepLayerSet(True)
    item.setLayers(layers)
    item.setCrs(shown.crs())
    extent = QgsReferencedRectangle(shown.extent(), shown.crs())
    extent.scale(1.04)
    item.zoomToExtent(extent)
    return item


def _legend(layout: QgsLayout, main: QgsLayoutItemMap, layers: list[QgsMapLayer]) -> None:
    legend = QgsLayoutItemLegend(layout)
    legend.setLinkedMap(main)
    legend.setAutoUpdateModel(False)
    root = legend.model().rootGroup()
    root.clear()
    for layer in layers:
        node = root.addLayer(layer)
        hide_band_line(node)
        legend.model().refreshLayerLegend(node)
    legend.setWrapString("\n")
    legend.setColumnCount(1)
    has_limits = any(isinstance(item, QgsLayoutItemMap) and item is not main for item in layout.items())
    top = _MAP[1] + (60.0 if has_limits else 0.0)
    _put(layout, legend, (_SIDE, top, _SIDE_WIDTH, 60.0))
    legend.adjustBoxSize()


def _scale_bar(layout: QgsLayout, main: QgsLayoutItemMap) -> None:
    bar = QgsLayoutItemScaleBar(layout)
    bar.setLinkedMap(main)
    bar.setStyle("Single Box")
    bar.applyDefaultSize()
    bar.setNumberOfSegmentsLeft(0)
    bar.setNumberOfSegments(2)
    layout.addLayoutItem(bar)
    bar.attemptMove(QgsLayoutPoint(_SIDE, _MAP[1] + _MAP[3] - 14.0, Qgis.LayoutUnit.Millimeters))


def _north_arrow(layout: QgsLayout) -> None:
    arrow = QgsLayoutItemPicture(layout)
    for folder in QgsApplication.svgPaths():
        arrow.setPicturePath(f"{folder.rstrip('/')}{_NORTH_ARROW}")
        if not arrow.isMissingImage():
            break
    _put(layout, arrow, (_MAP[0] + _MAP[2] - 15.0, _MAP[1] + 3.0, 12.0, 14.0))


def _label(
    layout: QgsLayout, text: str, place: tuple[float, float, float, float], size: int, is_bold: bool = False
) -> None:
    item = QgsLayoutItemLabel(layout)
    item.setText(text)
    font = QFont()
    font.setPointSize(size)
    font.setBold(is_bold)
    style = item.textFormat()
    style.setFont(font)
    style.setSize(size)
    item.setTextFormat(style)
    _put(layout, item, place)


def _put(layout: QgsLayout, item: QgsLayoutItem, place: tuple[float, float, float, float]) -> None:
    x, y, width, height = place
    millimetres = Qgis.LayoutUnit.Millimeters
    layout.addLayoutItem(item)
    item.attemptMove(QgsLayoutPoint(x, y, millimetres))
    item.attemptResize(QgsLayoutSize(width, height, millimetres))


def _free_name(project: QgsProject, name: str) -> str:
    number, candidate = 1, name
    while project.layoutManager().layoutByName(candidate) is not None:
        number += 1
        candidate = f"{name} ({number})"
    return candidate
