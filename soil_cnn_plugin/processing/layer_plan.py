"""How one layer of a run is shown: its name, its place in the run's group, its style, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from qgis.core import (
    Qgis,
    QgsDoubleRange,
    QgsLayerNotesUtils,
    QgsLayerTreeLayer,
    QgsMapLayer,
    QgsMapLayerLegend,
    QgsMapLayerLegendUtils,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtXml import QDomDocument

from .layer_words import LayerWords, metadata_of, notes_of

PART = "soilcnn/part"
"""Custom property of a layer: which part of its file it shows."""
KIND = "soilcnn/kind"
"""Custom property of a layer: which output it shows, such as LOWER; empty where nothing asks for it."""
_METRES_A_CM = 0.01


@dataclass(frozen=True)
class LayerPlan:
    """A layer to come. `part` tells it from other layers of the same file: a band's number, a field, or nothing.

    `groups` are the groups below the run's, from the outermost; `order` has a number for each of them and one for the
    layer, and a smaller number stands higher up. `is_shown` has a value for each of them, too.
    """

    path: str
    title: str
    part: str = ""
    groups: tuple[str, ...] = ()
    order: tuple[int, ...] = (0,)
    is_shown: tuple[bool, ...] = (True,)
    is_expanded: bool = False
    style: str = ""
    depth_cm: Optional[tuple[float, float]] = None
    map_tip: str = ""
    kind: str = ""
    words: LayerWords = field(default_factory=LayerWords)

    @property
    def is_raster(self) -> bool:
        return self.path.lower().endswith((".tif", ".tiff", ".vrt"))

    def open(self) -> QgsMapLayer:
        if self.is_raster:
            return QgsRasterLayer(self.path, self.title, "gdal")
        return QgsVectorLayer(self.path, self.title, "ogr")

    def dress(self, layer: QgsMapLayer) -> None:
        """Give a layer of the file the style and the words of this plan."""
        if self.style:
            document = QDomDocument()
            document.setContent(self.style)
            layer.importNamedStyle(document)
        layer.setName(self.title)
        layer.setCustomProperty(PART, self.part)
        layer.setCustomProperty(KIND, self.kind)
        layer.setMetadata(metadata_of(layer, self.title, self.words))
        QgsLayerNotesUtils.setLayerNotes(layer, notes_of(self.title, self.words))
        if self.map_tip:
            layer.setMapTipTemplate(self.map_tip)
        if self.depth_cm is not None and isinstance(layer, QgsRasterLayer):
            _lay_in_depth(layer, self.depth_cm)
        layer.triggerRepaint()


def style_of(layer: QgsMapLayer) -> str:
    """Return a layer's style as text, which any thread may keep."""
    document = QDomDocument()
    layer.exportNamedStyle(document)
    return str(document.toString())


def hide_band_line(node: Optional[QgsLayerTreeLayer]) -> None:
    """Leave the line `Band 1 (Gray)` out of a raster's legend."""
    layer = node.layer() if node is not None else None
    if isinstance(layer, QgsRasterLayer):
        legend = QgsMapLayerLegend.defaultRasterLegend(layer)
        count = len(legend.createLayerTreeModelLegendNodes(node))
        if count > 1:
            QgsMapLayerLegendUtils.setLegendNodeOrder(node, list(range(1, count)))
            layer.legendChanged.emit()  # the window has drawn the line already


def _lay_in_depth(layer: QgsRasterLayer, depth_cm: tuple[float, float]) -> None:
    """Let the elevation controller of the map step through depths: they are heights below 0, in metres."""
    upper, lower = (-_METRES_A_CM * depth for depth in depth_cm)
    properties = layer.elevationProperties()
    properties.setEnabled(True)
    properties.setMode(Qgis.RasterElevationMode.FixedElevationRange)
    # Without its lower end, an interval does not show at the depth where the next one begins.
    properties.setFixedRange(QgsDoubleRange(round(lower, 6), round(upper, 6), False, True))
