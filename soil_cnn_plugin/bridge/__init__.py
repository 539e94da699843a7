"""QGIS half, the other process: which Python runs the engine, how it is set up, how a job is run in it."""
