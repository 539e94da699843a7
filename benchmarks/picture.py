"""Draw maps as QGIS shows them: panels side by side, observations on top, one legend, one scale bar.

Run it in QGIS's Python: picture.py --title T --subtitle S --legend L --observations FILE --output PNG NAME=RASTER ...
Each raster is drawn with the .qml beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsLayoutExporter,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemScaleBar,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLegendRenderer,
    QgsLegendStyle,
    QgsMapLayer,
    QgsMapLayerLegendUtils,
    QgsMarkerSymbol,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsSingleSymbolRenderer,
    QgsTextFormat,
    QgsUnitTypes,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSizeF
from qgis.PyQt.QtGui import QFont

FONT = "DejaVu Sans"
MILLIMETRES = Qgis.LayoutUnit.Millimeters
MARGIN, GAP, TOP, CAPTION, LEGEND = 6.0, 4.0, 17.0, 6.0, 32.0  # mm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    parser.add_argument("--subtitle", default="")
    parser.add_argument("--legend", default="", help="heading of the legend: property and unit")
    parser.add_argument("--band", type=int, default=1)
    parser.add_argument("--observations", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--panel-width", type=float, default=62.0, help="mm")
    parser.add_argument("panels", nargs="+", metavar="NAME=RASTER")
    arguments = parser.parse_args()
    application = QgsApplication([], True)
    application.initQgis()
    try:
        draw(arguments)
    finally:
        QgsProject.instance().clear()
        application.exitQgis()


def draw(arguments: argparse.Namespace) -> None:
    panels = [(name, raster_layer(Path(path))) for name, path in (item.split("=", 1) for item in arguments.panels)]
    show_band([layer for _, layer in panels], arguments.band)
    observations = point_layer(arguments.observations)
    extent = panels[0][1].extent()
    extent.scale(1.04)
    width = arguments.panel_width
    height = width * extent.height() / extent.width()

    project = QgsProject.instance()
    project.setCrs(panels[0][1].crs())
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    page = layout.pageCollection().page(0)
    page_width = 2 * MARGIN + len(panels) * (width + GAP) + LEGEND
    page.setPageSize(QgsLayoutSize(page_width, TOP + CAPTION + height + MARGIN, MILLIMETRES))

    add_label(layout, arguments.title, MARGIN, 4, page_width - 2 * MARGIN, 13, bold=True)
    add_label(layout, arguments.subtitle, MARGIN, 11, page_width - 2 * MARGIN, 8)
    for number, (name, layer) in enumerate(panels):
        left = MARGIN + number * (width + GAP)
        add_label(layout, name, left, TOP + 1, width, 9, bold=True)
        shown = add_map(layout, [observations, layer] if number == 0 else [layer], extent, left, width, height)
        if number == 0:
            first_map = shown
    left = MARGIN + len(panels) * (width + GAP)
    add_legend(layout, panels[0][1], arguments.legend, left)
    add_scale_bar(layout, first_map, left, TOP + CAPTION + height - 14)
    if not QgsLayoutExporter(layout).renderPageToImage(0, dpi=150).save(arguments.output):
        raise SystemExit(f"QGIS could not write {arguments.output}")


def raster_layer(path: Path) -> QgsRasterLayer:
    layer = QgsRasterLayer(str(path), path.stem)
    if not layer.isValid():
        raise SystemExit(f"QGIS cannot open {path}")
    message, is_loaded = layer.loadNamedStyle(str(path.with_suffix(".qml")))
    if not is_loaded:
        raise SystemExit(f"{path} has no style beside it: {message}")
    QgsProject.instance().addMapLayer(layer)
    return layer


def show_band(layers: list[QgsRasterLayer], band: int) -> None:
    """Show a band other than the style's in its colours, from the first layer's 2nd to its 98th percentile."""
    if band == layers[0].renderer().inputBand():
        return
    lowest, highest = (float(f"{cut:.3g}") for cut in layers[0].dataProvider().cumulativeCut(band, 0.02, 0.98))
    for layer in layers:
        renderer = layer.renderer()
        renderer.setInputBand(band)
        renderer.setClassificationMin(lowest)
        renderer.setClassificationMax(highest)
        shader = renderer.shader().rasterShaderFunction()
        ramp = shader.sourceColorRamp().clone()
        renderer.createShader(ramp, shader.colorRampType(), shader.classificationMode(), 5)


def point_layer(path: str) -> QgsVectorLayer:
    layer = QgsVectorLayer(path, "Observations")
    if not layer.isValid():
        raise SystemExit(f"QGIS cannot open {path}")
    symbol = QgsMarkerSymbol.createSimple(
        {
            "name": "circle",
            "color": "255,255,255",  # white with a dark edge shows on light and dark pixels alike
            "outline_color": "40,40,40",
            "outline_width": "0.2",
            "size": "1.1",
        }
    )
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))
    QgsProject.instance().addMapLayer(layer)
    return layer


def add_map(
    layout: QgsPrintLayout, layers: list[QgsMapLayer], extent: object, left: float, width: float, height: float
) -> QgsLayoutItemMap:
    item = QgsLayoutItemMap(layout)
    item.attemptMove(QgsLayoutPoint(left, TOP + CAPTION, MILLIMETRES))
    item.attemptResize(QgsLayoutSize(width, height, MILLIMETRES))
    item.setLayers(layers)
    item.setExtent(extent)
    item.setFrameEnabled(True)
    layout.addLayoutItem(item)
    return item


def add_label(
    layout: QgsPrintLayout, text: str, left: float, top: float, width: float, points: float, bold: bool = False
) -> None:
    item = QgsLayoutItemLabel(layout)
    item.setText(text)
    item.setTextFormat(text_format(points, bold))
    item.attemptMove(QgsLayoutPoint(left, top, MILLIMETRES))
    item.attemptResize(QgsLayoutSize(width, points * 0.6, MILLIMETRES))
    layout.addLayoutItem(item)


def add_legend(layout: QgsPrintLayout, layer: QgsRasterLayer, heading: str, left: float) -> None:
    item = QgsLayoutItemLegend(layout)
    item.setAutoUpdateModel(False)
    root = item.model().rootGroup()
    root.clear()
    entry = root.addLayer(layer)
    QgsLegendRenderer.setNodeLegendStyle(entry, QgsLegendStyle.Style.Hidden)
    QgsMapLayerLegendUtils.setLegendNodeOrder(entry, [1])  # 0 is the band's name, 1 the colour ramp
    QgsMapLayerLegendUtils.setLegendNodeSymbolSize(entry, 1, QSizeF(5, 40))
    item.model().refreshLayerLegend(entry)
    item.setTitle(heading)
    item.rstyle(QgsLegendStyle.Style.Title).setTextFormat(text_format(8))
    item.rstyle(QgsLegendStyle.Style.SymbolLabel).setTextFormat(text_format(7))
    item.attemptMove(QgsLayoutPoint(left, TOP + CAPTION - 2, MILLIMETRES))
    layout.addLayoutItem(item)
    item.adjustBoxSize()


def add_scale_bar(layout: QgsPrintLayout, shown: QgsLayoutItemMap, left: float, top: float) -> None:
    item = QgsLayoutItemScaleBar(layout)
    item.setStyle("Single Box")
    item.setLinkedMap(shown)
    item.setUnits(QgsUnitTypes.DistanceUnit.DistanceKilometers)
    item.setUnitLabel("km")
    item.setUnitsPerSegment(0.5)
    item.setNumberOfSegments(2)
    item.setNumberOfSegmentsLeft(0)
    item.setHeight(1.5)
    item.setTextFormat(text_format(7))
    item.attemptMove(QgsLayoutPoint(left, top, MILLIMETRES))
    layout.addLayoutItem(item)
    item.update()


def text_format(points: float, bold: bool = False) -> QgsTextFormat:
    font = QFont(FONT)
    font.setBold(bold)
    written = QgsTextFormat()
    written.setFont(font)
    written.setSize(points)
    return written


if __name__ == "__main__":
    main()
