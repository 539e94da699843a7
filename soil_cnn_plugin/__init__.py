"""Soil CNN: convolutional networks map soil properties. The worker imports this too, so nothing is loaded here."""


def classFactory(iface):  # noqa: N802 - QGIS calls it by this name
    """The plugin object; `iface` is None in qgis_process."""
    from .plugin import SoilCnnPlugin

    return SoilCnnPlugin(iface)
