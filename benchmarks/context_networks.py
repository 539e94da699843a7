"""Try networks and features that see far beside the parts of the blend, all on the same folds.

Tries: `wide` gives ring network, forest and Gaussian process the covariates' Gaussian means up to 37 pixels wide;
`pyramid` is a network with small filters on all levels of a Gaussian pyramid, `pyramid_mirrored` turns what it sees,
`pyramid_near` sees no more than a patch of 31 pixels; `attention` weighs levels by what they hold; `components` and
`code` give forest and Gaussian process what principal components and a denoising autoencoder learned of the pyramid
without targets; `tuned` starts the ring network from one of another part of the area, `source` gives forest and
Gaussian process that network's prediction.
The predictions of each part, for rows within the training (by what had not seen them) and for held-out rows, are kept
for `context_table.py`, which blends them. Run it in the engine's Python:
`python benchmarks/context_networks.py FOLDER --targets zinc --log --tries wide,pyramid`. Options as of `accuracy.py`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accuracy import designer, find_covariates, make_parser, write_observations
from context_tries import (
    AttentionNetwork,
    PyramidNetwork,
    Seen,
    WideRing,
    see,
)
from torch import Tensor

from soil_cnn_plugin.contract.jobs import ExtractPatches, TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.forests.forest import fit_forests
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.kriging.fitted_process import fit_process
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout
from soil_cnn_plugin.engine.networks.focal import network_features
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.networks.ring import RingNetwork
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import learn_all
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.ensemble import MakeFolds, cross_fit, held_out_rows
from soil_cnn_plugin.engine.training.fit import fit, predict_all
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.predictor import predict_forests

TRIES = ("wide", "pyramid", "pyramid_near", "pyramid_mirrored", "attention", "components", "code", "tuned", "source")
_NEAR = 3  # levels that lie within a patch of 31 pixels
_TUNING = 0.3  # of the usual learning rate


def main() -> None:
    options = read_options()
    torch.set_num_threads(1)
    report = Report(lambda event: None)
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        points = write_observations(options, Path(scratch) / "observations.gpkg")
        patches = str(Path(scratch) / "patches.h5")
        targets = tuple(SoilProperty(name) for name in options.targets)
        job = ExtractPatches(str(points), targets, find_covariates(options), patches, patch_size=options.patch_size)
        extract_patches.run(job, report)
        make, _ = designer(options, patches, report)
        with PatchFile(patches) as file:
            seen: Seen | None = None
            for kind in options.kinds:
                for seed in range(options.seed, options.seed + options.repeats):
                    design = make(kind, seed)
                    seen = seen or see(file, design.data.encoder, options.tries)
                    own, other = in_parts(file, options)
                    fold = np.full(file.count, -1)
                    fold[own] = own_folds(design, own, options.folds, seed)
                    measure(replace(design, fold=fold), seen, other, options, f"{kind}_{seed}")


def read_options() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--tries", type=lambda text: text.split(","), default=list(TRIES[:-2]), help=", ".join(TRIES))
    parser.add_argument("--own", type=int, default=0, help="observations of the east; those of the west are the source")
    parser.add_argument("--no-padarian", action="store_true", help="leave out the product's convolutions")
    parser.set_defaults(as_many=TrainNetwork.ENOUGH_FOR_BOTH)
    options = parser.parse_args()
    if unknown := set(options.tries) - set(TRIES) - {""}:
        parser.error(f"no try is called {', '.join(sorted(unknown))}; there are {', '.join(TRIES)}")
    if {"tuned", "source"} & set(options.tries) and not options.own:
        parser.error("tuned and source need --own: how many observations of the east to learn from")
    return options


def in_parts(file: PatchFile, options: argparse.Namespace) -> tuple[Rows, Rows]:
    """The rows to learn from and to hold out, and those of the source."""
    everything = np.arange(file.count)
    if not options.own:
        return everything, everything[:0]
    is_east = file.coordinates[:, 0] > np.median(file.coordinates[:, 0])
    east = np.flatnonzero(is_east)
    own = np.random.default_rng(options.seed).choice(east, min(options.own, len(east)), replace=False)
    return np.sort(own), np.flatnonzero(~is_east)


def own_folds(design: Design, own: Rows, count: int, seed: int) -> Rows:
    """Folds of these rows, of the design's kind."""
    if len(own) == len(design.fold):
        return design.fold
    return design.make_inner_folds(own)(count, seed)


