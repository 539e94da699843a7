"""What a trained network uses: contributions of covariates and of context."""
