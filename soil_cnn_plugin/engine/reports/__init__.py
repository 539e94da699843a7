"""HTML pages and figures: held-out report, network file, compute environment."""
