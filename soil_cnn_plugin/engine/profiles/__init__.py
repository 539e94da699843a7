"""Soil profiles: from horizons to values over fixed depth intervals."""
