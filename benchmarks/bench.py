"""Run all benchmarks of speed and memory one after the other, and put their figures into one table.

`make bench` runs it, or `make bench QUICK=1` for a few minutes. It writes build/bench/bench.md and bench.json.
Arguments that it does not know go to a benchmark: `bench.py --only map_prediction --side 3000`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from figures import Figure, machine, options, read, table
from worker import KEEP_MEMORY, ROOT

SCRIPTS = {
    "start": "Start of the worker",
    "dense_prediction": "Dense prediction",
    "extraction": "Extraction",
    "training": "Training",
    "forests": "Forests",
    "map_prediction": "Predict map",
    "processes": "Two processes",
}


def main() -> int:
    parser = options(__doc__, {})
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=list(SCRIPTS), help="benchmarks to run")
    asked, more = parser.parse_known_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    started, told = time.monotonic(), machine()
    failed = [name for name in asked.only if not run(name, asked.quick, asked.output, more)]
    figures = {name: read(asked.output / f"{name}.json") for name in asked.only if name not in failed}
    text = "\n".join(in_markdown(figures, failed, told, asked.quick, time.monotonic() - started)) + "\n"
    (asked.output / "bench.md").write_text(text, encoding="utf-8")
    plain = {name: [{**asdict(each), "is_met": each.is_met} for each in found] for name, found in figures.items()}
    content = {"machine": told, "quick": asked.quick, "failed": failed, "figures": plain}
    (asked.output / "bench.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(text)
    return 1 if failed else 0


def run(name: str, quick: bool, output: Path, more: list[str]) -> bool:
    """Run a benchmark with the memory settings of a worker; return whether it succeeded."""
    print(f"== {SCRIPTS[name]}", file=sys.stderr, flush=True)
    (output / f"{name}.json").unlink(missing_ok=True)
    command = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), "--output", str(output)]
    environment = {**os.environ, **KEEP_MEMORY, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([*command, *(["--quick"] if quick else []), *more], env=environment, check=False)
    return ended.returncode == 0 and (output / f"{name}.json").is_file()


def in_markdown(
    figures: dict[str, list[Figure]], failed: list[str], told: str, quick: bool, seconds: float
) -> list[str]:
    lines = ["# Speed and memory", "", f"{told}. All took {seconds / 60:.0f} minutes.", ""]
    if quick:
        lines += ["Quick run, small rasters, few turns: these figures show that it works, not how fast it is.", ""]
    lines += ["Each figure is the median of the turns, with the lowest and highest in brackets.", ""]
    for name, found in figures.items():
        lines += [f"## {SCRIPTS[name]}", "", *table(found, quick), ""]
    return lines + [f"**{SCRIPTS[name]} failed; see above.**" for name in failed]


if __name__ == "__main__":
    sys.exit(main())
