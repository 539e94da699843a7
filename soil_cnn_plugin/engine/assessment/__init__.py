"""What a map is worth: folds, metrics, calibration, verdict."""
