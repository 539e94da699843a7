"""Rules for what targets may be together: numbers with limits and errors, parts of a whole, or classes."""

from __future__ import annotations

from typing import Any

import pytest

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, JobError, from_json, to_json
from soil_cnn_plugin.contract.soil_property import SoilProperty

TEXTURE = ("sand", "silt", "clay")


def job(*fields: str, **changes: Any) -> ExtractPatches:
    targets = tuple(SoilProperty(field) for field in fields)
    return ExtractPatches("/o.gpkg", targets, (Covariate("/c.tif", "c"),), "/p.h5", **changes)


def test_a_job_of_all_kinds_survives_its_file() -> None:
    made = job(*TEXTURE, "zinc", composition=TEXTURE, detection_limits=("zinc_dl",), errors=("zinc_sd",), weight="w")
    assert from_json(to_json(made)) == made


@pytest.mark.parametrize(
    ("parts", "wholes"),
    [
        ("sand silt clay", ["sand silt clay"]),
        ("sand_0_5 sand_5_15 clay_5_15 clay_0_5", ["sand_0_5 clay_0_5", "sand_5_15 clay_5_15"]),
        ("SND_A SLT_A CLY_A SND_B SLT_B CLY_B", ["SND_A SLT_A CLY_A", "SND_B SLT_B CLY_B"]),
        ("sand_pct silt_pct clay_pct", ["sand_pct silt_pct clay_pct"]),
        ("sand_f sand_c silt_f silt_c clay", ["sand_f sand_c silt_f silt_c clay"]),
        ("f_sand f_silt f_clay", ["f_sand f_silt f_clay"]),
    ],
)
def test_parts_of_one_depth_or_ending_are_one_whole(parts: str, wholes: list[str]) -> None:
    names = tuple(parts.split())
    assert job("ph", *names, composition=names).compositions == tuple(tuple(whole.split()) for whole in wholes)


@pytest.mark.parametrize(
    ("fields", "changes", "message"),
    [
        ("", {}, "No target is chosen"),
        ("sand clay", {"composition": ("sand", "clay", "silt")}, "silt: parts of a composition must be among the targ"),
        ("clay", {"composition": ("clay",)}, "clay is the only part of its composition. Choose all parts"),
        (
            "sand_0_5 clay_0_5 clay_5_15",
            {"composition": ("sand_0_5", "clay_0_5", "clay_5_15")},
            "clay_5_15 is the only part of its composition at that depth",
        ),
        (
            "sand_0_5 silt_0_5 clay_0_5 sand_5_15 clay_5_15",
            {"composition": ("sand_0_5", "silt_0_5", "clay_0_5", "sand_5_15", "clay_5_15")},
            "silt is not chosen both with sand_0_5, silt_0_5, clay_0_5 and with sand_5_15, clay_5_15",
        ),
        ("a b", {"class_targets": ("c",)}, "c: soil classes must be among the targets"),
        (
            "a b c",
            {"class_targets": ("c",), "composition": ("b", "c")},
            "c is chosen as a soil class and as a part of a composition",
        ),
        ("a", {"target_type": "class", "errors": ("sd",)}, "a holds soil classes, which have no measurement error"),
        ("a", {"target_type": "class", "detection_limits": ("dl",)}, "a holds soil classes, which have no detection l"),
        ("a b", {"class_targets": ("b",), "errors": ("b_sd",)}, "b holds soil classes, which have no measurement err"),
        (
            "sand clay",
            {"composition": ("sand", "clay"), "errors": ("clay_sd",)},
            "clay is part of a composition and cannot have a measurement error field",
        ),
        (
            "a b",
            {"errors": ("sd",), "target_type": "continuous"},
            "which measurement error belongs to which target: sd for 2 targets",
        ),
        ("a", {"target_type": "soil"}, "target type is 'soil'; it must be one of: auto, continuous, class"),
        ("a", {"rare_classes": "keep"}, "must be one of: drop, merge"),
        ("a", {"duplicates": "drop"}, "must be one of: keep, average"),
    ],
)
def test_what_cannot_be_at_once_is_refused(fields: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        job(*fields.split(), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_targets": ("type",)},
        {"composition": ("sand", "clay")},
        {"class_targets": ("type",), "composition": ("sand", "clay")},
    ],
)
def test_a_limit_without_a_name_is_the_numbers_alone(changes: dict[str, Any]) -> None:
    """Classes and parts of a composition have no limit, and wait for none."""
    others = [*changes.get("class_targets", ()), *changes.get("composition", ())]
    job(*others, "copper", detection_limits=("lod",), target_type="auto", **changes)


def test_text_fields_may_be_classes_so_that_too_few_limits_are_left_to_the_observations() -> None:
    job("copper", "type", detection_limits=("lod",))
    with pytest.raises(JobError, match="which detection limit belongs to which target: lod, dl, x for 2 targets"):
        job("copper", "type", detection_limits=("lod", "dl", "x"))
