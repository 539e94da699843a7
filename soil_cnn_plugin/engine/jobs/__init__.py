"""The jobs of the algorithms, one module each: the main path."""
