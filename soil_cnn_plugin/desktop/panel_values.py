"""Reads and sets the values in a dialog's panel of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional

from qgis.core import (
    Qgis,
    QgsFields,
    QgsProcessingAlgorithm,
    QgsProcessingParameterField,
    QgsRasterLayer,
    QgsVectorLayer,
)

POINTS = ("OBSERVATIONS", "HORIZONS")
"""Parameters for the layer whose fields other parameters name."""


class PanelValues:
    """The values of the panel's wrappers. A parameter that the panel lacks is ignored, or empty."""

    def __init__(self, algorithm: QgsProcessingAlgorithm, panel: Any) -> None:
        self._algorithm, self._panel = algorithm, panel

    def set(self, name: str, value: Any) -> None:
        if name in self._panel.wrappers:
            self._panel.wrappers[name].setParameterValue(value, self._panel.processing_context)

    def offer(self, names: Iterable[str], is_offered: bool) -> None:
        """Show or withdraw parameters."""
        for name in names:
            wrapper = self._panel.wrappers.get(name)
            if wrapper is not None:
                wrapper.wrappedWidget().setVisible(is_offered)
                wrapper.wrappedLabel().setVisible(is_offered)
                self._panel.withdrawn.difference_update({name} if is_offered else ())
                self._panel.withdrawn.update(() if is_offered else {name})

    def is_input(self, name: str) -> bool:
        return name in self._panel.wrappers and not self._definition(name).isDestination()

    def is_field(self, name: str) -> bool:
        return isinstance(self._definition(name), QgsProcessingParameterField)

    def is_optional(self, name: str) -> Optional[bool]:
        """Whether a parameter may be empty; None if there is no such parameter."""
        definition = self._definition(name)
        return None if definition is None else bool(definition.flags() & Qgis.ProcessingParameterFlag.Optional)

    def points_name(self) -> str:
        return next((name for name in POINTS if name in self._panel.wrappers), "")

    def points(self) -> Optional[QgsVectorLayer]:
        """Return the layer of observations or horizons; None if none is chosen."""
        name = self.points_name()
        if not name:
            return None
        return self._algorithm.parameterAsVectorLayer(self._values(name), name, self._panel.processing_context)

    def fields(self) -> Optional[QgsFields]:
        """Return the fields of the observations; None if none are chosen."""
        layer = self.points()
        return layer.fields() if layer is not None else None

    def chosen_fields(self, name: str) -> list[str]:
        if name not in self._panel.wrappers:
            return []
        found = self._algorithm.parameterAsStrings(self._values(name), name, self._panel.processing_context)
        known = self.fields()
        return [field for field in found if known is not None and known.indexFromName(field) >= 0]

    def layers(self, name: str) -> list[QgsRasterLayer]:
        if name not in self._panel.wrappers:
            return []
        values, context = self._values(name), self._panel.processing_context
        if name == "MAP":
            found: Sequence[Any] = [self._algorithm.parameterAsRasterLayer(values, name, context)]
        else:
            found = self._algorithm.parameterAsLayerList(values, name, context)
        return [layer for layer in found if isinstance(layer, QgsRasterLayer) and layer.isValid()]

    def _definition(self, name: str) -> Any:
        return self._algorithm.parameterDefinition(name)

    def _values(self, name: str) -> dict[str, Any]:
        return {name: self._panel.wrappers[name].parameterValue()}
