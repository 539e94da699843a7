"""Observations that lie too far from what had not seen them predicts, in words."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.engine.observations.notes import comma_separated
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.kinds import Kind, Outcome


def tell_wild(file: PatchFile, kinds: Sequence[Kind], outcomes: Sequence[Outcome], report: Report) -> list[str]:
    """Warn of the wild observations of each target, with their values, and return the warnings; `outcomes` are fitted
    to all rows of the file."""
    lines = []
    for kind, outcome in zip(kinds, outcomes):
        rows = list(outcome.wild)
        if not rows:
            continue
        values = file.values[rows, kind.targets[0]]
        named = [f"{value:g} of feature {number}" for value, number in zip(values.tolist(), file.ids[rows].tolist())]
        lie, them, count_ = ("values lie", "them", "they count") if len(rows) > 1 else ("value lies", "it", "it counts")
        lines.append(
            f"{kind.fields[0]}: {len(rows)} {lie} so far from what networks and forest predict without {them} that the"
            f" others cannot explain {them} ({comma_separated(named, 5)}). In the means of the map {count_} as the"
            " outermost of the others: else a few such values would carry the mean everywhere. In training and in"
            " scores they count in full. If a unit or a comma slipped, correct the observations and run again; the"
            " output MEDIAN shows the median."
        )
        report.warning(lines[-1])
    return lines
