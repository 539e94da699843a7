"""Measure how long a worker takes to start: to its first event, and until a small map is done.

The map has 100 x 100 pixels of ten covariates, mean and limits, once with the networks alone and once with the default
blend. It is made by a worker process as the plugin starts it, with compiled code kept by an earlier run (as the set-up
leaves it) and once without; and, in turns with that, by a spare worker that was started before. Part of `make bench`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, options, parse, spread, write
from landscape import make_network, write_covariates
from worker import worker_command

from soil_cnn_plugin.contract.jobs import CheckEnvironment, Job, PredictMap, to_json
from soil_cnn_plugin.engine.training.network_file import write_network

QUICK = {"turns": 1}
_MOST_BEFORE_THE_FIRST_EVENT = 1.0  # second
_MOST_FOR_A_SMALL_MAP = 4.0  # seconds
_MAPS = {"networks": "both ensembles", "blend": "both ensembles, a forest and a Gaussian process"}


@dataclass(frozen=True)
class Start:
    """Seconds from Run to the first event and to the end of the worker, and of the processor in that time; for a spare
    worker, `before` are those of the processor that it took until it was ready."""

    first: float
    whole: float
    busy: float
    before: float = 0.0


def main() -> None:
    asked = read_options()
    with tempfile.TemporaryDirectory(prefix="soilcnn-bench-", dir=asked.folder) as name:
        folder = Path(name)
        covariates = write_covariates(folder, asked.side, asked.covariates)
        for kind, trained in zip(_MAPS, make_network(covariates)):
            write_network(str(folder / f"{kind}.safetensors"), trained)
        start(CheckEnvironment(), folder)  # compiles, as the set-up does
        starts: dict[str, list[Start]] = {kind: [] for kind in _MAPS}
        spares: dict[str, list[Start]] = {kind: [] for kind in _MAPS}
        for _ in range(asked.turns):
            for kind in _MAPS:
                starts[kind].append(start(map_job(folder, kind), folder))
                spares[kind].append(start(map_job(folder, kind), folder, is_spare=True))
        bare = start(map_job(folder, "blend"), folder, cache=folder / "compiled")
    figures = [
        *tell("a worker", asked.side, starts),
        *tell("a spare worker", asked.side, spares),
        Figure(f"the same by a worker, {_MAPS['blend']}, without kept code", (bare.whole,), "s"),
    ]
    write("start", "Start of the worker", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--side", type=int, default=100, help="pixels per side of the map")
    parser.add_argument("--covariates", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--folder", help="folder for temporary files")
    return parse(parser, QUICK)


def map_job(folder: Path, kind: str) -> PredictMap:
    outputs = {name: str(folder / f"{name}.tif") for name in ("prediction", "lower", "upper")}
    return PredictMap(str(folder / f"{kind}.safetensors"), **outputs, device="cpu")


def tell(worker: str, side: int, starts: dict[str, list[Start]]) -> list[Figure]:
    """Put the starts of one kind of worker, by the kind of map, into figures."""
    every = [each for found in starts.values() for each in found]
    before = f"{spread([each.before for each in every], 's')} of a core before" if every[0].before else ""
    first = Figure(f"from Run to the first event of {worker}", tuple(each.first for each in every), "s",
                   _MOST_BEFORE_THE_FIRST_EVENT, True, before)  # fmt: skip
    maps = [
        Figure(f"map of {side} x {side} pixels by {worker}, {_MAPS[kind]}", tuple(each.whole for each in found), "s",
               _MOST_FOR_A_SMALL_MAP, True, f"of a core {spread([each.busy for each in found], 's')}")
        for kind, found in starts.items()
    ]  # fmt: skip
    return [first, *maps]


def start(job: Job, folder: Path, cache: Path | None = None, is_spare: bool = False) -> Start:
    """Run a job in a worker of its own; compiled code is kept in `cache` instead of beside the engine's files. A spare
    worker is given the job when it has loaded."""
    job_file = folder / "job.json"
    job_file.write_text(to_json(job), encoding="utf-8")
    command, variables = worker_command(job_file)
    command += ["--spare", "60"] if is_spare else []
    if cache:
        variables["NUMBA_CACHE_DIR"] = str(cache)
    started, first, last, before = time.perf_counter(), 0.0, "", 0.0
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdout and process.stdin
        if is_spare and process.stdout.readline():
            before = seconds_of_processor(process.pid)
            started = time.perf_counter()
            process.stdin.write("\n")
        process.stdin.close()
        for line in process.stdout:
            first = first or time.perf_counter() - started
            last = line
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    whole = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"The job failed: {last}\n{(folder / 'log').read_text(errors='replace')[-3000:]}")
    busy = used.ru_utime + used.ru_stime - before
    told = f"{type(job).__name__}: first event {first:.2f} s, whole {whole:.2f} s, of the processor {busy:.2f} s"
    print(f"{told} and before {before:.2f} s", file=sys.stderr, flush=True)
    return Start(first, whole, busy, before)


def seconds_of_processor(process: int) -> float:
    """Return the seconds of the processor that a process has taken so far; 0 where the system has no /proc."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / float(os.sysconf("SC_CLK_TCK"))


if __name__ == "__main__":
    main()
