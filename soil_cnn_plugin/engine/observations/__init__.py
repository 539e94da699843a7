"""Observations: read from a layer, located on the grid, with patches, in a patch file."""
