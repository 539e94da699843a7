"""Deals a patch file's observations to folds, and any part of them to folds of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.folds import Folds, PlacedTargets, make_folds
from soil_cnn_plugin.engine.assessment.nearness import measure_nearness
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.locating import check_targets
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters.opening import layer_name
from soil_cnn_plugin.engine.rasters.sampling import check_touch, read_domain
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import kinds_of
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.training.ensemble import MakeFolds

_SILENT = Report(lambda event: None)
"""Where the domain is read again for other folds."""


def hold_out(
    file: PatchFile,
    kind: str,
    count: int,
    seed: int,
    domain: str = "",
    repeat: int = 0,
    report: Report = _SILENT,
) -> Folds:
    """Deal the file's observations to folds. `domain` is a raster or polygons where maps will be made: folds of the
    kind knndm are matched to it, and those of all kinds tell how far away it lies. Each `repeat`, counted from 0, draws
    other folds.

    Raises:
        EngineError: a target has too few values, or the observations cannot be held out in this way.
    """
    check_targets(file.measured, file.words, file.count, file.path)
    if kind == "groups" and not file.group_field:
        raise EngineError(
            tr(
                "Folds of groups are asked for, but {} was extracted without a group field. Extract the patches"
                " again with the field of the profile or site as the group, or choose other folds."
            ).format(file.path)
        )
    placed, points = _placed(file), _domain(file, domain, report)
    folds = make_folds(kind, placed, count, seed, domain=points, repeat=repeat)
    return replace(folds, nearness=measure_nearness(placed.coordinates, folds.fold, points))


def kinds_on_scales(wanted: str, file: PatchFile) -> tuple[Kind, ...]:
    """The kinds of the file's targets, on the scales that they are learned on; `wanted` is the transform of numbers.

    Raises:
        EngineError: the values of a target forbid the transform.
    """
    return tuple(kind.on_scale(wanted, file.measured.of(kind.targets)) for kind in kinds_of(file.words))


def tell_scales(kinds: Sequence[Kind], wanted: str, file: PatchFile, report: Report) -> None:
    """Tell why targets are learned on the scales that they have."""
    for kind in kinds:
        fact, doubt = kind.scale_in_words(wanted, file.measured.of(kind.targets))
        if fact:
            report.info(fact)
        if doubt:
            report.warning(doubt)


def tell_folds(folds: Folds, domain: str, report: Report) -> None:
    report.info(folds.sentence)
    if folds.nearness:
        tell = report.warning if folds.nearness.is_doubtful else report.info
        tell(folds.nearness.in_words(folds.kind))
    if domain and folds.kind != "knndm":
        report.warning(
            tr(
                "The domain '{}' does not change the folds: only those of the kind knndm are matched to it, and {} was"
                " asked for."
            ).format(layer_name(domain), folds.kind)
        )


def kind_within(folds: Folds) -> str:
    """The kind of folds within a training part: where kNNDM came to random folds, these are random, too."""
    return "random" if folds.kind == "knndm" and folds.is_random else folds.kind


def other_kind(folds: Folds) -> str:
    """The folds to set beside the chosen ones: random beside spatial ones, and the other way round. Random folds hold
    out whole groups, too, so that they are those of the kind `groups`."""
    return "spatial_blocks" if kind_within(folds) in ("random", "groups") else "random"


def inner_folds(file: PatchFile, kind: str, domain: str = "") -> Callable[[Rows], MakeFolds]:
    """Folds within a training part, of the kind of the outer ones: for early stopping, blending and calibration."""
    placed, points = _placed(file), _domain(file, domain) if kind == "knndm" else None

    def for_rows(rows: Rows) -> MakeFolds:
        some = placed.take(rows)

        @cache
        def make(count: int, seed: int) -> Rows:
            return make_folds(kind, some, count, seed, domain=points, inner=True).fold

        return make

    return for_rows


def in_metres(file: PatchFile, coordinates: Array) -> Array:
    """Scale x, y (N, 2) to metres on the ground, even where the CRS is in degrees or feet."""
    metres: Array = np.array(file.grid.metres_per_cell()) / np.array(file.grid.cell_size)
    return coordinates * metres


def _placed(file: PatchFile) -> PlacedTargets:
    """All observations of the file, as folds are made of them."""
    strata = [each for kind in kinds_of(file.words) for each in kind.strata(file.values[:, list(kind.targets)])]
    fields = tuple(target.field for target in file.targets)
    return PlacedTargets(in_metres(file, file.coordinates), file.sites, file.values, tuple(strata), fields)


def _domain(file: PatchFile, path: str, report: Report = _SILENT) -> Array:
    """Points of the map (M, 2) in metres: those of the domain at `path`, or of the covariates."""
    if not path:
        return in_metres(file, file.domain)
    points = read_domain(path, file.grid, report)
    check_touch(path, points, file.coordinates, file.grid)
    return in_metres(file, points)
