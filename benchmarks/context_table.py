"""Blend what `context_networks.py` kept, with and without each try, and print what each is worth.

`python benchmarks/context_table.py build/context/sim build/context/meuse`: a cell is a target of a folder under one
kind of folds; percentages are means over cells of ratios of RMSE over all held-out rows, below 0 is better. Weights
are learned on the predictions within each training part, as the product learns them.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.significance import paired_test
from soil_cnn_plugin.engine.targets.blending import learn_weights
from soil_cnn_plugin.engine.training.predictor import mix

BASE = ("ring", "forest", "process")
BLENDS = {
    "blend of ring, forest, process": BASE,
    "ring, padarian, forest, process": ("ring", "padarian", "forest", "process"),
    "the same, networks share a third": ("ring", "padarian", "forest", "process"),
    "forest, process": ("forest", "process"),
    "forest": ("forest",),
    "process": ("process",),
    "ring": ("ring",),
    "padarian": ("padarian",),
    "ring that sees wide": ("ring_wide",),
    "pyramid": ("pyramid",),
    "pyramid within 31 pixels": ("pyramid_near",),
    "pyramid, mirrored": ("pyramid_mirrored",),
    "attention": ("attention",),
    "blend, ring sees wide": ("ring_wide", "forest", "process"),
    "blend, forest and process see wide": ("ring", "forest_wide", "process_wide"),
    "blend, all see wide": ("ring_wide", "forest_wide", "process_wide"),
    "blend, pyramid for ring": ("pyramid", "forest", "process"),
    "blend, mirrored pyramid for ring": ("pyramid_mirrored", "forest", "process"),
    "blend, pyramid for ring, others see wide": ("pyramid", "forest_wide", "process_wide"),
    "blend, pyramid for ring, and padarian": ("pyramid", "padarian", "forest", "process"),
    "blend, pyramid within 31 pixels for ring": ("pyramid_near", "forest", "process"),
    "blend and pyramid within 31 pixels": ("ring", "pyramid_near", "forest", "process"),
    "blend and pyramid": ("ring", "pyramid", "forest", "process"),
    "blend and mirrored pyramid": ("ring", "pyramid_mirrored", "forest", "process"),
    "blend, attention for ring": ("attention", "forest", "process"),
    "blend, components for forest and process": ("ring", "forest_components", "process_components"),
    "blend, code for forest and process": ("ring", "forest_code", "process_code"),
    "blend, tuned ring": ("ring_tuned", "forest", "process"),
    "blend, source for forest and process": ("ring", "forest_source", "process_source"),
    "blend, tuned ring and source": ("ring_tuned", "forest_source", "process_source"),
}
SHARED = "the same, networks share a third"


@dataclass(frozen=True)
class Cell:
    """Errors (m,) of each blend in each fold of one target under one kind of folds, and seconds of each part."""

    name: str
    errors: dict[str, list[Array]]
    seconds: dict[str, float]
    rows: int

    def rmse(self, blend: str) -> float:
        return float(np.sqrt(np.mean(np.concatenate(self.errors[blend]) ** 2)))

    def p(self, blend: str, other: str) -> float:
        """Of the difference in RMSE over folds."""
        ours, theirs = (np.array([np.sqrt(np.mean(fold**2)) for fold in self.errors[name]]) for name in (blend, other))
        held_out = np.mean([len(fold) for fold in self.errors[blend]])
        test = paired_test(ours - theirs, held_out / (self.rows - held_out))
        return test.p if test else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--against", default=next(iter(BLENDS)), choices=BLENDS)
    parser.add_argument("--cells", action="store_true", help="print each cell, too")
    options = parser.parse_args()
    cells = [cell for folder in options.folders for cell in read_cells(folder)]
    print(f"{len(cells)} cells: {', '.join(cell.name for cell in cells)}")
    print("| what | mean | worst | better in | lowest p, better | lowest p, worse | seconds |")
    print("|---|---|---|---|---|---|---|")
    for blend, parts in BLENDS.items():
        own = [cell for cell in cells if blend in cell.errors and options.against in cell.errors]
        if not own:
            continue
        ratio = np.array([100 * (cell.rmse(blend) / cell.rmse(options.against) - 1) for cell in own])
        p = np.array([cell.p(blend, options.against) for cell in own])
        lowest = [f"{p[side].min():.2g}" if side.any() else "" for side in (ratio < 0, ratio > 0)]
        seconds = np.mean([sum(cell.seconds[part] for part in parts) for cell in own])
        print(
            f"| {blend} | {ratio.mean():+.1f} % | {ratio.max():+.1f} % | {(ratio < 0).sum()} of {len(own)} |"
            f" {lowest[0]} | {lowest[1]} | {seconds:.0f} |"
        )
        if options.cells:
            print("  " + " ".join(f"{cell.name} {each:+.1f} ({q:.2g})" for cell, each, q in zip(own, ratio, p)))


def read_cells(folder: Path) -> list[Cell]:
    """The cells of one output folder: all folds of all repeats, target by target."""
    by_kind: dict[str, list[dict[str, Array]]] = defaultdict(list)
    for path in sorted(folder.glob("*.npz")):
        kind = re.sub(r"_\d+_\d+$", "", path.stem)
        by_kind[kind].append(dict(np.load(path)))
    cells = []
    for kind, folds in by_kind.items():
        known = set.intersection(*(set(fold) for fold in folds))
        blends = {name: parts for name, parts in BLENDS.items() if all(f"{part}.outer" in known for part in parts)}
        seconds = {name[:-8]: float(np.mean([fold[name] for fold in folds])) for name in known if ".seconds" in name}
        for t, target in enumerate(folds[0]["targets"]):
            errors = {name: [held_out_errors(fold, name, parts, t) for fold in folds] for name, parts in blends.items()}
            rows = len(folds[0]["y"]) + len(folds[0]["y_inner"])
            cells.append(Cell(f"{folder.name} {target} {kind}", errors, seconds, rows))
    return cells


def held_out_errors(fold: dict[str, Array], name: str, parts: tuple[str, ...], t: int) -> Array:
    inner, outer = (np.stack([fold[f"{part}.{side}"][:, [t]] for part in parts]) for side in ("inner", "outer"))
    fair = np.array([1 / 6, 1 / 6, 1 / 3, 1 / 3]) if name == SHARED else None  # of three methods, not of four parts
    weights = learn_weights(inner, fold["y_inner"][:, [t]], fair)
    errors: Array = (mix(outer, weights) - fold["y"][:, [t]])[:, 0]
    return errors[np.isfinite(errors)]


if __name__ == "__main__":
    main()
