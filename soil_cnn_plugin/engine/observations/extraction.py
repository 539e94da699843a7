"""The extraction of patches: which observations are used, and what the patch file and the log say of them."""

from __future__ import annotations

from datetime import UTC, datetime

import h5py
import numpy as np
import rasterio

from soil_cnn_plugin.contract.jobs import ExtractPatches
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.compositions import with_units
from soil_cnn_plugin.engine.observations.covariate_doubts import Centres
from soil_cnn_plugin.engine.observations.locating import check_usable
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated
from soil_cnn_plugin.engine.observations.patch_file import PatchFileWriter
from soil_cnn_plugin.engine.observations.patches import Observations, cut_patches, missing_at_centre, missing_share
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, dropped_in_words
from soil_cnn_plugin.engine.observations.soil_classes import tell_classes
from soil_cnn_plugin.engine.observations.target_values import Classes, find_wild
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.opening import layer_name
from soil_cnn_plugin.engine.rasters.sampling import DOMAIN_POINTS, Sampler, read_codes
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary, find_doubts, summarize
from soil_cnn_plugin.engine.rasters.unchanged import FINGERPRINTS, fingerprints
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.measured import TargetsInWords

_LONGEST_NOTES = 15_000  # characters, because an attribute of the patch file holds 64 KiB


def targets_of(job: ExtractPatches, located: Observations, classes: Classes) -> TargetsInWords:
    """Return what the targets are: their units, the names of their classes, and which are parts of a composition."""
    return TargetsInWords(with_units(job.targets, job.compositions, located.values), classes, job.compositions)


def write_patches(
    job: ExtractPatches,
    stack: CovariateStack,
    located: Observations,
    words: TargetsInWords,
    layer: Layer,
    dropped: Dropped,
    notes: Notes,
    report: Report,
) -> Observations:
    """Write the patch file, and return the observations in it: those with data in their own pixel and enough of it
    around. `dropped` receives the others.

    Raises:
        EngineError: a covariate is the same everywhere, or too few observations are left.
    """
    codes = read_codes(stack, report.part(0.0, 0.1, tr("Looking at the covariates")).progress)
    cutting, sampler, centres = report.part(0.1, 1.0, tr("Cutting patches")), Sampler(stack), Centres()
    with PatchFileWriter(
        job.patches, stack.grid, job.patch_size, len(job.covariates), words, job.group, _provenance(job, notes)
    ) as writer:
        used = _write_usable(job, stack, located, writer, dropped, sampler, centres, cutting)
        sample = sampler.sample()
        summaries = summarize(stack, codes, sample)
        _check_variation(summaries)
        for doubt in (*find_doubts(summaries), *centres.doubts(stack, words)):
            report.warning(doubt)
        check_usable(used, words, layer, dropped)
        writer.describe(summaries, sample.spread(DOMAIN_POINTS))
        stack.check_unchanged()
    return used


def tell_classes_of(used: Observations, words: TargetsInWords, notes: Notes) -> None:
    """Note how many observations each class of each target has."""
    for numbers, names in zip(used.values.T, words.classes_of):
        if names:
            tell_classes(numbers, names, notes)


def tell_grid(job: ExtractPatches, grid: Grid, report: Report) -> None:
    """Tell the grid and the size of a patch on the ground.

    Raises:
        EngineError: a patch is larger than the grid.
    """
    east, north = grid.metres_per_cell()
    width, height = grid.cell_size
    size = localized(f"{width:g}" if np.isclose(width, height) else f"{width:g} x {height:g}")
    unit = {"metre": "m", "degree": tr("degrees")}.get(grid.unit, grid.unit)
    report.info(
        tr("Grid: {} rows x {} columns of {} {}, {}.").format(grid.height, grid.width, size, unit, grid.crs_name)
    )
    if job.patch_size > min(grid.height, grid.width):
        largest = (min(grid.height, grid.width) - 1) // 2 * 2 + 1
        remedy = tr("Use at most {}, or covariates that cover more.").format(largest)
        if largest < 3:
            remedy = tr("Use a smaller cell size, or covariates that cover more.")
        raise EngineError(
            tr("The patch size is {} pixels, but the grid has only {} rows and {} columns. {}").format(
                job.patch_size, grid.height, grid.width, remedy
            )
        )
    across, along = job.patch_size * east, job.patch_size * north
    if grid.is_geographic:
        report.info(
            tr("Patch: {} pixels = {:.0f} m east by {:.0f} m north in the middle.").format(
                job.patch_size, across, along
            )
        )
        report.warning(
            tr(
                "{} is a CRS in degrees: a pixel is {:.1f} m wide and {:.1f} m high in the middle of the grid,"
                " and its width changes with latitude. Projected covariates give patches of one size in metres."
            ).format(grid.crs_name, east, north)
        )
    elif np.isclose(east, north, rtol=0.01):
        report.info(tr("Patch: {} pixels = {:.0f} m.").format(job.patch_size, across))
    else:
        report.info(
            tr("Patch: {} pixels = {:.0f} m by {:.0f} m, because pixels are not square.").format(
                job.patch_size, across, along
            )
        )


