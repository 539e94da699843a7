"""Plans of sampling: which pixels to visit, and what the design can prove."""
