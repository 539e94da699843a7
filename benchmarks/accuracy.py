"""Measure networks, forests and their blend by repeated cross-validation on a folder of observations and covariates.

Each repeat deals the observations to new folds, the same ones for all methods. Nothing is chosen on held-out folds:
early stopping, weights of the blend and calibration use only the training part of each. Run it in the engine's Python:
`python benchmarks/accuracy.py FOLDER --targets zinc --log`. `--help` lists the other options.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import geopandas
import numpy as np
import rivals
from accuracy_table import Repeat, Row, summarize, write_table
from kept_predictions import Kept, Predictions

from soil_cnn_plugin.contract.events import Event, Progress
from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.machine.device import choose_device
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, Scores, score
from soil_cnn_plugin.engine.training.cross_validation import cross_validate
from soil_cnn_plugin.engine.training.design import Design, encode_patches
from soil_cnn_plugin.engine.training.folds_of_file import (
    hold_out,
    in_metres,
    inner_folds,
    kind_within,
    kinds_on_scales,
)
from soil_cnn_plugin.engine.training.plan import make_plans


def main() -> None:
    options = read_options()
    report = Report(say if options.verbose else lambda event: None)
    with tempfile.TemporaryDirectory() as scratch:
        points = write_observations(options, Path(scratch) / "observations.gpkg")
        patches = str(Path(scratch) / "patches.h5")
        targets = tuple(SoilProperty(name) for name in options.targets)
        job = ExtractPatches(
            str(points), targets, find_covariates(options), patches, patch_size=options.patch_size, group=options.group
        )
        extract_patches.run(job, report)
        design, places = designer(options, patches, report)
        kept = Kept(options.output / "predictions", settings(options), options.resume)
        kept.prepare()
        done: dict[str, list[Repeat]] = {kind: [] for kind in options.kinds}
        for seed in range(options.seed, options.seed + options.repeats):
            for kind in options.kinds:
                done[kind].append(
                    repeat(design(kind, seed), f"{kind}_{seed}", report, kept, places if options.rivals else None)
                )
                write_table(options.output, make_rows(options, done), settings(options))
    print((options.output / "accuracy.md").read_text(encoding="utf-8"))


def repeat(design: Design, name: str, report: Report, kept: Kept, places: Array | None) -> Repeat:
    """Hold each fold out; with `places` (N, 2) rivals predict the same folds."""
    found, seconds = kept.read_or_make(name, lambda: tuple(cross_validate([design], report)[0].methods))
    print(f"{name}: {seconds:.0f} s", flush=True)
    for rival in rivals.RIVALS if places is not None else ():
        by_rival, _ = kept.read_or_make(f"{name}_{rival}", lambda: held_out_by_rival(design, rival, places))  # noqa: B023
        found = tuple({**of, **also} for of, also in zip(found, by_rival))
    observed = tuple(values[np.isfinite(values)] for values in design.measured.values.T)
    return Repeat(design.seed, seconds, found, observed)


def held_out_by_rival(design: Design, rival: str, places: Array) -> Predictions:
    """What a rival predicts for each target, scored as the engine's methods are."""
    found = []
    for target in design.measured.values.T:
        rows, seen = np.flatnonzero(np.isfinite(target)), design.data.context
        point, context = (seen[:, :width] for width in (design.data.layout.point, design.data.layout.context))
        data = rivals.Data(*(np.asarray(part, float)[rows] for part in (point, context, places, target)))
        fold = design.fold[rows]
        mean, quantiles = np.empty(len(rows)), np.empty((len(rows), len(QUANTILE_LEVELS)))
        for number in np.unique(fold):
            train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            mean[test], quantiles[test] = rivals.RIVALS[rival](data.take(train), data.take(test), design.seed)
        scored = partial(_score, data.target, mean, quantiles)
        by_fold = tuple(scored(fold == number) for number in range(int(design.fold.max()) + 1))
        all_of_it = scored(np.ones(len(rows), bool))
        print(f"{rival}: RMSE {all_of_it.rmse:.4g}, CRPS {all_of_it.crps:.4g}", flush=True)
        found.append({rival: HeldOut(mean, quantiles[:, 4], quantiles[:, 94], quantiles, all_of_it, by_fold)})
    return tuple(found)


def _score(target: Array, mean: Array, quantiles: Array, some: Flags) -> Scores:
    own = quantiles[some]
    return score(target[some], mean[some], own[:, 4], own[:, 94], 0.9, own)


def make_rows(options: argparse.Namespace, done: dict[str, list[Repeat]]) -> list[Row]:
    """Return the rows of the repeats so far, so that a long run that is stopped leaves its table."""
    return [
        summarize(options.name or options.folder.name, target, t, kind, repeats)
        for kind, repeats in done.items()
        if repeats
        for t, target in enumerate(options.targets)
    ]


