"""The Gaussian process beside networks and forests: universal kriging on covariates, their context and coordinates."""
