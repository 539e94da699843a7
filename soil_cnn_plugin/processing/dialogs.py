"""The place where the window half puts its dialog for algorithms; without a window there is none."""

from __future__ import annotations

from typing import Any, Callable, Optional

from qgis.core import QgsProcessingAlgorithm

_makers: list[Callable[[QgsProcessingAlgorithm, Any], Any]] = []


def use_dialog(maker: Optional[Callable[[QgsProcessingAlgorithm, Any], Any]]) -> None:
    """Let `maker(algorithm, parent)` make the dialogs from now on; None: QGIS makes its own."""
    _makers[:] = [] if maker is None else [maker]


def make_dialog(algorithm: QgsProcessingAlgorithm, parent: Any) -> Any:
    return _makers[0](algorithm, parent) if _makers else None
