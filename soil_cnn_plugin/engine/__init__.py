"""The engine: torch, numpy, rasterio and geopandas, in a process of its own; it never imports QGIS."""
