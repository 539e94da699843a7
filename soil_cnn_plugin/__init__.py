"""Soil CNN: convolutional networks map soil properties. The worker imports this file too, so it loads nothing."""

from typing import Any


def classFactory(iface: Any) -> Any:  # noqa: N802 - QGIS calls it by this name
    """Return the plugin object; `iface` is None in qgis_process."""
    from .plugin import SoilCnnPlugin

    return SoilCnnPlugin(iface)
