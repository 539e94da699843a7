"""Same results: small jobs on real data give to the last bit what was recorded, whatever changed in the code.

`python benchmarks/same_results.py record FOLDER --data DATA` runs them and keeps all that they wrote and told in
FOLDER; `compare` runs them again and tells each difference: which tensor, band, field or key. It ends with 1 where
there is one. Only dates, versions and folders may differ. Runs in the engine's Python; what was recorded holds for one
machine and its libraries, because processors round differently.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from same_results_fields import Places, Step
from same_results_files import compare_folders
from same_results_jobs import CHAINS

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "GDAL_NUM_THREADS"), "1"
)
"""Sums over several threads are rounded in another order."""
_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "numba", "rasterio", "h5py", "matplotlib")
_JOB = " job.json"  # ending of the job files beside what they ask for
_AT_ONCE = 2  # chains
_MOST_SHOWN = 25  # differences of one file


def main() -> int:
    options = read_options()
    names = options.only or list(CHAINS)
    did = record if options.command == "record" else is_same
    began = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: did(name, options.folder.resolve() / name, options.data.resolve()), names)
        failed = [name for name, is_good in zip(names, found) if not is_good]
    words = {"record": ("recorded", "not recorded"), "compare": ("all the same", "different")}[options.command]
    spent = f"{time.perf_counter() - began:.0f} s, {os.times().children_user:.0f} s of processor time"
    print(f"{spent}; {words[1] + ': ' + ', '.join(failed) if failed else words[0]}")
    return 1 if failed else 0


def record(name: str, folder: Path, data: Path) -> bool:
    """Runs a chain of jobs in the folder, which is emptied before; whether all were done."""
    if folder.exists():
        if not list(folder.glob(f"*{_JOB}")):
            raise SystemExit(f"{folder} holds something else than recorded results. Choose another folder.")
        shutil.rmtree(folder)
    made_with(folder).unlink(missing_ok=True)
    folder.mkdir(parents=True)
    if not run_chain(name, Places(data, folder)):
        return False
    made_by = {"places": places_in(data, folder), "made with": describe_machine()}
    made_with(folder).write_text(json.dumps(made_by, indent=1), encoding="utf-8")
    return True


def is_same(name: str, recorded: Path, data: Path) -> bool:
    """Runs a chain in a temporary folder, and tells where its files differ from what was recorded."""
    if not made_with(recorded).is_file():
        raise SystemExit(f"{recorded} holds no recorded results. Run `record` first.")
    made_by = json.loads(made_with(recorded).read_text(encoding="utf-8"))
    if changed := {key: value for key, value in describe_machine().items() if made_by["made with"].get(key) != value}:
        print(f"{name}: recorded on another machine or with other libraries, which may round differently: {changed}")
    with tempfile.TemporaryDirectory(prefix="soilcnn-same-") as scratch:
        folder = Path(scratch).resolve() / name
        folder.mkdir()
        is_whole = run_chain(name, Places(data, folder))
        found = compare_folders(recorded, folder, made_by["places"], places_in(data, folder))
    tell(name, found)
    return is_whole and not any(found.values())


def run_chain(name: str, places: Places) -> bool:
    """Whether all jobs were done; later ones need what earlier ones wrote."""
    return all(run_step(name, step, places) for step in CHAINS[name](places))


def run_step(name: str, step: Step, places: Places) -> bool:
    """A job, through the door of the engine; what it tells, but for its progress, is kept beside what it writes."""
    job = places.folder / f"{step.name}{_JOB}"
    job.write_text(json.dumps(step.content, indent=1), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | ONE_THREAD
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "soil_cnn_plugin.engine", str(job)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    told = [json.dumps(event, ensure_ascii=False) for event in events if event["event"] != "progress"]
    (places.folder / f"{step.name} events.txt").write_text("\n".join(told), encoding="utf-8")
    print(f"{name}, {step.name}: {step.job}, {time.perf_counter() - began:.1f} s", flush=True)
    if done.returncode:
        print(f"  FAILED: {told[-1] if told else ''}\n{done.stderr[-2000:]}", flush=True)
    return done.returncode == 0


def tell(name: str, found: Mapping[str, Sequence[str]]) -> None:
    """One line a file, and under it each difference."""
    for file, differences in found.items():
        count = f"{len(differences)} difference{'s' if len(differences) > 1 else ''}"
        print(f"{name}, {file}: {count if differences else 'same'}")
        for line in differences[:_MOST_SHOWN]:
            print(f"    {line}")
        if len(differences) > _MOST_SHOWN:
            print(f"    and {len(differences) - _MOST_SHOWN} more")
    sys.stdout.flush()


def places_in(data: Path, folder: Path) -> dict[str, str]:
    """Folders that occur in what jobs write -> what stands for them."""
    return {str(folder): "<folder>", str(data): "<data>"}


def made_with(folder: Path) -> Path:
    """Beside the folder, so that it is not compared."""
    return folder.with_name(f"{folder.name} made with.json")


def describe_machine() -> dict[str, Any]:
    """What else decides the last bits."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("record", "compare"))
    parser.add_argument("folder", type=Path, help="what is recorded, one folder a chain of jobs")
    parser.add_argument(
        "--data", type=Path, required=True, help="a folder with the data sets' point layers and covariates"
    )
    parser.add_argument(
        "--only", action="append", choices=list(CHAINS), metavar="NAME", help=f"one chain: {', '.join(CHAINS)}"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