def designer(options: argparse.Namespace, patches: str, report: Report) -> tuple[Callable[[str, int], Design], Array]:
    """Return what makes the design of a repeat: (kind of folds, seed) -> Design, and the places of the observations in
    metres (N, 2). Patches are encoded once for all."""
    device = choose_device(options.device, report)
    asked = TrainNetwork(patches, "", architecture=options.architecture, preset=options.preset)
    with PatchFile(patches) as file:
        plans = make_plans(asked, file.patch_size, max(file.count, options.as_many))
        data = encode_patches(file, plans, device, options.location)

    def design(kind: str, seed: int) -> Design:
        folds = hold_out(file, kind, options.folds, seed)
        return Design(
            data=data,
            measured=file.measured,
            kinds=kinds_on_scales(options.transform, file),
            fold=folds.fold,
            make_inner_folds=inner_folds(file, kind_within(folds)),
            plans=plans,
            coverage=0.9,
            seed=seed,
            device=device,
        )

    return design, in_metres(file, file.coordinates)


def find_covariates(options: argparse.Namespace) -> tuple[Covariate, ...]:
    kinds = dict.fromkeys(options.categorical, "categorical") | dict.fromkeys(options.directional, "directional")
    paths = sorted((options.folder / options.covariates).glob("*.tif"))
    names = {path.stem for path in paths}
    if missing := sorted((set(kinds) | set(options.without)) - names):
        raise SystemExit(f"{options.folder / options.covariates} holds no raster called {', '.join(missing)}.")
    return tuple(
        Covariate(str(path.absolute()), path.stem, kind=kinds.get(path.stem, "continuous"))
        for path in paths
        if path.stem not in options.without
    )


def write_observations(options: argparse.Namespace, path: Path) -> Path:
    """Write the folder's observations as the options ask: those of a query, their logarithms, at most so many."""
    found = sorted(options.folder.glob("*.gpkg"))
    if len(found) != 1:
        raise SystemExit(f"{options.folder} holds {len(found)} GeoPackages; one with the observations is needed.")
    layer = geopandas.read_file(found[0])
    if options.where:
        layer = layer.query(options.where)
    if options.log:
        layer[options.targets] = np.log(layer[options.targets])
    if options.limit and len(layer) > options.limit:
        layer = layer.sample(options.limit, random_state=options.seed)
    layer.to_file(path, driver="GPKG")
    return path


def settings(options: argparse.Namespace) -> dict[str, object]:
    chosen = {
        name: value for name, value in vars(options).items() if name not in ("folder", "output", "verbose", "resume")
    }
    return {"folder": options.folder.name, **chosen}


def say(event: Event) -> None:
    if not isinstance(event, Progress):
        print(event, flush=True)


def read_options() -> argparse.Namespace:
    return make_parser(__doc__).parse_args()


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """The options that say what is measured; `context_networks.py` has them, too."""

    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="has one .gpkg of observations and a folder of covariates (.tif)")
    parser.add_argument("--targets", type=names, required=True, help="fields, separated by commas")
    parser.add_argument("--log", action="store_true", help="model and score the logarithms of the targets")
    parser.add_argument("--transform", choices=TrainNetwork.TRANSFORMS, default="none", help="transform of the targets")
    parser.add_argument("--where", default="", help="observations to use, as a pandas query: 'depth == 0'")
    parser.add_argument("--limit", type=int, default=0, help="largest number of observations, drawn at random")
    parser.add_argument("--group", default="", help="field of the profile or site that no fold splits")
    parser.add_argument("--covariates", default="covariates", help="name of the folder of covariates")
    parser.add_argument("--categorical", type=names, default=[], help="covariates with class codes")
    parser.add_argument("--directional", type=names, default=[], help="covariates that depend on compass direction")
    parser.add_argument("--without", type=names, default=[], help="covariates to leave out")
    parser.add_argument("--kinds", type=names, default=["random", "spatial_blocks"], help="kinds of folds")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folds", type=int, default=TrainNetwork.folds)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first repeat; each further repeat adds one")
    parser.add_argument("--patch-size", type=int, default=ExtractPatches.patch_size)
    parser.add_argument("--architecture", choices=TrainNetwork.ARCHITECTURES, default=TrainNetwork.architecture)
    parser.add_argument("--preset", choices=TrainNetwork.PRESETS, default=TrainNetwork.preset)
    parser.add_argument("--as-many", type=int, default=0, help="train what the preset trains with so many observations")
    parser.add_argument("--location", choices=TrainNetwork.LOCATIONS, default=TrainNetwork.location)
    parser.add_argument("--rivals", action="store_true", help="also methods of others, on the same folds (rivals.py)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="", help="name of the data in the table; default: the folder's")
    parser.add_argument("--output", type=Path, default=Path("build/accuracy"), help="folder for accuracy.md and .json")
    parser.add_argument("--resume", action="store_true", help="go on with a run of the same options that was stopped")
    parser.add_argument("--verbose", action="store_true", help="print the engine's events")
    return parser


if __name__ == "__main__":
    main()
