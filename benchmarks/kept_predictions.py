"""Held-out predictions that `accuracy.py` keeps, so that a run that was stopped goes on where it ended (`--resume`)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from soil_cnn_plugin.engine.targets.metrics import HeldOut, Scores

Predictions = tuple[dict[str, HeldOut], ...]
"""By method, target by target."""
_ARRAYS = ("mean", "lower", "upper", "quantiles")


@dataclass(frozen=True)
class Kept:
    """A folder of predictions of one run with these `settings`, as text."""

    folder: Path
    settings: Mapping[str, object]
    resume: bool

    def prepare(self) -> None:
        """Empty the folder, or check that what it holds is of the same settings."""
        told, path = json.dumps(self.settings, default=str, sort_keys=True), self.folder / "settings.json"
        if self.resume and path.exists():
            if path.read_text(encoding="utf-8") != told:
                raise SystemExit(f"{self.folder} is of a run with other options. Leave --resume out, or name another.")
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("*.npz"):
            old.unlink()
        path.write_text(told, encoding="utf-8")

    def read_or_make(self, name: str, make: Callable[[], Predictions]) -> tuple[Predictions, float]:
        """Those of the file `name`, which is written where it is missing, and the seconds that they took."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            started = time.monotonic()
            found = make()
            _write(path, found, time.monotonic() - started)
        return _read(path)


def _write(path: Path, targets: Predictions, seconds: float) -> None:
    arrays, scores = {}, []
    for t, methods in enumerate(targets):
        for method, found in methods.items():
            arrays |= {f"{t}.{method}.{name}": getattr(found, name) for name in _ARRAYS}
            scores.append([t, method, *(asdict(each) for each in (found.scores, *found.fold_scores))])
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, seconds=np.array(seconds), scores=np.array(json.dumps(scores)), **arrays)
    os.replace(part, path)


def _read(path: Path) -> tuple[Predictions, float]:
    found: list[dict[str, HeldOut]] = []
    with np.load(path) as file:
        for t, method, *scores in json.loads(str(file["scores"])):
            while len(found) <= t:
                found.append({})
            whole, *folds = (Scores(**each) for each in scores)
            parts = (file[f"{t}.{method}.{name}"] for name in _ARRAYS)
            found[t][method] = HeldOut(*parts, whole, tuple(folds))
        seconds = float(file["seconds"])
    return tuple(found), seconds
