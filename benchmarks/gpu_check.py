"""Check in a few minutes whether a GPU computes what a processor computes, and measure how fast.

Run it with a Python that has the engine's requirements and a PyTorch for CUDA, `make gpu-check` or
`PYTHONPATH=. python benchmarks/gpu_check.py`. Each part runs in a process of its own, so that a crash or a hang costs
one part alone, and within its share of the time: what was not run or not finished is told as such. Without a GPU,
`--device cpu --small` tries the script itself. Results go to `build/bench/gpu_check.md` and `.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from figures import OUTPUT, Figure, machine, read, table
from gpu_asked import Asked
from gpu_parts import NOT_POSSIBLE, PARTS

_MINUTES = 8.0
_LEAST = 0.25  # of a part's time must be left to begin it
_MARGIN = 5.0  # seconds that a part has to end by itself and to write what it found
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """What became of a part, in words, and what it measured."""

    name: str
    words: str
    seconds: float
    figures: tuple[Figure, ...] = ()

    @property
    def is_done(self) -> bool:
        return self.words == "done"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--small", action="store_true", help="tiny data, to try the script")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="time for all parts together")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="parts to run; empty: all")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the table (.md) and the figures (.json)")
    asked = parser.parse_args()
    outcomes = run_parts(asked)
    write(outcomes, asked)
    return 0 if all(each.is_done or each.words.startswith("not run") for each in outcomes) else 1


def run_parts(asked: argparse.Namespace) -> list[Outcome]:
    """Run the parts in their order until the time is used up."""
    ends, outcomes = time.monotonic() + 60 * asked.minutes, []
    with tempfile.TemporaryDirectory(prefix="soilcnn-gpu-") as folder:
        for name in asked.only or PARTS:
            left = ends - time.monotonic()
            planned = PARTS[name].seconds * asked.minutes / _MINUTES
            if left < _LEAST * planned:
                outcomes.append(Outcome(name, "not run, no time left", 0.0))
            else:
                # The last part may take all that the others have left over.
                seconds = left if name == list(PARTS)[-1] else min(left, planned)
                outcomes.append(run_part(name, seconds, Path(folder), asked))
            print(f"{name}: {outcomes[-1].words}, {outcomes[-1].seconds:.0f} s", file=sys.stderr, flush=True)
    return outcomes


def run_part(name: str, seconds: float, folder: Path, asked: argparse.Namespace) -> Outcome:
    found = folder / f"{name}.json"
    part = Asked(asked.device, asked.small, str(folder), max(1.0, seconds - _MARGIN))
    command = [sys.executable, str(Path(__file__).with_name("gpu_parts.py")), name, json.dumps(asdict(part))]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    started = time.monotonic()
    with (folder / f"{name}.log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            status = process.wait(seconds + _MARGIN)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # and its workers
                process.wait()
        log.seek(0)
        lines = log.read().splitlines() or [""]
    took = time.monotonic() - started
    figures = tuple(read(found)) if found.is_file() else ()
    if status is None:
        words = f"stopped after {took:.0f} s"
    elif status == NOT_POSSIBLE:
        words = f"not run: {lines[-1]}"
    else:
        words = "done" if status == 0 else f"failed: {lines[-1][:300]}"
    return Outcome(name, words, took, figures)


def write(outcomes: list[Outcome], asked: argparse.Namespace) -> None:
    """Write `gpu_check.json` and `gpu_check.md`, and print the latter."""
    asked.output.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "device": asked.device, "small": asked.small, "minutes": asked.minutes}
    parts = [{**asdict(each), "what": PARTS[each.name].what} for each in outcomes]
    (asked.output / "gpu_check.json").write_text(json.dumps({**content, "parts": parts}, indent=1), encoding="utf-8")
    lines = ["## The GPU, checked and measured", "", f"{machine()}.", "", "| part | | s |", "|---|---|---|"]
    lines += [f"| {PARTS[each.name].what} | {each.words} | {each.seconds:.0f} |" for each in outcomes]
    lines += ["", *table([figure for each in outcomes for figure in each.figures], asked.small), ""]
    text = "\n".join(lines)
    (asked.output / "gpu_check.md").write_text(text, encoding="utf-8")
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
