"""Soil profiles: horizons to values at fixed depth intervals."""
