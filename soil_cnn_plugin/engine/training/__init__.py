"""Fitting networks and forests, holding out folds, and the network file."""
