"""The project's layers after a run: QGIS reads those of replaced files again, and each run has its own group."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Optional

from qgis.core import (
    QgsLayerTreeGroup,
    QgsLayerTreeNode,
    QgsMapLayer,
    QgsProject,
    QgsProviderRegistry,
)

_RUN, _ORDER = "soilcnn/run", "soilcnn/order"
"""Custom properties: which group a run has made, and a layer's place in it."""


def reload_layers(project: QgsProject, paths: Iterable[str]) -> None:
    """Let the layers of these files show what the files hold now. QGIS would go on showing what it once opened."""
    for path in paths:
        for layer in _showing(project, path):
            if not (hasattr(layer, "isEditable") and layer.isEditable()):
                layer.setDataSource(layer.source(), layer.name(), layer.providerType(), False)
                layer.triggerRepaint()


def free_group_name(project: QgsProject, name: str, paths: list[str]) -> str:
    """Return `name`, with a number if another run has a group of that name and this run does not replace all of it."""
    number, candidate = 1, name
    replaced = {layer.id() for path in paths for layer in _showing(project, path)}
    while (group := project.layerTreeRoot().findGroup(candidate)) is not None:
        shown = set(group.findLayerIds())
        if shown and shown <= replaced:
            return candidate
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def place_in_group(project: QgsProject, layer: QgsMapLayer, name: str, order: int) -> None:
    """Move a result into the group of its run; a greater `order` puts it further up.

    QGIS may have taken a layer that was there before, in another run's group: it moves too, but stays if the user has
    put it elsewhere. A group that loses its last layer is removed.
    """
    root = project.layerTreeRoot()
    node = root.findLayer(layer.id())
    if node is None or not name:
        return
    parent, group = node.parent(), root.findGroup(name)
    if group is not None and parent is not group and (parent is root or parent.customProperty(_RUN)):
        node = _move(node, group, order)
        _drop_if_empty(parent)
    node.setCustomProperty(_ORDER, order)
    if group is not None:
        group.setCustomProperty(_RUN, name)
        _drop_if_empty(group)


def _move(node: QgsLayerTreeNode, group: QgsLayerTreeGroup, order: int) -> Optional[QgsLayerTreeNode]:
    copy = node.clone()
    above = [child for child in group.children() if int(child.customProperty(_ORDER, -1)) > order]
    group.insertChildNode(len(above), copy)
    node.parent().removeChildNode(node)
    return copy


def _drop_if_empty(group: Optional[QgsLayerTreeNode]) -> None:
    if group.parent() is not None and not group.children():
        group.parent().removeChildNode(group)


def _showing(project: QgsProject, path: str) -> Iterator[QgsMapLayer]:
    for layer in project.mapLayers().values():
        place = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source()).get("path") or ""
        if layer.providerType() in ("gdal", "ogr") and _is_same(place, path):
            yield layer


def _is_same(place: str, path: str) -> bool:
    try:
        return os.path.samefile(place, path)
    except (OSError, ValueError):
        return False
