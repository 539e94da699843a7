"""QGIS half, the doorway: Processing provider, algorithms, their inputs and the styles of their results."""