def measure(design: Design, seen: Seen, source: Rows, options: argparse.Namespace, name: str) -> None:
    """Fit all parts without each fold; those that are kept already are not computed again."""
    network = train_on(design, source) if len(source) else None
    for fold in range(int(design.fold.max()) + 1):
        path = options.output / f"{name}_{fold}.npz"
        known = dict(np.load(path)) if path.exists() else {}
        train, test = np.flatnonzero((design.fold != fold) & (design.fold >= 0)), np.flatnonzero(design.fold == fold)
        run = Run(design, seen, train, test, network, design.seed + 1000 * (fold + 1))
        found = {**known, "targets": np.array(options.targets), "y_inner": run.learned.values, "y": run.truth()}
        for part, make in run.parts(options):
            if f"{part}.outer" in known:
                continue
            started = time.process_time()
            inner, outer = make()
            seconds = time.process_time() - started
            found |= {f"{part}.inner": inner, f"{part}.outer": outer, f"{part}.seconds": np.array(seconds)}
            keep(path, found)
            error = np.sqrt(np.nanmean((outer - found["y"]) ** 2))
            print(f"{path}: {part} {error:.3f} ({seconds:.0f} s)", flush=True)


def keep(path: Path, found: dict[str, Array]) -> None:
    draft = path.with_suffix(".part")
    with draft.open("wb") as file:
        np.savez_compressed(file, **found)
    os.replace(draft, path)


Fit = Callable[[], tuple[Array, Array]]
"""Gives predictions for the training rows, by what had not seen them (n, R), and for the held-out rows (m, R)."""


