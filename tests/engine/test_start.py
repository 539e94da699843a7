"""What a worker loads before its first event, and before a map: libraries take most of the time that a start takes."""

from __future__ import annotations

import json
import subprocess
import sys

_LIBRARIES = (
    "numpy scipy scipy.cluster scipy.linalg scipy.optimize scipy.sparse scipy.spatial scipy.stats torch torch._dynamo"
    " numba sklearn rasterio pyogrio geopandas h5py matplotlib distributed captum"
)
_SOURCE = f"""
import importlib, json, sys
importlib.import_module("soil_cnn_plugin.engine.__main__")
at_door = sorted(set({_LIBRARIES.split()}) & set(sys.modules))
importlib.import_module("soil_cnn_plugin.engine.jobs.predict_map")
import torch
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.rasters.summaries import Covariate, CovariateSummary
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.training.plan import Shape, build_network
covariate = CovariateSummary(Covariate("slope.tif", "slope"), (0.0,) * 64 + (1.0,) * 65, (), ())
encoder = Encoder([covariate])
with torch.device("meta"):  # as networks are built to compare a file with them
    for name in ("ring", "padarian"):
        build_network(Shape(name, 15, 2), encoder, number_columns(1), 0.0)
print(json.dumps([at_door, sorted(set({_LIBRARIES.split()}) & set(sys.modules))]))
"""


def test_the_first_event_waits_for_no_library_and_a_map_for_none_that_it_does_not_need() -> None:
    found = subprocess.run([sys.executable, "-c", _SOURCE], capture_output=True, text=True, check=True)
    at_door, for_map = json.loads(found.stdout)
    assert at_door == []
    assert for_map == ["numba", "numpy", "rasterio", "scipy", "torch"]
