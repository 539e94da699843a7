"""The making of maps: matching covariates to a network, dense prediction block by block, and the rasters written."""