def tell_depths(job: ExtractPatches, report: Report) -> None:
    """Tell the depths that the names of fields are taken to give: `ph_1_5` may be a dilution."""
    depths = [(target.field, target.depth_cm) for target in job.targets]
    named = [f"{field} ({localized(f'{depth[0]:g}-{depth[1]:g}')} cm)" for field, depth in depths if depth]
    if named:
        report.info(
            tr(
                "Depths are read from the names of fields: {}. Rename a field whose name ends in other numbers, such as"
                " a dilution of 1:5."
            ).format(comma_separated(named))
        )


def tell_use(used: Observations, words: TargetsInWords, layer: Layer, dropped: Dropped, report: Report) -> None:
    """Tell how many observations are used, which values are wild, and why the other observations are dropped."""
    counts = ", ".join(
        f"{target.title} {np.isfinite(values).sum()}" for target, values in zip(words.targets, used.values.T)
    )
    sites = len(np.unique(used.sites))
    report.info(
        tr("{} of {} observations are used ({}), at {} sites.").format(len(used), len(layer.ids), counts, sites)
    )
    for target, values, classes in zip(words.targets, used.values.T, words.classes_of):
        if not classes:
            _warn_of_wild_values(target.field, values, used.ids, report)
    if dropped.reasons:
        report.warning(dropped_in_words(dropped.counts()))


def _write_usable(
    job: ExtractPatches,
    stack: CovariateStack,
    located: Observations,
    writer: PatchFileWriter,
    dropped: Dropped,
    sampler: Sampler,
    centres: Centres,
    report: Report,
) -> Observations:
    """Write the patches, and return the observations that were written: those with data in their own pixel and enough
    of it around."""
    done, used = 0, []
    for observations, patches in cut_patches(stack, located, job.patch_size, sampler):
        kept = _usable(job, observations, patches, dropped)
        whole = patches if kept.all() else patches[kept]
        writer.append(observations.take(kept), whole)
        centres.add(observations.take(kept), whole)
        used.append(observations.ids[kept])
        done += len(observations)
        report.progress(done / len(located))
    return located.take(np.isin(located.ids, np.concatenate(used)))


def _usable(job: ExtractPatches, observations: Observations, patches: Singles, dropped: Dropped) -> Flags:
    """Return flags (n,) that are True where the own pixel has data in all covariates and the patch has enough of it.
    Drop the other observations."""
    names = [covariate.name for covariate in job.covariates]
    gaps = missing_at_centre(patches)
    is_blind = gaps.any(axis=1)
    blind, (kinds, which) = observations.ids[is_blind], np.unique(gaps[is_blind], axis=0, return_inverse=True)
    for number, gap in enumerate(kinds):
        missing = [name for name, is_missing in zip(names, gap) if is_missing]
        what = tr("all covariates") if len(missing) == len(names) > 1 else ", ".join(missing)
        dropped.add(blind[which.reshape(-1) == number], tr("in a pixel without data of {}").format(what))
    is_sparse = ~is_blind & (missing_share(patches) > job.max_missing)
    dropped.add(observations.ids[is_sparse], tr("with more than {:.0%} of the patch missing").format(job.max_missing))
    return ~(is_blind | is_sparse)


def _check_variation(summaries: tuple[CovariateSummary, ...]) -> None:
    """Raise EngineError that names all covariates with one value everywhere."""
    constant = [
        tr("{}, band {} ({:g})").format(
            summary.covariate.path,
            summary.covariate.band,
            summary.categories[0] if summary.categories else summary.quantiles[0],
        )
        for summary in summaries
        if summary.is_constant
    ]
    if constant:
        text = (
            tr("A covariate has one value everywhere on the grid and tells nothing about the soil: {}. Leave it out.")
            if len(constant) == 1
            else tr(
                "{1} of {2} covariates have one value everywhere on the grid and tell nothing about the soil: {0}."
                " Leave them out."
            )
        )
        raise EngineError(text.format("; ".join(constant), len(constant), len(summaries)))


def _warn_of_wild_values(field: str, values: Array, ids: Rows, report: Report) -> None:
    is_wild = find_wild(values)
    if is_wild.any():
        others = values[~is_wild & np.isfinite(values)]
        examples = ", ".join(
            tr("{:g} of feature {}").format(value, str(i)) for value, i in list(zip(values[is_wild], ids[is_wild]))[:5]
        )
        report.warning(
            tr(
                "{}: {} of {} values lie far from all others ({}; the others reach from {:g} to {:g}). If they stand"
                " for missing values, are in another unit, or have a misplaced decimal sign, correct them and run"
                " again: they spoil network and map."
            ).format(field, is_wild.sum(), np.isfinite(values).sum(), examples, others.min(), others.max())
        )


def _provenance(job: ExtractPatches, notes: Notes) -> dict[str, str]:
    chosen = {
        "detection_limits": ", ".join(job.detection_limits),
        "errors": ", ".join(job.errors),
        "weight": job.weight,
        "rare_classes": job.rare_classes,
        "duplicates": job.duplicates,
        "snap_cells": str(job.snap_cells) if job.snap_cells else "",
        "notes": "\n".join([*notes.facts, *notes.doubts])[:_LONGEST_NOTES],
    }
    return {
        "observations": layer_name(job.observations),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        FINGERPRINTS: fingerprints(covariate.path for covariate in job.covariates),
        "max_missing": f"{job.max_missing:g}",
        **{name: text for name, text in chosen.items() if text},
        "software": f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, h5py {h5py.__version__},"
        f" HDF5 {h5py.version.hdf5_version}",
    }
