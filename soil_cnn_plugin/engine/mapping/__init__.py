"""Maps: which covariates a network gets, block-wise dense prediction, and the rasters that are written."""
