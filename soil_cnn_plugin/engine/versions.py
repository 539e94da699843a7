"""The versions of this plugin, of Python and of the libraries that results depend on."""

from __future__ import annotations

import configparser
import platform
from importlib.metadata import version

from soil_cnn_plugin.paths import METADATA

_LIBRARIES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "rasterio",
    "geopandas",
    "pyproj",
    "h5py",
    "safetensors",
    "numba",
    "captum",
)


def read_versions() -> dict[str, str]:
    """Map each name to its version."""
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(METADATA, encoding="utf-8")
    return {
        "Soil CNN": metadata.get("general", "version"),
        "Python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }
