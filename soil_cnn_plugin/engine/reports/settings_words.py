"""The names of settings as pages show them: files and outputs keep those in English."""

from __future__ import annotations

from collections.abc import Mapping

from soil_cnn_plugin.contract.language import tr

_NAMES = {
    "architecture": tr("architecture"),
    "predictor": tr("predictor"),
    "location as an input": tr("location as an input"),
    "preset": tr("preset"),
    "transform": tr("transform"),
    "validation": tr("validation"),
    "folds": tr("folds"),
    "repeats": tr("repeats"),
    "coverage of intervals": tr("coverage of intervals"),
    "seed": tr("seed"),
    "device": tr("device"),
    "random forests": tr("random forests"),
    "Gaussian process": tr("Gaussian process"),
    "patches": tr("patches"),
    "network": tr("network"),
    "areas": tr("areas"),
    "thresholds": tr("thresholds"),
    "stock": tr("stock"),
    "carbon content": tr("carbon content"),
    "bulk density": tr("bulk density"),
    "stones": tr("stones"),
    "thickness": tr("thickness"),
    "equivalent soil mass": tr("equivalent soil mass"),
    "expressions": tr("expressions"),
    "Question": tr("Question"),
    "First map": tr("First map"),
    "Second map": tr("Second map"),
    "Limits of the first map": tr("Limits of the first map"),
    "Limits of the second map": tr("Limits of the second map"),
    "Grid": tr("Grid"),
    "Observations": tr("Observations"),
    "Sample": tr("Sample"),
    "Coverage of the intervals": tr("Coverage of the intervals"),
    "Correlation of errors": tr("Correlation of errors"),
    "Map": tr("Map"),
    "Grid of the map": tr("Grid of the map"),
    "Values": tr("Values"),
    "Lower limit": tr("Lower limit"),
    "Upper limit": tr("Upper limit"),
    "Coverage of the interval": tr("Coverage of the interval"),
    "Detection limits": tr("Detection limits"),
    "Stratum, area of the stratum": tr("Stratum, area of the stratum"),
    "Inclusion probability": tr("Inclusion probability"),
    "Classes are matched by": tr("Classes are matched by"),
    "Design": tr("Design"),
    "Points": tr("Points"),
    "Grid of the places": tr("Grid of the places"),
    "Covariates": tr("Covariates"),
    "Area": tr("Area"),
    "Excluded": tr("Excluded"),
    "Existing points": tr("Existing points"),
    "Strata": tr("Strata"),
    "Network": tr("Network"),
    "Uncertainty counts in": tr("Uncertainty counts in"),
    "Cost": tr("Cost"),
    "Smallest spacing": tr("Smallest spacing"),
    "Variogram": tr("Variogram"),
    "Iterations": tr("Iterations"),
    "Seed": tr("Seed"),
}


def named_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings under their names in the user's language; others, such as architectures, keep their own."""
    return {_NAMES.get(name, name): value for name, value in settings.items()}
