"""QGIS half, the doorway: Processing provider, algorithms, their inputs and the look of their results."""
