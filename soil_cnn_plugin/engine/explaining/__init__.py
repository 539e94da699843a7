"""The explanation of a trained network: what covariates and context contribute to its predictions."""
