"""QGIS half, the window: menu, message bar, settings, sample project, guide; never needed by qgis_process."""
