"""The project's layers after a run: QGIS reads those of replaced files again, and each run has its own group."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from qgis.core import (
    Qgis,
    QgsDoubleRange,
    QgsLayerTreeGroup,
    QgsMapLayer,
    QgsProject,
    QgsProviderRegistry,
    QgsRasterLayer,
)

from .layer_plan import LayerPlan, hide_band_line

_RUN, _ORDER = "soilcnn/run", "soilcnn/order"
"""Custom properties: which group a run has made, and a layer's place in it."""


def reload_layers(project: QgsProject, paths: Iterable[str]) -> None:
    """Let the layers of these files show what the files hold now. QGIS would go on showing what it once opened."""
    for path in paths:
        for layer in _showing(project, path):
            if not (hasattr(layer, "isEditable") and layer.isEditable()):
                layer.setDataSource(layer.source(), layer.name(), layer.providerType(), False)
                layer.triggerRepaint()


def free_group_name(project: QgsProject, name: str) -> str:
    """Return `name`, with a number if another run has been given it: rows of a batch begin in the same minute, and
    their layers are loaded when all of them are done."""
    number, candidate = 1, name
    while project.layerTreeRoot().findGroup(candidate) is not None or candidate in _GIVEN:
        number += 1
        candidate = f"{name} ({number})"
    _GIVEN.add(candidate)
    return candidate


_GIVEN: set[str] = set()


def place_in_group(project: QgsProject, layer: QgsMapLayer, name: str, plan: LayerPlan) -> None:
    """Put a result into the group of its run, below the groups that its plan names.

    QGIS may have taken a layer that was there before, in another run's group: it moves too, but stays if the user has
    put it elsewhere. A group that loses its last layer is removed.
    """
    root = project.layerTreeRoot()
    group = root.findGroup(name) if name else None
    node = root.findLayer(layer.id())
    if group is None:
        if node is None:
            node = root.insertLayer(0, layer)
        hide_band_line(node)
        return
    group.setCustomProperty(_RUN, name)
    is_free = node is None or node.parent() is root or bool(node.parent().customProperty(_RUN))
    former = node.parent() if node is not None else None
    if is_free:
        below = group
        for depth, title in enumerate(plan.groups):
            below = _subgroup(below, title, plan.order[depth], plan.is_shown[depth], plan.is_expanded)
        placed = below.insertLayer(_place(below, plan.order[-1]), layer)
        placed.setCustomProperty(_ORDER, plan.order[-1])
        placed.setItemVisibilityChecked(plan.is_shown[-1])
        placed.setExpanded(plan.is_expanded)
        if node is not None and former is not None:  # only now: QGIS drops a layer that no node holds
            former.removeChildNode(node)
            _drop_if_empty(former)
        node = placed
    _drop_if_empty(group)
    hide_band_line(node)


def set_depth_range(project: QgsProject) -> None:
    """Let the elevation controller reach as deep as the deepest layer that lies in a depth interval."""
    deepest = 0.0
    for layer in project.mapLayers().values():
        properties = layer.elevationProperties() if isinstance(layer, QgsRasterLayer) else None
        if properties is not None and properties.mode() == Qgis.RasterElevationMode.FixedElevationRange:
            deepest = min(deepest, properties.fixedRange().lower())
    known = project.elevationProperties().elevationRange()
    if deepest < 0 and (known.isInfinite() or known.lower() > deepest):
        project.elevationProperties().setElevationRange(QgsDoubleRange(deepest, 0.0))


def _subgroup(
    parent: QgsLayerTreeGroup, title: str, order: int, is_shown: bool, is_expanded: bool
) -> QgsLayerTreeGroup:
    for child in parent.children():
        if isinstance(child, QgsLayerTreeGroup) and child.name() == title:
            if is_expanded:
                child.setExpanded(True)
            return child
    group = parent.insertGroup(_place(parent, order), title)
    group.setCustomProperty(_ORDER, order)
    group.setCustomProperty(_RUN, title)
    group.setItemVisibilityChecked(is_shown)
    group.setExpanded(is_expanded)
    return group


def _place(parent: QgsLayerTreeGroup, order: int) -> int:
    """Return how many children stand above a node of this order."""
    orders = [int(child.customProperty(_ORDER, -1)) for child in parent.children()]
    return next((place for place, other in enumerate(orders) if other > order), len(orders))


def _drop_if_empty(group: QgsLayerTreeGroup) -> None:
    """Remove a group without layers, and those that hold nothing else."""
    parent = group.parent()
    if isinstance(parent, QgsLayerTreeGroup) and not group.children():
        parent.removeChildNode(group)
        _drop_if_empty(parent)


def is_showing(layer: QgsMapLayer, path: str) -> bool:
    """Whether a layer shows this file."""
    place = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source()).get("path") or ""
    return layer.providerType() in ("gdal", "ogr") and _is_same(place, path)


def _showing(project: QgsProject, path: str) -> Iterator[QgsMapLayer]:
    yield from (layer for layer in project.mapLayers().values() if is_showing(layer, path))


def _is_same(place: str, path: str) -> bool:
    try:
        return os.path.samefile(place, path)
    except (OSError, ValueError):
        return False