class Run:
    """One outer fold: `train` and `test` rows; `network` was trained on the source's."""

    def __init__(
        self, design: Design, seen: Seen, train: Rows, test: Rows, network: PackedNetwork | None, seed: int
    ) -> None:
        self.design, self.seen, self.train, self.test, self.network = design, seen, train, test, network
        self.seed = seed
        self.scaled = tuple(kind.fit(design.measured.of(kind.targets), train) for kind in design.kinds)
        self.learned = learn_all(design.kinds, self.scaled, design.measured.take(train))
        self.make_folds: MakeFolds = design.make_inner_folds(train)

    def truth(self) -> Array:
        return learn_all(self.design.kinds, self.scaled, self.design.measured.take(self.test)).values

    def parts(self, options: argparse.Namespace) -> Iterator[tuple[str, Fit]]:
        data, seen = self.design.data, self.seen
        ring = self.design.plans[0]
        ring_sees = data.context[:, : network_features(data.encoder, ring.shape.patch_size)]
        for index, plan in enumerate(self.design.plans):
            if plan.shape.name == "ring" or not options.no_padarian:
                yield plan.shape.name, lambda index=index: self.by_plan(index)
        added: dict[str, Singles] = {"": data.context[:, :0], **seen.added}
        if self.network and "source" in options.tries:
            added["source"] = predict_all(self.network, data.inputs[0])[0].numpy()
        for name, more in added.items():
            label = f"_{name}" if name else ""
            yield f"forest{label}", lambda more=more: self.by_forest(more)
            yield f"process{label}", lambda more=more: self.by_process(more)
            if name:
                wide = np.concatenate([ring_sees, more], axis=1)
                yield f"ring{label}", lambda wide=wide: self.by_ring_on(wide)
        build = data.encoder, self.learned.layout, ring.shape.members, ring.dropout, seen.pyramid
        if "pyramid" in options.tries:
            yield "pyramid", lambda: self.by_network(PyramidNetwork(*build, False), seen.pyramid)
        if "pyramid_near" in options.tries:
            near = seen.pyramid[..., : _NEAR * (data.encoder.channel_count + 1)].contiguous()
            yield "pyramid_near", lambda: self.by_network(PyramidNetwork(*build[:4], near, False), near)
        if "pyramid_mirrored" in options.tries:
            yield "pyramid_mirrored", lambda: self.by_network(PyramidNetwork(*build, True), seen.pyramid)
        if "attention" in options.tries:
            yield "attention", lambda: self.by_network(AttentionNetwork(*build), seen.pyramid)
        if self.network and "tuned" in options.tries:
            start = self.network.state_dict()
            yield "ring_tuned", lambda: self.by_tuning(start)

    def by_plan(self, index: int) -> tuple[Array, Array]:
        """One of the product's networks."""
        rows = self.design.data.inputs[index]
        own = rows.chosen(torch.from_numpy(self.train))
        settings = self.learned, self.make_folds, self.seed, lambda name, share: None, lambda line: None
        found = cross_fit([self.design.plans[index]], self.design.data.encoder, [own], *settings)
        outer = predict_all(found.networks[0], rows.chosen(torch.from_numpy(self.test)))[0]
        return found.location[0], outer.numpy().astype(float)

    def by_network(
        self, network: PackedNetwork, inputs: Tensor, rate: float = 1.0, steps: int = 1
    ) -> tuple[Array, Array]:
        plan = self.design.plans[0]
        held_out = held_out_rows(plan.shape.members, self.make_folds, self.seed)
        settings = replace(plan, learning_rate=rate * plan.learning_rate, steps=plan.steps // steps)
        settings = settings.fit_settings(int((~held_out).sum(1).min()), self.seed)
        rows = InputRows(inputs, torch.device("cpu"))
        own, other = (rows.chosen(torch.from_numpy(each)) for each in (self.train, self.test))
        lesson = self.learned.lesson(rows.device)
        found, _ = fit(network, own, lesson, held_out, settings, lambda share: None, lambda line: None)
        inner, outer = found.location.nanmean(0), predict_all(network, other)[0]
        return inner.numpy().astype(float), outer.numpy().astype(float)

    def by_ring_on(self, features: Singles) -> tuple[Array, Array]:
        plan, data = self.design.plans[0], self.design.data
        build = data.encoder, self.learned.layout, plan.shape.members, plan.dropout, features.shape[1]
        return self.by_network(WideRing(*build), torch.from_numpy(features))

    def by_forest(self, more: Singles) -> tuple[Array, Array]:
        features, _ = self.with_context(more)
        fold = self.make_folds(INNER_FOLDS, self.seed)
        forests = fit_forests(features[self.train], self.learned, fold, self.seed)
        outer, _ = predict_forests([forest.trees for forest in forests], features[self.test])
        return np.concatenate([forest.location for forest in forests], axis=1), outer

    def by_process(self, more: Singles) -> tuple[Array, Array]:
        features, layout = self.with_context(more)
        fold = self.make_folds(INNER_FOLDS, self.seed)
        found = fit_process(features[self.train], layout, self.learned, fold, self.seed)
        return found.location, found.predict(features[self.test])[0]

    def with_context(self, more: Singles) -> tuple[Singles, FeatureLayout]:
        """Context features and more of them, before the coordinates."""
        context, layout = self.design.data.context, self.design.data.layout
        parts = context[:, : layout.context], more, context[:, layout.context :]
        return np.concatenate(parts, axis=1), replace(layout, context=layout.context + more.shape[1])

    def by_tuning(self, start: dict[str, Tensor]) -> tuple[Array, Array]:
        plan, data = self.design.plans[0], self.design.data
        shape = plan.shape.patch_size, self.learned.layout, plan.shape.members, plan.dropout
        network = _Started(data.encoder, *shape)
        network.start = start
        return self.by_network(network, data.inputs[0].tensor, rate=_TUNING, steps=2)


def train_on(design: Design, rows: Rows) -> PackedNetwork:
    """The ring network, trained on these rows."""
    scaled = tuple(kind.fit(design.measured.of(kind.targets), rows) for kind in design.kinds)
    learned = learn_all(design.kinds, scaled, design.measured.take(rows))
    own = [design.data.inputs[0].chosen(torch.from_numpy(rows))]
    settings = learned, design.make_inner_folds(rows), design.seed, lambda name, share: None, lambda line: None
    return cross_fit(design.plans[:1], design.data.encoder, own, *settings).networks[0]


class _Started(RingNetwork):
    """A ring network that starts from the parameters of another one."""

    start: dict[str, Tensor]

    def draw_parameters(self, generator: torch.Generator) -> None:
        super().draw_parameters(generator)
        self.load_state_dict(self.start)


if __name__ == "__main__":
    main()
