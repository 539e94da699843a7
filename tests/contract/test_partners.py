"""Pairing limits and errors with targets: by name, else by order, never by guess."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.contract.jobs import JobError, partners
from soil_cnn_plugin.contract.soil_property import SoilProperty


def pair(targets: str, fields: str) -> dict[str, str]:
    return partners([SoilProperty(name) for name in targets.split()], fields.split(), "detection limit")


@pytest.mark.parametrize(
    ("targets", "fields", "pairs"),
    [
        ("copper", "lod", {"copper": "lod"}),
        ("copper zinc", "lod1 lod2", {"copper": "lod1", "zinc": "lod2"}),
        ("copper zinc", "zinc_dl copper_dl", {"copper": "copper_dl", "zinc": "zinc_dl"}),
        ("copper zinc", "zinc_dl", {"zinc": "zinc_dl"}),
        ("copper zinc", "dl_zinc", {"zinc": "dl_zinc"}),
        ("copper zinc", "zincDL", {"zinc": "zincDL"}),
        ("Cu Zn", "ZN_LOD", {"Zn": "ZN_LOD"}),
        ("copper zinc lead", "lod zinc_dl lod2", {"copper": "lod", "zinc": "zinc_dl", "lead": "lod2"}),
        ("zinc zinc_2", "zinc_2_dl zinc_dl", {"zinc": "zinc_dl", "zinc_2": "zinc_2_dl"}),
        ("p zn", "pb_dl zn_dl", {"p": "pb_dl", "zn": "zn_dl"}),  # pb_dl remains for p, by order
        ("clay_0_5 clay_5_15 ph", "clay_sd", {"clay_0_5": "clay_sd", "clay_5_15": "clay_sd"}),
        ("clay_0_5 clay_5_15", "clay_sd clay_0_5_sd", {"clay_0_5": "clay_0_5_sd", "clay_5_15": "clay_sd"}),
        ("copper zinc", "", {}),
    ],
)
def test_names_go_before_order(targets: str, fields: str, pairs: dict[str, str]) -> None:
    assert pair(targets, fields) == pairs


@pytest.mark.parametrize(
    ("targets", "fields", "message"),
    [
        ("copper zinc", "lod", r"which detection limit belongs to which target: lod for 2 targets \(copper, zinc\)"),
        ("copper", "lod lod2", "lod, lod2 for 1 targets"),
        ("p k", "pb_dl", "pb_dl for 2 targets"),
        ("copper zinc", "copper_dl copper_lod", "copper_dl and copper_lod are both named after copper"),
        ("copper zinc", "copper_dl copper_dl", "both named after copper"),
        ("copper zinc", "zinc", "zinc is chosen both as a target and as a detection limit field"),
    ],
)
def test_doubtful_pairs_are_refused(targets: str, fields: str, message: str) -> None:
    with pytest.raises(JobError, match=message):
        pair(targets, fields)


def test_targets_without_a_limit_wait_for_none() -> None:
    targets = [SoilProperty(name) for name in ("type", "copper", "sand", "zinc")]
    without = ("type", "sand")
    assert partners(targets, ["a", "b"], "detection limit", without) == {"copper": "a", "zinc": "b"}
    assert partners(targets, ["type_dl"], "detection limit", without) == {"type": "type_dl"}
    assert partners(targets[:1], ["a"], "detection limit", without) == {"type": "a"}
    with pytest.raises(JobError, match=r"a for 2 targets \(copper, zinc\)"):
        partners(targets, ["a"], "detection limit", without)
    assert partners(targets, ["a"], "detection limit", without, is_final=False) == {}
