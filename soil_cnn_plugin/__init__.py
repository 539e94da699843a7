"""Soil CNN: convolutional networks map soil properties. The worker imports this file too, so it loads nothing."""

from typing import Any


def classFactory(iface: Any) -> Any:  # noqa: N802 - QGIS calls it by this name
    """Return the plugin object; `iface` is None in qgis_process."""
    from qgis.core import QgsApplication

    from .contract.language import use

    use(QgsApplication.locale())  # before modules are imported, whose texts are translated then
    from .plugin import SoilCnnPlugin

    return SoilCnnPlugin(iface)
