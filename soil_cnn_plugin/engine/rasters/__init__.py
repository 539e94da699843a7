"""Rasters on one grid: opened, warped, read by blocks and at points, and written."""
