"""The boxes at the top of the held-out report: what the map of each soil property is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soil_cnn_plugin.engine.assessment.assessment import Assessment, TargetAssessment
from soil_cnn_plugin.engine.reports.depth_section import (
    DEPTH_COLUMNS,
    at_several_depths,
    depth_rows,
    depths_in_words,
    shared_outcome,
)
from soil_cnn_plugin.engine.reports.held_out_words import worth_in_words
from soil_cnn_plugin.engine.reports.words import sentence_case


@dataclass(frozen=True)
class VerdictBox:
    """`outcome` is the verdict's: it decides the colour of the box. `rows` are of several depths, under `columns`."""

    heading: str
    text: str
    numbers: str
    outcome: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def verdict_boxes(targets: Sequence[TargetAssessment], assessment: Assessment) -> list[VerdictBox]:
    """One a target, or a property with several depths."""
    boxes, groups = [], at_several_depths(targets)
    for target in targets:
        group = groups.get(target.soil_property.name)
        if group is None:
            boxes.append(_of_target(target, assessment))
        elif target is group[0]:
            boxes.append(_of_depths(group, assessment))
    return boxes


def _of_target(target: TargetAssessment, assessment: Assessment) -> VerdictBox:
    return VerdictBox(
        heading=sentence_case(target.soil_property.label),
        text=target.verdict.text,
        numbers=worth_in_words(target, assessment.predictor, assessment.coverage),
        outcome=target.verdict.outcome,
    )


def _of_depths(targets: Sequence[TargetAssessment], assessment: Assessment) -> VerdictBox:
    soil_property = targets[0].soil_property
    unit = f" ({soil_property.unit})" if soil_property.unit else ""
    return VerdictBox(
        heading=sentence_case(f"{soil_property.name} at {len(targets)} depths{unit}"),
        text="",
        numbers=depths_in_words(targets, assessment.predictor, assessment.coverage),
        outcome=shared_outcome(targets),
        columns=DEPTH_COLUMNS,
        rows=tuple(depth_rows(targets, assessment.predictor)),
    )
