"""Makes the network files beside this script: `PYTHONPATH=. python tests/engine/networks/make_committed_networks.py`.

They stay as they are, so that later versions prove that they read what earlier ones wrote; when the format gets a new
version, files of that version come beside them. Networks are trained by the engine on the tests' landscape; then all
but one member and a few trees are left out, so that the files are small. Numbers and a composition are learned by the
ring network, with the location as an input, classes by convolutions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from safetensors.numpy import load_file, save_file

from tests.engine.landscape import CELL, CRS, NORTH, WEST, Landscape, make_landscape
from tests.engine.training.test_network_file import read_parts

HERE = Path(__file__).resolve().parent
COUNT = 60
TREES = 3  # that are left of each forest
PARTS = ("sand_0_30", "silt_0_30", "clay_0_30")
NUMBERS = {"zinc_0_10": "mg/kg", "carbon": "g/kg", **dict.fromkeys(PARTS, "%")}
CLASSES = ("Gley, nass", "Moor", "Braunerde")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        landscape = make_landscape(folder, has_aspect=True)
        points = write_observations(landscape)
        targets = [{"field": field, "unit": unit} for field, unit in NUMBERS.items()]
        numbers = train(landscape, points, targets, 5, {"composition": PARTS}, {"location": "on"})
        trim(numbers, HERE / f"numbers_version_{version_of(numbers)}.safetensors", folder)
        soil = train(landscape, points, [{"field": "soil type", "unit": ""}], 11, {}, {"architecture": "padarian"})
        trim(soil, HERE / f"classes_version_{version_of(soil)}.safetensors", folder)


def write_observations(landscape: Landscape) -> str:
    """Zinc is skewed and follows flow, carbon misses a third, texture and classes follow elevation."""
    rng = np.random.default_rng(5)
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    rows, cols = valid[rng.choice(len(valid), COUNT, replace=False)].T
    elevation, flow = landscape.values[:2, rows, cols].astype(np.float64)
    height = (elevation - 50) / 20
    shares = np.exp(
        np.column_stack([height, 0.3 * rng.normal(size=COUNT), -height]) + 0.2 * rng.normal(size=(COUNT, 3))
    )
    columns = {
        "zinc_0_10": np.exp(4 + 0.4 * np.log(flow) + 0.4 * rng.normal(size=COUNT)),
        "carbon": np.where(np.arange(COUNT) % 3 == 0, np.nan, 20 + 4 * height + rng.normal(size=COUNT)),
        **dict(zip(PARTS, (100 * shares / shares.sum(axis=1, keepdims=True)).T)),
        "soil type": np.array(CLASSES)[np.digitize(height + 0.3 * rng.normal(size=COUNT), (-0.4, 0.4))],
    }
    x, y = WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL
    path = str(landscape.folder / "observations.gpkg")
    geopandas.GeoDataFrame(columns, geometry=geopandas.points_from_xy(x, y), crs=CRS).to_file(path)
    return path


def train(
    landscape: Landscape,
    points: str,
    targets: list[dict[str, str]],
    patch_size: int,
    of_extraction: dict[str, Any],
    of_training: dict[str, Any],
) -> Path:
    patches, network = (str(landscape.folder / f"{targets[0]['field']}.{kind}") for kind in ("h5", "safetensors"))
    covariates = [{"path": each.path, "name": each.name, "kind": each.kind} for each in landscape.covariates]
    extraction = {
        "observations": points,
        "targets": targets,
        "covariates": covariates,
        "patches": patches,
        "patch_size": patch_size,
    }
    training = {
        "patches": patches,
        "network": network,
        "preset": "fast",
        "members": 2,
        "epochs": 30,
        "folds": 2,
        "validation": "random",
        "device": "cpu",
    }
    run(landscape.folder, {"job": "extract_patches", "version": 1, **extraction, **of_extraction})
    run(landscape.folder, {"job": "train_network", "version": 1, **training, **of_training})
    return Path(network)


def run(folder: Path, job: dict[str, Any]) -> None:
    (folder / "job.json").write_text(json.dumps(job))
    subprocess.run([sys.executable, "-m", "soil_cnn_plugin.engine", folder / "job.json"], check=True)


def version_of(network: Path) -> str:
    header, _ = read_parts(str(network))
    version: str = header["__metadata__"]["version"]
    return version


def trim(network: Path, written: Path, folder: Path) -> None:
    """The first member and the first trees, and no folder of the machine."""
    header, _ = read_parts(str(network))
    description = json.loads(header["__metadata__"]["description"].replace(f"{folder}/", "landscape/"))
    (shape,) = description["shapes"]
    shape["members"] = 1
    tensors = load_file(network)
    of_members = (
        f"{shape['name']}.",
        "rows.members",
        "dissimilarity.embedding.axes",
        "dissimilarity.embedding.centre0",
    )
    for name in tensors:
        if name.startswith(of_members):
            tensors[name] = tensors[name][:1].copy()
    for roots in [name for name in tensors if name.endswith(".roots")]:
        forest, nodes = roots.removesuffix("roots"), int(tensors[roots][TREES])
        tensors[roots] = tensors[roots][: TREES + 1].copy()
        for part in ("children", "feature", "threshold", "value"):
            tensors[forest + part] = tensors[forest + part][:nodes].copy()
    save_file(tensors, written, {**header["__metadata__"], "description": json.dumps(description)})


if __name__ == "__main__":
    main()
