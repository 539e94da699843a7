"""The findings of a check: kinds of problems in the order of their weight, and which observations have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.language import localized, some_of, tr
from soil_cnn_plugin.engine.arrays import Array, Rows

REPAIR, CHECK, NOTE = "repair", "check", "note"
SEVERITIES = (REPAIR, CHECK, NOTE)
"""What is wrong as it is; what only a person can tell to be right or wrong; what is right, but good to know."""


@dataclass(frozen=True)
class FindingKind:
    severity: str
    title: str


KINDS = {  # what spoils a map most stands first
    "doubtful_crs": FindingKind(REPAIR, tr("Coordinates that do not fit the CRS")),
    "swapped_coordinates": FindingKind(REPAIR, tr("x and y exchanged")),
    "zero_coordinates": FindingKind(REPAIR, tr("Coordinates 0, 0")),
    "impossible_coordinates": FindingKind(REPAIR, tr("Coordinates that no place has")),
    "missing_code": FindingKind(REPAIR, tr("Codes for missing values")),
    "infinite": FindingKind(REPAIR, tr("Infinite values")),
    "minus_for_limit": FindingKind(REPAIR, tr("A minus that means below the detection limit")),
    "negative": FindingKind(REPAIR, tr("Negative values")),
    "above_whole": FindingKind(REPAIR, tr("Parts larger than the whole")),
    "impossible_ph": FindingKind(REPAIR, tr("Impossible pH")),
    "no_number": FindingKind(REPAIR, tr("Texts that are not numbers")),
    "undetected": FindingKind(REPAIR, tr("Not detected, but no detection limit")),
    "wrong_limit": FindingKind(REPAIR, tr("Detection limits that are not above 0")),
    "parts_missing": FindingKind(REPAIR, tr("Compositions without all their parts")),
    "sum_far": FindingKind(REPAIR, tr("Sums of the composition far from the whole")),
    "depth_reversed": FindingKind(REPAIR, tr("Horizons that end above where they begin")),
    "depth_overlap": FindingKind(REPAIR, tr("Horizons that overlap")),
    "depth_missing": FindingKind(REPAIR, tr("Horizons without depth")),
    "identical_row": FindingKind(REPAIR, tr("Observations that are there twice")),
    "class_spelling": FindingKind(REPAIR, tr("One class spelt in several ways")),
    "name_spelling": FindingKind(REPAIR, tr("One profile or site spelt in several ways")),
    "no_geometry": FindingKind(REPAIR, tr("Observations without a place")),
    "several_points": FindingKind(REPAIR, tr("Observations at several places at once")),
    "far_place": FindingKind(CHECK, tr("Places far from all others")),
    "outside_covariates": FindingKind(CHECK, tr("Places outside the covariates")),
    "no_covariate_data": FindingKind(CHECK, tr("Places where covariates have no data")),
    "far_value": FindingKind(CHECK, tr("Values far from all others")),
    "different_at_place": FindingKind(CHECK, tr("Very different values at one place")),
    "unusual_ph": FindingKind(CHECK, tr("Unusual pH")),
    "thousands": FindingKind(CHECK, tr("Commas or points that may separate thousands")),
    "torn_composition": FindingKind(CHECK, tr("Compositions with a part missing")),
    "depth_unit": FindingKind(CHECK, tr("Depths that may not be in cm")),
    "depth_negative": FindingKind(CHECK, tr("Negative depths")),
    "depth_upward": FindingKind(CHECK, tr("Horizons counted upward")),
    "depth_gap": FindingKind(CHECK, tr("Gaps between horizons")),
    "torn_profile": FindingKind(CHECK, tr("Profiles at several places")),
    "no_name": FindingKind(CHECK, tr("Observations without a profile or site")),
    "rounded_name": FindingKind(REPAIR, tr("Names of profiles or sites that lost digits")),
    "doubtful_class": FindingKind(CHECK, tr("Classes that may stand for missing values")),
    "many_classes": FindingKind(CHECK, tr("More classes than a map can show")),
    "rare_class": FindingKind(CHECK, tr("Rare classes")),
    "nothing_checked": FindingKind(CHECK, tr("No field was checked")),
    "empty_field": FindingKind(CHECK, tr("Fields without a value")),
    "limit_without_value": FindingKind(CHECK, tr("Detection limits without a value")),
    "outlier": FindingKind(CHECK, "Outliers"),
    "same_place": FindingKind(NOTE, tr("Observations at one place")),
    "same_pixel": FindingKind(NOTE, tr("Observations in one pixel")),
    "text_field": FindingKind(NOTE, tr("Numbers stored as text")),
    "below_limit": FindingKind(NOTE, tr("Values below the detection limit")),
    "constant": FindingKind(NOTE, tr("Fields with one value only")),
    "few_values": FindingKind(NOTE, tr("Fields with few values")),
    "code_like": FindingKind(NOTE, tr("Numbers that may be codes of classes")),
    "sum_near": FindingKind(NOTE, tr("Sums of the composition not exactly the whole")),
    "depth_start": FindingKind(NOTE, tr("Profiles that begin below the surface")),
    "clustered": FindingKind(NOTE, tr("Clusters and gaps")),
    "no_unit": FindingKind(NOTE, tr("Fields without a unit")),
}


def _no_rows() -> Rows:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Finding:
    """One kind of problem in one field, or in all (`field` is empty).

    `sentence` describes all of it, `remedy` tells what to do. `rows` are the observations it concerns, counted from 0
    in the layer, with a text and a value each; they are empty where it concerns the field as a whole.
    """

    kind: str
    field: str
    sentence: str
    remedy: str = ""
    rows: Rows = dataclasses.field(default_factory=_no_rows)
    texts: Sequence[str] = ()
    values: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not len(self.rows) == len(self.texts) == len(self.values):
            raise ValueError(f"a finding of kind {self.kind!r} with {len(self.rows)} rows, {len(self.texts)} texts")

    @property
    def severity(self) -> str:
        return KINDS[self.kind].severity


def examples(values: Array, most: int = 5) -> str:
    """Return the different values as `-9999 and -1`, the most frequent first."""
    different, counts = np.unique(values, return_counts=True)
    return some_of([localized(f"{value:g}") for value in different[np.argsort(-counts, kind="stable")]], most)


def brief(value: float) -> str:
    """Return a number with three digits: `2640`, `0.346`."""
    return localized(f"{float(f'{value:.3g}'):g}")
