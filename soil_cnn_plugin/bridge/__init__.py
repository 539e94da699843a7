"""QGIS half, the other process: find the engine's Python, set it up, and run a job in it."""
