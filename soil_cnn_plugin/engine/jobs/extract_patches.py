"""Extract patches: from observations and covariates to a patch file."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import ExtractPatches
from soil_cnn_plugin.engine.observations.extraction import (
    targets_of,
    tell_classes_of,
    tell_depths,
    tell_grid,
    tell_use,
    write_patches,
)
from soil_cnn_plugin.engine.observations.locating import check_usable, locate_observations
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, read_layer, write_dropped
from soil_cnn_plugin.engine.rasters.block_reading import bounded_stack
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.rasters.summaries import doubt_large_blocks
from soil_cnn_plugin.engine.report import Report


def run(job: ExtractPatches, report: Report) -> dict[str, str | float | int]:
    """Write the patch file, and the dropped observations if they are wanted."""
    grid = reference_grid(job.reference or job.covariates[0].path, job.cell_size)
    tell_grid(job, grid, report)
    tell_depths(job, report)
    layer, dropped, notes = read_layer(job.observations), Dropped(), Notes()
    with bounded_stack(job.covariates, grid) as stack:
        for way in stack.resamplings():
            report.info(way)
        if large := doubt_large_blocks(stack):
            report.warning(large)
        located, classes = locate_observations(layer, job, grid, dropped, notes, stack)
        words = targets_of(job, located, classes)
        check_usable(located, words, layer, dropped)
        used = write_patches(job, stack, located, words, layer, dropped, notes, report)
    tell_classes_of(used, words, notes)
    for fact in notes.facts:
        report.info(fact)
    tell_use(used, words, layer, dropped, report)
    for doubt in notes.doubts:
        report.warning(doubt)
    if job.dropped:
        write_dropped(job.dropped, layer, dropped)
    outputs: dict[str, str | float | int] = {"patches": job.patches, "count": len(used)}
    if job.dropped:
        outputs["dropped"] = job.dropped
    return {**outputs, "dropped_count": len(dropped.reasons)}
