"""The engine's worker with clocks around its parts: `timed_worker.py job.json times.json [--compute-only]`.

It runs the same job in the same process and also writes how long its parts took. With `--compute-only`, each block is
the same one, kept in memory, and nothing is written, so only computing is left, as the job arranges it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

from soil_cnn_plugin.engine import __main__ as door  # noqa: E402
from soil_cnn_plugin.engine.mapping import map_files  # noqa: E402
from soil_cnn_plugin.engine.mapping.layers import Finisher  # noqa: E402
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor  # noqa: E402
from soil_cnn_plugin.engine.mapping.ranges import RangeCheck  # noqa: E402
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack  # noqa: E402
from soil_cnn_plugin.engine.rasters.grid import Block  # noqa: E402
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile  # noqa: E402

PARTS: dict[str, tuple[Any, str]] = {
    "reading": (CovariateStack, "read"),
    "predicting": (BlockPredictor, "predict"),
    "to units": (Finisher, "finish"),
    "checking ranges": (RangeCheck, "add"),
    "writing": (RasterFile, "write"),
    "completing": (RasterFile, "complete"),
    "naming": (map_files, "finish_together"),
}


class Clocks:
    """Wall seconds and processor seconds of the calling thread, summed by part, and the times at which blocks came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.parts = {name: {"seconds": 0.0, "cpu": 0.0, "calls": 0} for name in PARTS}
        self.first_block: tuple[float, float] | None = None
        self.last_block: tuple[float, float] | None = None

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            self._note(name, begins=True)
            started, cpu = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                with self._lock:
                    part = self.parts[name]
                    part["seconds"] += time.perf_counter() - started
                    part["cpu"] += time.thread_time() - cpu
                    part["calls"] += 1
                self._note(name, begins=False)

        return timed

    def _note(self, name: str, begins: bool) -> None:
        now = time.perf_counter() - STARTED, time.process_time()
        if name == "reading" and begins and self.first_block is None:
            self.first_block = now
        if name == "writing" and not begins:
            self.last_block = now

    def write(self, path: str) -> None:
        ended = time.perf_counter() - STARTED, time.process_time()
        first, last = self.first_block or ended, self.last_block or ended
        moments = {"start": ((0.0, 0.0), first), "blocks": (first, last), "end": (last, ended)}
        phases = {
            name: {"seconds": end[0] - begin[0], "cpu": end[1] - begin[1]} for name, (begin, end) in moments.items()
        }
        Path(path).write_text(json.dumps({"phases": phases, "parts": self.parts}), encoding="utf-8")


def read_nothing(read: Callable[..., Any]) -> Callable[..., Any]:
    """Replace each block by the one in the middle of the map, which is read once for each shape."""
    kept: dict[tuple[int, int], Any] = {}

    def same(stack: CovariateStack, block: Block) -> Any:
        shape = block.height, block.width
        if shape not in kept:
            top, left = ((size - own) // 2 for size, own in zip((stack.grid.height, stack.grid.width), shape))
            kept[shape] = read(stack, Block(top, left, *shape))
        return kept[shape]

    return same


def main() -> int:
    job, times, *asked = sys.argv[1:]
    clocks = Clocks()
    for name, (owner, attribute) in PARTS.items():
        function = getattr(owner, attribute)
        if asked and name == "reading":
            function = read_nothing(function)
        elif asked and name in ("writing", "completing", "naming"):
            function = lambda *_: None  # noqa: E731 - its clock still tells when the blocks came
        setattr(owner, attribute, clocks.around(name, function))
    try:
        return door.main([job])
    finally:
        clocks.write(times)


if __name__ == "__main__":
    sys.exit(main())
