"""Extract patches of soil data as they are: from a layer of any targets to the patch file, and what the log tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from shapely import Point

from soil_cnn_plugin.contract.events import Event, Info, Warning
from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.jobs.extract_patches import run
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report

RNG = np.random.default_rng(9)
COUNT = 60
PIXELS = RNG.choice(40 * 50, COUNT, replace=False)
XY = np.column_stack([1005 + PIXELS % 50 * 10, 1995 - PIXELS // 50 * 10])


@pytest.fixture
def extract(tmp_path: Path) -> Any:
    """Runs the job on a layer of these columns; gives the job, its outputs, and the texts of infos and warnings."""
    path = str(tmp_path / "höhe.tif")
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=40, width=50, dtype="float32", crs="EPSG:28992", nodata=-9999,
        transform=rasterio.Affine(10, 0, 1000, 0, -10, 2000),
    ) as dataset:  # fmt: skip
        values = RNG.normal(50, 10, (40, 50)).astype(np.float32)
        values[:, :5] = -9999
        dataset.write(values, 1)

    def make(columns: dict[str, Any], *fields: str, xy: Any = XY, **changes: Any) -> Any:
        layer = tmp_path / "Böden.gpkg"
        geopandas.GeoDataFrame(columns, geometry=[Point(each) for each in xy], crs="EPSG:28992").to_file(layer)
        job = ExtractPatches(
            observations=str(layer),
            targets=tuple(SoilProperty(field) for field in fields),
            covariates=(Covariate(path, "höhe"),),
            patches=str(tmp_path / "patches.h5"),
            dropped=str(tmp_path / "dropped.gpkg"),
            patch_size=5,
        )
        events: list[Event] = []
        job = replace(job, **changes)
        outputs = run(job, Report(events.append))
        return (
            job,
            outputs,
            [event.text for event in events if isinstance(event, Info)],
            [event.text for event in events if isinstance(event, Warning)],
        )

    return make


def test_depths_are_told_because_a_name_may_end_in_other_numbers(extract: Any) -> None:
    values = np.arange(COUNT) / 10 + 1
    _, _, infos, _ = extract({"ph_1_5": values, "clay_0_2.5": values}, "ph_1_5", "clay_0_2.5")
    (told,) = [text for text in infos if text.startswith("Depths")]
    assert told.startswith("Depths are read from the names of fields: ph_1_5 (1-5 cm), clay_0_2.5 (0-2.5 cm). Rename")
    _, _, infos, _ = extract({"ph": values}, "ph")
    assert not [text for text in infos if text.startswith("Depths")]


IS_BLIND = XY[:, 0] < 1050


def test_limits_errors_and_weights_reach_the_patch_file(extract: Any) -> None:
    copper = ["<1" if i % 3 == 0 else str(i + 2) for i in range(COUNT)]
    columns = {
        "copper": copper,
        "clay": np.where(np.arange(COUNT) % 2, np.nan, np.arange(COUNT) + 5.0),
        "copper_sd": np.full(COUNT, 0.5),
        "clay_dl": np.where(np.arange(COUNT) % 2, np.nan, 9.0),
        "w": np.where(np.arange(COUNT) == 4, 0.0, 2.0),
    }
    job, outputs, infos, warnings = extract(
        columns, "copper", "clay", detection_limits=("clay_dl",), errors=("copper_sd",), weight="w"
    )
    used = np.flatnonzero(~IS_BLIND & (np.arange(COUNT) != 4))
    with PatchFile(job.patches) as file:
        order = np.argsort(file.ids)
        assert (file.ids[order] - 1).tolist() == used.tolist()
        assert file.is_censored[order, 0].tolist() == (used % 3 == 0).tolist()
        assert file.values[order, 0].tolist() == np.where(used % 3 == 0, 1, used + 2).tolist()
        assert (file.errors[:, 0] == 0.5).all() and (file.errors[:, 1] == 0).all()
        assert np.flatnonzero(file.is_censored[order, 1]).tolist() == np.flatnonzero(np.isin(used, [0, 2])).tolist()
        assert file.weights.tolist() == [1.0] * len(used)
        assert file.provenance["detection_limits"] == "clay_dl"
        assert (file.provenance["errors"], file.provenance["weight"]) == ("copper_sd", "w")
    reasons = pyogrio.read_dataframe(job.dropped)["reason"].value_counts().to_dict()
    assert reasons == {"in a pixel without data of höhe": IS_BLIND.sum(), "of weight 0 in w": 1}
    assert outputs["count"] + outputs["dropped_count"] == COUNT
    assert "copper: 20 of 60 values (33%) lie below their detection limit (1)." in " ".join(infos)
    assert len(warnings) == 1 and "observations are dropped" in warnings[0]


def test_classes_reach_the_patch_file_by_name(extract: Any) -> None:
    types = np.where(np.arange(COUNT) % 2, "Löss", "Moor").astype(object)
    types[np.flatnonzero(IS_BLIND)] = "Aue"  # a class that is lost where the covariate has no data
    types[np.flatnonzero(~IS_BLIND)[:2]] = "Fels"
    assert IS_BLIND.sum() > 5
    job, _, infos, warnings = extract({"type": types}, "type")
    with PatchFile(job.patches) as file:
        names = file.words.classes["type"]
        assert names == ("Löss", "Moor") and len(file.words.classes) == 1
        assert [names[int(number)] for number in file.values[:, 0]] == types[file.ids - 1].tolist()
        counts = np.bincount(file.values[:, 0].astype(int)).tolist()
    assert f"2 classes: Löss {counts[0]}, Moor {counts[1]}." in infos
    assert any("covariates have no data: Aue 0." in text for text in warnings)
    assert any(text.startswith("Classes of at most 5 observations are dropped, and") for text in warnings)
    assert set(pyogrio.read_dataframe(job.dropped)["reason"]) == {
        "of a class with at most 5 observations",
        "in a pixel without data of höhe",
    }


def test_parts_of_a_whole_reach_the_patch_file_closed_and_with_their_unit(extract: Any) -> None:
    sand, clay = np.linspace(100, 500, COUNT), np.linspace(300, 100, COUNT)
    columns = {"sand": sand, "silt": 1000 - sand - clay + 4, "clay": clay, "ph": np.linspace(4, 7, COUNT)}
    parts = ("sand", "silt", "clay")
    job, _, _, warnings = extract(columns, *columns, composition=parts)
    with PatchFile(job.patches) as file:
        assert file.words.compositions == (parts,)
        assert [target.unit for target in file.targets] == ["g/kg", "g/kg", "g/kg", ""]
        np.testing.assert_allclose(file.values[:, :3].sum(axis=1), 1000)
        np.testing.assert_allclose(file.values[:, 0], sand[file.ids - 1] / 1.004)
    assert not [text for text in warnings if "sum to" in text]


def test_averaged_duplicates_are_counted_once(extract: Any) -> None:
    xy = np.vstack([XY[~IS_BLIND], XY[~IS_BLIND][:1] + 1])
    ph = np.arange(len(xy)) / 10 + 4
    job, outputs, infos, _ = extract({"ph": ph}, "ph", xy=xy, duplicates="average")
    assert (outputs["count"], outputs["dropped_count"]) == (len(xy) - 1, 0)
    assert any(f"{len(xy)} become {len(xy) - 1}." in text for text in infos)
    with PatchFile(job.patches) as file:
        assert file.values[file.ids == 1, 0].tolist() == [pytest.approx((ph[0] + ph[-1]) / 2)]
        assert file.provenance["duplicates"] == "average"
