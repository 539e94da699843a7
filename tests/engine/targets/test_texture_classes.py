"""Texture classes: literal points of each class and its borders, no gaps, and parts found by their names."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.texture import (
    BORDERS,
    TEXTURE_CLASSES,
    USDA,
    WRB,
    Texture,
    find_texture,
    lattice,
    need_texture,
    neighbours,
    texture_class,
)

POINTS = [  # sand, silt, clay, class by the words of the Soil survey manual
    (92, 5, 3, "sand"),
    (100, 0, 0, "sand"),
    (85.1, 14.9, 0, "sand"),
    (85, 15, 0, "loamy sand"),
    (90, 0, 10, "loamy sand"),
    (82, 12, 6, "loamy sand"),
    (70, 30, 0, "sandy loam"),
    (85, 0, 15, "sandy loam"),
    (65, 25, 10, "sandy loam"),
    (51, 43, 6, "sandy loam"),
    (53, 28, 19, "sandy loam"),
    (80, 0.1, 19.9, "sandy loam"),
    (50.1, 49.9, 0, "sandy loam"),
    (40, 40, 20, "loam"),
    (52, 28, 20, "loam"),
    (52, 41, 7, "loam"),
    (45.1, 28, 26.9, "loam"),
    (43.1, 49.9, 7, "loam"),
    (50, 50, 0, "silt loam"),
    (20, 65, 15, "silt loam"),
    (23.1, 50, 26.9, "silt loam"),
    (8, 80, 12, "silt loam"),
    (0, 88, 12, "silt loam"),
    (20.1, 79.9, 0, "silt loam"),
    (20, 80, 0, "silt"),
    (0, 100, 0, "silt"),
    (8.1, 80, 11.9, "silt"),
    (0, 88.1, 11.9, "silt"),
    (60, 15, 25, "sandy clay loam"),
    (80, 0, 20, "sandy clay loam"),
    (52.1, 27.9, 20, "sandy clay loam"),
    (45.1, 27.9, 27, "sandy clay loam"),
    (45.1, 20, 34.9, "sandy clay loam"),
    (45, 28, 27, "clay loam"),
    (32, 34, 34, "clay loam"),
    (20.1, 52.9, 27, "clay loam"),
    (45, 15.1, 39.9, "clay loam"),
    (20, 53, 27, "silty clay loam"),
    (0, 73, 27, "silty clay loam"),
    (10, 56, 34, "silty clay loam"),
    (0, 60.1, 39.9, "silty clay loam"),
    (65, 0, 35, "sandy clay"),
    (52, 7, 41, "sandy clay"),
    (45.1, 19.9, 35, "sandy clay"),
    (45.1, 0, 54.9, "sandy clay"),
    (20, 40, 40, "silty clay"),
    (0, 60, 40, "silty clay"),
    (7, 46, 47, "silty clay"),
    (0.1, 40, 59.9, "silty clay"),
    (45, 15, 40, "clay"),
    (45, 0, 55, "clay"),
    (20, 20, 60, "clay"),
    (0, 0, 100, "clay"),
    (0, 39.9, 60.1, "clay"),
    (20.1, 39.9, 40, "clay"),
]


def code(sand: float, silt: float, clay: float, system: str = USDA) -> int:
    return int(texture_class(np.array(sand), np.array(silt), np.array(clay), system))


@pytest.mark.parametrize(("sand", "silt", "clay", "name"), POINTS, ids=str)
def test_each_point_has_the_class_of_its_definition(sand: float, silt: float, clay: float, name: str) -> None:
    assert TEXTURE_CLASSES[USDA][code(sand, silt, clay) - 1] == name


def test_the_points_are_of_all_classes() -> None:
    assert {name for *_, name in POINTS} == set(TEXTURE_CLASSES[USDA])


@pytest.mark.parametrize(("clay", "name"), [(59.9, "clay"), (60.0, "heavy clay"), (100.0, "heavy clay")])
def test_the_wrb_divides_clay_at_60_percent(clay: float, name: str) -> None:
    assert TEXTURE_CLASSES[WRB][code((100 - clay) / 2, (100 - clay) / 2, clay, WRB) - 1] == name


def test_below_60_percent_of_clay_both_systems_say_the_same() -> None:
    sand, silt, clay = lattice(0.5)
    below = clay < 60
    classes = (texture_class(sand[below], silt[below], clay[below], system) for system in (USDA, WRB))
    np.testing.assert_array_equal(*classes)


def test_the_nrcs_definitions_agree_everywhere_and_leave_no_gap() -> None:
    sand, silt, clay = lattice(0.25)
    light, heavy = silt + 1.5 * clay, silt + 2 * clay
    definitions = {  # as the texture calculator of the NRCS writes them, each on its own
        "sand": light < 15,
        "loamy sand": (light >= 15) & (heavy < 30),
        "sandy loam": ((clay >= 7) & (clay < 20) & (sand > 52) & (heavy >= 30))
        | ((clay < 7) & (silt < 50) & (heavy >= 30)),
        "loam": (clay >= 7) & (clay < 27) & (silt >= 28) & (silt < 50) & (sand <= 52),
        "silt loam": ((silt >= 50) & (clay >= 12) & (clay < 27)) | ((silt >= 50) & (silt < 80) & (clay < 12)),
        "silt": (silt >= 80) & (clay < 12),
        "sandy clay loam": (clay >= 20) & (clay < 35) & (silt < 28) & (sand > 45),
        "clay loam": (clay >= 27) & (clay < 40) & (sand > 20) & (sand <= 45),
        "silty clay loam": (clay >= 27) & (clay < 40) & (sand <= 20),
        "sandy clay": (clay >= 35) & (sand > 45),
        "silty clay": (clay >= 40) & (silt >= 40),
        "clay": (clay >= 40) & (sand <= 45) & (silt < 40),
    }
    assert (np.sum(list(definitions.values()), axis=0) == 1).all()
    found = texture_class(sand, silt, clay)
    for number, name in enumerate(TEXTURE_CLASSES[USDA], start=1):
        np.testing.assert_array_equal(found == number, definitions[name], err_msg=name)


@pytest.mark.parametrize("system", [USDA, WRB])
def test_borders_are_drawn_where_the_class_changes_and_nowhere_else(system: str) -> None:
    step = 0.5
    sand, silt, clay = lattice(step)
    codes = dict(zip(zip(silt, clay), texture_class(sand, silt, clay, system)))
    starts, ends = np.array(BORDERS[system], np.float64).swapaxes(0, 1)[:, :, 1:]  # (borders, 2): silt, clay
    change = []
    for place, number in codes.items():
        for way in ((step, 0), (0, step), (step, -step)):
            other = place[0] + way[0], place[1] + way[1]
            if codes.get(other, number) != number:
                change.append(np.add(place, other) / 2)
    points = np.array(change)
    along = ends - starts
    share = np.clip(((points[:, None] - starts) * along).sum(-1) / (along**2).sum(-1), 0, 1)
    distance = np.linalg.norm(points[:, None] - starts - share[..., None] * along, axis=-1)  # (points, borders)
    assert distance.min(axis=1).max() < step
    for border, (start, end) in enumerate(zip(starts, ends)):
        expected = np.linalg.norm(end - start) / step
        assert (distance[:, border] < step).sum() > 0.9 * expected


def test_classes_are_of_any_shape_and_any_whole_and_missing_where_a_part_is() -> None:
    sand, silt, clay = np.array([[0.4, np.nan], [0.0, 0.2]]), np.full((2, 2), 0.4), np.array([[0.2, 0.3], [0.6, 0.4]])
    assert texture_class(sand, silt, clay, WRB).tolist() == [[4, 0], [13, 11]]
    assert texture_class(1000 * sand, 1000 * silt, 1000 * clay).tolist() == [[4, 0], [11, 11]]


def test_what_closing_adds_to_a_number_does_not_carry_it_across_a_border() -> None:
    parts = np.array([45.0, 15.0, 40.0])
    for whole in np.linspace(37, 113, 200):
        assert TEXTURE_CLASSES[USDA][code(*(parts * whole / 100)) - 1] == "clay"


def test_neighbours_share_a_border_not_a_corner() -> None:
    names = TEXTURE_CLASSES[USDA]
    shared = neighbours(USDA)
    assert (shared == shared.T).all()
    assert shared.diagonal().all()
    around = {name: {names[k] for k in np.flatnonzero(row)} - {name} for name, row in zip(names, shared)}
    assert around["sand"] == {"loamy sand"}
    assert around["silt"] == {"silt loam"}
    assert around["loam"] == {"sandy loam", "silt loam", "sandy clay loam", "clay loam"}
    assert around["clay"] == {"sandy clay", "clay loam", "silty clay"}
    assert around["clay loam"] == {"loam", "sandy clay loam", "silty clay loam", "clay", "sandy clay", "silt loam"}
    assert {TEXTURE_CLASSES[WRB][k] for k in np.flatnonzero(neighbours(WRB)[12])} == {"heavy clay", "clay"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("sand", "silt", "clay"), Texture((0,), (1,), (2,))),
        (("CLYMHT_A", "SNDMHT_A", "SLTMHT_A"), Texture((1,), (2,), (0,))),
        (("sable", "limon", "argile"), Texture((0,), (1,), (2,))),
        (("Zand", "Klei", "Leem"), Texture((0,), (2,), (1,))),
        (("Sand", "Schluff", "Ton"), Texture((0,), (1,), (2,))),
        (("arena_total", "limo_total", "arcilla_total"), Texture((0,), (1,), (2,))),
        (("areia", "silte", "argila"), Texture((0,), (1,), (2,))),
        (("pctSand", "pctSilt", "pctClay"), Texture((0,), (1,), (2,))),
        (("fine_sand", "coarse_sand", "silt", "clay"), Texture((0, 1), (2,), (3,))),
        (("sand", "silt"), None),
        (("quartz", "feldspar", "mica"), None),
        (("sand", "silt", "clay", "gravel"), None),
        (("sandy_clay", "silt", "clay"), None),
        (("carton", "sand", "silt"), None),
    ],
    ids=str,
)
def test_parts_are_found_by_their_names(names: tuple[str, ...], expected: Texture | None) -> None:
    assert find_texture(names) == expected


def test_parts_that_cannot_be_told_apart_are_listed() -> None:
    with pytest.raises(EngineError, match=r"net\.h5 predicts the composition quartz, feldspar, .*Name the fields"):
        need_texture(("quartz", "feldspar"), "net.h5 predicts")


def test_divided_fractions_are_added_up() -> None:
    parts = np.array([30.0, 20.0, 30.0, 20.0])  # fine sand, coarse sand, silt, clay
    texture = find_texture(("fine_sand", "coarse_sand", "silt", "clay"))
    assert texture is not None
    assert TEXTURE_CLASSES[USDA][int(texture.classes(parts, USDA)) - 1] == "loam"
    np.testing.assert_allclose(texture.fine_earth(parts * 10), [50, 30, 20])
