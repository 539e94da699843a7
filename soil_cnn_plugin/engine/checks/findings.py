"""What a check finds: kinds of problems in the order of their weight, and where in the observations they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Rows

REPAIR, CHECK, NOTE = "repair", "check", "note"
SEVERITIES = (REPAIR, CHECK, NOTE)
"""Wrong as it is; right or wrong, only a person can tell; right, but good to know."""


@dataclass(frozen=True)
class Kind:
    severity: str
    title: str


KINDS = {  # what spoils a map most stands first
    "doubtful_crs": Kind(REPAIR, "Coordinates that do not fit the CRS"),
    "swapped_coordinates": Kind(REPAIR, "x and y exchanged"),
    "zero_coordinates": Kind(REPAIR, "Coordinates 0, 0"),
    "impossible_coordinates": Kind(REPAIR, "Coordinates that no place has"),
    "missing_code": Kind(REPAIR, "Codes for missing values"),
    "infinite": Kind(REPAIR, "Infinite values"),
    "minus_for_limit": Kind(REPAIR, "A minus that means below the detection limit"),
    "negative": Kind(REPAIR, "Negative values"),
    "above_whole": Kind(REPAIR, "Parts larger than the whole"),
    "impossible_ph": Kind(REPAIR, "Impossible pH"),
    "no_number": Kind(REPAIR, "Texts that are no numbers"),
    "undetected": Kind(REPAIR, "Not detected, but no detection limit"),
    "wrong_limit": Kind(REPAIR, "Detection limits that are not above 0"),
    "parts_missing": Kind(REPAIR, "Compositions without all their parts"),
    "sum_far": Kind(REPAIR, "Sums of the composition far from the whole"),
    "depth_reversed": Kind(REPAIR, "Horizons that end above where they begin"),
    "depth_overlap": Kind(REPAIR, "Horizons that overlap"),
    "depth_missing": Kind(REPAIR, "Horizons without depth"),
    "identical_row": Kind(REPAIR, "Observations that are there twice"),
    "class_spelling": Kind(REPAIR, "One class spelt in several ways"),
    "name_spelling": Kind(REPAIR, "One profile or site spelt in several ways"),
    "no_geometry": Kind(REPAIR, "Observations without a place"),
    "several_points": Kind(REPAIR, "Observations at several places at once"),
    "far_place": Kind(CHECK, "Places far from all others"),
    "outside_covariates": Kind(CHECK, "Places outside the covariates"),
    "no_covariate_data": Kind(CHECK, "Places where covariates have no data"),
    "far_value": Kind(CHECK, "Values far from all others"),
    "different_at_place": Kind(CHECK, "Very different values at one place"),
    "unusual_ph": Kind(CHECK, "Unusual pH"),
    "thousands": Kind(CHECK, "Commas that may separate thousands"),
    "torn_composition": Kind(CHECK, "Compositions with a part missing"),
    "depth_unit": Kind(CHECK, "Depths that may not be in cm"),
    "depth_negative": Kind(CHECK, "Negative depths"),
    "depth_upward": Kind(CHECK, "Horizons counted upward"),
    "depth_gap": Kind(CHECK, "Gaps between horizons"),
    "torn_profile": Kind(CHECK, "Profiles at several places"),
    "no_name": Kind(CHECK, "Observations without a profile or site"),
    "rounded_name": Kind(REPAIR, "Names of profiles or sites that lost digits"),
    "doubtful_class": Kind(CHECK, "Classes that may stand for missing values"),
    "many_classes": Kind(CHECK, "More classes than a map can show"),
    "rare_class": Kind(CHECK, "Rare classes"),
    "nothing_checked": Kind(CHECK, "No field was checked"),
    "empty_field": Kind(CHECK, "Fields without a value"),
    "limit_without_value": Kind(CHECK, "Detection limits without a value"),
    "outlier": Kind(CHECK, "Outliers"),
    "same_place": Kind(NOTE, "Observations at one place"),
    "same_pixel": Kind(NOTE, "Observations in one pixel"),
    "text_field": Kind(NOTE, "Numbers stored as text"),
    "below_limit": Kind(NOTE, "Values below the detection limit"),
    "constant": Kind(NOTE, "Fields with one value only"),
    "few_values": Kind(NOTE, "Fields with few values"),
    "code_like": Kind(NOTE, "Numbers that may be codes of classes"),
    "sum_near": Kind(NOTE, "Sums of the composition not exactly the whole"),
    "depth_start": Kind(NOTE, "Profiles that begin below the surface"),
    "clustered": Kind(NOTE, "Clusters and gaps"),
    "no_unit": Kind(NOTE, "Fields without a unit"),
}


def _no_rows() -> Rows:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Finding:
    """One kind of problem of one field, or of all (`field` empty).

    `sentence` tells of all of it, `remedy` what to do. `rows` are the observations it concerns, counted from 0 in the
    layer, with a text and a value each; empty where it concerns the field as a whole.
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


def listed(items: Sequence[str], most: int = 5) -> str:
    """`a, b and c`; `a, b and 7 more`."""
    texts = list(items)
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else "".join(texts)


def examples(values: Array, most: int = 5) -> str:
    """`-9999 and -1`: different values, those that are most frequent first."""
    different, counts = np.unique(values, return_counts=True)
    return listed([f"{value:g}" for value in different[np.argsort(-counts, kind="stable")]], most)


def brief(value: float) -> str:
    """Three digits: `2640`, `0.346`."""
    return f"{float(f'{value:.3g}'):g}"


def plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def of_observations(count: int, total: int) -> str:
    """`3 of 155 observations`."""
    return f"{count} of {total} observation{'s' if total != 1 else ''}"
