"""The engine's worker with a clock beside it: `stage_clock.py job.json times.json` tells where its time goes.

Four times a second, what each thread has used of a processor since is put down to the stage that the thread is in, by
the functions on its stack. Threads without Python frames (OpenMP's, GDAL's) are told together.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

STARTED = time.perf_counter()

from soil_cnn_plugin.engine import __main__ as door  # noqa: E402

STAGES = {
    "start": "start",
    "reading": "reading patches",
    "folds": "folds",
    "networks": "networks: training",
    "network_answers": "networks: held-out predictions",
    "growing": "forests: growing",
    "forest_answers": "forests: held-out predictions",
    "keeping": "forests, Gaussian process: checkpoints",
    "process": "Gaussian process",
    "scores": "blending, calibration, scores",
    "correlation": "correlation of errors",
    "dissimilarity": "dissimilarity and importance",
    "file": "network file",
    "report": "report, held-out layer, metrics",
    "map": "map",
    "no_frames": "threads without Python (OpenMP, GDAL)",
    "other": "other",
}
"""The stages in the order of a run."""
PLACES = (
    ("training/kept_arrays.py", "_write", "keeping"),
    ("training/kept_arrays.py", "digest_of", "keeping"),
    ("training/trained_network.py", "_fit_spaces", "dissimilarity"),
    ("training/design.py", "encode_patches", "reading"),
    ("training/fit.py", "predict_all", "network_answers"),
    ("training/ensemble.py", "cross_fit", "networks"),
    ("forests/forest.py", "predict_forest", "forest_answers"),
    ("training/predictor.py", "predict_forests", "forest_answers"),
    ("forests/forest.py", "", "growing"),
    ("forests/growing.py", "", "growing"),
    ("forests/bins.py", "", "growing"),
    ("forests/trees.py", "", "growing"),
    ("kriging/", "", "process"),
    ("assessment/folds.py", "", "folds"),
    ("assessment/knndm.py", "", "folds"),
    ("training/folds_of_file.py", "", "folds"),
    ("training/held_out_scores.py", "error_correlation_of", "correlation"),
    ("training/network_file.py", "write_network", "file"),
    ("reports/", "", "report"),
    ("training/cross_validation.py", "", "scores"),
    ("training/assessing.py", "", "scores"),
    ("training/trained_network.py", "", "file"),
    ("jobs/predict_map.py", "", "map"),
    ("jobs/train_network.py", "", "scores"),
    ("engine/__main__.py", "", "start"),
)
"""File, function ('': any) and stage; the first that is on a thread's stack counts, wherever it is there."""
_LOOK_EVERY = 0.25  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")


class StageClock(threading.Thread):
    """Sums processor seconds, and keeps the highest memory, by stage."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seconds: dict[str, float] = defaultdict(float)
        self.peaks: dict[str, int] = defaultdict(int)
        self.wall: dict[str, list[float]] = {}
        self._known: dict[int, float] = {}

    def run(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            self.look()

    def look(self) -> None:
        frames, now = sys._current_frames(), time.perf_counter() - STARTED
        del frames[threading.get_ident()]  # this frame holds `frames`: a circle would keep all that functions hold
        stages = {each.native_id: _stage(frames.get(each.ident or 0)) for each in threading.enumerate()}
        memory = _resident()
        for number in map(int, os.listdir("/proc/self/task")):
            used = _used(number)
            spent, self._known[number] = used - self._known.get(number, 0.0), used
            if spent <= 0:
                continue
            stage = stages.get(number, "no_frames")
            self.seconds[stage] += spent
            self.peaks[stage] = max(self.peaks[stage], memory)
            self.wall.setdefault(stage, [now, now])[1] = now

    def write(self, path: str) -> None:
        """Write seconds by stage; what no look has seen, of threads that came and went, is other."""
        self.look()
        used = resource.getrusage(resource.RUSAGE_SELF)
        whole = used.ru_utime + used.ru_stime
        self.seconds["other"] += max(0.0, whole - sum(self.seconds.values()))
        content = {
            "processor": whole,
            "wall": time.perf_counter() - STARTED,
            "stages": {name: self.seconds[name] for name in STAGES},
            "between": self.wall,
            "peaks": dict(self.peaks),
        }
        Path(path).write_text(json.dumps(content), encoding="utf-8")


def _stage(frame: FrameType | None) -> str:
    if frame is None:
        return "no_frames"
    stack = []
    while frame:
        stack.append((frame.f_code.co_filename, frame.f_code.co_name))
        frame = frame.f_back
    for place, function, stage in PLACES:
        if any(f"soil_cnn_plugin/engine/{place.removeprefix('engine/')}" in path and function in ("", name)
               for path, name in stack):  # fmt: skip
            return stage
    return "other"


def _used(thread: int) -> float:
    """Processor seconds of a thread so far."""
    try:
        text = Path(f"/proc/self/task/{thread}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    job, times = sys.argv[1:]
    clock = StageClock()
    clock.start()
    try:
        return door.main([job])
    finally:
        clock.write(times)


if __name__ == "__main__":
    sys.exit(main())
