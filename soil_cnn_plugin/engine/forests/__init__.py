"""Random forests, as plain arrays."""
