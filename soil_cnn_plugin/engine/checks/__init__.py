"""What may be wrong with observations: pure arithmetic, one kind of check a file."""
