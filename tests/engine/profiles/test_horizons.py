"""Which horizons are used, why others are not, and the layers that are made of those that share depths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.profiles.depths import Layers
from soil_cnn_plugin.engine.profiles.horizons import Horizons, choose_usable, find_twins, read_horizons, to_layers

JOB = StandardizeDepths("/h.gpkg", "id", "top", "bottom", (SoilProperty("clay"), SoilProperty("ph")), "/out.gpkg")
Row = tuple[object, float | None, float | None, float | None, float | None]


def table(rows: list[Row], tmp: str = "/soil/horizons.gpkg") -> Layer:
    identities, *numbers = zip(*rows)
    columns: dict[str, NDArray[object]] = {"id": np.array([*identities, None], object)[:-1]}
    columns |= {name: np.array(each, float) for name, each in zip(("top", "bottom", "clay", "ph"), numbers)}
    ids = np.arange(1, len(rows) + 1)
    return Layer(tmp, {"crs": None, "geometry_type": None}, ids, np.full(len(rows), None, object), columns)


def chosen(rows: list[Row]) -> tuple[Horizons, dict[int, str]]:
    """The usable horizons, and feature -> why others are left out."""
    left_out = Dropped()
    layer = table(rows)
    return choose_usable(read_horizons(layer, JOB, left_out, Notes()), layer, JOB, left_out), left_out.reasons


def parts(layers: Layers) -> list[tuple[int, float, float, float]]:
    return list(zip(*(each.tolist() for each in (layers.profile, layers.upper, layers.lower, layers.mean))))


def test_horizons_that_cannot_be_used_are_left_out_each_with_its_reason() -> None:
    usable, reasons = chosen(
        [
            ("a", 0, 20, 10, 6),
            ("a", 20, None, 11, 6),
            ("a", None, 30, 11, 6),
            ("a", 40, 30, 12, 6),
            ("a", 40, 40, 13, 6),
            ("a", 60, 80, None, None),
            (None, 0, 20, 14, 6),
            ("  ", 0, 20, 14, 6),
            ("a", -3, 4, 14, 6),
            ("a", 80, 100, None, 7),
        ]
    )
    assert usable.rows.tolist() == [0, 9]
    assert reasons == {
        2: "without an upper or a lower limit",
        3: "without an upper or a lower limit",
        4: "with the upper limit below the lower one",
        5: "of no thickness",
        6: "without a value",
        7: "without a profile",
        8: "without a profile",
        9: "on both sides of the mineral surface",
    }


def test_organic_layers_are_left_out_in_both_conventions() -> None:
    usable, reasons = chosen(
        [
            ("negative", -5, 0, 40, 4),
            ("negative", 0, 20, 10, 5),
            ("old", 8, 5, 45, 4),
            ("old", 5, 0, 40, 4),
            ("old", 0, 20, 12, 5),
            ("wrong", 20, 0, 11, 5),  # not organic: no mineral horizon begins at the surface
            ("wrong", 20, 40, 9, 5),
        ]
    )
    assert usable.rows.tolist() == [1, 4, 6]
    above = "above the mineral surface"
    assert reasons == {1: above, 3: above, 4: above, 6: "with the upper limit below the lower one"}


def test_a_profile_without_usable_horizons_disappears() -> None:
    usable, _ = chosen([("b", 0, None, 1, 1), ("c", 0, 10, 2, 1), ("a", 0, 10, 3, 1)])
    assert (usable.names, usable.profile.tolist()) == (("c", "a"), [0, 1])


def test_a_repeated_horizon_is_used_once_unless_it_adds_a_value() -> None:
    usable, reasons = chosen(
        [
            ("a", 0, 20, 10, 6),
            ("a", 0, 20, 10, 6),
            ("a", 0, 20, 10, None),
            ("b", 0, 20, 10, None),
            ("b", 0, 20, None, 6),
        ]
    )
    assert usable.rows.tolist() == [0, 3, 4]
    assert reasons == {2: "repeating another horizon", 3: "repeating another horizon"}


def test_horizons_of_the_same_limits_are_averaged() -> None:
    usable, reasons = chosen([("a", 0, 20, 10, 6), ("a", 20, 40, 1, 6), ("a", 0, 20, 13, None)])
    assert reasons == {}
    assert find_twins(usable)[1].tolist() == [True, False, True]
    assert parts(to_layers(usable, usable.values[:, 0])[0]) == [(0, 0, 20, 11.5), (0, 20, 40, 1)]
    assert parts(to_layers(usable, usable.values[:, 1])[0]) == [(0, 0, 20, 6), (0, 20, 40, 6)]


def test_where_horizons_overlap_the_shared_part_gets_their_mean() -> None:
    usable, _ = chosen(
        [
            ("a", 0, 10, 1, 5),
            ("b", 0, 20, 10, 5),
            ("b", 15, 40, 30, 5),
            ("b", 60, 70, 3, 5),
            ("c", 0, 100, 2, 5),
            ("c", 30, 40, 4, None),
        ]
    )
    layers, is_overlapping = to_layers(usable, usable.values[:, 0])
    assert parts(layers) == [
        (0, 0, 10, 1),
        *[(1, 0, 15, 10), (1, 15, 20, 20), (1, 20, 40, 30), (1, 60, 70, 3)],
        *[(2, 0, 30, 2), (2, 30, 40, 3), (2, 40, 100, 2)],
    ]
    assert is_overlapping.tolist() == [False, True, True, False, True, True]
    layers, is_overlapping = to_layers(
        usable, usable.values[:, 1]
    )  # where c's second horizon has no value, nothing overlaps
    assert parts(layers)[-1] == (2, 0, 100, 5)
    assert is_overlapping.tolist() == [False, True, True, False, False, False]


def test_overlaps_of_many_horizons_keep_the_mass_of_the_mean_at_each_depth() -> None:
    rng = np.random.default_rng(1)
    top = rng.integers(0, 100, 300)
    bottom, clay = top + rng.integers(1, 40, 300), rng.normal(20, 5, 300)
    usable, _ = chosen([("a", t, b, c, 6.0) for t, b, c in zip(top.tolist(), bottom.tolist(), clay.tolist())])
    layers, _ = to_layers(usable, usable.values[:, 0])
    assert (layers.upper[1:] >= layers.lower[:-1]).all()
    limits = {(t, b): [] for t, b in zip(top.tolist(), bottom.tolist())}
    for t, b, c in zip(top.tolist(), bottom.tolist(), clay.tolist()):
        limits[t, b].append(c)
    for depth in np.arange(0.5, 139, 7):
        means = [np.mean(values) for (t, b), values in limits.items() if t < depth < b]
        inside = (layers.upper < depth) & (depth < layers.lower)
        assert layers.mean[inside].tolist() == pytest.approx([np.mean(means)] if means else [])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("a", 20, 0, 1, 1), ("a", 40, 20, 1, 1)], r"In 2 of 2 horizons .* \(top\) is deeper .* exchanged"),
        ([("a", 0, -20, 1, 1), ("a", -20, -40, 1, 1)], "2 of 2 horizons .* negative limit .* turn their sign"),
        ([(None, 0, 20, 1, 1)], "profile field id of 'horizons' is empty in all 1 rows"),
        ([("b", 5, 5, 1, 1), ("b", 6, 6, 2, None)], "None of the 2 horizons .* 2 of no thickness.*limit, cm"),
    ],
)
def test_mistakes_of_the_whole_table_are_refused_in_words(rows: list[Row], says: str) -> None:
    with pytest.raises(EngineError, match=says):
        chosen(rows)


def test_the_layer_names_the_table_in_messages(tmp_path: Path) -> None:
    layer = table([("a", 0, 20, 1, 1)], str(tmp_path / "Böden.gpkg"))
    with pytest.raises(EngineError, match="'Böden' have no field 'depth', which is chosen as upper limit"):
        read_horizons(layer, StandardizeDepths("/h", "id", "depth", "bottom", JOB.values, "/o"), Dropped(), Notes())
