"""Standardize depths as a whole: from a file of horizons to profiles, its log, and what users get wrong."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
from shapely import Point, Polygon

from soil_cnn_plugin.contract.events import Event, Info, Progress, Warning
from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.soil_property import SoilProperty, unit_in
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.standardize_depths import run
from soil_cnn_plugin.engine.observations.layer_fields import read_limited_numbers
from soil_cnn_plugin.engine.observations.point_layer import read_layer
from soil_cnn_plugin.engine.report import Report

COLUMNS = ["site", "name", "soil", "designation", "top", "bottom", "clay", "ph"]
HORIZONS = [
    ("s2", "Mill", "Luvisol", "Ap", 0, 20, 10.0, 6.1),
    ("s2", "Mill", "Luvisol", "Bt", 20, 60, 30.0, 6.5),
    ("s2", "Mill", "Luvisol", "C", 60, 150, 20.0, None),
    ("s1", "Hill", None, "O", -4, 0, None, 4.0),
    ("s1", "Hill", None, "A", 0, 30, 12.0, 5.0),
    ("s3", "Moor", "Gleysol", "A", 0, 10, 0.0, 5.0),
    ("s3", "Moor", "Gleysol", "B", 10, 25, 8.0, None),
    ("s3", "Moor", "Gleysol", "C", 90, 110, 55.0, 5.5),
]
POINTS = {"s2": Point(500, 100), "s1": Point(400, 200), "s3": Point(300, 300)}


def write(path: Path, rows: list[tuple[Any, ...]] = HORIZONS, points: dict[str, Point] = POINTS) -> str:
    frame = pandas.DataFrame(rows, columns=COLUMNS)
    geometry = [points[site] for site in frame["site"]]
    geopandas.GeoDataFrame(frame, geometry=geometry, crs="EPSG:28992").to_file(path)
    return str(path)


@pytest.fixture
def job(tmp_path: Path) -> StandardizeDepths:
    folder = tmp_path / "Böden"
    folder.mkdir()
    return StandardizeDepths(
        horizons=write(folder / "horizonte.gpkg"),
        profile="site",
        upper="top",
        lower="bottom",
        values=(SoilProperty("clay", "%"), SoilProperty("ph")),
        output=str(folder / "profile.gpkg"),
        problems=str(folder / "problems.gpkg"),
    )


def done(job: StandardizeDepths) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return run(job, Report(events.append)), events


def texts(events: list[Event], kind: type) -> list[str]:
    return [event.text for event in events if isinstance(event, kind)]


def rows_of(path: str) -> Any:
    return pyogrio.read_dataframe(path)


def refused(message: str, job: StandardizeDepths) -> None:
    before = sorted(os.listdir(Path(job.output).parent))
    with pytest.raises(EngineError, match=message):
        done(job)
    assert sorted(os.listdir(Path(job.output).parent)) == before


def test_each_profile_is_a_point_with_a_field_a_value_and_interval(job: StandardizeDepths) -> None:
    outputs, events = done(job)
    assert outputs == {"output": job.output, "problems": job.problems, "count": 3, "problem_count": 1}
    found = rows_of(job.output)
    intervals = ("0_5", "5_15", "15_30", "30_60", "60_100", "100_200")
    assert list(found.columns) == [
        *("site", "name", "soil", "n_horizons", "max_depth"),
        *(f"clay_{interval}" for interval in intervals),
        *("clay_rmse", "clay_flag"),
        *(f"ph_{interval}" for interval in intervals),
        *("ph_rmse", "ph_flag", "geometry"),
    ]
    assert found["site"].tolist() == ["s2", "s1", "s3"]
    assert found["n_horizons"].tolist() == [3, 1, 3]
    assert found["max_depth"].tolist() == [150, 30, 110]
    assert found.geometry.tolist() == [POINTS[site] for site in found["site"]]
    assert found.crs == "EPSG:28992"
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert percents == sorted(percents)


def test_a_single_horizon_gives_its_value_within_its_depth_only(job: StandardizeDepths) -> None:
    done(job)
    profile = rows_of(job.output).iloc[1]
    assert profile[["clay_0_5", "clay_5_15", "clay_15_30"]].tolist() == [12, 12, 12]
    assert profile[["clay_30_60", "clay_60_100", "clay_100_200"]].isna().all()
    assert pandas.isna(profile["clay_flag"])


def test_without_smoothing_interval_means_keep_the_masses_of_horizons(job: StandardizeDepths) -> None:
    done(replace(job, smoothing=0.0, intervals=((0, 20), (20, 60), (60, 150), (0, 150))))
    profile = rows_of(job.output).iloc[0]
    means = profile[["clay_0_20", "clay_20_60", "clay_60_150"]].astype(float).tolist()
    assert means == pytest.approx([10, 30, 20], abs=1e-6)
    assert profile["clay_0_150"] == pytest.approx((20 * 10 + 40 * 30 + 90 * 20) / 150, abs=1e-6)
    assert profile["clay_rmse"] == pytest.approx(0, abs=1e-9)


def test_an_interval_reached_in_part_is_flagged_and_left_empty_where_too_little_is_reached(
    job: StandardizeDepths,
) -> None:
    done(job)
    found = rows_of(job.output)
    assert found["clay_flag"][0] == "100-200 partial 50 %"
    assert np.isnan(found["ph_60_100"][0])  # pH is measured down to 60 cm
    assert np.isnan(found["clay_100_200"][2])  # reached over from 100 to 110 cm
    done(replace(job, min_share=0.1))
    assert "100-200 partial 10 %" in rows_of(job.output)["clay_flag"][2]
    done(replace(job, min_share=0.51))
    assert np.isnan(rows_of(job.output)["clay_100_200"][0])


def test_means_in_a_gap_are_flagged_and_told(job: StandardizeDepths) -> None:
    _, events = done(job)
    flag = rows_of(job.output)["clay_flag"][2].split("; ")
    assert flag[-2:] == ["30-60 bridged 100 %", "60-100 bridged 75 %"]
    assert rows_of(job.output)["ph_flag"][2] == "15-30 bridged 100 %; 30-60 bridged 100 %; 60-100 bridged 75 %"
    assert "clay: gaps between horizons that the spline bridges: 1, the widest of 65 cm in profile s3." in texts(
        events, Info
    )


def test_what_overshoots_the_possible_is_set_to_the_limit_flagged_and_warned_of(job: StandardizeDepths) -> None:
    steep = [
        ("s2", "", "", "", 0, 10, 0.0, 6),
        ("s2", "", "", "", 10, 20, 100.0, 6),
        ("s2", "", "", "", 20, 30, 0.0, 6),
    ]
    write(Path(job.horizons), steep)
    narrow = replace(job, intervals=((0, 2), (2, 4), (14, 16)), smoothing=0.0)
    _, events = done(narrow)
    profile = rows_of(job.output).iloc[0]
    assert (profile["clay_0_2"], profile["clay_14_16"]) == (0, 100)
    first, *_, last = profile["clay_flag"].split("; ")
    assert first.startswith("0-2 clipped from -") and last.startswith("14-16 clipped from 1")
    (warning,) = texts(events, Warning)
    assert "3 means were below 0 or above 100, where no measured value lies, and their splines were cut off" in warning
    done(replace(narrow, values=(SoilProperty("clay", "g/kg"), SoilProperty("ph"))))
    assert rows_of(job.output)["clay_14_16"][0] > 100  # possible in another unit


@pytest.mark.parametrize("unit", ["g/kg", "%"])
def test_a_profile_keeps_its_mass_where_means_are_clipped(job: StandardizeDepths, unit: str) -> None:
    steep = [
        *(("s2", "", "", "", upper, upper + 10, clay, 6) for upper, clay in ((0, 2.0), (10, 99.0), (20, 1.0))),
        *(("s1", "", "", "", upper, upper + 15, clay, 6) for upper, clay in ((0, 20.0), (15, 22.0))),
    ]
    write(Path(job.horizons), steep)
    plain = replace(job, intervals=tuple((depth, depth + 2) for depth in range(0, 30, 2)), smoothing=0.0)
    _, events = done(replace(plain, values=(SoilProperty("clay", unit), SoilProperty("ph"))))
    found = rows_of(job.output)
    means = np.array([found[f"clay_{depth}_{depth + 2}"] for depth in range(0, 30, 2)])
    assert means.min() >= 0 and (unit == "g/kg") == (means.max() > 100)
    masses = 2 * means[:, 0].reshape(3, 5).sum(axis=1)
    np.testing.assert_allclose(masses, [20, 990, 10], rtol=1e-9)  # those of the horizons, one by one
    assert means[:, 1].sum() * 2 == pytest.approx(15 * 42) and pandas.isna(found["clay_flag"][1])
    flags = found["clay_flag"][0].split("; ")
    assert any(" clipped from -" in flag for flag in flags) and any(" adjusted from " in flag for flag in flags)
    (warning,) = texts(events, Warning)
    told = sum(" clipped from " in flag for flag in flags), sum(" adjusted from " in flag for flag in flags)
    assert f"clay: {told[0]} means were below 0" in warning and f"({'adjusted'}, {told[1]} other means)" in warning
    assert "In gaps" not in warning


def test_mass_that_a_cut_in_a_gap_adds_is_told(job: StandardizeDepths) -> None:
    rows = [("s2", "", "", "", 0, 10, 60.0, 6), ("s2", "", "", "", 10, 14, 0.0, 6), ("s2", "", "", "", 40, 60, 30.0, 6)]
    write(Path(job.horizons), rows)
    _, events = done(replace(job, intervals=((0, 10), (10, 14), (14, 20), (40, 60)), smoothing=0.0))
    (warning,) = texts(events, Warning)
    assert "In gaps between horizons there is no such mass: 1 profiles change theirs by +" in warning
    means = [rows_of(job.output)[f"clay_{each}"][0] for each in ("0_10", "10_14", "40_60")]
    assert means == pytest.approx([60, 0, 30])


LIMITED = [
    ("s2", "", "", "", 0, 20, "10", 6.0),
    ("s2", "", "", "", 20, 60, "<0.8", 6.0),
    ("s2", "", "", "", 60, 150, "< 0,4", 6.0),
    ("s1", "", "", "", 0, 30, "12", 6.0),
    ("s3", "", "", "", 0, 60, "<2", 6.0),
]


def test_horizons_below_limits_count_with_half_the_limit_and_their_means_say_so(job: StandardizeDepths) -> None:
    write(Path(job.horizons), LIMITED)
    _, events = done(replace(job, intervals=((0, 20), (20, 60), (60, 150), (15, 30)), smoothing=0.0))
    found = rows_of(job.output)
    assert found["clay_0_20"].tolist() == ["10", "12", "<2"]
    assert found["clay_20_60"].tolist()[0::2] == ["<0.8", "<2"]
    assert found["clay_60_150"][0] == "<0.4" and found["clay_60_150"][1:].isna().all()
    partly = float(found["clay_15_30"][0])  # most of its mass was measured: a number, and a flag
    assert partly > 1 and found["clay_15_30"].tolist()[1:] == ["12", "<2"]
    flags = found["clay_flag"][0].split("; ")
    assert flags[:2] == ["20-60 below limits 100 %", "60-150 below limits 100 %"]
    assert flags[2].startswith("15-30 below limits ") and 0 < int(flags[2].split()[3]) < 50
    assert pandas.isna(found["clay_flag"][1])
    assert found["ph_0_20"].dtype.kind == "f"
    assert "clay: 3 of 5 values lie below their detection limit (0.4 to 2). Half the limit stands for each." in texts(
        events, Info
    )
    (warning,) = (text for text in texts(events, Warning) if "below detection limits" in text)
    assert warning.startswith("clay: 6 means include horizons below") and "most of the mass (5 means)" in warning


def test_means_of_half_limits_lie_between_those_of_none_and_all(job: StandardizeDepths) -> None:
    def mean(limit: float) -> float:
        rows = [("s2", "", "", "", 0, 20, "10", 6.0), ("s2", "", "", "", 20, 40, str(limit), 6.0)]
        write(Path(job.horizons), rows)
        done(replace(job, intervals=((0, 40),), smoothing=0.0))
        return float(rows_of(job.output)["clay_0_40"][0])

    write(Path(job.horizons), [("s2", "", "", "", 0, 20, "10", 6.0), ("s2", "", "", "", 20, 40, "<4", 6.0)])
    done(replace(job, intervals=((0, 40),), smoothing=0.0))
    found = float(rows_of(job.output)["clay_0_40"][0])
    assert found == pytest.approx((mean(0) + mean(4)) / 2) == pytest.approx(6)


def test_limits_that_are_not_known_or_not_above_0_are_refused(job: StandardizeDepths) -> None:
    for text, says in (
        ("nd", "clay of 'horizonte' says 'nd' at 1 .* nothing tells"),
        ("<0", "A detection limit is above 0"),
    ):
        write(Path(job.horizons), [*LIMITED, ("s1", "", "", "", 30, 40, text, 6.0)])
        refused(says, job)


def test_what_is_written_below_limits_is_read_as_such_by_later_steps(job: StandardizeDepths) -> None:
    write(Path(job.horizons), LIMITED)
    done(replace(job, intervals=((20, 60),), smoothing=0.0))
    numbers, is_below = read_limited_numbers(read_layer(job.output), "clay_20_60", "target", [])
    assert numbers[[0, 2]].tolist() == [0.8, 2] and is_below[[0, 2]].all()


def test_negative_means_stay_where_negative_values_were_measured(job: StandardizeDepths) -> None:
    charge = [
        ("s2", "", "", "", 0, 10, -1.0, 6),
        ("s2", "", "", "", 10, 20, 9.0, 6),
        ("s2", "", "", "", 20, 30, -1.0, 6),
    ]
    write(Path(job.horizons), charge)
    done(replace(job, intervals=((0, 2),), smoothing=0.0))
    assert rows_of(job.output)["clay_0_2"][0] < -1
    assert pandas.isna(rows_of(job.output)["clay_flag"][0])


def test_units_stand_in_the_aliases_where_later_steps_find_them(job: StandardizeDepths) -> None:
    done(job)
    with closing(sqlite3.connect(job.output)) as database:
        labels = dict(database.execute("SELECT column_name, name FROM gpkg_data_columns").fetchall())
    assert labels["clay_5_15"] == "clay 5-15 cm (%)"
    assert (unit_in(labels["clay_5_15"]), unit_in(labels["ph_5_15"]), unit_in(labels["clay_rmse"])) == ("%", "", "%")
    assert SoilProperty("clay_5_15", "%").label == labels["clay_5_15"]


def test_fields_with_one_value_a_profile_are_kept_and_the_others_named(job: StandardizeDepths) -> None:
    _, events = done(job)
    found = rows_of(job.output)
    assert found["name"].tolist() == ["Mill", "Hill", "Moor"]
    assert found["soil"].fillna("").tolist() == ["Luvisol", "", "Gleysol"]
    lines = texts(events, Info)
    assert "Fields with one value a profile are kept: name, soil." in lines
    assert "Fields that differ within profiles are left out: designation." in lines


def test_names_are_made_fit_and_never_collide(job: StandardizeDepths) -> None:
    frame = pandas.DataFrame(HORIZONS, columns=COLUMNS).rename(
        columns={"clay": "Clay [%]", "ph": "clay", "name": "max_depth"}
    )
    geometry = [POINTS[site] for site in frame["site"]]
    geopandas.GeoDataFrame(frame, geometry=geometry, crs="EPSG:28992").to_file(job.horizons)
    done(replace(job, values=(SoilProperty("Clay [%]"), SoilProperty("clay")), intervals=((0, 2.5),)))
    names = list(rows_of(job.output).columns)
    assert names == [
        *("site", "max_depth_1", "soil", "n_horizons", "max_depth"),
        *("Clay_0_2.5", "Clay_rmse", "Clay_flag", "clay_1_0_2.5", "clay_1_rmse", "clay_1_flag", "geometry"),
    ]
    assert SoilProperty("clay_1_0_2.5").depth_cm == (0, 2.5)


def test_horizons_with_problems_are_written_with_their_reason(job: StandardizeDepths) -> None:
    rows = [*HORIZONS, ("s1", "Hill", None, "AB", 20, 40, 14.0, 5.0)]
    write(Path(job.horizons), rows)
    outputs, events = done(job)
    found = rows_of(job.problems)
    assert found[["designation", "reason"]].values.tolist() == [
        ["O", "above the mineral surface"],
        ["A", "averaged where overlapping others of the profile"],
        ["AB", "averaged where overlapping others of the profile"],
    ]
    assert outputs["problem_count"] == 3
    warnings = texts(events, Warning)
    assert "Horizons left out: 1 above the mineral surface." in warnings
    assert "Horizons that share depths: 2 averaged where overlapping others of the profile." in warnings


def test_a_table_with_coordinates_gives_the_same_points(job: StandardizeDepths) -> None:
    done(job)
    expected = rows_of(job.output)
    frame = pandas.DataFrame(HORIZONS, columns=COLUMNS)
    frame["x"] = [str(POINTS[site].x) for site in frame["site"]]
    frame["y"] = [POINTS[site].y for site in frame["site"]]
    table = str(Path(job.horizons).with_name("table.csv"))
    frame.to_csv(table, index=False)
    _, events = done(replace(job, horizons=table, x="x", y="y", crs="EPSG:28992"))
    found = rows_of(job.output)
    assert found.crs == expected.crs
    assert found.geometry.equals(expected.geometry)
    pandas.testing.assert_frame_equal(found[["clay_0_5", "ph_15_30"]], expected[["clay_0_5", "ph_15_30"]])
    assert "clay is a text field; its 7 values were read as numbers." in texts(events, Info)


def test_a_table_without_coordinates_gives_a_table_and_a_warning(job: StandardizeDepths) -> None:
    table = str(Path(job.horizons).with_name("table.csv"))
    pandas.DataFrame(HORIZONS, columns=COLUMNS).to_csv(table, index=False)
    _, events = done(replace(job, horizons=table))
    assert "geometry" not in rows_of(job.output).columns
    assert len(rows_of(job.problems)) == 1
    assert "'table' has no points, so the result is a table" in texts(events, Warning)[-1]


def test_decimal_commas_in_text_are_read(job: StandardizeDepths) -> None:
    rows = [("s2", "", "", "", "0", "12,5", "10,25", 6.0), ("s2", "", "", "", "12,5", "30", "20,5", 6.0)]
    write(Path(job.horizons), rows)
    done(replace(job, intervals=((0, 12.5), (12.5, 30)), smoothing=0.0))
    assert rows_of(job.output).loc[0, ["clay_0_12.5", "clay_12.5_30"]].tolist() == pytest.approx([10.25, 20.5])


def test_profiles_at_several_points_are_warned_of(job: StandardizeDepths) -> None:
    frame = geopandas.read_file(job.horizons)
    frame.loc[2, "geometry"] = Point(500, 130)
    frame.to_file(job.horizons)
    _, events = done(job)
    assert rows_of(job.output).geometry[0] == Point(500, 100)
    assert "1 of 3 profiles have horizons at different points, up to 30 m apart" in texts(events, Warning)[-1]


def test_profiles_of_one_horizon_each_are_warned_of(job: StandardizeDepths) -> None:
    write(Path(job.horizons), [row for row in HORIZONS if row[3] == "A"])
    _, events = done(job)
    assert "Each of the 2 profiles has one horizon" in texts(events, Warning)[0]


@pytest.mark.parametrize(
    ("factor", "says"), [(0.01, "in metres, multiply them by 100"), (10, "in millimetres, divide")]
)
def test_limits_in_another_unit_are_warned_of(job: StandardizeDepths, factor: float, says: str) -> None:
    write(
        Path(job.horizons),
        [(*row[:4], row[4] * factor, row[5] * factor, *row[6:]) for row in HORIZONS if row[3] != "O"],
    )
    _, events = done(job)
    assert any(says in text for text in texts(events, Warning))


def test_values_far_from_all_others_are_warned_of(job: StandardizeDepths) -> None:
    rows = [("s2", "", "", "", 10 * i, 10 * i + 10, -9999.0 if i == 7 else 20.0 + i, 6.0) for i in range(15)]
    write(Path(job.horizons), rows)
    _, events = done(job)
    assert (
        "clay: 1 of 15 values lie far from all others (-9999; the others reach from 20 to 34)"
        in texts(events, Warning)[0]
    )


def test_thousands_of_horizons_in_one_profile_are_no_obstacle(job: StandardizeDepths) -> None:
    rng = np.random.default_rng(2)
    top = rng.uniform(0, 150, 3000)
    rows = [
        ("s2", "", "", "", t, t + h, c, 6.0) for t, h, c in zip(top, rng.uniform(1, 30, 3000), rng.normal(20, 5, 3000))
    ]
    write(Path(job.horizons), rows)
    outputs, _ = done(job)
    assert (outputs["count"], outputs["problem_count"]) == (1, 3000)
    assert rows_of(job.output)["clay_30_60"][0] == pytest.approx(20, abs=0.5)


def test_mistakes_are_told_and_leave_nothing(job: StandardizeDepths) -> None:
    folder = Path(job.output).parent
    refused("value designation of 'horizonte' .* not numbers", replace(job, values=(SoilProperty("designation"),)))
    refused("no field 'depth', which is chosen as upper limit", replace(job, upper="depth"))
    refused("'nowhere' is not a CRS", replace(job, horizons=table_of(folder), x="x", y="y", crs="nowhere"))
    (folder / "table.csv").unlink()
    only_organic = [row[:7] + (None,) if row[3] != "O" else row for row in HORIZONS]
    write(Path(job.horizons), only_organic)
    refused("No horizon of 'horizonte' that can be used has a value of ph", job)
    frame = geopandas.read_file(job.horizons)
    frame["geometry"] = [Polygon([(0, 0), (1, 0), (1, 1)])] * len(frame)
    frame["ph"] = 6.0
    frame.to_file(job.horizons)
    refused("'horizonte' hold a Polygon", job)


def table_of(folder: Path) -> str:
    path = folder / "table.csv"
    pandas.DataFrame(HORIZONS, columns=COLUMNS).assign(x=1.0, y=2.0).to_csv(path, index=False)
    return str(path)
