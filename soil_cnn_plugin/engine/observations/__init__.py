"""Observations: read from a layer, located on the grid, given patches, and kept in a patch file."""
