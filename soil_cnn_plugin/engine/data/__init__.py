"""Observations and covariates: from rasters and points to patches and blocks on one grid."""
